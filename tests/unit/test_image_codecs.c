/* What is decoded is what libjpeg and libpng decode; what is encoded is decoded by them. */
#include "tests/unit/image_helpers.h"

static const int64_t sizes[][2] = {{1, 1},   {1, 40},  {40, 1},   {7, 5},   {16, 16},
                                   {17, 33}, {64, 64}, {131, 97}, {250, 70}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void a_png_round_trip_loses_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        for (int channels = 1; channels <= 4; channels++)
            for (int depth = 8; depth <= 16; depth += 8) {
                Picture made = picture_make(IMAGE_PNG, sizes[i][0], sizes[i][1], channels, depth);
                Encoded encoded = encode(&made, NULL);
                Picture read = decode(encoded, (ImageReadOptions){0});

                assert_same_picture(&made, &read);
                free(made.rows);
                free(read.rows);
                free(encoded.bytes);
            }
}

static void every_png_level_loses_nothing_and_suits_libpng(void **state)
{
    (void)state;
    for (int level = 0; level <= 9; level++) {
        Picture made = picture_make(IMAGE_PNG, 301, 200, 3, 8);
        Encoded encoded = encode_tile(&made, 0, 200, 200, level, NULL);
        Picture read = png_decode_by_library(encoded, 3);

        assert_same_picture(&made, &read);
        free(made.rows);
        free(read.rows);
        free(encoded.bytes);
    }
}

static void a_jpeg_is_decoded_as_libjpeg_decodes_it(void **state)
{
    static const JpegShape shapes[] = {
        {1, 1, false, false, 0, JCS_YCbCr}, {2, 1, false, false, 0, JCS_YCbCr},
        {2, 2, false, false, 0, JCS_YCbCr}, {1, 2, false, false, 0, JCS_YCbCr},
        {4, 1, false, false, 0, JCS_YCbCr}, {2, 2, true, false, 0, JCS_YCbCr},
        {1, 1, true, false, 0, JCS_YCbCr},  {2, 2, false, false, 1, JCS_YCbCr},
        {1, 1, false, false, 0, JCS_RGB},
    };

    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            Picture made = picture_make(IMAGE_JPEG, sizes[i][0], sizes[i][1], 3, 8);
            Encoded encoded = jpeg_by_library(&made, shapes[k]);
            Picture expected = jpeg_decode_by_library(encoded, JCS_RGB);
            Picture read = decode(encoded, (ImageReadOptions){0});

            assert_int_equal(read.info.progressive, shapes[k].progressive);
            assert_same_picture(&expected, &read);
            free(read.rows);
            if (shapes[k].space == JCS_YCbCr) {
                Picture grey = jpeg_decode_by_library(encoded, JCS_GRAYSCALE);

                read = decode(encoded, (ImageReadOptions){.luma = true});
                assert_same_picture(&grey, &read);
                free(grey.rows);
                free(read.rows);
            }
            free(made.rows);
            free(expected.rows);
            free(encoded.bytes);
        }
}

static void a_jpeg_is_encoded_as_libjpeg_encodes_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++)
        for (int channels = 1; channels <= 3; channels += 2) {
            Picture made = picture_make(IMAGE_JPEG, sizes[i][0], sizes[i][1], channels, 8);
            Encoded encoded = encode(&made, NULL);
            Picture expected =
                jpeg_decode_by_library(encoded, channels == 1 ? JCS_GRAYSCALE : JCS_RGB);
            Picture read = decode(encoded, (ImageReadOptions){0});
            int64_t difference = 0;

            assert_same_picture(&expected, &read);
            for (size_t b = 0; b < made.stride * (size_t)made.info.height; b++)
                difference += abs(made.rows[b] - read.rows[b]);
            if (channels == 1) /* colours of noise do not survive 4:2:0 */
                assert_true(difference <= 6 * (int64_t)(made.stride * (size_t)made.info.height));
            free(made.rows);
            free(expected.rows);
            free(read.rows);
            free(encoded.bytes);
        }
}

