/* Files that are not what they say: each gets an error with its reason, never a crash, never made
 * up rows. */
#include "tests/unit/image_helpers.h"

#include <zlib.h>

static Encoded make_jpeg(bool progressive)
{
    Picture made = picture_make(IMAGE_JPEG, 100, 80, 3, 8);
    Encoded encoded = jpeg_by_library(&made, (JpegShape){2, 2, progressive, false, 0, JCS_YCbCr});

    free(made.rows);
    return encoded;
}

static Encoded make_png(bool interlaced)
{
    Picture made = picture_make(IMAGE_PNG, 100, 80, 3, 8);
    Encoded encoded = png_by_library(100, 80, made.rows, made.stride,
                                     (PngShape){PNG_COLOR_TYPE_RGB, 8, interlaced, false});

    free(made.rows);
    return encoded;
}

static void assert_refused(Encoded encoded, const ImageLimits *limits, const char *why)
{
    Picture picture = {0};
    Error error = {0};

    assert_int_equal(decode_bytes(encoded.bytes, encoded.length, limits, (ImageReadOptions){0},
                                  &picture, &error),
                     -1);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_contains(error.message, "a.jpg: ");
    assert_contains(error.message, why);
}

static void assert_probe_refused(Encoded encoded, const ImageLimits *limits, const char *why)
{
    ImageInfo info;
    Error error = {0};

    assert_int_equal(image_probe(bytes_open_memory(encoded.bytes, encoded.length, "a.jpg"), limits,
                                 &info, &error),
                     -1);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_contains(error.message, "a.jpg: ");
    assert_contains(error.message, why);
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    Encoded files[] = {make_jpeg(false), make_jpeg(true), make_png(false), make_png(true)};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (size_t length = 0; length < files[i].length; length += length < 1500 ? 1 : 13) {
            /* a copy of exactly that size, so that a sanitizer sees a read behind it */
            Encoded part = {malloc(length + 1), length};

            memcpy(part.bytes, files[i].bytes, length);
            assert_refused(part, &roomy,
                           length == 0                  ? "an empty file"
                           : length < (i < 2 ? 3U : 8U) ? "not a JPEG or PNG"
                                                        : "");
            free(part.bytes);
        }
        free(files[i].bytes);
    }
}

static void a_flipped_byte_never_crashes(void **state)
{
    Encoded files[] = {make_jpeg(false), make_jpeg(true), make_png(false), make_png(true)};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (size_t at = 0; at < files[i].length; at += at < 700 ? 1 : 11) {
            uint8_t *byte = (uint8_t *)files[i].bytes + at;
            const uint8_t before = *byte;
            Picture picture = {0};
            Error error = {0};

            *byte = (uint8_t)(before ^ (1 + at % 255));
            if (decode_bytes(files[i].bytes, files[i].length, &roomy, (ImageReadOptions){0},
                             &picture, &error) == 0)
                free(picture.rows);
            else
                assert_true(error.kind == ERROR_INPUT);
            *byte = before;
        }
        free(files[i].bytes);
    }
}

static void a_flipped_byte_in_a_png_is_always_noticed(void **state)
{
    Encoded file = make_png(false);
    uint8_t *bytes = file.bytes;

    (void)state;
    for (size_t at = 8; at < file.length; at += 3) {
        bytes[at] ^= 0x10;
        assert_refused(file, &roomy, "");
        bytes[at] ^= 0x10;
    }
    free(file.bytes);
}

static void other_files_are_named(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *why;
    } files[] = {
        {"GIF89a..........", 16, "a GIF file; tilecrew reads JPEG and PNG"},
        {"II*\0............", 16, "a TIFF file"},
        {"MM\0*............", 16, "a TIFF file"},
        {"RIFF\1\2\3\4WEBPVP8 ", 16, "a WebP file; tilecrew reads JPEG and PNG"},
        {"BM..............", 16, "a BMP file"},
        {"\0\0\0\x18"
         "ftypheic....",
         16, "a HEIC file"},
        {"\0\0\0\x18"
         "ftypavif....",
         16, "an AVIF file"},
        {"%PDF-1.7........", 16, "a PDF file"},
        {"hello, world", 12, "not a JPEG or PNG file"},
        {"", 0, "an empty file"},
        {"B", 1, "not a JPEG or PNG file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_probe_refused((Encoded){(void *)files[i].bytes, files[i].length}, &roomy,
                             files[i].why);
}

