/* Writing JPEG with libjpeg-turbo: 4:2:0 (or grey), standard Huffman tables, a restart marker
 * behind every MCU row. Nothing is predicted across a restart, so a tile's bytes do not depend on
 * the rows above; image_join renumbers the markers.
 *
 * A part is a JPEG file of its own rows whose frame header already states the whole height, with an
 * ImagePart in a private segment. Whole image and part 0 carry the metadata. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/codec.h"
#include "image/jpeg.h"
#include "image/part.h"

enum { OUTPUT_SIZE = 64 * 1024, ROWS_AT_ONCE = 64 };

typedef struct JpegWriter {
    ImageWriter base;
    struct jpeg_compress_struct cinfo;
    JpegErrors errors;
    struct jpeg_destination_mgr destination;
    uint8_t *output;
    uint8_t *plain; /* ROWS_AT_ONCE rows of 8 bits without alpha; NULL when rows come that way */
} JpegWriter;

typedef struct WriteStep {
    JpegWriter *writer;
    const uint8_t *rows;
    size_t stride;
    int64_t count;
} WriteStep;

/* --- bytes --- */

static void init_destination(j_compress_ptr cinfo)
{
    JpegWriter *writer = cinfo->client_data;

    writer->destination.next_output_byte = writer->output;
    writer->destination.free_in_buffer = OUTPUT_SIZE;
}

static void flush(j_compress_ptr cinfo, size_t count)
{
    JpegWriter *writer = cinfo->client_data;

    if (count > 0 && writer->base.sink->write(writer->base.sink, writer->output, count,
                                              writer->errors.error) != 0)
        image_jpeg_escape(&writer->errors);
    init_destination(cinfo);
}

static boolean empty_output_buffer(j_compress_ptr cinfo)
{
    flush(cinfo, OUTPUT_SIZE); /* all of it, whatever free_in_buffer says */
    return TRUE;
}

static void term_destination(j_compress_ptr cinfo)
{
    JpegWriter *writer = cinfo->client_data;

    flush(cinfo, OUTPUT_SIZE - writer->destination.free_in_buffer);
}

/* --- the header --- */

static int put_segment(void *context, const uint8_t *type, const void *bytes, size_t length,
                       Error *error)
{
    (void)error;
    jpeg_write_marker(context, type[0], bytes, (unsigned)length);
    return 0;
}

static void put_metadata(JpegWriter *writer)
{
    const ImageWriteOptions *options = &writer->base.options;
    uint8_t part[IMAGE_PART_SEGMENT];

    if (image_writer_is_part(&writer->base)) {
        image_part_pack(part, (ImagePart){options->first_row, options->row_count});
        jpeg_write_marker(&writer->cinfo, IMAGE_PART_MARKER, part, sizeof part);
    }
    if (options->metadata != NULL && options->first_row == 0 &&
        metadata_put_jpeg(options->metadata, &writer->base.info, put_segment, &writer->cinfo,
                          writer->errors.error) != 0)
        image_jpeg_escape(&writer->errors);
}

static void set_height(struct jpeg_compress_struct *cinfo, int64_t height)
{
    cinfo->image_height = (JDIMENSION)height;
#if JPEG_LIB_VERSION >= 70
    cinfo->jpeg_height = (JDIMENSION)height;
#endif
}

static void set_density(JpegWriter *writer)
{
    MetadataUnit unit;
    unsigned x;
    unsigned y;

    if (writer->base.options.metadata == NULL ||
        !metadata_jpeg_density(writer->base.options.metadata, &unit, &x, &y))
        return;
    writer->cinfo.density_unit = (UINT8)unit;
    writer->cinfo.X_density = (UINT16)x;
    writer->cinfo.Y_density = (UINT16)y;
}

static void open_step(void *context)
{
    JpegWriter *writer = context;
    struct jpeg_compress_struct *cinfo = &writer->cinfo;
    const ImageInfo *info = &writer->base.info;

    jpeg_create_compress(cinfo);
    writer->destination = (struct jpeg_destination_mgr){.init_destination = init_destination,
                                                        .empty_output_buffer = empty_output_buffer,
                                                        .term_destination = term_destination};
    cinfo->dest = &writer->destination;
    cinfo->image_width = (JDIMENSION)info->width;
    cinfo->image_height = (JDIMENSION)writer->base.options.row_count;
    cinfo->input_components = info->channels >= 3 ? 3 : 1;
    cinfo->in_color_space = info->channels >= 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, writer->base.options.quality, TRUE);
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->restart_in_rows = 1;
    set_density(writer);
    jpeg_start_compress(cinfo, TRUE);
    put_metadata(writer);
    /* Writing no rows writes the frame header, which is to state the height of the whole. */
    set_height(cinfo, info->height);
    jpeg_write_scanlines(cinfo, NULL, 0);
    set_height(cinfo, writer->base.options.row_count);
}

