/* Joined parts are the whole, to the last byte; anything else is refused. */
#include "tests/unit/image_helpers.h"

enum { MOST_PARTS = 64 };

typedef struct Parts {
    Encoded encoded[MOST_PARTS];
    int count;
} Parts;

static Parts cut(const Picture *picture, int64_t tile, const ImageMetadata *metadata)
{
    Parts parts = {.count = 0};

    for (int64_t row = 0; row < picture->info.height; row += tile) {
        int64_t count = tile < picture->info.height - row ? tile : picture->info.height - row;

        assert_true(parts.count < MOST_PARTS);
        parts.encoded[parts.count++] = encode_tile(picture, row, count, 7, 3, metadata);
    }
    return parts;
}

static void free_parts(Parts *parts)
{
    for (int i = 0; i < parts->count; i++)
        free(parts->encoded[i].bytes);
}

static int join(ImageKind kind, const Parts *parts, Encoded *joined, Error *error)
{
    ByteSink *sink = bytes_create_memory(&joined->bytes, &joined->length, "joined");
    ByteSource *sources[MOST_PARTS];
    int result;

    for (int i = 0; i < parts->count; i++)
        sources[i] =
            bytes_open_memory(parts->encoded[i].bytes, parts->encoded[i].length, "the part");
    result = image_join(kind, sources, parts->count, sink, error);
    for (int i = 0; i < parts->count; i++)
        sources[i]->close(sources[i]);
    if (result == 0)
        assert_int_equal(sink->finish(sink, error), 0);
    else
        sink->abandon(sink);
    return result;
}

