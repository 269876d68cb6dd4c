#include "compute/window.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute/chain.h"
#include "compute/program.h"

extern const char compute_source_borders[];

enum {
    WINDOW_LINE = 64,   /* bytes of a cache line: where rows begin */
    WINDOW_PAGE = 4096, /* rows this far apart would compete for the same lines of the cache */
    WINDOW_BLOCK = 16,  /* samples or pixels of a work-item */
};

static int64_t round_up(int64_t value, int64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The last work-group of a row may write a whole group's pixels and read its halo beside them. */
static void lay_out(Window *window)
{
    int64_t line = WINDOW_LINE / window->element;
    int64_t halo = (int64_t)window->halo_x * window->channels;
    int64_t blocks = round_up(window->width, (int64_t)WINDOW_BLOCK * window->device->group);

    window->left = round_up(halo, line);
    window->stride = round_up(window->left + blocks * window->channels + halo, line);
    if (window->stride * window->element % WINDOW_PAGE == 0)
        window->stride += line;
}

static int reserve(Window *window, Error *error)
{
    int64_t elements = window->stride * window->capacity;
    size_t size = (size_t)elements * (size_t)window->element;
    cl_int code;

    if (elements > INT_MAX)
        return error_set(error, ERROR_INPUT,
                         "rows of %lld pixels are too long for this pipeline's window of %lld rows",
                         (long long)window->width, (long long)window->capacity);
    if (size <= window->memory_size)
        return 0;
    if (window->memory != NULL)
        clReleaseMemObject(window->memory);
    window->memory_size = 0;
    window->memory = clCreateBuffer(window->device->context,
                                    CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, size, NULL, &code);
    if (code != CL_SUCCESS) {
        window->memory = NULL;
        return opencl_fail(window->device, "no memory for a window of rows", code, error);
    }
    window->memory_size = size;
    return 0;
}

static int find_pad(Window *window, Error *error)
{
    static const char *const type[] = {[1] = "uchar", [2] = "ushort", [4] = "uint"};
    char options[64];

    window->pad = NULL;
    if (window->halo_x == 0)
        return 0;
    snprintf(options, sizeof options, "-cl-std=CL1.2 -DELEMENT=%s", type[window->element]);
    window->pad =
        program_kernel(window->device, compute_source_borders, options, "pad_columns", error);
    return window->pad == NULL ? -1 : 0;
}

/* Twice the halo stays when rows are dropped; as much again must lie before it, so that the copy
 * does not overlap. */
static void set_capacity(Window *window, const WindowShape *shape)
{
    int64_t needed = shape->band + shape->spare + 4 * (int64_t)shape->halo_y;

    window->capacity = largest(1, least(needed, window->to - window->from));
}

int window_open(Window *window, Device *device, const WindowShape *shape, Error *error)
{
    window->device = device;
    window->width = shape->width;
    window->height = shape->height;
    window->channels = shape->channels;
    window->element = sample_size(shape->sample);
    window->halo_x = shape->halo_x;
    window->halo_y = shape->halo_y;
    window->border = shape->border;
    window->from = shape->from;
    window->to = shape->to;
    window->low = largest(shape->from, 0);
    window->high = least(shape->to, shape->height);
    window->base = window->from;
    window->end = window->low;
    window->topped = window->from == window->low;
    set_capacity(window, shape);
    lay_out(window);
    if (find_pad(window, error) != 0)
        return -1;
    return reserve(window, error);
}

void window_close(Window *window)
{
    Error ignored;

    if (window->memory == NULL)
        return;
    window_unmap(window, &ignored);
    clReleaseMemObject(window->memory);
    *window = (Window){0};
}

int64_t window_origin(const Window *window, int64_t row)
{
    return (row - window->base) * window->stride + window->left;
}

/* --- rows --- */

static int copy_rows(Window *window, int64_t from, int64_t to, int64_t count, Error *error)
{
    size_t row = (size_t)window->stride * (size_t)window->element;
    cl_int code = clEnqueueCopyBuffer(
        window->device->queue, window->memory, window->memory, (size_t)(from - window->base) * row,
        (size_t)(to - window->base) * row, (size_t)count * row, 0, NULL, NULL);

    return code == CL_SUCCESS ? 0
                              : opencl_fail(window->device, "rows cannot be copied", code, error);
}

int window_room(Window *window, int64_t keep, int64_t wanted, int64_t *room, Error *error)
{
    int64_t kept;

    *room = window->capacity - (window->end - window->base);
    keep = least(largest(keep, window->base), window->end);
    kept = window->end - keep;
    if (*room >= wanted || kept > keep - window->base || keep == window->base)
        return 0;
    if (kept > 0 && copy_rows(window, keep, window->base, kept, error) != 0)
        return -1;
    window->base = keep;
    *room = window->capacity - kept;
    return 0;
}

static int pad_rows(Window *window, int64_t row, int64_t count, Error *error)
{
    static const size_t local[2] = {1, 1};
    size_t global[2] = {2, (size_t)count};
    cl_int number[6] = {(cl_int)window_origin(window, row),
                        (cl_int)window->stride,
                        (cl_int)window->width,
                        window->channels,
                        window->halo_x,
                        window->border == BORDER_REPLICATE};
    cl_int code = clSetKernelArg(window->pad, 0, sizeof(cl_mem), &window->memory);

    for (cl_uint i = 0; i < 6; i++)
        code |= clSetKernelArg(window->pad, i + 1, sizeof number[i], &number[i]);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(window->device->queue, window->pad, 2, NULL, global, local, 0,
                                      NULL, NULL);
    return code == CL_SUCCESS
               ? 0
               : opencl_fail(window->device, "columns cannot be padded", code, error);
}

int window_add(Window *window, int64_t count, Error *error)
{
    if (window->pad != NULL && count > 0 && pad_rows(window, window->end, count, error) != 0)
        return -1;
    window->end += count;
    return 0;
}

/* The row that the border shows at `row`. */
static int64_t border_row(const Window *window, int64_t row)
{
    int64_t last = window->height - 1;

    if (window->border == BORDER_REPLICATE || last == 0)
        return row < 0 ? 0 : least(row, last);
    row = llabs(row) % (2 * last);
    return row <= last ? row : 2 * last - row;
}

static int fill_top(Window *window, Error *error)
{
    int64_t needed =
        window->border == BORDER_REPLICATE ? 0 : least(-window->from, window->height - 1);

    if (window->end <= needed)
        return 0;
    for (int64_t row = window->from; row < 0; row++) {
        if (copy_rows(window, border_row(window, row), row, 1, error) != 0)
            return -1;
    }
    window->topped = true;
    return 0;
}

int window_fill(Window *window, Error *error)
{
    if (!window->topped && fill_top(window, error) != 0)
        return -1;
    if (!window->topped)
        return 0;
    while (window->end >= window->high && window->end < window->to &&
           window->end - window->base < window->capacity) {
        if (copy_rows(window, border_row(window, window->end), window->end, 1, error) != 0)
            return -1;
        window->end++;
    }
    return 0;
}

/* --- the host's view --- */

void *window_map(Window *window, int64_t row, int64_t count, bool write, Error *error)
{
    size_t bytes = (size_t)window->stride * (size_t)window->element;
    cl_int code;

    window->mapped = clEnqueueMapBuffer(window->device->queue, window->memory, CL_TRUE,
                                        write ? CL_MAP_WRITE_INVALIDATE_REGION : CL_MAP_READ,
                                        (size_t)(row - window->base) * bytes, (size_t)count * bytes,
                                        0, NULL, NULL, &code);
    if (code != CL_SUCCESS) {
        window->mapped = NULL;
        opencl_fail(window->device, "a window of rows cannot be mapped", code, error);
        return NULL;
    }
    window->mapped_row = row;
    return (char *)window->mapped + window->left * window->element;
}

int window_unmap(Window *window, Error *error)
{
    cl_int code;

    if (window->mapped == NULL)
        return 0;
    code = clEnqueueUnmapMemObject(window->device->queue, window->memory, window->mapped, 0, NULL,
                                   NULL);
    window->mapped = NULL;
    return code == CL_SUCCESS ? 0
                              : opencl_fail(window->device, "rows cannot be unmapped", code, error);
}
