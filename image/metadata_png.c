/* Metadata in PNG chunks. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "image/metadata.h"

/* When a chunk is carried over; one that is not listed is, if its name says that it is safe to copy
 * by programs that do not know it (fourth letter small). */
typedef enum ChunkRule {
    CHUNK_ALWAYS,
    CHUNK_MANY,   /* always, and there may be more than one */
    CHUNK_ICC,    /* while the profile fits the channels */
    CHUNK_COLOUR, /* while the image has colours */
    CHUNK_LAYOUT, /* while channels and depth are as they were */
    CHUNK_NEVER
} ChunkRule;

static const struct {
    const char *type;
    ChunkRule rule;
} rules[] = {
    {"eXIf", CHUNK_ALWAYS}, {"iCCP", CHUNK_ICC},    {"sRGB", CHUNK_ALWAYS}, {"gAMA", CHUNK_ALWAYS},
    {"cHRM", CHUNK_ALWAYS}, {"pHYs", CHUNK_ALWAYS}, {"tIME", CHUNK_ALWAYS}, {"cICP", CHUNK_COLOUR},
    {"mDCV", CHUNK_COLOUR}, {"cLLI", CHUNK_COLOUR}, {"bKGD", CHUNK_LAYOUT}, {"tEXt", CHUNK_MANY},
    {"zTXt", CHUNK_MANY},   {"iTXt", CHUNK_MANY},   {"sBIT", CHUNK_NEVER},  {"hIST", CHUNK_NEVER},
    {"sPLT", CHUNK_NEVER},
};

static const char xmp_keyword[] = "XML:com.adobe.xmp";

static ChunkRule rule_of(const uint8_t *type)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (memcmp(rules[i].type, type, 4) == 0)
            return rules[i].rule;
    return (type[3] & 0x20) != 0 ? CHUNK_MANY : CHUNK_NEVER;
}

static const MetadataItem *find_chunk(const ImageMetadata *metadata, const void *type)
{
    for (size_t i = 0; i < metadata->count; i++)
        if (memcmp(metadata->items[i].type, type, 4) == 0)
            return &metadata->items[i];
    return NULL;
}

bool metadata_wants_chunk(const ImageMetadata *metadata, const uint8_t *type)
{
    const ChunkRule rule = rule_of(type);

    return rule == CHUNK_MANY || (rule != CHUNK_NEVER && find_chunk(metadata, type) == NULL);
}

/* --- reading --- */

/* inflate_bounded adds what a zlib stream holds to `text`, if it is whole and at most `most`. */
static void inflate_bounded(const uint8_t *bytes, size_t length, size_t most, Text *text)
{
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)length};
    uint8_t piece[16384];
    int status = Z_OK;

    if (length > UINT_MAX || inflateInit(&stream) != Z_OK)
        return;
    while (status == Z_OK && text->length <= most) {
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        status = inflate(&stream, Z_NO_FLUSH);
        text_add(text, piece, sizeof piece - stream.avail_out);
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || text->length > most)
        text_free(text);
}

static void view_icc(const ImageMetadata *metadata, Text *icc)
{
    const MetadataItem *item = find_chunk(metadata, "iCCP");
    size_t head;

    if (item == NULL)
        return;
    head = strnlen((const char *)item->bytes, item->length) + 2; /* name, NUL, method 0 */
    if (head <= item->length && item->bytes[head - 1] == 0)
        inflate_bounded(item->bytes + head, item->length - head, metadata->max_bytes, icc);
}

static void view_exif(const ImageMetadata *metadata, Text *exif)
{
    static const char misplaced[] = "Exif\0"; /* of JPEG; some programs write it here too */
    const MetadataItem *item = find_chunk(metadata, "eXIf");
    size_t head = 0;

    if (item == NULL)
        return;
    if (item->length >= sizeof misplaced && memcmp(item->bytes, misplaced, sizeof misplaced) == 0)
        head = sizeof misplaced;
    text_add(exif, item->bytes + head, item->length - head);
}