/* a probe and a reader take the same files */
static void a_png_with_an_unknown_critical_chunk_is_refused(void **state)
{
    static const uint8_t chunk[] = {0, 0, 0, 0, 'A', 'B', 'C', 'D', 0xdb, 0x17, 0x20, 0xa5};
    enum { AFTER_IHDR = 33 };
    Encoded png = make_png(false);
    Encoded more = {malloc(png.length + sizeof chunk), png.length + sizeof chunk};
    uint8_t *bytes = more.bytes;

    (void)state;
    memcpy(bytes, png.bytes, AFTER_IHDR);
    memcpy(bytes + AFTER_IHDR, chunk, sizeof chunk);
    memcpy(bytes + AFTER_IHDR + sizeof chunk, (uint8_t *)png.bytes + AFTER_IHDR,
           png.length - AFTER_IHDR);
    assert_refused(more, &roomy, "critical chunk");
    assert_probe_refused(more, &roomy, "critical chunk");
    free(png.bytes);
    free(more.bytes);
}

static void jpegs_that_are_not_read_say_why(void **state)
{
    Picture made = picture_make(IMAGE_JPEG, 40, 40, 4, 8);
    Picture colour = picture_make(IMAGE_JPEG, 40, 40, 3, 8);
    Encoded cmyk = jpeg_by_library(&made, (JpegShape){1, 1, false, false, 0, JCS_CMYK});
    Encoded ycck = jpeg_by_library(&made, (JpegShape){1, 1, false, false, 0, JCS_YCCK});
    Encoded arithmetic = jpeg_by_library(&colour, (JpegShape){1, 1, false, true, 0, JCS_YCbCr});
    Encoded deep = jpeg_by_library(&colour, (JpegShape){1, 1, false, false, 0, JCS_YCbCr});

    (void)state;
    for (size_t i = 0; i + 4 < deep.length; i++) {
        uint8_t *bytes = (uint8_t *)deep.bytes + i;

        if (bytes[0] == 0xff && bytes[1] == 0xc0)
            bytes[4] = 12;
    }
    assert_probe_refused(cmyk, &roomy, "a CMYK JPEG");
    assert_probe_refused(ycck, &roomy, "a CMYK JPEG");
    assert_probe_refused(arithmetic, &roomy, "an arithmetic-coded JPEG");
    assert_probe_refused(deep, &roomy, "a 12-bit JPEG");
    free(cmyk.bytes);
    free(ycck.bytes);
    free(arithmetic.bytes);
    free(deep.bytes);
    free(made.rows);
    free(colour.rows);
}

/* patch_size rewrites the dimensions in the header: a JPEG's SOF, or a PNG's IHDR with its CRC. */
static void patch_size(Encoded encoded, unsigned width, unsigned height)
{
    uint8_t *bytes = encoded.bytes;

    if (bytes[0] == 0x89) {
        uint32_t crc;

        for (int k = 0; k < 4; k++) {
            bytes[16 + k] = (uint8_t)(width >> (24 - 8 * k));
            bytes[20 + k] = (uint8_t)(height >> (24 - 8 * k));
        }
        crc = (uint32_t)crc32(0, bytes + 12, 17);
        for (int k = 0; k < 4; k++)
            bytes[29 + k] = (uint8_t)(crc >> (24 - 8 * k));
        return;
    }
    for (size_t i = 0; i + 8 < encoded.length; i++) {
        if (bytes[i] != 0xff || (bytes[i + 1] != 0xc0 && bytes[i + 1] != 0xc2))
            continue;
        bytes[i + 5] = (uint8_t)(height >> 8);
        bytes[i + 6] = (uint8_t)height;
        bytes[i + 7] = (uint8_t)(width >> 8);
        bytes[i + 8] = (uint8_t)width;
        return;
    }
}

