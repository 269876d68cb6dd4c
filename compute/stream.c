/* A stream is a row of windows with a stage between each and the next: stage i reads window i and
 * writes window i + 1; the host writes the first window and reads the last. Rows move as far as
 * they can whenever the host has put some: each stage makes as many rows as its input's halo allows
 * and its output has room for, until nothing moves any more. */
#include "compute/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compute/chain.h"
#include "compute/compiler.h"
#include "compute/pass.h"
#include "compute/program.h"
#include "compute/window.h"

enum { BAND_BYTES_CPU = 256 << 10, BAND_BYTES_GPU = 16 << 20 };

struct Stream {
    Device *device;
    const Pipeline *pipeline;
    int64_t band_bytes;
    int band_rows;
    Chain chain;          /* of chain.in, which has 0 channels before the first image */
    PassProgram *program; /* one a stage */
    Window *window;       /* chain.count + 1 */
    int windows;
    Frame frame;
    int64_t offered; /* rows that stream_input gave and that were not pushed */
    int64_t popped;  /* the next result row for the host */
    bool kept;       /* the programs of this chain are in the cache */
    Error failure;   /* of a function that cannot say so; stream_push does */
};

Stream *stream_open(Device *device, const Pipeline *pipeline, int64_t band_bytes, int band_rows,
                    Error *error)
{
    Stream *stream;

    if (band_bytes < 0 || band_rows < 0) {
        error_set(error, ERROR_USAGE, "a band cannot have %lld bytes or %d rows",
                  (long long)band_bytes, band_rows);
        return NULL;
    }
    stream = memory_need(sizeof *stream);
    stream->device = device;
    stream->pipeline = pipeline;
    stream->band_bytes = band_bytes;
    stream->band_rows = band_rows;
    return stream;
}

/* drop_chain releases what was made for one row format. */
static void drop_chain(Stream *stream)
{
    for (int i = 0; i < stream->windows; i++)
        window_close(&stream->window[i]);
    for (int i = 0; i < stream->chain.count; i++)
        pass_close(&stream->program[i]);
    free(stream->window);
    free(stream->program);
    stream->window = NULL;
    stream->program = NULL;
    stream->windows = 0;
    chain_free(&stream->chain);
}

void stream_close(Stream *stream)
{
    if (stream == NULL)
        return;
    drop_chain(stream);
    free(stream);
}

/* --- the chain for a row format --- */

static bool same_format(RowFormat a, RowFormat b)
{
    return a.channels == b.channels && a.depth == b.depth && a.premultiplied == b.premultiplied;
}

/* Programs that were never built on this machine are built by the compiler process, which leaves
 * them in the caches; without one, or if it fails, pass_open builds them. */
static void compile_missing(Stream *stream)
{
    for (int i = 0; i < stream->chain.count; i++) {
        if (!pass_is_ready(stream->device, &stream->chain.stage[i])) {
            compiler_build(stream->device->compiler, pipeline_text(stream->pipeline),
                           stream->chain.in);
            return;
        }
    }
}

static int set_format(Stream *stream, RowFormat format, Error *error)
{
    if (same_format(stream->chain.in, format))
        return 0;
    drop_chain(stream);
    if (chain_build(&stream->chain, stream->pipeline, format, error) != 0)
        return -1;
    stream->kept = false;
    stream->windows = stream->chain.count + 1;
    stream->window = memory_need((size_t)stream->windows * sizeof *stream->window);
    stream->program = memory_need((size_t)stream->windows * sizeof *stream->program);
    compile_missing(stream);
    for (int i = 0; i < stream->chain.count; i++) {
        if (pass_open(&stream->program[i], stream->device, &stream->chain.stage[i], error) != 0) {
            drop_chain(stream);
            return -1;
        }
    }
    return 0;
}

/* --- an image --- */