static void add_latin1(Text *text, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const uint8_t two[] = {(uint8_t)(0xc0 | bytes[i] >> 6),
                               (uint8_t)(0x80 | (bytes[i] & 0x3f))};

        if (bytes[i] < 0x80)
            text_add(text, bytes + i, 1);
        else
            text_add(text, two, sizeof two);
    }
}

/* read_text adds the text, in UTF-8, of a tEXt, zTXt or iTXt chunk that has this keyword. */
static void read_text(const ImageMetadata *metadata, const MetadataItem *item, const char *keyword,
                      Text *text)
{
    const uint8_t *end = item->bytes + item->length;
    const uint8_t *next = item->bytes + strlen(keyword) + 1;
    Text raw = {0};

    if (text->length > 0 || next > end || memcmp(item->bytes, keyword, strlen(keyword) + 1) != 0)
        return;
    if (memcmp(item->type, "tEXt", 4) == 0) {
        add_latin1(text, next, (size_t)(end - next));
    } else if (memcmp(item->type, "zTXt", 4) == 0 && next < end && *next == 0) {
        inflate_bounded(next + 1, (size_t)(end - next) - 1, metadata->max_bytes, &raw);
        add_latin1(text, (const uint8_t *)raw.data, raw.length);
    } else if (memcmp(item->type, "iTXt", 4) == 0 && end - next >= 2) {
        const bool compressed = next[0] == 1;

        next += 2; /* compressed or not, method; then language and translated keyword */
        for (int i = 0; i < 2 && next < end; i++)
            next += strnlen((const char *)next, (size_t)(end - next)) + 1;
        if (next < end && compressed)
            inflate_bounded(next, (size_t)(end - next), metadata->max_bytes, text);
        else if (next < end)
            text_add(text, next, (size_t)(end - next));
    }
    text_free(&raw);
}

/* pHYs: pixels a metre across and down, and whether it is the metre or only the aspect. */
static void view_density(const ImageMetadata *metadata, MetadataView *view)
{
    const MetadataItem *item = find_chunk(metadata, "pHYs");
    uint64_t density[2];
    bool metre;

    if (item == NULL || item->length != 9 || item->bytes[8] > 1)
        return;
    metre = item->bytes[8] == 1;
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *at = item->bytes + 4 * i;

        density[i] = (uint64_t)at[0] << 24 | (uint64_t)at[1] << 16 | (uint64_t)at[2] << 8 | at[3];
        if (metre)
            density[i] = (density[i] * 254 + 5000) / 10000;
        if (density[i] == 0 || density[i] > UINT16_MAX)
            return;
    }
    view->has_density = true;
    view->density_unit = metre ? DENSITY_INCH : DENSITY_ASPECT;
    view->x_density = (unsigned)density[0];
    view->y_density = (unsigned)density[1];
}

void metadata_view_png(const ImageMetadata *metadata, MetadataView *view)
{
    view_exif(metadata, &view->exif);
    view_icc(metadata, &view->icc);
    view_density(metadata, view);
    for (size_t i = 0; i < metadata->count; i++) {
        read_text(metadata, &metadata->items[i], xmp_keyword, &view->xmp);
        read_text(metadata, &metadata->items[i], "Comment", &view->comment);
    }
}

/* --- writing --- */

static bool still_true(const ImageMetadata *metadata, const MetadataItem *item,
                       const ImageInfo *info)
{
    const bool colour = info->channels >= 3;
    Text icc = {0};
    bool fits;

    switch (rule_of(item->type)) {
    case CHUNK_ICC:
        view_icc(metadata, &icc);
        fits = metadata_icc_fits(icc.data, icc.length, info->channels);
        text_free(&icc);
        return fits;
    case CHUNK_COLOUR:
        return colour;
    case CHUNK_LAYOUT:
        return metadata->plain_layout && metadata->source_depth == info->depth &&
               metadata->source_colour == colour;
    default:
        return true;
    }
}

