/* compute/stream.h: a pipeline over rows. Rows of an image (or of a tile with its halo) are pushed
 * in, in order, and result rows are popped, in order; between them every pass keeps a sliding
 * window of the rows it still needs, so memory is O(width x (band + halo)) and no halo row is ever
 * computed twice.
 *
 *     stream_begin(stream, &frame, &error);
 *     while (!stream_is_done(stream)) {
 *         StreamRows in = stream_input(stream); // where source rows go, and how many
 *         // ... read in.count rows to in.data, in.stride bytes apart ...
 *         stream_push(stream, in.count, &error); // runs the kernels
 *         StreamRows out = stream_output(stream); // result rows that are ready, perhaps none
 *         // ... write out.count rows from out.data ...
 *         stream_pop(stream, out.count);
 *     }
 *
 * Fewer rows may be pushed and popped than were offered. What stream_input and stream_output gave
 * is valid until the next call of any function here.
 *
 * The result depends on the image alone, not on the band height, the tile or the device. */
#ifndef COMPUTE_STREAM_H
#define COMPUTE_STREAM_H

#include "compute/device.h"
#include "compute/pipeline.h"

typedef struct Stream Stream;

/* One image, and the rows of it to make. */
typedef struct Frame {
    int64_t width;
    int64_t height;    /* of the whole image: borders are the image's, never the tile's */
    RowFormat format;  /* of the source rows */
    int64_t first_row; /* result rows [first_row, first_row + row_count) */
    int64_t row_count;
} Frame;

typedef struct StreamRows {
    void *data;
    size_t stride; /* bytes */
    int64_t count;
} StreamRows;

/* A stream keeps buffers and built programs from image to image. It borrows device and pipeline.
 * band_bytes 0 lets the device decide; band_rows > 0 fixes the band height (tests). */
Stream *stream_open(Device *device, const Pipeline *pipeline, int64_t band_bytes, int band_rows,
                    Error *error);
void stream_close(Stream *stream);

int stream_begin(Stream *stream, const Frame *frame, Error *error);
int64_t stream_first_source_row(
    const Stream *stream); /* the first source row to push: first_row - halo, at least 0 */
RowFormat stream_output_format(const Stream *stream);
/* count is 0 when all source rows of the frame are in, and when results must be popped first. */
StreamRows stream_input(Stream *stream);
int stream_push(Stream *stream, int64_t count, Error *error);
StreamRows stream_output(Stream *stream);
void stream_pop(Stream *stream, int64_t count);
bool stream_is_done(const Stream *stream); /* every result row was popped */

/* Runs the known-answer test of every operation in the pipeline once on this device; ERROR_DEVICE
 * names the device, the driver and the operation that failed. */
int stream_check(Device *device, const Pipeline *pipeline, Error *error);

#endif
