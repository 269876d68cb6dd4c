#include "image/image.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "image/codec.h"
#include "image/jpeg.h"

/* What a file is, by the bytes at its start. */
static const struct {
    const char *name;
    const char *bytes;
    const char *mask; /* '=' the byte must match, '.' any */
    const ImageDecoder *decoder;
} magics[] = {
    {"a JPEG", "\xff\xd8\xff", "===", &image_jpeg_decoder},
    {"a PNG", "\x89PNG\r\n\x1a\n", "========", &image_png_decoder},
    {"a GIF", "GIF8", "====", NULL},
    {"a TIFF", "II*\0", "====", NULL},
    {"a TIFF", "MM\0*", "====", NULL},
    {"a BigTIFF", "II+\0", "====", NULL},
    {"a BigTIFF", "MM\0+", "====", NULL},
    {"a WebP", "RIFF....WEBP", "====....====", NULL},
    {"an AVIF", "....ftypavif", "....========", NULL},
    {"a HEIC", "....ftyphei", "....=======", NULL},
    {"a HEIC", "....ftypmif1", "....========", NULL},
    {"a JPEG XL", "\0\0\0\x0cJXL ", "========", NULL},
    {"a JPEG XL", "\xff\x0a", "==", NULL},
    {"a JPEG 2000", "\0\0\0\x0cjP  ", "========", NULL},
    {"a Photoshop", "8BPS", "====", NULL},
    {"a PDF", "%PDF-", "=====", NULL},
    {"an SVG", "<svg", "====", NULL},
    {"a BMP", "BM", "==", NULL},
};

enum { MAGIC_MOST = 12 };

static bool magic_matches(const char *bytes, const char *mask, const uint8_t *found, size_t length)
{
    size_t count = strlen(mask);

    if (length < count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (mask[i] == '=' && (uint8_t)bytes[i] != found[i])
            return false;
    return true;
}

static const ImageDecoder *find_decoder(ImageInput *input, Error *error)
{
    int filled = 1;

    while (filled > 0 && input->end - input->start < MAGIC_MOST)
        filled = image_input_fill(input, error);
    if (filled < 0)
        return NULL;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        if (!magic_matches(magics[i].bytes, magics[i].mask, input->buffer + input->start,
                           input->end - input->start))
            continue;
        if (magics[i].decoder == NULL)
            error_set(error, ERROR_INPUT, "%s: %s file; tilecrew reads JPEG and PNG",
                      image_input_name(input), magics[i].name);
        return magics[i].decoder;
    }
    error_set(error, ERROR_INPUT, "%s: %s", image_input_name(input),
              input->end == input->start ? "an empty file" : "not a JPEG or PNG file");
    return NULL;
}

static ImageReader *open_reader(ByteSource *source, const ImageLimits *limits,
                                const ImageReadOptions *options, bool probe, Error *error)
{
    ImageInput input;
    const ImageDecoder *decoder;
    ImageReader *reader;

    if (image_input_open(&input, source, error) != 0 ||
        (decoder = find_decoder(&input, error)) == NULL) {
        image_input_close(&input);
        return NULL;
    }
    reader = memory_need(decoder->size);
    reader->decoder = decoder;
    reader->input = input;
    reader->metadata = metadata_create(decoder == &image_png_decoder ? IMAGE_PNG : IMAGE_JPEG,
                                       limits->max_metadata_bytes);
    if (decoder->open(reader, limits, options, probe, error) != 0) {
        image_close_reader(reader);
        return NULL;
    }
    return reader;
}

int image_probe(ByteSource *source, const ImageLimits *limits, ImageInfo *info, Error *error)
{
    const ImageReadOptions options = {0};
    ImageReader *reader = open_reader(source, limits, &options, true, error);

    if (reader == NULL)
        return -1;
    *info = reader->info;
    image_close_reader(reader);
    return 0;
}

ImageReader *image_open_reader(ByteSource *source, const ImageLimits *limits,
                               const ImageReadOptions *options, Error *error)
{
    return open_reader(source, limits, options, false, error);
}

const ImageInfo *image_reader_info(const ImageReader *reader)
{
    return &reader->info;
}