static int put_as_found(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                        void *context, Error *error)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const MetadataItem *item = &metadata->items[i];

        if (still_true(metadata, item, info) &&
            put(context, item->type, item->bytes, item->length, error) != 0)
            return -1;
    }
    return 0;
}

static int put_icc(const Text *icc, MetadataPut put, void *context, Error *error)
{
    static const char head[] = "ICC profile\0"; /* name, NUL, method 0 (the literal's own NUL) */
    uLongf length = compressBound(icc->length);
    uint8_t *chunk = memory_try(1, sizeof head + length, "an ICC profile", error);
    int result = -1;

    if (chunk == NULL)
        return -1;
    memcpy(chunk, head, sizeof head);
    if (compress2(chunk + sizeof head, &length, (const Bytef *)icc->data, icc->length, 9) == Z_OK)
        result = put(context, (const uint8_t *)"iCCP", chunk, sizeof head + length, error);
    else
        error_set(error, ERROR_SYSTEM, "no memory to compress an ICC profile");
    free(chunk);
    return result;
}

static bool is_utf8(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        const uint8_t lead = bytes[i++];
        int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;

        if (more < 0 || lead > 0xf4)
            return false;
        for (; more > 0; more--)
            if (i == length || (bytes[i++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* put_text writes an uncompressed iTXt chunk. What is not UTF-8 is taken for Latin-1; a NUL, which
 * PNG text cannot hold, ends it. */
static int put_text(const char *keyword, const Text *text, MetadataPut put, void *context,
                    Error *error)
{
    static const char nothing[5]; /* NUL, not compressed, method, no language, no translation */
    Text chunk = {0};
    const size_t length = text->length > 0 ? strnlen(text->data, text->length) : 0;
    int result;

    if (length == 0)
        return 0;
    text_add_string(&chunk, keyword);
    text_add(&chunk, nothing, sizeof nothing);
    if (is_utf8((const uint8_t *)text->data, length))
        text_add(&chunk, text->data, length);
    else
        add_latin1(&chunk, (const uint8_t *)text->data, length);
    result = put(context, (const uint8_t *)"iTXt", chunk.data, chunk.length, error);
    text_free(&chunk);
    return result;
}

static int put_density(const MetadataView *view, MetadataPut put, void *context, Error *error)
{
    const unsigned density[] = {view->x_density, view->y_density};
    uint8_t chunk[9];

    if (!view->has_density)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        unsigned value = density[i];

        if (view->density_unit == DENSITY_INCH)
            value = (value * 10000 + 127) / 254;
        else if (view->density_unit == DENSITY_CENTIMETRE)
            value *= 100;
        for (size_t k = 0; k < 4; k++)
            chunk[4 * i + k] = (uint8_t)(value >> (24 - 8 * k));
    }
    chunk[8] = view->density_unit == DENSITY_ASPECT ? 0 : 1;
    if (chunk[8] == 0 && view->x_density == view->y_density)
        return 0; /* square pixels of no size: what a file without pHYs says */
    return put(context, (const uint8_t *)"pHYs", chunk, sizeof chunk, error);
}

int metadata_put_png(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                     void *context, Error *error)
{
    MetadataView view = {0};
    int result = -1;

    if (metadata->kind == IMAGE_PNG)
        return put_as_found(metadata, info, put, context, error);
    metadata_view_jpeg(metadata, &view);
    if (metadata_icc_fits(view.icc.data, view.icc.length, info->channels) &&
        put_icc(&view.icc, put, context, error) != 0)
        goto out;
    if (view.exif.length > 0 &&
        put(context, (const uint8_t *)"eXIf", view.exif.data, view.exif.length, error) != 0)
        goto out;
    if (put_density(&view, put, context, error) != 0 ||
        put_text(xmp_keyword, &view.xmp, put, context, error) != 0)
        goto out;
    result = put_text("Comment", &view.comment, put, context, error);
out:
    metadata_view_free(&view);
    return result;
}
