#include "compute/point.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

extern const char compute_source_point[];

enum { MATRIX_NUMBERS = 12 };

static Step *add_step(PointRun *run, StepKind kind)
{
    Step *step;

    run->step = memory_resize(run->step, (size_t)(run->count + 1) * sizeof *run->step);
    step = &run->step[run->count++];
    *step = (Step){.kind = kind};
    return step;
}

/* add_curve: behind another curve, the two are one: later[earlier[v]]. */
static int add_curve(PointRun *run, const uint16_t *curve, int depth, Error *error)
{
    int levels = 1 << depth;
    Step *step = run->count > 0 ? &run->step[run->count - 1] : NULL;

    if (step != NULL && step->kind == STEP_CURVE) {
        for (int level = 0; level < levels; level++)
            step->table[level] = curve[step->table[level]];
        return 0;
    }
    step = add_step(run, STEP_CURVE);
    step->table = memory_try((size_t)levels, sizeof *step->table, "a curve", error);
    if (step->table == NULL)
        return -1;
    step->table_count = levels;
    for (int level = 0; level < levels; level++)
        step->table[level] = curve[level];
    return 0;
}

static void add_matrix(PointRun *run, const Plan *plan)
{
    Step *step = add_step(run, plan->out.channels < 3 ? STEP_GREY : STEP_MATRIX);

    step->table = memory_need(sizeof plan->matrix);
    step->table_count = MATRIX_NUMBERS;
    memcpy(step->table, plan->matrix, sizeof plan->matrix);
}

static void add_code(PointRun *run, const Operation *operation, Pass *pass)
{
    Step *step = add_step(run, STEP_CODE);

    step->operation = operation;
    step->table = pass->table;
    step->table_count = pass->table_count;
    pass->table = NULL;
}

int point_add_plan(PointRun *run, const Operation *operation, Plan *plan, Error *error)
{
    switch (plan->form) {
    case POINT_CURVE:
        return add_curve(run, plan->curve, plan->out.depth, error);
    case POINT_MATRIX:
        add_matrix(run, plan);
        return 0;
    case POINT_CODE:
        add_code(run, operation, &plan->pass[0]);
        return 0;
    case POINT_NONE:
        break;
    }
    return error_set(error, ERROR_SYSTEM, "operation '%s': its plan has no point form",
                     operation->name);
}

void point_add_conversion(PointRun *run, StepKind kind)
{
    add_step(run, kind);
}

/* --- the kernel --- */

static void write_step(Text *text, const Step *step, int offset)
{
    static const char *const function[] = {
        [STEP_CURVE] = "curve",
        [STEP_MATRIX] = "matrix",
        [STEP_GREY] = "grey",
        [STEP_PREMULTIPLY] = "premultiply",
        [STEP_STRAIGHTEN] = "straighten",
        [STEP_NARROW] = "narrow",
    };

    if (step->kind == STEP_CODE)
        text_add_format(text, "    p = point_%s(p, table + %d);\n", step->operation->name, offset);
    else if (step->table_count > 0)
        text_add_format(text, "    p = apply_%s(p, table + %d);\n", function[step->kind], offset);
    else
        text_add_format(text, "    p = apply_%s(p);\n", function[step->kind]);
}

/* write_functions adds the text of each operation with code of its own, once. */
static void write_functions(Text *text, const PointRun *run)
{
    for (int i = 0; i < run->count; i++) {
        bool earlier = run->step[i].kind != STEP_CODE;

        for (int k = 0; k < i && !earlier; k++)
            earlier = run->step[k].operation == run->step[i].operation;
        if (!earlier)
            text_add_string(text, run->step[i].operation->source);
    }
}

/* One curve alone over rows without alpha takes samples as they come. */
static bool is_plain_curve(const PointRun *run, RowFormat out)
{
    return run->count == 1 && run->step[0].kind == STEP_CURVE && run->in.channels % 2 == 1 &&
           run->in.channels == out.channels;
}

/* True when no step makes colour of grey: r, g and b are the same from load to store. */
static bool is_grey_only(const PointRun *run)
{
    for (int i = 0; i < run->count; i++) {
        if (run->step[i].kind == STEP_MATRIX || run->step[i].kind == STEP_CODE)
            return false;
    }
    return run->in.channels < 3;
}

static void write_kernel(Text *text, const PointRun *run, RowFormat out)
{
    int offset = 0;

    if (is_plain_curve(run, out)) {
        text_add_string(text,
                        "PASS_KERNEL(point)\n{\n"
                        "    store_samples(to_out(look_up(table, load_int16(SOURCE_SAMPLES))), "
                        "TARGET_SAMPLES);\n}\n");
        return;
    }
    text_add_format(text, "#define GREY_ONLY %d\n", is_grey_only(run));
    text_add_string(text, compute_source_point);
    write_functions(text, run);
    text_add_string(text, "PASS_KERNEL(point)\n{\n    Pixels p = load_pixels(SOURCE_PIXELS);\n\n");
    for (int i = 0; i < run->count; i++) {
        write_step(text, &run->step[i], offset);
        offset += run->step[i].table_count;
    }
    text_add_string(text, "    store_pixels(p, TARGET_PIXELS);\n}\n");
}

static int join_tables(const PointRun *run, Pass *pass, Error *error)
{
    int at = 0;

    for (int i = 0; i < run->count; i++)
        pass->table_count += run->step[i].table_count;
    if (pass->table_count == 0)
        return 0;
    pass->table =
        memory_try((size_t)pass->table_count, sizeof *pass->table, "the tables of a pass", error);
    if (pass->table == NULL)
        return -1;
    for (int i = 0; i < run->count; i++) {
        const Step *step = &run->step[i];

        if (step->table_count > 0)
            memcpy(pass->table + at, step->table, (size_t)step->table_count * sizeof *step->table);
        at += step->table_count;
    }
    return 0;
}

int point_finish(PointRun *run, RowFormat out, int depth, Stage *stage, Error *error)
{
    Text text = {0};

    *stage = (Stage){.depth = depth};
    stage->pass = (Pass){
        .kernel = "point",
        .unit = is_plain_curve(run, out) ? UNIT_SAMPLES : UNIT_PIXELS,
        .in_channels = run->in.channels,
        .out_channels = out.channels,
        .in = sample_of_depth(run->in.depth),
        .out = sample_of_depth(out.depth),
    };
    if (join_tables(run, &stage->pass, error) != 0)
        return -1;
    write_kernel(&text, run, out);
    stage->source = text_take(&text);
    point_free(run);
    return 0;
}

void point_free(PointRun *run)
{
    for (int i = 0; i < run->count; i++)
        free(run->step[i].table);
    free(run->step);
    *run = (PointRun){0};
}