int image_read_rows(ImageReader *reader, void *rows, size_t stride, int64_t count, Error *error)
{
    if (reader->failed)
        return error_set(error, ERROR_INPUT, "%s: an earlier row could not be decoded",
                         image_input_name(&reader->input));
    if (count < 0 || count > reader->info.height - reader->next_row)
        return error_set(error, ERROR_INPUT, "%s: rows %lld to %lld are outside of the image",
                         image_input_name(&reader->input), (long long)reader->next_row,
                         (long long)(reader->next_row + count));
    if (count == 0)
        return 0;
    if (reader->decoder->read(reader, rows, stride, count, error) != 0) {
        reader->failed = true;
        return -1;
    }
    reader->next_row += count;
    return 0;
}

ImageMetadata *image_take_metadata(ImageReader *reader)
{
    ImageMetadata *metadata = reader->metadata;

    reader->metadata = metadata_create(metadata->kind, (int64_t)metadata->max_bytes);
    return metadata;
}

void image_close_reader(ImageReader *reader)
{
    if (reader == NULL)
        return;
    reader->decoder->close(reader);
    image_metadata_free(reader->metadata);
    image_input_close(&reader->input);
    free(reader);
}

int image_check_limits(const ImageReader *reader, const ImageLimits *limits, double least_bits,
                       Error *error)
{
    const ImageInfo *info = &reader->info;
    const char *name = image_input_name(&reader->input);
    uint64_t size = reader->input.source->size;

    if (info->width > limits->max_side || info->height > limits->max_side)
        return error_set(
            error, ERROR_INPUT, "%s: claims %lld x %lld pixels, over limits.max_side %lld", name,
            (long long)info->width, (long long)info->height, (long long)limits->max_side);
    if (info->width > limits->max_pixels / info->height)
        return error_set(
            error, ERROR_INPUT, "%s: claims %lld x %lld pixels, over limits.max_pixels %lld", name,
            (long long)info->width, (long long)info->height, (long long)limits->max_pixels);
    if (size > 0 && least_bits / 8 > (double)size)
        return error_set(error, ERROR_INPUT,
                         "%s: claims %lld x %lld pixels, which cannot be in %llu bytes", name,
                         (long long)info->width, (long long)info->height, (unsigned long long)size);
    return 0;
}

int image_check_memory(const ImageReader *reader, const ImageLimits *limits, double bytes,
                       Error *error)
{
    if (bytes <= (double)limits->max_coefficient_bytes)
        return 0;
    return error_set(error, ERROR_INPUT,
                     "%s: %s of %lld x %lld pixels needs %.0f MiB of memory at once, over "
                     "limits.max_coefficient_bytes (%.0f MiB); raise it or convert the file",
                     image_input_name(&reader->input),
                     reader->info.kind == IMAGE_JPEG ? "a progressive JPEG" : "an interlaced PNG",
                     (long long)reader->info.width, (long long)reader->info.height, bytes / 1048576,
                     (double)limits->max_coefficient_bytes / 1048576);
}

