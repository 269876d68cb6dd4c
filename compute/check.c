#include "compute/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Odd sizes, so that the last block of a row is not full; more rows than a halo. */
enum { PATTERN_WIDTH = 83, PATTERN_HEIGHT = 61, PATTERN_CHANNELS = 3 };

/* One row of the test pattern: a slope on the left, noise on the right, where a neighbour's
 * influence shows. */
static void draw_row(unsigned char *row, int64_t number)
{
    uint32_t state = (uint32_t)number * 2654435761U + 1;

    for (int x = 0; x < PATTERN_WIDTH; x++) {
        for (int channel = 0; channel < PATTERN_CHANNELS; channel++) {
            state = state * 1664525U + 1013904223U;
            row[x * PATTERN_CHANNELS + channel] =
                (unsigned char)(x < PATTERN_WIDTH / 3 ? x * 6 + number * 2 + channel * 40
                                                      : state >> 24);
        }
    }
}

static uint64_t hash_rows(uint64_t hash, StreamRows rows, size_t length)
{
    for (int64_t row = 0; row < rows.count; row++) {
        const unsigned char *byte = (unsigned char *)rows.data + (size_t)row * rows.stride;

        for (size_t i = 0; i < length; i++)
            hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int run_pattern(Stream *stream, uint64_t *hash, Error *error)
{
    Frame frame = {PATTERN_WIDTH, PATTERN_HEIGHT, {PATTERN_CHANNELS, 8, false}, 0, PATTERN_HEIGHT};
    int64_t next = 0;
    size_t length;

    *hash = UINT64_C(0xcbf29ce484222325);
    if (stream_begin(stream, &frame, error) != 0)
        return -1;
    length = (size_t)PATTERN_WIDTH * (size_t)stream_output_format(stream).channels;
    while (!stream_is_done(stream)) {
        StreamRows in = stream_input(stream), out;

        for (int64_t row = 0; row < in.count; row++)
            draw_row((unsigned char *)in.data + (size_t)row * in.stride, next++);
        if (stream_push(stream, in.count, error) != 0)
            return -1;
        out = stream_output(stream);
        *hash = hash_rows(*hash, out, length);
        stream_pop(stream, out.count);
    }
    return 0;
}

int check_operation(Device *device, const Operation *operation, uint64_t *hash, Error *error)
{
    Pipeline *pipeline = pipeline_parse(operation->name, error);
    Stream *stream = pipeline == NULL ? NULL : stream_open(device, pipeline, 0, 16, error);
    int result = stream == NULL ? -1 : run_pattern(stream, hash, error);

    stream_close(stream);
    pipeline_free(pipeline);
    return result;
}

static int check_one(Device *device, const Operation *operation, Error *error)
{
    uint64_t hash;

    if (check_operation(device, operation, &hash, error) != 0)
        return error_prefix(error, "known-answer test of '%s': ", operation->name);
    if (hash == operation->check)
        return 0;
    return error_set(
        error, ERROR_DEVICE,
        "device '%s' (%s) computes operation '%s' wrongly (%016llx, not %016llx); choose "
        "another device, or another version of its driver",
        device_name(device), device_driver(device), operation->name, (unsigned long long)hash,
        (unsigned long long)operation->check);
}

int stream_check(Device *device, const Pipeline *pipeline, Error *error)
{
    for (int i = 0; i < pipeline_length(pipeline); i++) {
        bool earlier = false;

        for (int k = 0; k < i && !earlier; k++)
            earlier = pipeline_operation(pipeline, k) == pipeline_operation(pipeline, i);
        if (!earlier && check_one(device, pipeline_operation(pipeline, i), error) != 0)
            return -1;
    }
    return 0;
}
