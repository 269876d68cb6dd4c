/* Applies pipelines to raw images, for the tests that hold operations against an oracle. Reads from
 * standard input, again and again, a line of fields between tabs
 *
 *     PIPELINE WIDTH HEIGHT CHANNELS DEPTH BAND_ROWS FIRST_ROW ROW_COUNT
 *
 * and the rows of the whole image (16 bits in host order), and answers with "OK CHANNELS DEPTH" and
 * the rows asked for, or with "ERROR message". BAND_ROWS 0 lets the device decide. Options:
 * --device CHOICE, --cache DIRECTORY. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compute/stream.h"

typedef struct Request {
    char *pipeline;
    Frame frame;
    int band_rows;
    char *image;
    size_t row_bytes;
} Request;

/* read_request: 1 when there is one, 0 at the end of the input, -1 when it is broken. */
static int read_request(Request *request)
{
    static char *line;
    static size_t room;
    Frame *frame = &request->frame;
    char *fields;
    size_t size;

    if (getline(&line, &room, stdin) <= 0)
        return 0;
    fields = strchr(line, '\t');
    if (fields == NULL)
        return -1;
    *fields++ = '\0';
    if (sscanf(fields, "%" SCNd64 " %" SCNd64 " %d %d %d %" SCNd64 " %" SCNd64, &frame->width,
               &frame->height, &frame->format.channels, &frame->format.depth, &request->band_rows,
               &frame->first_row, &frame->row_count) != 7)
        return -1;
    request->pipeline = line;
    request->row_bytes =
        (size_t)(frame->width * frame->format.channels * (frame->format.depth / 8));
    size = request->row_bytes * (size_t)frame->height;
    request->image = memory_need(size + 1);
    return fread(request->image, 1, size, stdin) == size ? 1 : -1;
}

/* take_rows copies what is ready to `*to` and moves it on. */
static void take_rows(Stream *stream, char **to, size_t bytes)
{
    StreamRows out = stream_output(stream);

    for (int64_t row = 0; row < out.count; row++, *to += bytes)
        memcpy(*to, (char *)out.data + (size_t)row * out.stride, bytes);
    stream_pop(stream, out.count);
}

static int run(Stream *stream, const Request *request, char **result, size_t *length, Error *error)
{
    RowFormat format;
    size_t bytes;
    int64_t next;
    char *to;

    if (stream_begin(stream, &request->frame, error) != 0)
        return -1;
    format = stream_output_format(stream);
    bytes = (size_t)(request->frame.width * format.channels * (format.depth / 8));
    *length = bytes * (size_t)request->frame.row_count;
    *result = to = memory_need(*length);
    next = stream_first_source_row(stream);
    while (!stream_is_done(stream)) {
        StreamRows in = stream_input(stream);

        for (int64_t row = 0; row < in.count; row++)
            memcpy((char *)in.data + (size_t)row * in.stride,
                   request->image + (size_t)next++ * request->row_bytes, request->row_bytes);
        if (stream_push(stream, in.count, error) != 0)
            return -1;
        take_rows(stream, &to, bytes);
    }
    return 0;
}

static void answer(Device *device, const Request *request)
{
    Error error;
    Pipeline *pipeline = pipeline_parse(request->pipeline, &error);
    Stream *stream =
        pipeline == NULL ? NULL : stream_open(device, pipeline, 0, request->band_rows, &error);
    char *result = NULL;
    size_t length = 0;

    if (stream == NULL || run(stream, request, &result, &length, &error) != 0) {
        printf("ERROR %s\n", error.message);
    } else {
        printf("OK %d %d\n", stream_output_format(stream).channels,
               stream_output_format(stream).depth);
        fwrite(result, 1, length, stdout);
    }
    fflush(stdout);
    free(result);
    stream_close(stream);
    pipeline_free(pipeline);
}

int main(int count, char **arguments)
{
    DeviceOptions options = {0};
    Device *device;
    Error error;
    int got;

    for (int i = 1; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--device") == 0)
            options.choose = arguments[i + 1];
        else if (strcmp(arguments[i], "--cache") == 0)
            options.cache_dir = arguments[i + 1];
    }
    device = device_open(&options, &error);
    if (device == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 70;
    }
    do {
        Request request = {0};

        got = read_request(&request);
        if (got > 0)
            answer(device, &request);
        free(request.image);
    } while (got > 0);
    device_close(device);
    return got == 0 ? 0 : 65;
}