static void assert_join_equals_whole(const Picture *picture, int64_t tile,
                                     const ImageMetadata *metadata)
{
    Encoded whole = encode(picture, metadata);
    Parts parts = cut(picture, tile, metadata);
    Encoded joined;
    Error error = {0};

    if (join(picture->info.kind, &parts, &joined, &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(joined.length, whole.length);
    assert_memory_equal(joined.bytes, whole.bytes, whole.length);
    free(joined.bytes);
    free(whole.bytes);
    free_parts(&parts);
}

static void joined_jpeg_parts_are_the_whole_to_the_last_byte(void **state)
{
    static const int64_t sizes[][2] = {{1, 17},    {16, 32},   {33, 49},
                                       {100, 161}, {517, 150}, {2, 300}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int channels = 1; channels <= 4; channels++)
            for (int64_t tile = 16; tile < sizes[i][1]; tile += 64) {
                Picture made = picture_make(IMAGE_JPEG, sizes[i][0], sizes[i][1], channels,
                                            channels == 4 ? 16 : 8);

                assert_join_equals_whole(&made, tile, NULL);
                free(made.rows);
            }
}

static void joined_png_parts_are_the_whole_to_the_last_byte(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 4; channels++)
        for (int depth = 8; depth <= 16; depth += 8) {
            Picture made = picture_make(IMAGE_PNG, 7301, 150, channels, depth);
            const int64_t strip = image_strip_rows(&made.info);

            assert_true(strip < 150);
            for (int64_t tile = strip; tile < 150 && tile <= channels * strip; tile += 2 * strip)
                assert_join_equals_whole(&made, tile, NULL);
            free(made.rows);
        }
}

static void a_tile_may_hold_several_png_strips(void **state)
{
    Picture made = picture_make(IMAGE_PNG, 70000, 101, 1, 8);

    (void)state;
    assert_int_equal(image_strip_rows(&made.info), 16);
    assert_join_equals_whole(&made, 32, NULL);
    assert_join_equals_whole(&made, 96, NULL);
    free(made.rows);
}

static void a_joined_image_decodes_to_its_pixels(void **state)
{
    Picture made = picture_make(IMAGE_PNG, 70000, 50, 3, 8);
    Parts parts = cut(&made, 16, NULL);
    Encoded joined;
    Error error = {0};
    Picture read = {0};

    (void)state;
    assert_int_equal(join(IMAGE_PNG, &parts, &joined, &error), 0);
    read = png_decode_by_library(joined, 3);
    assert_same_picture(&made, &read);
    free(read.rows);
    free(joined.bytes);
    free_parts(&parts);
    free(made.rows);
}

static void assert_refused(ImageKind kind, const Parts *parts, const char *why)
{
    Encoded joined;
    Error error = {0};

    assert_int_equal(join(kind, parts, &joined, &error), -1);
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_contains(error.message, why);
}

static void parts_missing_swapped_truncated_or_foreign_are_refused(void **state)
{
    (void)state;
    for (int kind = IMAGE_JPEG; kind <= IMAGE_PNG; kind++) {
        Picture made =
            picture_make((ImageKind)kind, 70000 / (kind == IMAGE_JPEG ? 100 : 1), 80, 1, 8);
        Picture other = picture_make((ImageKind)kind, made.info.width + 1, 80, 1, 8);
        Parts parts = cut(&made, 16, NULL);
        Parts others = cut(&other, 16, NULL);
        Parts wrong = parts;

        wrong.count--;
        assert_refused((ImageKind)kind, &wrong, "the parts hold 64 of 80 rows");
        wrong = parts;
        wrong.encoded[1] = parts.encoded[2];
        assert_refused((ImageKind)kind, &wrong, "a part is missing or out of order");
        wrong = parts;
        wrong.encoded[1] = others.encoded[1];
        assert_refused((ImageKind)kind, &wrong,
                       kind == IMAGE_JPEG ? "other settings" : "another image");
        for (size_t length = 0; length < parts.encoded[1].length;
             length += length < 800 ? 7 : 49999) {
            wrong = parts;
            wrong.encoded[1].length = length;
            assert_refused((ImageKind)kind, &wrong, "truncated");
        }
        wrong = parts;
        wrong.encoded[1].bytes = "GIF89a, or something else";
        wrong.encoded[1].length = 25;
        assert_refused((ImageKind)kind, &wrong, "it is not a");
        free_parts(&parts);
        free_parts(&others);
        free(made.rows);
        free(other.rows);
    }
}

static void a_damaged_png_part_is_refused(void **state)
{
    Picture made = picture_make(IMAGE_PNG, 70000, 32, 1, 8);
    Parts parts = cut(&made, 16, NULL);
    uint8_t *bytes = parts.encoded[1].bytes;

    (void)state;
    for (size_t at = 33; at < parts.encoded[1].length; at += 4999) {
        Encoded joined;
        Error error = {0};

        bytes[at] ^= 1;
        assert_int_equal(join(IMAGE_PNG, &parts, &joined, &error), -1);
        assert_int_equal(error.kind, ERROR_INPUT);
        bytes[at] ^= 1;
    }
    free_parts(&parts);
    free(made.rows);
}

static void a_tile_off_the_grid_is_refused(void **state)
{
    static const int64_t wrong[][2] = {{8, 16}, {0, 8}, {16, 40}, {-16, 16}, {0, 0}, {64, 48}};
    const ImageInfo info = {IMAGE_JPEG, 100, 100, 3, 8, false};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const ImageWriteOptions options = {90, 3, NULL, wrong[i][0], wrong[i][1]};
        Encoded encoded;
        Error error = {0};
        ByteSink *sink = bytes_create_memory(&encoded.bytes, &encoded.length, "tile");

        assert_null(image_open_writer(sink, &info, &options, &error));
        assert_contains(error.message, "multiples of 16 rows");
        sink->abandon(sink);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_jpeg_parts_are_the_whole_to_the_last_byte),
        cmocka_unit_test(joined_png_parts_are_the_whole_to_the_last_byte),
        cmocka_unit_test(a_tile_may_hold_several_png_strips),
        cmocka_unit_test(a_joined_image_decodes_to_its_pixels),
        cmocka_unit_test(parts_missing_swapped_truncated_or_foreign_are_refused),
        cmocka_unit_test(a_damaged_png_part_is_refused),
        cmocka_unit_test(a_tile_off_the_grid_is_refused),
    };

    return cmocka_run_group_tests_name("image: join", tests, NULL, NULL);
}