static int check_frame(const Frame *frame, Error *error)
{
    RowFormat format = frame->format;

    if (format.channels < 1 || format.channels > 4 || (format.depth != 8 && format.depth != 16) ||
        format.premultiplied)
        return error_set(error, ERROR_INPUT, "rows of %d channels of %d bits cannot be processed",
                         format.channels, format.depth);
    if (frame->width < 1 || frame->height < 1 || frame->row_count < 1 || frame->first_row < 0 ||
        frame->first_row + frame->row_count > frame->height)
        return error_set(error, ERROR_INPUT, "rows %lld to %lld of an image of %lld x %lld",
                         (long long)frame->first_row,
                         (long long)(frame->first_row + frame->row_count - 1),
                         (long long)frame->width, (long long)frame->height);
    return 0;
}

/* The band's rows are those whose widest form fills band_bytes. */
static int64_t band_height(const Stream *stream)
{
    const Chain *chain = &stream->chain;
    int64_t sample = (int64_t)chain->in.channels * chain->in.depth / 8;
    int64_t bytes = stream->band_bytes;

    if (stream->band_rows > 0)
        return stream->band_rows;
    if (bytes == 0)
        bytes = stream->device->gpu ? BAND_BYTES_GPU : BAND_BYTES_CPU;
    for (int i = 0; i < chain->count; i++) {
        const Pass *pass = &chain->stage[i].pass;

        if (pass->out_channels * sample_size(pass->out) > sample)
            sample = (int64_t)pass->out_channels * sample_size(pass->out);
    }
    bytes /= sample * stream->frame.width;
    return bytes > 0 ? bytes : 1;
}

static WindowShape shape_window(const Stream *stream, int index)
{
    const Chain *chain = &stream->chain;
    const Frame *frame = &stream->frame;
    WindowShape shape = {
        .width = frame->width, .height = frame->height, .band = band_height(stream)};

    shape.channels = chain->in.channels;
    shape.sample = sample_of_depth(chain->in.depth);
    if (index > 0) {
        shape.channels = chain->stage[index - 1].pass.out_channels;
        shape.sample = chain->stage[index - 1].pass.out;
    }
    if (index < chain->count) {
        const Pass *pass = &chain->stage[index].pass;

        shape.halo_x = pass->halo_x;
        shape.halo_y = pass->halo_y;
        shape.border = pass->border;
        shape.from = stream->window[index + 1].low - pass->halo_y;
        shape.to = stream->window[index + 1].high + pass->halo_y;
    } else { /* at the image's bottom all the halos come out at once */
        shape.from = frame->first_row;
        shape.to = frame->first_row + frame->row_count;
        shape.spare = chain->halo;
    }
    return shape;
}

int stream_begin(Stream *stream, const Frame *frame, Error *error)
{
    stream->failure.kind = ERROR_NONE;
    if (check_frame(frame, error) != 0 || set_format(stream, frame->format, error) != 0)
        return -1;
    stream->frame = *frame;
    stream->offered = 0;
    stream->popped = frame->first_row;
    for (int i = stream->windows - 1; i >= 0; i--) {
        WindowShape shape = shape_window(stream, i);

        if (window_unmap(&stream->window[i], error) != 0 ||
            window_open(&stream->window[i], stream->device, &shape, error) != 0)
            return -1;
    }
    return 0;
}

int64_t stream_first_source_row(const Stream *stream)
{
    return stream->window[0].low;
}

RowFormat stream_output_format(const Stream *stream)
{
    return stream->chain.out;
}

/* --- rows --- */

/* needed_row: rows of window `index` before it have been used. */
static int64_t needed_row(const Stream *stream, int index)
{
    if (index == stream->chain.count)
        return stream->popped;
    return stream->window[index + 1].end - stream->chain.stage[index].pass.halo_y;
}

