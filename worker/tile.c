/* A tile's rows go from the decoder through the stream to the encoder, a band at a time; nothing
 * here holds more than the stream does. */
#include "worker/tile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

StoreImage tile_store_image(const TileWork *work)
{
    const QueueJob *record = &work->job->record;
    const QueueImage *image = work->image;

    return (StoreImage){.root = image->root >= 0 && image->root < record->root_count
                                    ? record->roots[image->root]
                                    : "/nonexistent",
                        .path = image->path,
                        .result = image->result,
                        .number = image->number};
}

ImageLimits tile_limits(const Config *config)
{
    return (ImageLimits){.max_pixels = config->limits.max_pixels,
                         .max_side = config->limits.max_side,
                         .max_scans = config->limits.max_scans,
                         .max_coefficient_bytes = config->limits.max_coefficients,
                         .max_metadata_bytes = config->limits.max_metadata_bytes};
}

static int tile_result_kind(const TileWork *work, ImageKind source, ImageKind *kind, Error *error)
{
    static const struct {
        const char *format;
        ImageKind kind;
    } formats[] = {{"jpeg", IMAGE_JPEG}, {"png", IMAGE_PNG}};
    const char *format = work->job->record.format;

    *kind = source;
    if (strcmp(format, "keep") == 0)
        return 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(format, formats[i].format) == 0) {
            *kind = formats[i].kind;
            return 0;
        }
    return error_set(error, ERROR_USAGE, "this worker knows no format '%s'", format);
}

void tile_remove_parts(const CachedJob *job, int64_t image, int tiles)
{
    const StoreImage where = {.root = "", .path = "", .result = "", .number = image};

    job->store->remove_parts(job->store, &where, tiles);
}

/* ---------------------------------------------------------------- one tile */

/* What is open while a tile is made. */
typedef struct Pump {
    ImageReader *reader;
    ImageWriter *writer;
    ImageMetadata *metadata;
    ByteSink *sink;
    Frame frame;
    int64_t next_row; /* that the reader will give */
} Pump;

static void tile_plan_rows(const TileWork *work, Frame *frame)
{
    const QueueImage *image = work->image;
    const int64_t first = image->tiles > 1 ? work->tile * image->tile_rows : 0;
    const int64_t left = image->height - first;

    frame->width = image->width;
    frame->height = image->height;
    frame->first_row = first;
    frame->row_count = image->tiles > 1 && left > image->tile_rows ? image->tile_rows : left;
}

static int tile_open_reader(const TileWork *work, Pump *pump, Error *error)
{
    const ImageLimits limits = tile_limits(work->config);
    const StoreImage where = tile_store_image(work);
    const int64_t first = pump->frame.first_row - work->job->halo;
    const ImageReadOptions options = {.luma = pipeline_wants_luma(work->job->pipeline),
                                      .first_row = first > 0 ? first : 0};
    Store *store = work->job->store;
    ByteSource *source = store->open_source(store, &where, error);
    const ImageInfo *info;

    if (source == NULL)
        return -1;
    pump->reader = image_open_reader(source, &limits, &options, error);
    if (pump->reader == NULL)
        return -1;
    info = image_reader_info(pump->reader);
    if (work->image->width == 0)
        return error_set(
            error, ERROR_INPUT,
            "could not be read when it was submitted, and can be now; submit it again");
    if (info->width != work->image->width || info->height != work->image->height)
        return error_set(error, ERROR_INPUT,
                         "changed since it was submitted: it was %" PRId64 " x %" PRId64
                         " pixels and is %" PRId64 " x %" PRId64 "; submit it again",
                         work->image->width, work->image->height, info->width, info->height);
    pump->next_row = options.first_row;
    pump->frame.format = (RowFormat){.channels = info->channels, .depth = info->depth};
    return 0;
}

