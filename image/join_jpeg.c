/* Joining JPEG parts: the first part's headers, which state the whole height already, then every
 * part's entropy-coded data with the restart markers numbered on, and one between the parts where
 * each had its end marker. The markers are renumbered where they lie in the buffer. */
#include <string.h>

#include "image/codec.h"
#include "image/part.h"

enum {
    SOI = 0xd8,
    EOI = 0xd9,
    RST0 = 0xd0,
    RST7 = 0xd7,
    SOF0 = 0xc0,
    SOS = 0xda,
    APP0 = 0xe0,
    APP15 = 0xef,
    COM = 0xfe,
    SEGMENT_MOST = 65535
};

typedef struct JpegJoin {
    ByteSink *sink;
    ImageInput input; /* of the part in hand */
    bool first;
    Text tables; /* quantisation, frame, Huffman, restart and scan segments of the first part */
    Text own;    /* the same of the part in hand: they must be equal */
    ImagePart part;
    bool has_part;
    int64_t height;
    int64_t mcu_height;
    int64_t rows;      /* joined so far */
    int64_t intervals; /* restart intervals joined so far: the next marker's number modulo 8 */
} JpegJoin;

static int broken(const JpegJoin *join, const char *text, Error *error)
{
    return error_set(error, ERROR_INPUT, "%s: cannot be joined: %s", image_input_name(&join->input),
                     text);
}

/* --- headers --- */

static int note_frame(JpegJoin *join, const uint8_t *frame, size_t length, Error *error)
{
    enum { HEIGHT = 1, SAMPLING = 7, LEAST = 9 };

    if (length < LEAST || (frame[SAMPLING] & 15) == 0)
        return broken(join, "its frame header is wrong", error);
    join->height = frame[HEIGHT] << 8 | frame[HEIGHT + 1];
    join->mcu_height = 8 * (frame[SAMPLING] & 15);
    return 0;
}

/* handle_segment looks at one segment, of `length` bytes with marker and length. */
static int handle_segment(JpegJoin *join, const uint8_t *segment, size_t length, Error *error)
{
    const uint8_t marker = segment[1];

    if (marker == IMAGE_PART_MARKER && length == 4 + IMAGE_PART_SEGMENT &&
        memcmp(segment + 4, IMAGE_PART_MAGIC, 8) == 0) {
        join->part = image_part_unpack(segment + 4);
        join->has_part = true;
        return 0;
    }
    if ((marker < APP0 || marker > APP15) && marker != COM)
        text_add(&join->own, segment, length);
    if (marker == SOF0 && note_frame(join, segment + 4, length - 4, error) != 0)
        return -1;
    return join->first ? join->sink->write(join->sink, segment, length, error) : 0;
}

static int read_headers(JpegJoin *join, Error *error)
{
    uint8_t segment[2 + SEGMENT_MOST];
    size_t length;

    if (image_input_take(&join->input, segment, 2, error) != 0)
        return -1;
    if (segment[0] != 0xff || segment[1] != SOI)
        return broken(join, "it is not a JPEG file", error);
    if (join->first && join->sink->write(join->sink, segment, 2, error) != 0)
        return -1;
    do {
        if (image_input_take(&join->input, segment, 4, error) != 0)
            return -1;
        length = (size_t)segment[2] << 8 | segment[3];
        if (segment[0] != 0xff || length < 2)
            return broken(join, "its headers are broken", error);
        if (image_input_take(&join->input, segment + 4, length - 2, error) != 0 ||
            handle_segment(join, segment, length + 2, error) != 0)
            return -1;
    } while (segment[1] != SOS);
    return 0;
}

