/* Joining PNG parts: the layout of a part is in png.h. Chunks are copied as they stand, their CRC
 * checked on the way; only the adler32 at the end is computed, from those of the parts. */
#include <string.h>
#include <zlib.h>

#include "image/png.h"

typedef struct PngJoin {
    ByteSink *sink;
    ImageInput input; /* of the part in hand */
    bool first;
    uint8_t header[PNG_HEADER_SIZE];
    int64_t height;
    int64_t row_bytes; /* with the filter byte */
    int64_t rows;      /* joined so far */
    uLong adler;
} PngJoin;

static int broken(const PngJoin *join, const char *text, Error *error)
{
    return error_set(error, ERROR_INPUT, "%s: cannot be joined: %s", image_input_name(&join->input),
                     text);
}

static int take_signature(PngJoin *join, Error *error)
{
    uint8_t signature[PNG_SIGNATURE_SIZE];

    if (image_input_take(&join->input, signature, sizeof signature, error) != 0)
        return -1;
    if (memcmp(signature, PNG_SIGNATURE_BYTES, sizeof signature) != 0)
        return broken(join, "it is not a part of a PNG file", error);
    return join->first ? join->sink->write(join->sink, signature, sizeof signature, error) : 0;
}

/* take_small reads the data and CRC of a chunk that is to be looked at. */
static int take_small(PngJoin *join, const uint8_t head[8], uint8_t *bytes, size_t length,
                      Error *error)
{
    uint8_t tail[4] = {0};

    if (image_get_u32(head) != length)
        return broken(join, "a chunk has a wrong length", error);
    if (image_input_take(&join->input, bytes, length, error) != 0 ||
        image_input_take(&join->input, tail, sizeof tail, error) != 0)
        return -1;
    if (image_get_u32(tail) != crc32(crc32(0, head + 4, 4), bytes, (uInt)length))
        return broken(join, "a chunk's CRC is wrong", error);
    return 0;
}

static int handle_header(PngJoin *join, const uint8_t head[8], Error *error)
{
    static const int channels[] = {[0] = 1, [2] = 3, [4] = 2, [6] = 4};
    uint8_t header[PNG_HEADER_SIZE] = {0};

    if (take_small(join, head, header, sizeof header, error) != 0)
        return -1;
    if (header[9] >= sizeof channels / sizeof *channels || channels[header[9]] == 0 ||
        (header[8] != 8 && header[8] != 16))
        return broken(join, "its header is wrong", error);
    if (join->first) {
        memcpy(join->header, header, sizeof header);
        join->height = image_get_u32(header + 4);
        join->row_bytes =
            (int64_t)image_get_u32(header) * channels[header[9]] * (header[8] / 8) + 1;
        return image_png_put_chunk(join->sink, "IHDR", header, sizeof header, error);
    }
    if (memcmp(join->header, header, sizeof header) != 0)
        return broken(join, "it belongs to another image", error);
    return 0;
}

static int copy_chunk(PngJoin *join, const uint8_t head[8], Error *error)
{
    ImageInput *input = &join->input;
    uint64_t left = image_get_u32(head);
    uLong crc = crc32(0, head + 4, 4);
    uint8_t tail[4] = {0};

    if (join->sink->write(join->sink, head, 8, error) != 0)
        return -1;
    while (left > 0) {
        size_t count = input->end - input->start;

        if (count == 0) {
            int filled = image_input_fill(input, error);

            if (filled <= 0)
                return filled < 0 ? -1 : image_input_truncated(input, error);
            continue;
        }
        if (count > left)
            count = (size_t)left;
        crc = crc32(crc, input->buffer + input->start, (uInt)count);
        if (join->sink->write(join->sink, input->buffer + input->start, count, error) != 0)
            return -1;
        input->start += count;
        left -= count;
    }
    if (image_input_take(input, tail, sizeof tail, error) != 0)
        return -1;
    if (image_get_u32(tail) != crc)
        return broken(join, "a chunk's CRC is wrong", error);
    return join->sink->write(join->sink, tail, sizeof tail, error);
}

static int handle_part(PngJoin *join, const uint8_t head[8], Error *error)
{
    uint8_t bytes[PNG_PART_SIZE] = {0};
    ImagePart part;

    if (take_small(join, head, bytes, sizeof bytes, error) != 0)
        return -1;
    part = image_part_unpack(bytes);
    if (memcmp(bytes, IMAGE_PART_MAGIC, 8) != 0 || part.first_row != join->rows ||
        part.row_count < 1 || part.row_count > join->height - join->rows)
        return broken(join, "a part is missing or out of order", error);
    join->adler = adler32_combine(join->adler, image_get_u32(bytes + IMAGE_PART_SEGMENT),
                                  (z_off_t)(part.row_count * join->row_bytes));
    join->rows += part.row_count;
    return 0;
}

/* copy_part goes through one part's chunks up to the one that ends it. */
static int copy_part(PngJoin *join, Error *error)
{
    uint8_t head[8] = {0};

    if (take_signature(join, error) != 0 ||
        image_input_take(&join->input, head, sizeof head, error) != 0)
        return -1;
    if (memcmp(head + 4, "IHDR", 4) != 0)
        return broken(join, "it has no header", error);
    if (handle_header(join, head, error) != 0)
        return -1;
    for (;;) {
        if (image_input_take(&join->input, head, sizeof head, error) != 0)
            return -1;
        if (memcmp(head + 4, PNG_PART, 4) == 0)
            return handle_part(join, head, error);
        if (memcmp(head + 4, "IEND", 4) == 0 || (!join->first && memcmp(head + 4, "IDAT", 4) != 0))
            return broken(join, "it is not a part of an image", error);
        if (copy_chunk(join, head, error) != 0)
            return -1;
    }
}

int image_join_png(ByteSource *const *parts, int count, ByteSink *sink, Error *error)
{
    PngJoin join = {.sink = sink, .adler = 1};

    for (int i = 0; i < count; i++) {
        int result = image_input_open(&join.input, parts[i], error);

        join.first = i == 0;
        if (result == 0)
            result = copy_part(&join, error);
        join.input.source = NULL; /* the caller's */
        image_input_close(&join.input);
        if (result != 0)
            return -1;
    }
    if (join.rows != join.height)
        return error_set(error, ERROR_INPUT,
                         "%s: cannot be joined: the parts hold %lld of %lld rows", sink->name,
                         (long long)join.rows, (long long)join.height);
    return image_png_put_end(sink, (uint32_t)join.adler, error);
}