static int tile_open_writer(const TileWork *work, Pump *pump, Error *error)
{
    const RowFormat rows = stream_output_format(work->job->stream);
    const QueueJob *record = &work->job->record;
    const StoreImage where = tile_store_image(work);
    ImageInfo info = {.width = pump->frame.width,
                      .height = pump->frame.height,
                      .channels = rows.channels,
                      .depth = rows.depth};
    ImageWriteOptions options = {.quality = record->quality,
                                 .png_level = record->png_level,
                                 .first_row = pump->frame.first_row,
                                 .row_count = pump->frame.row_count};
    Store *store = work->job->store;

    if (tile_result_kind(work, image_reader_info(pump->reader)->kind, &info.kind, error) != 0)
        return -1;
    if (!record->strip && pump->frame.first_row == 0) /* the first part carries it to the join */
        options.metadata = pump->metadata = image_take_metadata(pump->reader);
    pump->sink = work->image->tiles > 1 ? store->create_part(store, &where, work->tile, error)
                                        : store->create_result(store, &where, error);
    if (pump->sink == NULL)
        return -1;
    pump->writer = image_open_writer(pump->sink, &info, &options, error);
    return pump->writer == NULL ? -1 : 0;
}

/* The reader was opened at the row that the widest halo asks for; for this image's own format the
 * stream may begin further down. */
static int tile_skip_rows(const Stream *stream, Pump *pump, Error *error)
{
    const RowFormat *format = &pump->frame.format;
    const size_t stride =
        (size_t)pump->frame.width * (size_t)format->channels * (size_t)format->depth / 8;
    int64_t surplus = stream_first_source_row(stream) - pump->next_row;
    void *row;
    int result = 0;

    if (surplus == 0)
        return 0;
    row = memory_try(1, stride, "a row", error);
    if (row == NULL)
        return -1;
    for (; surplus > 0 && result == 0; surplus--)
        result = image_read_rows(pump->reader, row, stride, 1, error);
    free(row);
    return result;
}

static int tile_run_rows(Stream *stream, const Pump *pump, Error *error)
{
    while (!stream_is_done(stream)) {
        const StreamRows in = stream_input(stream);
        StreamRows out;

        if (in.count > 0 && image_read_rows(pump->reader, in.data, in.stride, in.count, error) != 0)
            return -1;
        if (stream_push(stream, in.count, error) != 0)
            return -1;
        out = stream_output(stream);
        if (out.count == 0 && in.count == 0)
            return error_set(error, ERROR_DEVICE, "the pipeline stopped before its last row");
        if (out.count > 0 &&
            image_write_rows(pump->writer, out.data, out.stride, out.count, error) != 0)
            return -1;
        stream_pop(stream, out.count);
    }
    return image_finish_writer(pump->writer, error);
}

static int tile_begin_stream(TileWork *work, const Frame *frame, Error *error)
{
    const int64_t started = clock_monotonic_us();
    const int result = job_cache_begin(work->jobs, work->job, frame, error);

    work->preparing_us = clock_monotonic_us() - started;
    return result;
}

int tile_make(TileWork *work, Error *error)
{
    Stream *stream = work->job->stream;
    Pump pump = {0};
    int result = -1;

    tile_plan_rows(work, &pump.frame);
    if (tile_open_reader(work, &pump, error) != 0 ||
        tile_begin_stream(work, &pump.frame, error) != 0 ||
        tile_skip_rows(stream, &pump, error) != 0 || tile_open_writer(work, &pump, error) != 0 ||
        tile_run_rows(stream, &pump, error) != 0)
        goto out;
    work->pixels = pump.frame.width * pump.frame.row_count;
    work->bytes = (int64_t)pump.sink->written;
    result = pump.sink->finish(pump.sink, error);
    pump.sink = NULL;
out:
    image_close_writer(pump.writer);
    if (pump.sink != NULL)
        pump.sink->abandon(pump.sink);
    image_metadata_free(pump.metadata);
    if (pump.reader != NULL)
        image_close_reader(pump.reader);
    return result;
}