static void rows_after_the_first_ones_are_those_of_a_whole_decode(void **state)
{
    static const JpegShape shapes[] = {
        {1, 1, false, false, 0, JCS_YCbCr}, {2, 1, false, false, 0, JCS_YCbCr},
        {2, 2, false, false, 0, JCS_YCbCr}, {1, 2, false, false, 0, JCS_YCbCr},
        {2, 2, true, false, 0, JCS_YCbCr},  {2, 2, false, false, 1, JCS_YCbCr}};
    enum { KINDS = sizeof shapes / sizeof *shapes };

    (void)state;
    for (size_t k = 0; k <= KINDS; k++) {
        Picture made = picture_make(IMAGE_PNG, 37, 150, 3, 8);
        Encoded encoded = k < KINDS ? jpeg_by_library(&made, shapes[k]) : encode(&made, NULL);

        for (int luma = 0; luma <= 1; luma++) {
            Picture whole = decode(encoded, (ImageReadOptions){.luma = luma != 0});

            for (int64_t first = 0; first < 150; first++) {
                Picture rest = decode(encoded, (ImageReadOptions){luma != 0, first});

                assert_memory_equal(rest.rows, whole.rows + (size_t)first * whole.stride,
                                    whole.stride * (size_t)(150 - first));
                free(rest.rows);
            }
            free(whole.rows);
        }
        free(made.rows);
        free(encoded.bytes);
    }
}

static void every_kind_of_png_is_expanded_as_libpng_expands_it(void **state)
{
    static const struct {
        PngShape shape;
        int channels;
    } kinds[] = {
        {{PNG_COLOR_TYPE_GRAY, 1, false, false}, 1},
        {{PNG_COLOR_TYPE_GRAY, 2, true, false}, 1},
        {{PNG_COLOR_TYPE_GRAY, 4, false, true}, 2},
        {{PNG_COLOR_TYPE_GRAY, 8, true, true}, 2},
        {{PNG_COLOR_TYPE_PALETTE, 1, false, false}, 3},
        {{PNG_COLOR_TYPE_PALETTE, 4, true, true}, 4},
        {{PNG_COLOR_TYPE_PALETTE, 8, false, false}, 3},
        {{PNG_COLOR_TYPE_RGB, 8, true, false}, 3},
        {{PNG_COLOR_TYPE_RGB, 8, false, true}, 4},
        {{PNG_COLOR_TYPE_RGB_ALPHA, 8, true, false}, 4},
        {{PNG_COLOR_TYPE_GRAY_ALPHA, 8, true, false}, 2},
    };
    Picture noise = picture_make(IMAGE_PNG, 61, 43, 4, 8);

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        Encoded encoded = png_by_library(61, 43, noise.rows, noise.stride, kinds[i].shape);
        Picture expected = png_decode_by_library(encoded, kinds[i].channels);
        ImageInfo probed = {0};
        Error error = {0};
        Picture read = decode(encoded, (ImageReadOptions){0});

        assert_int_equal(read.info.progressive, kinds[i].shape.interlaced);
        assert_same_picture(&expected, &read);
        assert_int_equal(image_probe(bytes_open_memory(encoded.bytes, encoded.length, "a.png"),
                                     &roomy, &probed, &error),
                         0);
        assert_memory_equal(&probed, &read.info, sizeof probed);
        free(expected.rows);
        free(read.rows);
        free(encoded.bytes);
    }
    free(noise.rows);
}

static void luma_of_a_png_is_the_stated_formula(void **state)
{
    (void)state;
    for (int channels = 3; channels <= 4; channels++)
        for (int depth = 8; depth <= 16; depth += 8) {
            Picture made = picture_make(IMAGE_PNG, 50, 20, channels, depth);
            Encoded encoded = encode(&made, NULL);
            Picture read = decode(encoded, (ImageReadOptions){.luma = true});

            assert_int_equal(read.info.channels, channels - 2);
            for (size_t i = 0; i < 50 * 20; i++) {
                uint64_t in[4] = {0};
                uint64_t out[2] = {0};

                for (size_t c = 0; c < (size_t)channels; c++)
                    in[c] = depth == 8 ? made.rows[i * (size_t)channels + c]
                                       : ((uint16_t *)(void *)made.rows)[i * (size_t)channels + c];
                for (size_t c = 0; c < (size_t)channels - 2; c++)
                    out[c] = depth == 8
                                 ? read.rows[i * (size_t)(channels - 2) + c]
                                 : ((uint16_t *)(void *)read.rows)[i * (size_t)(channels - 2) + c];
                assert_int_equal(out[0], (4899 * in[0] + 9617 * in[1] + 1868 * in[2] + 8192) >> 14);
                if (channels == 4)
                    assert_int_equal(out[1], in[3]);
            }
            free(made.rows);
            free(read.rows);
            free(encoded.bytes);
        }
}

