/* Writing PNG with zlib: libpng cannot flush at strips, nor begin in the middle of an image. The
 * layout of a file and of a part is in png.h.
 *
 * Every strip is compressed by a deflate stream reset at its start, and rows go into it one by one,
 * so its bytes depend on nothing but its rows. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "image/png.h"
#include "image/png_filter.h"

/* FLUSH_ROOM is more than deflate can hold back (16383 symbols of at most 6 bytes, and its 64 KiB
 * of pending output), so that a flush ends in one call: a second one might add an empty block, and
 * the bytes would depend on how far the buffer had grown before. */
enum { FLUSH_ROOM = 256 * 1024, CRC_ROOM = 4, MAX_STRIP = 1 << 30, CANDIDATES = 3 };

/* What each level does. A row that has one above it tries the filters and takes the cheapest by
 * png_filter_cost, the first of equals; a strip's first row takes SUB, at level 0 NONE. Measured on
 * photographs, looking for runs only (Z_RLE) is both faster and smaller than what zlib's levels 1
 * to 6 find, so the low levels do that; drawings and text gain from the matches of 4 and up. */
static const struct {
    int strategy;
    int count;
    PngFilter filters[CANDIDATES];
} levels[10] = {
    {Z_DEFAULT_STRATEGY, 1, {PNG_NONE}},
    {Z_RLE, 1, {PNG_UP}},
    {Z_RLE, 2, {PNG_SUB, PNG_UP}},
    {Z_RLE, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
    {Z_FILTERED, 3, {PNG_SUB, PNG_UP, PNG_PAETH}},
};

typedef struct PngWriter {
    ImageWriter base;
    z_stream deflate;
    bool deflating;
    size_t row_bytes;
    size_t step; /* bytes a pixel */
    int64_t strip_rows;
    uint8_t *row; /* the row in hand and the one above, in PNG's byte order */
    uint8_t *above;
    uint8_t *filtered[CANDIDATES];
    uint8_t *chunk; /* the strip's IDAT: length, type, data, room for the CRC */
    size_t chunk_size;
    size_t chunk_room;
    uint32_t adler; /* of all rows so far */
} PngWriter;

/* --- chunks --- */

int image_png_put_chunk(ByteSink *sink, const void *type, const void *bytes, size_t length,
                        Error *error)
{
    uint8_t head[8];
    uint8_t tail[4];
    uLong crc;

    image_put_u32(head, (uint32_t)length);
    memcpy(head + 4, type, 4);
    crc = crc32(0, head + 4, 4);
    if (length > 0)
        crc = crc32(crc, bytes, (uInt)length);
    image_put_u32(tail, (uint32_t)crc);
    if (sink->write(sink, head, sizeof head, error) != 0 ||
        (length > 0 && sink->write(sink, bytes, length, error) != 0))
        return -1;
    return sink->write(sink, tail, sizeof tail, error);
}

int image_png_put_end(ByteSink *sink, uint32_t adler, Error *error)
{
    uint8_t bytes[4];

    image_put_u32(bytes, adler);
    if (image_png_put_chunk(sink, "IDAT", bytes, sizeof bytes, error) != 0)
        return -1;
    return image_png_put_chunk(sink, "IEND", NULL, 0, error);
}

static int put_metadata_chunk(void *context, const uint8_t *type, const void *bytes, size_t length,
                              Error *error)
{
    return image_png_put_chunk(context, type, bytes, length, error);
}

static int put_header(PngWriter *writer, Error *error)
{
    static const uint8_t colour_types[] = {0, 0, 4, 2, 6}; /* by channels */
    const ImageInfo *info = &writer->base.info;
    const ImageWriteOptions *options = &writer->base.options;
    ByteSink *sink = writer->base.sink;
    uint8_t header[PNG_HEADER_SIZE] = {0};

    image_put_u32(header, (uint32_t)info->width);
    image_put_u32(header + 4, (uint32_t)info->height);
    header[8] = (uint8_t)info->depth;
    header[9] = colour_types[info->channels];
    if (sink->write(sink, PNG_SIGNATURE_BYTES, PNG_SIGNATURE_SIZE, error) != 0 ||
        image_png_put_chunk(sink, "IHDR", header, sizeof header, error) != 0)
        return -1;
    if (options->metadata == NULL || options->first_row > 0)
        return 0;
    return metadata_put_png(options->metadata, info, put_metadata_chunk, sink, error);
}

/* --- strips --- */

static int grow_chunk(PngWriter *writer, Error *error)
{
    size_t room = writer->chunk_room + writer->chunk_room / 2 + FLUSH_ROOM;
    uint8_t *chunk = realloc(writer->chunk, room);

    if (chunk == NULL)
        return error_set(error, ERROR_SYSTEM, "%s: no memory for encoded bytes (%zu)",
                         writer->base.sink->name, room);
    writer->chunk = chunk;
    writer->chunk_room = room;
    return 0;
}

static int deflate_bytes(PngWriter *writer, uint8_t *bytes, size_t length, int flush, Error *error)
{
    z_stream *stream = &writer->deflate;

    stream->next_in = bytes;
    stream->avail_in = (uInt)length;
    do {
        const size_t least = flush == Z_NO_FLUSH ? 1 : FLUSH_ROOM;
        size_t room = writer->chunk_room - writer->chunk_size - CRC_ROOM;

        if (room < least) {
            if (grow_chunk(writer, error) != 0)
                return -1;
            room = writer->chunk_room - writer->chunk_size - CRC_ROOM;
        }
        stream->next_out = writer->chunk + writer->chunk_size;
        stream->avail_out = (uInt)room;
        deflate(stream, flush); /* cannot fail: the stream is sound and has room */
        writer->chunk_size += room - stream->avail_out;
    } while (stream->avail_out == 0);
    return 0;
}

/* The second byte of the zlib header tells the level, roughly, and makes the two a multiple of 31:
 * as deflate itself writes it for a 32 KiB window. */
static void put_zlib_header(PngWriter *writer)
{
    const int level = writer->base.options.png_level;
    const unsigned rank = level < 2 ? 0 : level < 6 ? 1 : level == 6 ? 2 : 3;
    unsigned header = 0x7800 | rank << 6;

    header += 31 - header % 31;
    writer->chunk[writer->chunk_size++] = (uint8_t)(header >> 8);
    writer->chunk[writer->chunk_size++] = (uint8_t)header;
}

static void begin_strip(PngWriter *writer, int64_t row)
{
    deflateReset(&writer->deflate);
    writer->chunk_size = 8;
    memcpy(writer->chunk + 4, "IDAT", 4);
    if (row == 0)
        put_zlib_header(writer);
}

static int end_strip(PngWriter *writer, bool last, Error *error)
{
    ByteSink *sink = writer->base.sink;

    if (deflate_bytes(writer, NULL, 0, last ? Z_FINISH : Z_FULL_FLUSH, error) != 0)
        return -1;
    image_put_u32(writer->chunk, (uint32_t)(writer->chunk_size - 8));
    image_put_u32(writer->chunk + writer->chunk_size,
                  (uint32_t)crc32(0, writer->chunk + 4, (uInt)(writer->chunk_size - 4)));
    return sink->write(sink, writer->chunk, writer->chunk_size + 4, error);
}

/* --- rows --- */

static void take_row(PngWriter *writer, const uint8_t *row)
{
    uint8_t *swap = writer->row;

    writer->row = writer->above;
    writer->above = swap;
    if (writer->base.info.depth == 8) {
        memcpy(writer->row, row, writer->row_bytes);
        return;
    }
    for (size_t i = 0; i < writer->row_bytes; i += 2) {
        uint16_t sample;

        memcpy(&sample, row + i, 2);
        writer->row[i] = (uint8_t)(sample >> 8);
        writer->row[i + 1] = (uint8_t)sample;
    }
}

static uint8_t *filter_row(PngWriter *writer, bool first)
{
    const int level = writer->base.options.png_level;
    const PngFilter alone = level == 0 ? PNG_NONE : PNG_SUB;
    const int count = first ? 1 : levels[level].count;
    uint64_t least = UINT64_MAX;
    int best = 0;

    for (int i = 0; i < count; i++) {
        uint64_t cost = 0;

        png_filter_row(first ? alone : levels[level].filters[i], writer->row, writer->above,
                       writer->row_bytes, writer->step, writer->filtered[i]);
        if (count > 1)
            cost = png_filter_cost(writer->filtered[i] + 1, writer->row_bytes);
        if (cost < least) {
            least = cost;
            best = i;
        }
    }
    return writer->filtered[best];
}

static int put_row(PngWriter *writer, const uint8_t *bytes, int64_t row, Error *error)
{
    const bool first = row % writer->strip_rows == 0;
    const bool last = row + 1 == writer->base.info.height;
    uint8_t *filtered;

    if (first)
        begin_strip(writer, row);
    take_row(writer, bytes);
    filtered = filter_row(writer, first);
    writer->adler = (uint32_t)adler32(writer->adler, filtered, (uInt)(writer->row_bytes + 1));
    if (deflate_bytes(writer, filtered, writer->row_bytes + 1, Z_NO_FLUSH, error) != 0)
        return -1;
    return last || (row + 1) % writer->strip_rows == 0 ? end_strip(writer, last, error) : 0;
}

static int png_write(ImageWriter *base, const uint8_t *rows, size_t stride, int64_t count,
                     Error *error)
{
    PngWriter *writer = (PngWriter *)base;
    const int64_t first = base->options.first_row + base->rows_written;

    for (int64_t i = 0; i < count; i++)
        if (put_row(writer, rows + (size_t)i * stride, first + i, error) != 0)
            return -1;
    return 0;
}

static int png_finish(ImageWriter *base, Error *error)
{
    PngWriter *writer = (PngWriter *)base;
    uint8_t part[PNG_PART_SIZE];

    if (!image_writer_is_part(base))
        return image_png_put_end(base->sink, writer->adler, error);
    image_part_pack(part, (ImagePart){base->options.first_row, base->options.row_count});
    image_put_u32(part + IMAGE_PART_SEGMENT, writer->adler);
    return image_png_put_chunk(base->sink, PNG_PART, part, sizeof part, error);
}

/* --- opening and closing --- */

static int allocate(PngWriter *writer, Error *error)
{
    const int count = levels[writer->base.options.png_level].count;

    writer->chunk_room = (size_t)writer->strip_rows * writer->row_bytes / 2 + FLUSH_ROOM;
    writer->chunk = memory_try(1, writer->chunk_room, "encoded bytes", error);
    writer->row = memory_try(1, writer->row_bytes, "a row", error);
    writer->above = memory_try(1, writer->row_bytes, "a row", error);
    if (writer->chunk == NULL || writer->row == NULL || writer->above == NULL)
        return -1;
    for (int i = 0; i < count; i++) {
        writer->filtered[i] = memory_try(1, writer->row_bytes + 1, "a row", error);
        if (writer->filtered[i] == NULL)
            return -1;
    }
    return 0;
}

static int png_open(ImageWriter *base, Error *error)
{
    PngWriter *writer = (PngWriter *)base;
    const ImageInfo *info = &base->info;

    writer->adler = 1;
    writer->step = (size_t)(info->channels * (info->depth / 8));
    writer->strip_rows = image_strip_rows(info);
    if (base->options.png_level < 0 || base->options.png_level > 9)
        return error_set(error, ERROR_USAGE, "PNG level %d is not within 0..9",
                         base->options.png_level);
    if (info->width > MAX_STRIP / IMAGE_STRIP_GRID / (int64_t)writer->step ||
        info->height > INT32_MAX)
        return error_set(error, ERROR_INPUT, "%s: %lld x %lld pixels are too many for a PNG",
                         base->sink->name, (long long)info->width, (long long)info->height);
    writer->row_bytes = (size_t)info->width * writer->step;
    if (allocate(writer, error) != 0)
        return -1;
    if (deflateInit2(&writer->deflate, base->options.png_level, Z_DEFLATED, -15, 8,
                     levels[base->options.png_level].strategy) != Z_OK)
        return error_set(error, ERROR_SYSTEM, "%s: no memory for zlib", base->sink->name);
    writer->deflating = true;
    return put_header(writer, error);
}

static void png_close(ImageWriter *base)
{
    PngWriter *writer = (PngWriter *)base;

    if (writer->deflating)
        deflateEnd(&writer->deflate);
    free(writer->chunk);
    free(writer->row);
    free(writer->above);
    for (int i = 0; i < CANDIDATES; i++)
        free(writer->filtered[i]);
}

const ImageEncoder image_png_encoder = {sizeof(PngWriter), png_open, png_write, png_finish,
                                        png_close};
