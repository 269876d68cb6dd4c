#include "compute/chain.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compute/point.h"

enum { CHAIN_STEPS = 16 }; /* fused at most, so that no kernel grows without end */

/* What chain_build has in hand between two operations. */
typedef struct Builder {
    Chain *chain;
    PointRun run;     /* POINT steps not yet made into a stage */
    RowFormat format; /* of the rows behind the last step */
    int depth;        /* of straight rows: the source's */
} Builder;

int sample_size(SampleType type)
{
    static const int size[] = {
        [SAMPLE_U8] = 1, [SAMPLE_U16] = 2, [SAMPLE_S16] = 2, [SAMPLE_U32] = 4, [SAMPLE_S32] = 4};

    return size[type];
}

const char *sample_name(SampleType type)
{
    static const char *const name[] = {[SAMPLE_U8] = "uchar",
                                       [SAMPLE_U16] = "ushort",
                                       [SAMPLE_S16] = "short",
                                       [SAMPLE_U32] = "uint",
                                       [SAMPLE_S32] = "int"};

    return name[type];
}

SampleType sample_of_depth(int depth)
{
    return depth == 8 ? SAMPLE_U8 : SAMPLE_U16;
}

static bool has_alpha(RowFormat format)
{
    return format.channels % 2 == 0;
}

static Stage *add_stage(Chain *chain)
{
    chain->stage = memory_resize(chain->stage, (size_t)(chain->count + 1) * sizeof *chain->stage);
    chain->stage[chain->count] = (Stage){0};
    return &chain->stage[chain->count++];
}

static void free_plan(Plan *plan)
{
    free(plan->curve);
    for (int i = 0; i < OPERATION_PASSES; i++)
        free(plan->pass[i].table);
}

static int flush_run(Builder *builder, Error *error)
{
    if (builder->run.count == 0)
        return 0;
    return point_finish(&builder->run, builder->format, builder->depth, add_stage(builder->chain),
                        error);
}

static void open_run(Builder *builder)
{
    if (builder->run.count == 0)
        builder->run.in = builder->format;
}

/* convert brings the rows to straight or premultiplied ones. */
static void convert(Builder *builder, bool premultiplied)
{
    RowFormat *format = &builder->format;

    if (!has_alpha(*format) || format->premultiplied == premultiplied)
        return;
    open_run(builder);
    point_add_conversion(&builder->run, premultiplied ? STEP_PREMULTIPLY : STEP_STRAIGHTEN);
    format->premultiplied = premultiplied;
    format->depth = premultiplied ? 16 : builder->depth;
}

/* take_passes gives the plan's passes to the chain, each a stage. */
static int take_passes(Builder *builder, const Operation *operation, Plan *plan, Error *error)
{
    if (plan->pass_count == 0)
        return error_set(error, ERROR_SYSTEM, "operation '%s': its plan has no pass",
                         operation->name);
    if (flush_run(builder, error) != 0)
        return -1;
    for (int i = 0; i < plan->pass_count; i++) {
        Stage *stage = add_stage(builder->chain);

        stage->pass = plan->pass[i];
        stage->depth = builder->format.depth;
        stage->source = memory_copy_text(operation->source);
        plan->pass[i].table = NULL;
    }
    builder->format = plan->out;
    if (!builder->format.premultiplied && builder->format.depth > builder->depth) {
        open_run(builder);
        point_add_conversion(&builder->run, STEP_NARROW);
        builder->format.depth = builder->depth;
    }
    return 0;
}

static int add_plan(Builder *builder, const Operation *operation, const Arguments *arguments,
                    Error *error)
{
    Plan plan = {.out = builder->format};
    int result;

    result = operation->plan(arguments, builder->format, &plan, error);
    if (result == 0 && operation->class == POINT) {
        if (builder->run.count >= CHAIN_STEPS)
            result = flush_run(builder, error);
        open_run(builder);
        if (result == 0)
            result = point_add_plan(&builder->run, operation, &plan, error);
        builder->format = plan.out;
    } else if (result == 0) {
        result = take_passes(builder, operation, &plan, error);
    }
    free_plan(&plan);
    return result;
}

static int add_operation(Builder *builder, const Operation *operation, const Arguments *arguments,
                         Error *error)
{
    static const Arguments none;

    if (operation->luma && builder->format.channels >= 3) {
        convert(builder, false);
        if (add_plan(builder, operation_find("grayscale"), &none, error) != 0)
            return -1;
    }
    convert(builder, operation->alpha != ALPHA_KEEP);
    return add_plan(builder, operation, arguments, error);
}

int chain_build(Chain *chain, const Pipeline *pipeline, RowFormat in, Error *error)
{
    Builder builder = {.chain = chain, .format = in, .depth = in.depth};
    int result = 0;

    *chain = (Chain){.in = in};
    for (int i = 0; i < pipeline_length(pipeline) && result == 0; i++)
        result = add_operation(&builder, pipeline_operation(pipeline, i),
                               pipeline_arguments(pipeline, i), error);
    if (result == 0) {
        convert(&builder, false);
        result = flush_run(&builder, error);
    }
    point_free(&builder.run);
    chain->out = builder.format;
    for (int i = 0; i < chain->count; i++)
        chain->halo += chain->stage[i].pass.halo_y;
    if (result != 0)
        chain_free(chain);
    return result;
}

void chain_free(Chain *chain)
{
    for (int i = 0; i < chain->count; i++) {
        free(chain->stage[i].pass.table);
        free(chain->stage[i].source);
    }
    free(chain->stage);
    *chain = (Chain){0};
}
