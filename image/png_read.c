/* Reading PNG with libpng, row by row; an interlaced one is read whole in open.
 *
 * Everything that is not a pixel is taken from libpng undecoded (as "unknown" chunks) and carried
 * as it stands. A CRC that is wrong, in any chunk, is an error. */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/codec.h"

/* PLTE and tRNS, which limits.max_metadata_bytes is not meant for, are smaller than this. */
enum { SMALL_CHUNK = 4096 };

typedef struct PngReader {
    ImageReader base;
    png_structp png;
    png_infop png_info;
    Error *error;
    uint8_t *wide;  /* one row as decoded, where it is not given like that */
    uint8_t *whole; /* all rows of an interlaced image */
    size_t row_bytes;
    int64_t row; /* the next to be decoded */
    bool luma_here;
} PngReader;

typedef struct OpenStep {
    PngReader *reader;
    const ImageLimits *limits;
    const ImageReadOptions *options;
    bool probe;
} OpenStep;

typedef struct ReadStep {
    PngReader *reader;
    uint8_t *rows;
    size_t stride;
    int64_t count;
} ReadStep;

/* As in jpeg.h: libpng's longjmp ends in try_step, the one place with a setjmp, and what runs
 * under it owns nothing. */
static void escape(PngReader *reader)
{
    png_longjmp(reader->png, 1);
}

static int try_step(PngReader *reader, void (*step)(void *context), void *context, Error *error)
{
    reader->error = error;
    if (setjmp(png_jmpbuf(reader->png)) != 0)
        return -1;
    step(context);
    return 0;
}

static void on_error(png_structp png, png_const_charp message)
{
    PngReader *reader = png_get_error_ptr(png);

    error_set(reader->error, ERROR_INPUT, "%s: broken PNG: %s",
              image_input_name(&reader->base.input), message);
    escape(reader);
}

/* libpng warns of what it passes over without making pixels up. One thing must not be passed over:
 * a chunk too large to be kept. */
static void on_warning(png_structp png, png_const_charp message)
{
    PngReader *reader = png_get_error_ptr(png);

    if (strstr(message, "exceeds memory limits") == NULL)
        return;
    error_set(reader->error, ERROR_INPUT,
              "%s: a metadata chunk is larger than limits.max_metadata_bytes",
              image_input_name(&reader->base.input));
    escape(reader);
}

static void on_read(png_structp png, png_bytep bytes, png_size_t length)
{
    PngReader *reader = png_get_io_ptr(png);

    if (image_input_take(&reader->base.input, bytes, length, reader->error) != 0)
        escape(reader);
}

static int on_chunk(png_structp png, png_unknown_chunkp chunk)
{
    PngReader *reader = png_get_user_chunk_ptr(png);

    if ((chunk->name[0] & 0x20) == 0) { /* upper case: no image without it */
        error_set(reader->error, ERROR_INPUT, "%s: broken PNG: unknown critical chunk",
                  image_input_name(&reader->base.input));
        escape(reader);
    }
    if (metadata_wants_chunk(reader->base.metadata, chunk->name) &&
        metadata_add(reader->base.metadata, chunk->name, 4, chunk->data, chunk->size,
                     image_input_name(&reader->base.input), reader->error) != 0)
        escape(reader);
    return 1;
}

/* --- the header --- */

static void check_header(const OpenStep *step)
{
    PngReader *reader = step->reader;
    ImageInfo *info = &reader->base.info;
    const png_byte type = png_get_color_type(reader->png, reader->png_info);
    const bool alpha = (type & PNG_COLOR_MASK_ALPHA) != 0 ||
                       png_get_valid(reader->png, reader->png_info, PNG_INFO_tRNS) != 0;
    const bool colour = (type & PNG_COLOR_MASK_COLOR) != 0;
    double packed;
    double whole;
    int pixel_bytes;

    info->kind = IMAGE_PNG;
    info->width = png_get_image_width(reader->png, reader->png_info);
    info->height = png_get_image_height(reader->png, reader->png_info);
    info->depth = png_get_bit_depth(reader->png, reader->png_info) == 16 ? 16 : 8;
    info->progressive = png_get_interlace_type(reader->png, reader->png_info) != PNG_INTERLACE_NONE;
    reader->luma_here = colour && step->options->luma;
    info->channels = (colour && !reader->luma_here ? 3 : 1) + (alpha ? 1 : 0);
    pixel_bytes = ((colour ? 3 : 1) + (alpha ? 1 : 0)) * (info->depth / 8);
    /* deflate never shrinks by more than 1032 to 1 */
    packed = ((double)png_get_rowbytes(reader->png, reader->png_info) + 1) * (double)info->height;
    whole = (double)info->width * (double)info->height * pixel_bytes;
    if (image_check_limits(&reader->base, step->limits, packed * 8 / 1032, reader->error) != 0 ||
        (info->progressive &&
         image_check_memory(&reader->base, step->limits, whole, reader->error) != 0))
        escape(reader);
}

static void note_layout(PngReader *reader)
{
    const png_byte type = png_get_color_type(reader->png, reader->png_info);
    ImageMetadata *metadata = reader->base.metadata;

    metadata->plain_layout =
        type != PNG_COLOR_TYPE_PALETTE && png_get_bit_depth(reader->png, reader->png_info) >= 8;
    metadata->source_depth = reader->base.info.depth;
    metadata->source_colour = (type & PNG_COLOR_MASK_COLOR) != 0;
}

