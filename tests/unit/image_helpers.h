/* tests/unit/image_helpers.h: pictures for the tests of image/, made in memory, and the shortest
 * way to encode and decode one. */
#ifndef TESTS_UNIT_IMAGE_HELPERS_H
#define TESTS_UNIT_IMAGE_HELPERS_H

#include "tests/unit/unit.h"

#include <jpeglib.h>
#include <png.h>

#include "base/text.h"
#include "image/image.h"

static const ImageLimits roomy = {.max_pixels = 2200000000,
                                  .max_side = 1000000,
                                  .max_scans = 100,
                                  .max_coefficient_bytes = 1 << 30,
                                  .max_metadata_bytes = 16 << 20};

typedef struct Picture {
    ImageInfo info;
    size_t stride;
    uint8_t *rows;
} Picture;

typedef struct Encoded {
    void *bytes;
    size_t length;
} Encoded;

static inline Picture picture_blank(const ImageInfo *info)
{
    Picture picture = {.info = *info};

    picture.stride = (size_t)(info->width * info->channels * (info->depth / 8));
    picture.rows = calloc((size_t)info->height, picture.stride);
    assert_non_null(picture.rows);
    return picture;
}

/* Slopes with noise on them: something for every filter and every coefficient. */
static inline Picture picture_make(ImageKind kind, int64_t width, int64_t height, int channels,
                                   int depth)
{
    const ImageInfo info = {kind, width, height, channels, depth, false};
    Picture picture = picture_blank(&info);
    uint32_t seed = (uint32_t)(width * 31 + height * 17 + channels);

    for (int64_t y = 0; y < height; y++) {
        for (int64_t i = 0; i < width * channels; i++) {
            uint32_t value;

            seed = seed * 1664525 + 1013904223;
            value = (uint32_t)(y * 300 + i * 70) + (seed >> 20);
            if (depth == 8)
                picture.rows[(size_t)y * picture.stride + (size_t)i] = (uint8_t)(value >> 5);
            else
                ((uint16_t *)(void *)(picture.rows + (size_t)y * picture.stride))[i] =
                    (uint16_t)(value << 3);
        }
    }
    return picture;
}

/* encode_tile writes rows first..first+count as the writer would for a tile. */
static inline Encoded encode_tile(const Picture *picture, int64_t first, int64_t count,
                                  int64_t band, int level, const ImageMetadata *metadata)
{
    const ImageWriteOptions options = {90, level, metadata, first, count};
    Encoded encoded;
    Error error = {0};
    ByteSink *sink = bytes_create_memory(&encoded.bytes, &encoded.length, "tile");
    ImageWriter *writer = image_open_writer(sink, &picture->info, &options, &error);

    if (writer == NULL)
        fail_msg("%s", error.message);
    for (int64_t row = 0; row < count; row += band) {
        int64_t rows = band < count - row ? band : count - row;

        if (image_write_rows(writer, picture->rows + (size_t)(first + row) * picture->stride,
                             picture->stride, rows, &error) != 0)
            fail_msg("%s", error.message);
    }
    if (image_finish_writer(writer, &error) != 0 || sink->finish(sink, &error) != 0)
        fail_msg("%s", error.message);
    image_close_writer(writer);
    return encoded;
}

static inline Encoded encode(const Picture *picture, const ImageMetadata *metadata)
{
    return encode_tile(picture, 0, picture->info.height, picture->info.height, 3, metadata);
}

static inline ImageReader *open_bytes(const void *bytes, size_t length, const ImageLimits *limits,
                                      ImageReadOptions options, Error *error)
{
    return image_open_reader(bytes_open_memory(bytes, length, "a.jpg"), limits, &options, error);
}

/* decode_bytes is -1 with the error when the reader refused, at whatever point. */
static inline int decode_bytes(const void *bytes, size_t length, const ImageLimits *limits,
                               ImageReadOptions options, Picture *picture, Error *error)
{
    ImageReader *reader = open_bytes(bytes, length, limits, options, error);
    int result;

    if (reader == NULL)
        return -1;
    *picture = picture_blank(image_reader_info(reader));
    result = image_read_rows(reader, picture->rows, picture->stride,
                             picture->info.height - options.first_row, error);
    image_close_reader(reader);
    if (result != 0)
        free(picture->rows);
    return result;
}

static inline Picture decode(Encoded encoded, ImageReadOptions options)
{
    Picture picture = {0};
    Error error = {0};

    if (decode_bytes(encoded.bytes, encoded.length, &roomy, options, &picture, &error) != 0)
        fail_msg("%s", error.message);
    return picture;
}

static inline void assert_same_picture(const Picture *a, const Picture *b)
{
    assert_int_equal(a->info.width, b->info.width);
    assert_int_equal(a->info.height, b->info.height);
    assert_int_equal(a->info.channels, b->info.channels);
    assert_int_equal(a->info.depth, b->info.depth);
    assert_memory_equal(a->rows, b->rows, a->stride * (size_t)a->info.height);
}