static void lies_about_the_size_are_seen_before_anything_is_allocated(void **state)
{
    Encoded files[] = {make_jpeg(false), make_jpeg(true), make_png(false), make_png(true)};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        patch_size(files[i], 60000, 60000);
        assert_probe_refused(files[i], &roomy,
                             "claims 60000 x 60000 pixels, over limits.max_pixels 2200000000");
        patch_size(files[i], 30000, 30000);
        assert_probe_refused(files[i], &roomy, "30000 x 30000 pixels, which cannot be in");
        patch_size(files[i], 0, 100);
        assert_probe_refused(files[i], &roomy, "");
        patch_size(files[i], 100, 96); /* a few rows too many: seen when they do not come */
        assert_refused(files[i], &roomy, "");
        free(files[i].bytes);
    }
}

static void every_limit_is_kept(void **state)
{
    Encoded jpeg = make_jpeg(true);
    Encoded png = make_png(true);
    ImageLimits limits = roomy;

    (void)state;
    limits.max_side = 99;
    assert_probe_refused(jpeg, &limits, "claims 100 x 80 pixels, over limits.max_side 99");
    assert_probe_refused(png, &limits, "over limits.max_side 99");
    limits = roomy;
    limits.max_pixels = 7999;
    assert_probe_refused(jpeg, &limits, "over limits.max_pixels 7999");
    assert_probe_refused(png, &limits, "over limits.max_pixels 7999");
    limits = roomy;
    limits.max_coefficient_bytes = 23999;
    assert_probe_refused(jpeg, &limits, "limits.max_coefficient_bytes");
    assert_probe_refused(png, &limits, "limits.max_coefficient_bytes");
    limits = roomy;
    limits.max_scans = 5;
    assert_refused(jpeg, &limits, "more than limits.max_scans (5) scans");
    limits.max_scans = 10;
    {
        Picture picture = {0};
        Error error = {0};

        assert_int_equal(
            decode_bytes(jpeg.bytes, jpeg.length, &limits, (ImageReadOptions){0}, &picture, &error),
            0);
        free(picture.rows);
    }
    free(jpeg.bytes);
    free(png.bytes);
}

static void a_progressive_jpeg_without_some_scans_is_refused(void **state)
{
    Encoded jpeg = make_jpeg(true);
    uint8_t *bytes = jpeg.bytes;
    size_t at = 2;

    (void)state;
    /* the first scan holds every component's DC: jump from its start to the end */
    while (!(bytes[at] == 0xff && bytes[at + 1] == 0xda))
        at++;
    bytes[at + 2] = 0; /* its length, in a COM segment of nothing */
    bytes[at + 1] = 0xfe;
    assert_refused(jpeg, &roomy, "");
    free(jpeg.bytes);
}

typedef struct FailingSource {
    ByteSource base;
    const uint8_t *bytes;
    size_t left;
} FailingSource;

static ssize_t failing_read(ByteSource *source, void *bytes, size_t length, Error *error)
{
    FailingSource *failing = (FailingSource *)source;
    size_t count = length < failing->left ? length : failing->left;

    if (count == 0)
        return error_set(error, ERROR_STORE, "the network went away");
    memcpy(bytes, failing->bytes, count);
    failing->bytes += count;
    failing->left -= count;
    return (ssize_t)count;
}

static void failing_close(ByteSource *source)
{
    ((FailingSource *)source)->base.name = "closed";
}

static void a_source_that_fails_keeps_its_own_error(void **state)
{
    Encoded files[] = {make_jpeg(false), make_jpeg(true), make_png(false), make_png(true)};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (size_t left = 0; left < files[i].length; left += 97) {
            FailingSource source = {
                {failing_read, failing_close, 0, "a.jpg"}, files[i].bytes, left};
            uint8_t rows[80 * 300];
            Error error = {0};
            ImageReader *reader =
                image_open_reader(&source.base, &roomy, &(ImageReadOptions){0}, &error);

            if (reader != NULL) {
                assert_int_equal(image_read_rows(reader, rows, 300, 80, &error), -1);
                image_close_reader(reader);
            }
            assert_int_equal(error.kind, ERROR_STORE);
            assert_string_equal(error.message, "the network went away");
            assert_string_equal(source.base.name, "closed");
        }
        free(files[i].bytes);
    }
}

static int full_write(ByteSink *sink, const void *bytes, size_t length, Error *error)
{
    (void)bytes;
    if (sink->written + length > 3000)
        return error_set(error, ERROR_FULL, "the disk is full");
    sink->written += length;
    return 0;
}