static void set_output(PngReader *reader)
{
    const uint16_t one = 1;

    png_set_expand(reader->png); /* palettes, 1, 2 and 4 bits, tRNS */
    if (*(const uint8_t *)&one == 1)
        png_set_swap(reader->png);
    if (reader->base.info.progressive)
        png_set_interlace_handling(reader->png);
    png_read_update_info(reader->png, reader->png_info);
    reader->row_bytes = png_get_rowbytes(reader->png, reader->png_info);
}

static void open_step(void *context)
{
    const OpenStep *step = context;
    PngReader *reader = step->reader;
    const int64_t first_row = step->options->first_row;

    png_read_info(reader->png, reader->png_info);
    check_header(step);
    if (first_row < 0 || first_row >= reader->base.info.height) {
        error_set(reader->error, ERROR_INPUT,
                  "%s: the tile lies outside of the image: the file has changed",
                  image_input_name(&reader->base.input));
        escape(reader);
    }
    if (step->probe)
        return;
    note_layout(reader);
    set_output(reader);
}

static int create(PngReader *reader, const ImageLimits *limits, bool probe, Error *error)
{
    reader->error = error;
    reader->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, on_error, on_warning);
    if (reader->png != NULL)
        reader->png_info = png_create_info_struct(reader->png);
    if (reader->png_info == NULL)
        return error_set(error, ERROR_SYSTEM, "%s: no memory for libpng",
                         image_input_name(&reader->base.input));
    png_set_read_fn(reader->png, reader, on_read);
    png_set_crc_action(reader->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(reader->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours come after */
    png_set_chunk_cache_max(reader->png, 0);
    /* a probe passes over every chunk without keeping it, whatever its size */
    png_set_chunk_malloc_max(
        reader->png, probe ? 0 : (png_alloc_size_t)limits->max_metadata_bytes + SMALL_CHUNK);
    png_set_keep_unknown_chunks(reader->png,
                                probe ? PNG_HANDLE_CHUNK_NEVER : PNG_HANDLE_CHUNK_ALWAYS, NULL, -1);
    if (!probe)
        png_set_read_user_chunk_fn(reader->png, reader, on_chunk);
    return 0;
}

/* --- rows --- */

/* libpng reads an interlaced image in seven passes over all its rows. */
static void read_whole_step(void *context)
{
    PngReader *reader = context;
    const int64_t height = reader->base.info.height;

    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (int64_t y = 0; y < height; y++)
            png_read_row(reader->png, reader->whole + (size_t)y * reader->row_bytes, NULL);
    png_read_end(reader->png, NULL);
}

static void decode_row(PngReader *reader, uint8_t *row)
{
    if (reader->whole != NULL)
        memcpy(row, reader->whole + (size_t)reader->row * reader->row_bytes, reader->row_bytes);
    else
        png_read_row(reader->png, row, NULL);
    reader->row++;
    if (reader->whole == NULL && reader->row == reader->base.info.height)
        png_read_end(reader->png, NULL); /* a file without its end is truncated */
}

static void read_step(void *context)
{
    const ReadStep *step = context;
    PngReader *reader = step->reader;
    const ImageInfo *info = &reader->base.info;

    for (int64_t i = 0; i < step->count; i++) {
        uint8_t *row = step->rows + (size_t)i * step->stride;

        if (!reader->luma_here) {
            decode_row(reader, row);
            continue;
        }
        decode_row(reader, reader->wide);
        image_luma_row(reader->wide, info->width, info->channels + 2, info->depth);
        memcpy(row, reader->wide, (size_t)(info->width * info->channels * (info->depth / 8)));
    }
}

static void pass_over_step(void *context)
{
    const OpenStep *step = context;

    while (step->reader->row < step->options->first_row)
        decode_row(step->reader, step->reader->wide);
}

static int png_open(ImageReader *base, const ImageLimits *limits, const ImageReadOptions *options,
                    bool probe, Error *error)
{
    PngReader *reader = (PngReader *)base;
    OpenStep step = {reader, limits, options, probe};

    if (create(reader, limits, probe, error) != 0 || try_step(reader, open_step, &step, error) != 0)
        return -1;
    if (probe)
        return 0;
    reader->wide = memory_try(1, reader->row_bytes, "a row", error);
    if (reader->wide == NULL)
        return -1;
    if (base->info.progressive) {
        reader->whole =
            memory_try((size_t)base->info.height, reader->row_bytes, "an interlaced PNG", error);
        if (reader->whole == NULL || try_step(reader, read_whole_step, reader, error) != 0)
            return -1;
    }
    if (try_step(reader, pass_over_step, &step, error) != 0)
        return -1;
    base->next_row = options->first_row;
    return 0;
}

static int png_read(ImageReader *base, uint8_t *rows, size_t stride, int64_t count, Error *error)
{
    PngReader *reader = (PngReader *)base;
    ReadStep step = {reader, rows, stride, count};

    return try_step(reader, read_step, &step, error);
}

static void png_close(ImageReader *base)
{
    PngReader *reader = (PngReader *)base;

    if (reader->png != NULL)
        png_destroy_read_struct(&reader->png, &reader->png_info, NULL);
    free(reader->wide);
    free(reader->whole);
}

const ImageDecoder image_png_decoder = {sizeof(PngReader), png_open, png_read, png_close};