static int jpeg_open(ImageWriter *base, Error *error)
{
    JpegWriter *writer = (JpegWriter *)base;
    const ImageInfo *info = &base->info;

    if (base->options.quality < 1 || base->options.quality > 100)
        return error_set(error, ERROR_USAGE, "JPEG quality %d is not within 1..100",
                         base->options.quality);
    if (info->width > JPEG_MAX_DIMENSION || info->height > JPEG_MAX_DIMENSION)
        return error_set(error, ERROR_INPUT,
                         "%s: %lld x %lld pixels; JPEG holds at most %ld rows and columns: write "
                         "PNG (--format png)",
                         base->sink->name, (long long)info->width, (long long)info->height,
                         (long)JPEG_MAX_DIMENSION);
    writer->cinfo.err = image_jpeg_errors_init(&writer->errors, base->sink->name);
    writer->cinfo.client_data = writer;
    writer->output = memory_try(1, OUTPUT_SIZE, "encoded bytes", error);
    if (writer->output == NULL)
        return -1;
    if ((info->channels & 1) == 0 || info->depth == 16) {
        writer->plain = memory_try(ROWS_AT_ONCE, (size_t)info->width * 3, "rows", error);
        if (writer->plain == NULL)
            return -1;
    }
    return image_jpeg_try(&writer->errors, open_step, writer, error);
}

/* --- rows --- */

/* Over white: (c * a + 255 * (255 - a)) / 255, rounded to nearest; with v = c * a + 255 * (255 -
 * a), (v + 128 + ((v + 128) >> 8)) >> 8 is exactly that for every v up to 255 * 255. 16 bits become
 * 8 as (v * 255 + 32767) / 65535, the nearest of 256 levels; flattened before, in 16 bits, so that
 * it is rounded once: (c * a + 65535 * (65535 - a)) / 65535 / 257. */
static uint8_t flatten8(uint32_t sample, uint32_t alpha)
{
    uint32_t v = sample * alpha + 255 * (255 - alpha) + 128;

    return (uint8_t)((v + (v >> 8)) >> 8);
}

static uint8_t flatten16(uint64_t sample, uint64_t alpha)
{
    const uint64_t whole = UINT64_C(65535) * 257;

    return (uint8_t)((sample * alpha + 65535 * (65535 - alpha) + whole / 2) / whole);
}

static void make_plain8(const uint8_t *row, int64_t width, int channels, uint8_t *to)
{
    const int colours = channels - 1;

    for (int64_t x = 0; x < width; x++)
        for (int c = 0; c < colours; c++)
            to[x * colours + c] = flatten8(row[x * channels + c], row[x * channels + colours]);
}

static void make_plain16(const uint16_t *row, int64_t width, int channels, uint8_t *to)
{
    const int colours = (channels - 1) | 1;
    const bool alpha = colours < channels;

    for (int64_t x = 0; x < width; x++)
        for (int c = 0; c < colours; c++)
            to[x * colours + c] =
                flatten16(row[x * channels + c], alpha ? row[x * channels + colours] : 65535);
}

static JSAMPROW make_plain(const JpegWriter *writer, const uint8_t *row, int64_t index)
{
    const ImageInfo *info = &writer->base.info;
    uint8_t *to = writer->plain + (size_t)index * (size_t)info->width * 3;

    if (info->depth == 16)
        make_plain16((const uint16_t *)(const void *)row, info->width, info->channels, to);
    else
        make_plain8(row, info->width, info->channels, to);
    return to;
}

static void write_step(void *context)
{
    const WriteStep *step = context;
    JpegWriter *writer = step->writer;
    JSAMPROW rows[ROWS_AT_ONCE];

    for (int64_t done = 0; done < step->count;) {
        int64_t count = step->count - done < ROWS_AT_ONCE ? step->count - done : ROWS_AT_ONCE;

        for (int64_t i = 0; i < count; i++) {
            const uint8_t *row = step->rows + (size_t)(done + i) * step->stride;

            /* libjpeg does not write to its input rows */
            rows[i] = writer->plain != NULL ? make_plain(writer, row, i) : (JSAMPROW)row;
        }
        done += jpeg_write_scanlines(&writer->cinfo, rows, (JDIMENSION)count);
    }
}

static int jpeg_write(ImageWriter *base, const uint8_t *rows, size_t stride, int64_t count,
                      Error *error)
{
    JpegWriter *writer = (JpegWriter *)base;
    WriteStep step = {writer, rows, stride, count};

    return image_jpeg_try(&writer->errors, write_step, &step, error);
}

static void finish_step(void *context)
{
    jpeg_finish_compress(context);
}

static int jpeg_finish(ImageWriter *base, Error *error)
{
    JpegWriter *writer = (JpegWriter *)base;

    return image_jpeg_try(&writer->errors, finish_step, &writer->cinfo, error);
}

static void jpeg_close(ImageWriter *base)
{
    JpegWriter *writer = (JpegWriter *)base;

    jpeg_destroy_compress(&writer->cinfo);
    free(writer->output);
    free(writer->plain);
}

const ImageEncoder image_jpeg_encoder = {sizeof(JpegWriter), jpeg_open, jpeg_write, jpeg_finish,
                                         jpeg_close};