static void a_sink_that_fails_keeps_its_own_error(void **state)
{
    (void)state;
    for (int kind = IMAGE_JPEG; kind <= IMAGE_PNG; kind++) {
        Picture made = picture_make((ImageKind)kind, 400, 400, 3, 8);
        ByteSink sink = {.write = full_write, .name = "full"};
        Error error = {0};
        const ImageWriteOptions options = {90, 3, NULL, 0, 400};
        ImageWriter *writer = image_open_writer(&sink, &made.info, &options, &error);

        assert_non_null(writer);
        if (image_write_rows(writer, made.rows, made.stride, 400, &error) == 0)
            assert_int_equal(image_finish_writer(writer, &error), -1);
        image_close_writer(writer);
        assert_int_equal(error.kind, ERROR_FULL);
        assert_string_equal(error.message, "the disk is full");
        free(made.rows);
    }
}

static void an_image_of_no_pixels_is_not_written(void **state)
{
    static const ImageInfo infos[] = {{IMAGE_PNG, 0, 4, 3, 8, false},
                                      {IMAGE_JPEG, 4, 0, 3, 8, false},
                                      {IMAGE_PNG, 4, 4, 0, 8, false},
                                      {IMAGE_PNG, 4, 4, 5, 8, false},
                                      {IMAGE_PNG, 4, 4, 3, 12, false}};
    const ImageWriteOptions options = {90, 3, NULL, 0, 4};

    (void)state;
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        ByteSink sink = {.write = full_write, .name = "none"};
        Error error = {0};

        assert_null(image_open_writer(&sink, &infos[i], &options, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_contains(error.message, "none: no image has");
    }
}

static void a_jpeg_too_large_for_the_format_is_refused(void **state)
{
    const ImageInfo info = {IMAGE_JPEG, 65501, 10, 3, 8, false};
    ByteSink sink = {.write = full_write, .name = "out.jpg"};
    Error error = {0};

    (void)state;
    assert_null(image_open_writer(&sink, &info, &(ImageWriteOptions){90, 3, NULL, 0, 10}, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_contains(error.message, "at most 65500 rows and columns");
}

static void a_reader_that_failed_stays_failed(void **state)
{
    Encoded jpeg = make_jpeg(false);
    uint8_t rows[80 * 300];
    Error error = {0};
    ImageReader *reader =
        open_bytes(jpeg.bytes, jpeg.length - 200, &roomy, (ImageReadOptions){0}, &error);

    (void)state;
    assert_non_null(reader);
    assert_int_equal(image_read_rows(reader, rows, 300, 80, &error), -1);
    assert_contains(error.message, "truncated");
    assert_int_equal(image_read_rows(reader, rows, 300, 80, &error), -1);
    assert_contains(error.message, "an earlier row");
    image_close_reader(reader);
    reader = open_bytes(jpeg.bytes, jpeg.length, &roomy, (ImageReadOptions){0}, &error);
    assert_int_equal(image_read_rows(reader, rows, 300, 81, &error), -1);
    assert_contains(error.message, "outside of the image");
    image_close_reader(reader);
    assert_null(open_bytes(jpeg.bytes, jpeg.length, &roomy, (ImageReadOptions){false, 80}, &error));
    assert_contains(error.message, "the file has changed");
    free(jpeg.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_flipped_byte_never_crashes),
        cmocka_unit_test(a_flipped_byte_in_a_png_is_always_noticed),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(a_png_with_an_unknown_critical_chunk_is_refused),
        cmocka_unit_test(jpegs_that_are_not_read_say_why),
        cmocka_unit_test(lies_about_the_size_are_seen_before_anything_is_allocated),
        cmocka_unit_test(every_limit_is_kept),
        cmocka_unit_test(a_progressive_jpeg_without_some_scans_is_refused),
        cmocka_unit_test(a_source_that_fails_keeps_its_own_error),
        cmocka_unit_test(a_sink_that_fails_keeps_its_own_error),
        cmocka_unit_test(an_image_of_no_pixels_is_not_written),
        cmocka_unit_test(a_jpeg_too_large_for_the_format_is_refused),
        cmocka_unit_test(a_reader_that_failed_stays_failed),
    };

    return cmocka_run_group_tests_name("image: broken files", tests, NULL, NULL);
}