static int check_part(JpegJoin *join, bool alone, Error *error)
{
    if (join->mcu_height == 0)
        return broken(join, "it has no frame header", error);
    if (!join->has_part && alone)
        join->part = (ImagePart){0, join->height}; /* a whole image is its own only part */
    else if (!join->has_part)
        return broken(join, "it is not a part of an image", error);
    if (join->part.first_row != join->rows || join->part.row_count < 1 ||
        join->part.row_count > join->height - join->rows)
        return broken(join, "a part is missing or out of order", error);
    if (join->first) {
        text_add(&join->tables, join->own.data, join->own.length);
    } else if (join->own.length != join->tables.length ||
               memcmp(join->own.data, join->tables.data, join->own.length) != 0) {
        return broken(join, "it was encoded with other settings or another libjpeg-turbo", error);
    }
    return 0;
}

/* --- entropy-coded data --- */

static uint8_t next_restart(JpegJoin *join)
{
    return (uint8_t)(RST0 + join->intervals++ % 8);
}

/* renumber goes over the bytes in the buffer, stops at the end marker, and says how many may be
 * written; an 0xff at the very end waits for its second byte. 1 at the end marker, 0 before. */
static int renumber(JpegJoin *join, size_t *count, Error *error)
{
    uint8_t *bytes = join->input.buffer + join->input.start;
    const size_t length = join->input.end - join->input.start;
    uint8_t *at = bytes;

    while ((at = memchr(at, 0xff, length - (size_t)(at - bytes))) != NULL) {
        *count = (size_t)(at - bytes);
        if (*count + 1 == length)
            return 0;
        if (at[1] == EOI)
            return 1;
        if (at[1] >= RST0 && at[1] <= RST7)
            at[1] = next_restart(join);
        else if (at[1] != 0)
            return broken(join, "an unexpected marker among its pixels", error);
        at += 2;
    }
    *count = length;
    return 0;
}

static int copy_entropy(JpegJoin *join, Error *error)
{
    size_t count = 0;
    int ended = 0;

    while (ended == 0) {
        int filled;

        ended = renumber(join, &count, error);
        if (ended < 0 ||
            (count > 0 && join->sink->write(join->sink, join->input.buffer + join->input.start,
                                            count, error) != 0))
            return -1;
        join->input.start += count;
        if (ended == 1)
            break;
        filled = image_input_fill(&join->input, error);
        if (filled <= 0)
            return filled < 0 ? -1 : image_input_truncated(&join->input, error);
    }
    return 0;
}

static int copy_part(JpegJoin *join, Error *error)
{
    const int64_t before = join->intervals;
    int64_t expected;

    if (!join->first) {
        const uint8_t marker[] = {0xff, next_restart(join)};

        if (join->sink->write(join->sink, marker, sizeof marker, error) != 0)
            return -1;
    }
    if (copy_entropy(join, error) != 0)
        return -1;
    join->rows += join->part.row_count;
    expected = (join->part.row_count + join->mcu_height - 1) / join->mcu_height;
    if (join->intervals - before != expected - (join->first ? 1 : 0))
        return broken(join, "it does not have the rows that it states", error);
    return 0;
}

static int join_part(JpegJoin *join, ByteSource *source, bool alone, Error *error)
{
    int result = image_input_open(&join->input, source, error);

    join->has_part = false;
    text_clear(&join->own);
    if (result == 0 && (read_headers(join, error) != 0 || check_part(join, alone, error) != 0 ||
                        copy_part(join, error) != 0))
        result = -1;
    join->input.source = NULL; /* the caller's */
    image_input_close(&join->input);
    return result;
}

int image_join_jpeg(ByteSource *const *parts, int count, ByteSink *sink, Error *error)
{
    static const uint8_t end[] = {0xff, EOI};
    JpegJoin join = {.sink = sink};
    int result = -1;

    for (int i = 0; i < count; i++) {
        join.first = i == 0;
        if (join_part(&join, parts[i], count == 1, error) != 0)
            goto out;
    }
    if (join.rows != join.height)
        error_set(error, ERROR_INPUT, "%s: cannot be joined: the parts hold %lld of %lld rows",
                  sink->name, (long long)join.rows, (long long)join.height);
    else
        result = sink->write(sink, end, sizeof end, error);
out:
    text_free(&join.tables);
    text_free(&join.own);
    return result;
}