static void alpha_becomes_white_paper_in_a_jpeg(void **state)
{
    (void)state;
    for (int channels = 2; channels <= 4; channels += 2)
        for (int depth = 8; depth <= 16; depth += 8) {
            const ImageInfo info = {IMAGE_JPEG, 32, 32, channels, depth, false};
            Picture clear = picture_blank(&info); /* black, alpha 0 */
            Encoded encoded = encode(&clear, NULL);
            Picture read = decode(encoded, (ImageReadOptions){0});

            assert_int_equal(read.info.channels, channels - 1);
            for (size_t i = 0; i < read.stride * 32; i++)
                assert_int_equal(read.rows[i], 255);
            free(clear.rows);
            free(read.rows);
            free(encoded.bytes);
        }
}

static void alpha_and_depth_are_rounded_to_the_nearest(void **state)
{
    (void)state;
    /* a flat picture survives quality 90 to within 2 levels */
    for (uint32_t alpha = 0; alpha < 65536; alpha += 4369)
        for (uint32_t sample = 0; sample < 65536; sample += 4369) {
            const ImageInfo info = {IMAGE_JPEG, 8, 8, 2, 16, false};
            Picture flat = picture_blank(&info);
            double meant = (sample * (double)alpha + 65535.0 * (65535.0 - alpha)) / 65535 / 257;
            Encoded encoded;
            Picture read = {0};

            for (size_t i = 0; i < 64; i++) {
                ((uint16_t *)(void *)flat.rows)[2 * i] = (uint16_t)sample;
                ((uint16_t *)(void *)flat.rows)[2 * i + 1] = (uint16_t)alpha;
            }
            encoded = encode(&flat, NULL);
            read = decode(encoded, (ImageReadOptions){0});
            assert_true(read.rows[0] - meant <= 2 && meant - read.rows[0] <= 2);
            free(flat.rows);
            free(read.rows);
            free(encoded.bytes);
        }
}

static void the_bytes_do_not_depend_on_how_many_rows_come_at_once(void **state)
{
    (void)state;
    for (int kind = IMAGE_JPEG; kind <= IMAGE_PNG; kind++)
        for (int level = 0; level <= 9; level += 3) {
            Picture made = picture_make((ImageKind)kind, 333, 111, 3, 8);
            Encoded whole = encode_tile(&made, 0, 111, 111, level, NULL);

            for (int64_t band = 1; band < 111; band += 13) {
                Encoded banded = encode_tile(&made, 0, 111, band, level, NULL);

                assert_int_equal(banded.length, whole.length);
                assert_memory_equal(banded.bytes, whole.bytes, whole.length);
                free(banded.bytes);
            }
            free(whole.bytes);
            free(made.rows);
        }
}

static void the_versions_name_all_three_libraries(void **state)
{
    (void)state;
    assert_contains(image_codec_versions(), "libjpeg-turbo ");
    assert_contains(image_codec_versions(), "libpng ");
    assert_contains(image_codec_versions(), "zlib ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_png_round_trip_loses_nothing),
        cmocka_unit_test(every_png_level_loses_nothing_and_suits_libpng),
        cmocka_unit_test(a_jpeg_is_decoded_as_libjpeg_decodes_it),
        cmocka_unit_test(a_jpeg_is_encoded_as_libjpeg_encodes_it),
        cmocka_unit_test(rows_after_the_first_ones_are_those_of_a_whole_decode),
        cmocka_unit_test(every_kind_of_png_is_expanded_as_libpng_expands_it),
        cmocka_unit_test(luma_of_a_png_is_the_stated_formula),
        cmocka_unit_test(alpha_becomes_white_paper_in_a_jpeg),
        cmocka_unit_test(alpha_and_depth_are_rounded_to_the_nearest),
        cmocka_unit_test(the_bytes_do_not_depend_on_how_many_rows_come_at_once),
        cmocka_unit_test(the_versions_name_all_three_libraries),
    };

    return cmocka_run_group_tests_name("image: codecs", tests, NULL, NULL);
}
