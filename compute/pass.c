#include "compute/pass.h"

#include <stdlib.h>

#include "compute/program.h"

extern const char compute_source_prelude[];

enum { PASS_BLOCK = 16 }; /* samples or pixels of a work-item (prelude.cl) */

static char *stage_source(const Stage *stage)
{
    Text text = {0};

    text_add_string(&text, compute_source_prelude);
    text_add_string(&text, stage->source);
    return text_take(&text);
}

static char *stage_options(const Stage *stage)
{
    const Pass *pass = &stage->pass;
    Text text = {0};

    text_add_format(&text,
                    "-cl-std=CL1.2 -DIN_T=%s -DOUT_T=%s -DCHANNELS=%d -DOUT_CHANNELS=%d -DDEPTH=%d",
                    sample_name(pass->in), sample_name(pass->out), pass->in_channels,
                    pass->out_channels, stage->depth);
    if (pass->defines[0] != '\0')
        text_add_format(&text, " %s", pass->defines);
    return text_take(&text);
}

static int make_table(PassProgram *program, const Device *device, const Pass *pass, Error *error)
{
    static int32_t zero[1];
    size_t count = pass->table == NULL ? 1 : (size_t)pass->table_count;
    cl_int code;

    program->table =
        clCreateBuffer(device->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                       count * sizeof zero[0], pass->table == NULL ? zero : pass->table, &code);
    return code == CL_SUCCESS ? 0 : opencl_fail(device, "no memory for a table", code, error);
}

int pass_open(PassProgram *program, Device *device, const Stage *stage, Error *error)
{
    char *source = stage_source(stage), *options = stage_options(stage);

    *program = (PassProgram){.unit = stage->pass.unit};
    program->kernel = program_kernel(device, source, options, stage->pass.kernel, error);
    free(source);
    free(options);
    if (program->kernel == NULL)
        return -1;
    return make_table(program, device, &stage->pass, error);
}

void pass_close(PassProgram *program)
{
    if (program->table != NULL)
        clReleaseMemObject(program->table);
    *program = (PassProgram){0};
}

bool pass_is_ready(const Device *device, const Stage *stage)
{
    char *source = stage_source(stage), *options = stage_options(stage);
    bool ready = program_is_ready(device, source, options);

    free(source);
    free(options);
    return ready;
}

static cl_int set_window(cl_kernel kernel, cl_uint index, const Window *window, int64_t row)
{
    cl_int origin = (cl_int)window_origin(window, row), stride = (cl_int)window->stride;

    return clSetKernelArg(kernel, index, sizeof(cl_mem), &window->memory) |
           clSetKernelArg(kernel, index + 1, sizeof origin, &origin) |
           clSetKernelArg(kernel, index + 2, sizeof stride, &stride);
}

/* Always the same work-group and no offset: a driver may compile a variant for each. */
int pass_run(const PassProgram *program, const Device *device, const Window *from, const Window *to,
             int64_t count, Error *error)
{
    int64_t length = program->unit == UNIT_SAMPLES ? to->width * to->channels : to->width;
    size_t group = (size_t)device->group;
    size_t blocks = (size_t)(length + PASS_BLOCK - 1) / PASS_BLOCK;
    size_t local[2] = {group, 1};
    size_t global[2] = {(blocks + group - 1) / group * group, (size_t)count};
    cl_int code = set_window(program->kernel, 0, from, to->end);

    code |= set_window(program->kernel, 3, to, to->end);
    code |= clSetKernelArg(program->kernel, 6, sizeof(cl_mem), &program->table);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(device->queue, program->kernel, 2, NULL, global, local, 0,
                                      NULL, NULL);
    return code == CL_SUCCESS ? 0 : opencl_fail(device, "a kernel cannot be run", code, error);
}