/* The largest sum, 65535 * 16384 + 8192, fits 32 bits. */
static inline uint32_t luma(uint32_t red, uint32_t green, uint32_t blue)
{
    return (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14;
}

/* In place: the result never overtakes what is still to be read. */
static void luma_row_8(uint8_t *row, int64_t width, int channels)
{
    uint8_t *to = row;

    for (const uint8_t *from = row; from < row + width * channels; from += channels) {
        const uint8_t alpha = from[channels - 1];

        *to++ = (uint8_t)luma(from[0], from[1], from[2]);
        if (channels == 4)
            *to++ = alpha;
    }
}

static void luma_row_16(uint16_t *row, int64_t width, int channels)
{
    uint16_t *to = row;

    for (const uint16_t *from = row; from < row + width * channels; from += channels) {
        const uint16_t alpha = from[channels - 1];

        *to++ = (uint16_t)luma(from[0], from[1], from[2]);
        if (channels == 4)
            *to++ = alpha;
    }
}

void image_luma_row(void *row, int64_t width, int channels, int depth)
{
    if (depth == 8)
        luma_row_8(row, width, channels);
    else
        luma_row_16(row, width, channels);
}

int64_t image_strip_rows(const ImageInfo *info)
{
    const int64_t row_bytes = info->width * info->channels * (info->depth / 8);
    const int64_t rows = ((1 << 20) + row_bytes - 1) / row_bytes;

    if (info->kind == IMAGE_JPEG)
        return IMAGE_STRIP_GRID;
    return (rows + IMAGE_STRIP_GRID - 1) / IMAGE_STRIP_GRID * IMAGE_STRIP_GRID;
}

bool image_writer_is_part(const ImageWriter *writer)
{
    return writer->options.first_row > 0 || writer->options.row_count < writer->info.height;
}

static int check_tile(const ImageInfo *info, const ImageWriteOptions *options, const char *name,
                      Error *error)
{
    const int64_t strip = image_strip_rows(info);
    const int64_t end = options->first_row + options->row_count;

    if (options->first_row < 0 || options->row_count < 1 || end > info->height ||
        options->first_row % strip != 0 || (end < info->height && end % strip != 0))
        return error_set(error, ERROR_INPUT,
                         "%s: rows %lld to %lld of %lld cannot be written as a tile: tiles begin "
                         "and end on multiples of %lld rows",
                         name, (long long)options->first_row, (long long)end,
                         (long long)info->height, (long long)strip);
    return 0;
}

ImageWriter *image_open_writer(ByteSink *sink, const ImageInfo *info,
                               const ImageWriteOptions *options, Error *error)
{
    const ImageEncoder *encoder =
        info->kind == IMAGE_PNG ? &image_png_encoder : &image_jpeg_encoder;
    ImageWriter *writer;

    if (info->width < 1 || info->height < 1 || info->channels < 1 || info->channels > 4 ||
        (info->depth != 8 && info->depth != 16)) {
        error_set(error, ERROR_INPUT, "%s: no image has %lld x %lld pixels of %d channels, %d bits",
                  sink->name, (long long)info->width, (long long)info->height, info->channels,
                  info->depth);
        return NULL;
    }
    if (check_tile(info, options, sink->name, error) != 0)
        return NULL;
    writer = memory_need(encoder->size);
    writer->encoder = encoder;
    writer->sink = sink;
    writer->info = *info;
    writer->options = *options;
    if (encoder->open(writer, error) != 0) {
        image_close_writer(writer);
        return NULL;
    }
    return writer;
}

int image_write_rows(ImageWriter *writer, const void *rows, size_t stride, int64_t count,
                     Error *error)
{
    if (writer->failed || count < 0 || count > writer->options.row_count - writer->rows_written)
        return error_set(error, ERROR_SYSTEM, "%s: %s", writer->sink->name,
                         writer->failed ? "an earlier row could not be written"
                                        : "more rows than the tile has");
    if (count == 0)
        return 0;
    if (writer->encoder->write(writer, rows, stride, count, error) != 0) {
        writer->failed = true;
        return -1;
    }
    writer->rows_written += count;
    return 0;
}

int image_finish_writer(ImageWriter *writer, Error *error)
{
    if (writer->failed || writer->rows_written != writer->options.row_count)
        return error_set(error, ERROR_SYSTEM, "%s: only %lld of %lld rows were written",
                         writer->sink->name, (long long)writer->rows_written,
                         (long long)writer->options.row_count);
    return writer->encoder->finish(writer, error);
}

void image_close_writer(ImageWriter *writer)
{
    if (writer == NULL)
        return;
    writer->encoder->close(writer);
    free(writer);
}

int image_join(ImageKind kind, ByteSource *const *parts, int count, ByteSink *sink, Error *error)
{
    if (count < 1)
        return error_set(error, ERROR_INPUT, "%s: no parts to join", sink->name);
    return kind == IMAGE_PNG ? image_join_png(parts, count, sink, error)
                             : image_join_jpeg(parts, count, sink, error);
}

#define TEXT_OF(x)     #x
#define TEXT_OF_ARG(x) TEXT_OF(x)

const char *image_codec_versions(void)
{
    static char versions[96];

    if (versions[0] == '\0')
        snprintf(versions, sizeof versions, "libjpeg-turbo %s, libpng %s, zlib %s",
                 TEXT_OF_ARG(LIBJPEG_TURBO_VERSION), png_get_libpng_ver(NULL), zlibVersion());
    return versions;
}
