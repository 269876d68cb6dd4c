/* Megapixels a second of pipelines on one core: `operation [--device CHOICE] [--cache DIR] [WxHxC]
 * PIPELINE...`. Rows come from memory that was written before and go nowhere, so this is the
 * kernels and the moving of rows alone. The best of five runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "compute/stream.h"

enum { RUNS = 5 };

static int run_image(Stream *stream, const Frame *frame, Error *error)
{
    if (stream_begin(stream, frame, error) != 0)
        return -1;
    while (!stream_is_done(stream)) {
        StreamRows in = stream_input(stream);

        if (stream_push(stream, in.count, error) != 0)
            return -1;
        stream_pop(stream, stream_output(stream).count);
    }
    return 0;
}

/* fill_input writes noise where the stream keeps its input, which stays there from image to image.
 */
static int fill_input(Stream *stream, const Frame *frame, Error *error)
{
    uint32_t state = 1;

    if (stream_begin(stream, frame, error) != 0)
        return -1;
    for (StreamRows in = stream_input(stream); in.count > 0; in.count--) {
        unsigned char *row = (unsigned char *)in.data + (size_t)(in.count - 1) * in.stride;

        for (int64_t i = 0; i < frame->width * frame->format.channels; i++) {
            state = state * 1664525U + 1013904223U;
            row[i] = (unsigned char)(state >> 24);
        }
    }
    return 0;
}

static int measure(Device *device, const Frame *frame, const char *text, Error *error)
{
    Pipeline *pipeline = pipeline_parse(text, error);
    Stream *stream = pipeline == NULL ? NULL : stream_open(device, pipeline, 0, 0, error);
    int64_t best = INT64_MAX;
    int result = stream == NULL ? -1 : run_image(stream, frame, error);

    if (result == 0)
        result = fill_input(stream, frame, error);
    for (int run = 0; run < RUNS && result == 0; run++) {
        int64_t start = clock_monotonic_us(), time;

        result = run_image(stream, frame, error);
        time = clock_monotonic_us() - start;
        if (time < best)
            best = time;
    }
    if (result == 0)
        printf("%-40s %8.1f MP/s\n", text, (double)(frame->width * frame->height) / (double)best);
    stream_close(stream);
    pipeline_free(pipeline);
    return result;
}

int main(int count, char **arguments)
{
    Frame frame = {4096, 3072, {3, 8, false}, 0, 3072};
    DeviceOptions options = {0};
    Device *device = NULL;
    Error error;
    int result = 0;

    for (int i = 1; i < count && result == 0; i++) {
        long long width, height;
        int channels;

        if (strcmp(arguments[i], "--device") == 0 && i + 1 < count) {
            options.choose = arguments[++i];
            continue;
        }
        if (strcmp(arguments[i], "--cache") == 0 && i + 1 < count) {
            options.cache_dir = arguments[++i];
            continue;
        }
        if (sscanf(arguments[i], "%lldx%lldx%d", &width, &height, &channels) == 3) {
            frame = (Frame){width, height, {channels, 8, false}, 0, height};
            continue;
        }
        if (device == NULL)
            device = device_open(&options, &error);
        result = device == NULL ? -1 : measure(device, &frame, arguments[i], &error);
    }
    if (result != 0)
        fprintf(stderr, "operation: %s\n", error.message);
    device_close(device);
    return result == 0 ? 0 : error_exit_status(error.kind);
}