/* A JPEG by libjpeg itself, of every shape that our writer does not make. `space` is that of the
 * file: JCS_YCbCr, JCS_RGB, JCS_GRAYSCALE, JCS_CMYK. */
typedef struct JpegShape {
    int h, v; /* of luma */
    bool progressive;
    bool arithmetic;
    int restart_rows;
    J_COLOR_SPACE space;
} JpegShape;

static inline Encoded jpeg_by_library(const Picture *picture, JpegShape shape)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long length = 0;
    const bool grey = picture->info.channels == 1;

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &bytes, &length);
    cinfo.image_width = (JDIMENSION)picture->info.width;
    cinfo.image_height = (JDIMENSION)picture->info.height;
    cinfo.input_components = picture->info.channels;
    cinfo.in_color_space = grey ? JCS_GRAYSCALE : picture->info.channels == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_set_defaults(&cinfo);
    if (shape.space != JCS_UNKNOWN)
        jpeg_set_colorspace(&cinfo, shape.space);
    if (!grey) {
        cinfo.comp_info[0].h_samp_factor = shape.h;
        cinfo.comp_info[0].v_samp_factor = shape.v;
    }
    if (shape.progressive)
        jpeg_simple_progression(&cinfo);
    cinfo.arith_code = shape.arithmetic;
    cinfo.restart_in_rows = shape.restart_rows;
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < cinfo.image_height) {
        JSAMPROW row = picture->rows + cinfo.next_scanline * picture->stride;

        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return (Encoded){bytes, length};
}

/* What libjpeg's plain decode gives, to RGB or grey. */
static inline Picture jpeg_decode_by_library(Encoded encoded, J_COLOR_SPACE space)
{
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    ImageInfo info = {.kind = IMAGE_JPEG, .depth = 8};
    Picture picture = {0};

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, encoded.bytes, encoded.length);
    jpeg_read_header(&cinfo, TRUE);
    cinfo.out_color_space = space;
    jpeg_start_decompress(&cinfo);
    info.width = cinfo.output_width;
    info.height = cinfo.output_height;
    info.channels = cinfo.output_components;
    picture = picture_blank(&info);
    while (cinfo.output_scanline < cinfo.output_height) {
        JSAMPROW row = picture.rows + cinfo.output_scanline * picture.stride;

        jpeg_read_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_decompress(&cinfo);
    jpeg_destroy_decompress(&cinfo);
    return picture;
}

/* A PNG by libpng: any colour type, bit depth and interlacing, from packed big-endian rows. */
typedef struct PngShape {
    int colour_type;
    int bits;
    bool interlaced;
    bool transparent; /* a tRNS chunk */
} PngShape;

static inline void append_to_text(png_structp png, png_bytep bytes, png_size_t length)
{
    text_add(png_get_io_ptr(png), bytes, length);
}

static inline Encoded png_by_library(int width, int height, const uint8_t *rows, size_t stride,
                                     PngShape shape)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[256];
    png_byte alphas[256];
    png_color_16 key = {.red = 7, .green = 8, .blue = 9, .gray = 1};
    png_bytep *pointers = calloc((size_t)height, sizeof *pointers);
    Text text = {0};
    size_t length;

    for (int i = 0; i < 256; i++) {
        palette[i] = (png_color){(png_byte)(i * 3), (png_byte)(i * 5), (png_byte)(255 - i)};
        alphas[i] = (png_byte)(i * 7);
    }
    for (int y = 0; y < height; y++)
        pointers[y] = (png_bytep)rows + (size_t)y * stride;
    png_set_write_fn(png, &text, append_to_text, NULL);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, shape.bits, shape.colour_type,
                 shape.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (shape.colour_type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << shape.bits);
    if (shape.transparent)
        png_set_tRNS(png, info, alphas, shape.colour_type == PNG_COLOR_TYPE_PALETTE ? 2 : 0, &key);
    png_set_rows(png, info, pointers);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    free(pointers);
    length = text.length;
    return (Encoded){text_take(&text), length};
}

/* What libpng's simplified API gives: 8 bits, the format's channels. */
static inline Picture png_decode_by_library(Encoded encoded, int channels)
{
    static const png_uint_32 formats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                          PNG_FORMAT_RGBA};
    png_image image = {.version = PNG_IMAGE_VERSION};
    ImageInfo info = {.kind = IMAGE_PNG, .depth = 8, .channels = channels};
    Picture picture = {0};

    assert_true(png_image_begin_read_from_memory(&image, encoded.bytes, encoded.length));
    image.format = formats[channels];
    info.width = image.width;
    info.height = image.height;
    picture = picture_blank(&info);
    assert_true(png_image_finish_read(&image, NULL, picture.rows, 0, NULL));
    return picture;
}

#endif