/* move_stage lets stage `index` make all the rows it can; *moved says how many. */
static int move_stage(Stream *stream, int index, int64_t *moved, Error *error)
{
    Window *from = &stream->window[index], *to = &stream->window[index + 1];
    int64_t count, room;

    *moved = 0;
    if (window_fill(from, error) != 0)
        return -1;
    count = (from->end < from->to ? from->end : from->to) - from->halo_y - to->end;
    if (!from->topped || count <= 0)
        return 0;
    if (window_room(to, needed_row(stream, index + 1), count, &room, error) != 0)
        return -1;
    if (count > room)
        count = room;
    if (count <= 0)
        return 0;
    if (pass_run(&stream->program[index], stream->device, from, to, count, error) != 0)
        return -1;
    *moved = count;
    return window_add(to, count, error);
}

/* A window that is full of border rows alone moves too: its consumer drops rows. */
static int move_rows(Stream *stream, Error *error)
{
    bool again = stream->chain.count > 0;

    while (again) {
        again = false;
        for (int i = 0; i < stream->chain.count; i++) {
            int64_t moved, room;

            if (window_room(&stream->window[i], needed_row(stream, i), 1, &room, error) != 0 ||
                move_stage(stream, i, &moved, error) != 0)
                return -1;
            again = again || moved > 0;
        }
    }
    return 0;
}

static Window *last_window(const Stream *stream)
{
    return &stream->window[stream->chain.count];
}

StreamRows stream_input(Stream *stream)
{
    Window *window = &stream->window[0];
    StreamRows rows = {.stride = (size_t)window->stride * (size_t)window->element};
    int64_t left = window->high - window->end, wanted, room;

    if (stream->failure.kind != ERROR_NONE || left <= 0)
        return rows;
    wanted = band_height(stream);
    if (wanted > left)
        wanted = left;
    if (window_unmap(last_window(stream), &stream->failure) != 0 ||
        window_unmap(window, &stream->failure) != 0 ||
        window_room(window, needed_row(stream, 0), wanted, &room, &stream->failure) != 0)
        return rows;
    rows.count = room < wanted ? room : wanted;
    if (rows.count <= 0)
        return (StreamRows){.stride = rows.stride};
    rows.data = window_map(window, window->end, rows.count, true, &stream->failure);
    if (rows.data == NULL)
        rows.count = 0;
    stream->offered = rows.count;
    return rows;
}

/* The programs are kept when every kernel has run, which a driver may need to have made them. */
static int keep_programs(Stream *stream, Error *error)
{
    cl_int code;

    if (stream->kept || last_window(stream)->end == last_window(stream)->low)
        return 0;
    stream->kept = true;
    code = clFinish(stream->device->queue);
    if (code != CL_SUCCESS)
        return opencl_fail(stream->device, "the kernels cannot be run", code, error);
    program_keep(stream->device);
    return 0;
}

int stream_push(Stream *stream, int64_t count, Error *error)
{
    Window *window = &stream->window[0];

    if (stream->failure.kind != ERROR_NONE) {
        *error = stream->failure;
        return -1;
    }
    if (count < 0 || count > stream->offered)
        return error_set(error, ERROR_SYSTEM, "%lld rows pushed where %lld were asked for",
                         (long long)count, (long long)stream->offered);
    stream->offered = 0;
    if (window_unmap(last_window(stream), error) != 0 || window_unmap(window, error) != 0 ||
        window_add(window, count, error) != 0 || move_rows(stream, error) != 0)
        return -1;
    return keep_programs(stream, error);
}

StreamRows stream_output(Stream *stream)
{
    Window *window = last_window(stream);
    StreamRows rows = {.stride = (size_t)window->stride * (size_t)window->element};
    int64_t count = window->end - stream->popped;

    if (stream->failure.kind != ERROR_NONE || count <= 0 ||
        window_unmap(window, &stream->failure) != 0)
        return rows;
    rows.data = window_map(window, stream->popped, count, false, &stream->failure);
    rows.count = rows.data == NULL ? 0 : count;
    return rows;
}

void stream_pop(Stream *stream, int64_t count)
{
    stream->popped += count;
    window_unmap(last_window(stream), &stream->failure);
}

bool stream_is_done(const Stream *stream)
{
    return stream->popped >= stream->frame.first_row + stream->frame.row_count;
}
