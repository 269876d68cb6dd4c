#include "compute/stream.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#ifdef __SANITIZE_ADDRESS__
enum { LANE_MEMORY = 1 << 30 }; /* its shadow memory is far more than ours */
#else
enum { LANE_MEMORY = 64 << 10 }; /* kB */
#endif

static char cache[] = "/tmp/tilecrew-test-kernels-XXXXXX";
static Device *device;

/* --- images, and running them */

typedef struct Picture {
    int64_t width, height;
    RowFormat format;
    unsigned char *rows;
} Picture;

/* How the host deals with a stream: band height, and at most how many rows at a time it pushes and
 * pops (0: all). */
typedef struct Manner {
    int band_rows;
    int64_t push, pop;
} Manner;

static size_t row_bytes(const Picture *picture)
{
    return (size_t)(picture->width * picture->format.channels * (picture->format.depth / 8));
}

static Picture make_picture(int64_t width, int64_t height, int channels, int depth)
{
    Picture picture = {width, height, {channels, depth, false}, NULL};
    size_t bytes = row_bytes(&picture) * (size_t)height;
    uint32_t state = (uint32_t)(width * 31 + height);

    picture.rows = memory_need(bytes);
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525U + 1013904223U;
        picture.rows[i] = (unsigned char)(state >> 24);
    }
    return picture;
}

static void must(int result, const Error *error)
{
    if (result != 0)
        fail_msg("%s", error->message);
}

static Pipeline *parse(const char *text)
{
    Error error;
    Pipeline *pipeline = pipeline_parse(text, &error);

    must(pipeline == NULL, &error);
    return pipeline;
}

static void take_rows(Stream *stream, Picture *result, int64_t *next, int64_t most)
{
    StreamRows out = stream_output(stream);
    int64_t count = most > 0 && out.count > most ? most : out.count;

    for (int64_t row = 0; row < count; row++)
        memcpy(result->rows + (size_t)(*next)++ * row_bytes(result),
               (char *)out.data + (size_t)row * out.stride, row_bytes(result));
    stream_pop(stream, count);
}

/* run_rows returns the result rows [first, first + count) of the picture. */
static Picture run_rows(Stream *stream, const Picture *source, Manner manner, int64_t first,
                        int64_t count)
{
    Frame frame = {source->width, source->height, source->format, first, count};
    Picture result = {source->width, count, {0, 0, false}, NULL};
    int64_t next = 0, pushed;
    Error error;

    must(stream_begin(stream, &frame, &error), &error);
    result.format = stream_output_format(stream);
    result.rows = memory_need(row_bytes(&result) * (size_t)count);
    pushed = stream_first_source_row(stream);
    while (!stream_is_done(stream)) {
        StreamRows in = stream_input(stream);
        int64_t some = manner.push > 0 && in.count > manner.push ? manner.push : in.count;

        for (int64_t row = 0; row < some; row++)
            memcpy((char *)in.data + (size_t)row * in.stride,
                   source->rows + (size_t)pushed++ * row_bytes(source), row_bytes(source));
        must(stream_push(stream, some, &error), &error);
        take_rows(stream, &result, &next, manner.pop);
    }
    assert_int_equal(next, count);
    return result;
}

static Stream *open_stream(const Pipeline *pipeline, int band_rows)
{
    Error error;
    Stream *stream = stream_open(device, pipeline, 0, band_rows, &error);

    must(stream == NULL, &error);
    return stream;
}

static Picture run_picture(const char *text, const Picture *source, Manner manner)
{
    Pipeline *pipeline = parse(text);
    Stream *stream = open_stream(pipeline, manner.band_rows);
    Picture result = run_rows(stream, source, manner, 0, source->height);

    stream_close(stream);
    pipeline_free(pipeline);
    return result;
}

static void assert_same_rows(const Picture *part, const Picture *whole, int64_t first)
{
    assert_int_equal(part->format.channels, whole->format.channels);
    assert_int_equal(part->format.depth, whole->format.depth);
    assert_memory_equal(part->rows, whole->rows + (size_t)first * row_bytes(whole),
                        row_bytes(part) * (size_t)part->height);
}

/* Chains of every kind: with halos small and large, fused, with alpha. */
static const struct {
    const char *text;
    int channels, depth;
} chains[] = {
    {"", 3, 8},
    {"gaussian:1.4", 3, 8},
    {"gaussian:6,sobel", 3, 8},
    {"invert,sepia,grayscale,invert", 3, 8},
    {"gaussian:0.5,sobel", 4, 8},
    {"sobel,gaussian:0.5,sobel", 2, 16},
};
enum { CHAINS = sizeof chains / sizeof chains[0] };

/* --- the same bytes */

static void any_band_height_gives_the_same_bytes(void **state)
{
    static const Manner manners[] = {{1, 0, 0},    {2, 0, 0},  {3, 0, 0}, {7, 0, 0}, {16, 0, 0},
                                     {1000, 0, 0}, {16, 1, 0}, {5, 3, 1}, {4, 0, 1}, {8, 2, 3}};

    (void)state;
    for (int i = 0; i < CHAINS; i++) {
        Picture source = make_picture(37, 67, chains[i].channels, chains[i].depth);
        Picture expected = run_picture(chains[i].text, &source, (Manner){67, 0, 0});

        for (size_t k = 0; k < sizeof manners / sizeof manners[0]; k++) {
            Picture result = run_picture(chains[i].text, &source, manners[k]);

            assert_same_rows(&result, &expected, 0);
            free(result.rows);
        }
        free(expected.rows);
        free(source.rows);
    }
}

static void any_cut_gives_the_same_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < CHAINS; i++) {
        Picture source = make_picture(19, 53, chains[i].channels, chains[i].depth);
        Pipeline *pipeline = parse(chains[i].text);
        Stream *stream = open_stream(pipeline, 5);
        Manner manner = {5, 0, 0};
        Picture whole = run_rows(stream, &source, manner, 0, 53);

        for (int64_t first = 0; first < 53; first++) {
            for (int64_t count = 1; first + count <= 53; count += 1 + count / 3) {
                Picture tile = run_rows(stream, &source, manner, first, count);

                assert_same_rows(&tile, &whole, first);
                free(tile.rows);
            }
        }
        stream_close(stream);
        pipeline_free(pipeline);
        free(whole.rows);
        free(source.rows);
    }
}

/* A stream asks for no row outside the tile's halo. */
static void a_tile_reads_its_halo_and_no_more(void **state)
{
    Pipeline *pipeline = parse("sobel,sobel");
    Stream *stream = open_stream(pipeline, 4);
    Frame frame = {10, 100, {1, 8, false}, 40, 20};
    int64_t pushed = 0;
    Error error;

    (void)state;
    must(stream_begin(stream, &frame, &error), &error);
    assert_int_equal(stream_first_source_row(stream), 38);
    while (!stream_is_done(stream)) {
        StreamRows in = stream_input(stream);

        pushed += in.count;
        must(stream_push(stream, in.count, &error), &error);
        stream_pop(stream, stream_output(stream).count);
    }
    assert_int_equal(pushed, 24);
    assert_int_equal(stream_input(stream).count, 0);
    stream_close(stream);
    pipeline_free(pipeline);
}

/* --- the right bytes at every size */

static int at_border(const Picture *source, int64_t x, int64_t y)
{
    int64_t last_x = source->width - 1, last_y = source->height - 1;

    x = last_x == 0 ? 0 : x < 0 ? -x : x > last_x ? 2 * last_x - x : x;
    y = last_y == 0 ? 0 : y < 0 ? -y : y > last_y ? 2 * last_y - y : y;
    return source->rows[y * source->width + x];
}

static int sobel_at(const Picture *source, int64_t x, int64_t y)
{
    int dx = 0, dy = 0, root;

    for (int i = -1; i <= 1; i++) {
        int weight = i == 0 ? 2 : 1;

        dx += weight * (at_border(source, x + 1, y + i) - at_border(source, x - 1, y + i));
        dy += weight * (at_border(source, x + i, y + 1) - at_border(source, x + i, y - 1));
    }
    root = (int)lrint(sqrt((double)dx * dx + (double)dy * dy));
    return root > 255 ? 255 : root;
}

static void edges_are_right_at_every_size(void **state)
{
    Pipeline *pipeline = parse("sobel");
    Stream *stream = open_stream(pipeline, 8);

    (void)state;
    for (int64_t size = 0; size < 1600; size++) {
        Picture source = make_picture(1 + size % 40, 1 + size / 40, 1, 8);
        Picture result = run_rows(stream, &source, (Manner){0}, 0, source.height);

        for (int64_t i = 0; i < source.width * source.height; i++)
            assert_int_equal(result.rows[i], sobel_at(&source, i % source.width, i / source.width));
        free(result.rows);
        free(source.rows);
    }
    stream_close(stream);
    pipeline_free(pipeline);
}

/* What a halo of 18 reads beside an image of one level is that level, however small the image. */
static void a_flat_image_stays_flat_at_every_size(void **state)
{
    Pipeline *pipeline = parse("gaussian:6,gaussian:1.4");
    Stream *stream = open_stream(pipeline, 8);

    (void)state;
    for (int64_t size = 0; size < 1600; size++) {
        Picture source = make_picture(1 + size % 40, 1 + size / 40, 3, 8), result;

        memset(source.rows, (int)(size % 256), row_bytes(&source) * (size_t)source.height);
        result = run_rows(stream, &source, (Manner){0}, 0, source.height);
        assert_memory_equal(result.rows, source.rows, row_bytes(&source) * (size_t)source.height);
        free(result.rows);
        free(source.rows);
    }
    stream_close(stream);
    pipeline_free(pipeline);
}

/* --- formats */

static void one_stream_takes_images_of_any_format(void **state)
{
    Pipeline *pipeline = parse("invert,invert");
    Stream *stream = open_stream(pipeline, 0);

    (void)state;
    for (int i = 0; i < 8; i++) {
        Picture source = make_picture(100 + i, 33, 1 + i % 4, i % 2 == 0 ? 8 : 16);
        Picture result = run_rows(stream, &source, (Manner){0}, 0, source.height);

        assert_same_rows(&result, &source, 0);
        free(result.rows);
        free(source.rows);
    }
    stream_close(stream);
    pipeline_free(pipeline);
}

static void fused_operations_equal_separate_ones(void **state)
{
    static const char *const step[] = {"invert", "sepia:0.5", "invert", "grayscale"};
    Picture image = make_picture(50, 20, 4, 8);
    Picture fused = run_picture("invert,sepia:0.5,invert,grayscale", &image, (Manner){0});

    (void)state;
    for (size_t i = 0; i < sizeof step / sizeof step[0]; i++) {
        Picture next = run_picture(step[i], &image, (Manner){0});

        free(image.rows);
        image = next;
    }
    assert_same_rows(&image, &fused, 0);
    free(image.rows);
    free(fused.rows);
}

static void opaque_alpha_changes_nothing(void **state)
{
    Picture colour = make_picture(31, 29, 3, 8), with_alpha = make_picture(31, 29, 4, 8);
    Picture expected, result;

    (void)state;
    for (int i = 0; i < 31 * 29; i++) {
        memcpy(with_alpha.rows + (size_t)i * 4, colour.rows + (size_t)i * 3, 3);
        with_alpha.rows[i * 4 + 3] = 255;
    }
    expected = run_picture("sobel", &colour, (Manner){0});
    result = run_picture("sobel", &with_alpha, (Manner){0});
    for (int i = 0; i < 31 * 29; i++) {
        assert_in_range(result.rows[i * 2] + 1, expected.rows[i], expected.rows[i] + 2);
        assert_int_equal(result.rows[i * 2 + 1], 255);
    }
    free(colour.rows);
    free(with_alpha.rows);
    free(expected.rows);
    free(result.rows);
}

/* The colour under full transparency does not bleed into a blur. */
static void transparent_colour_does_not_bleed(void **state)
{
    Picture source = make_picture(20, 20, 4, 8), result;

    (void)state;
    for (int i = 0; i < 400; i++) {
        bool clear = i % 20 < 10;
        static const unsigned char red[4] = {255, 0, 0, 0}, blue[4] = {0, 0, 200, 255};

        memcpy(source.rows + (size_t)i * 4, clear ? red : blue, 4);
    }
    result = run_picture("gaussian:2", &source, (Manner){0});
    for (int i = 0; i < 400; i++) {
        assert_int_equal(result.rows[i * 4], 0);
        assert_true(result.rows[i * 4 + 3] == 0 || abs(result.rows[i * 4 + 2] - 200) <= 1);
    }
    free(source.rows);
    free(result.rows);
}

/* --- what is refused */

static void an_impossible_frame_is_refused(void **state)
{
    static const Frame bad[] = {
        {0, 10, {3, 8, false}, 0, 10},  {10, 0, {3, 8, false}, 0, 0},
        {10, 10, {5, 8, false}, 0, 10}, {10, 10, {3, 12, false}, 0, 10},
        {10, 10, {3, 8, false}, 5, 6},  {10, 10, {3, 8, false}, -1, 5},
        {10, 10, {3, 8, false}, 0, 0},  {INT64_C(1) << 40, 10, {3, 8, false}, 0, 10},
    };
    Pipeline *pipeline = parse("invert");
    Stream *stream = open_stream(pipeline, 0);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        Error error = {0};

        assert_int_equal(stream_begin(stream, &bad[i], &error), -1);
        assert_int_equal(error.kind, ERROR_INPUT);
    }
    stream_close(stream);
    pipeline_free(pipeline);
}

static void more_rows_than_offered_are_refused(void **state)
{
    Pipeline *pipeline = parse("invert");
    Stream *stream = open_stream(pipeline, 4);
    Frame frame = {10, 10, {3, 8, false}, 0, 10};
    Error error;

    (void)state;
    must(stream_begin(stream, &frame, &error), &error);
    assert_int_equal(stream_input(stream).count, 4);
    assert_int_equal(stream_push(stream, 5, &error), -1);
    stream_close(stream);
    pipeline_free(pipeline);
}

static void an_unknown_device_is_refused_with_the_list(void **state)
{
    DeviceOptions options = {"no such device", NULL};
    Error error = {0};

    (void)state;
    assert_null(device_open(&options, &error));
    assert_int_equal(error.kind, ERROR_DEVICE);
    assert_contains(error.message, "no such device");
    assert_contains(error.message, device_name(device));
}

/* --- known answers, and the cache */

static void the_known_answers_come_out(void **state)
{
    Pipeline *pipeline = parse("gaussian,grayscale,sobel,invert,sobel");
    Error error;

    (void)state;
    must(stream_check(device, pipeline, &error), &error);
    pipeline_free(pipeline);
}

/* A driver's compiler takes over 100 MB that it does not give back. */
static void building_leaves_the_lane_small(void **state)
{
    char line[256];
    long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");

    (void)state;
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0)
            kilobytes = strtol(line + 8, NULL, 10);
    }
    fclose(status);
    assert_in_range(kilobytes, 1, LANE_MEMORY);
}

/* for_each_kernel calls `act` on every file of the cache and returns how many there are. */
static int for_each_kernel(void (*act)(const char *path))
{
    DIR *directory = opendir(cache);
    int count = 0;

    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char *path;

        if (strstr(entry->d_name, ".kernel") == NULL)
            continue;
        path = memory_format_text("%s/%s", cache, entry->d_name);
        act(path);
        free(path);
        count++;
    }
    closedir(directory);
    return count;
}

static void damage(const char *path)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, "damage", 6, 2000), 6);
    close(file);
}

static void cut_short(const char *path)
{
    assert_int_equal(truncate(path, 1000), 0);
}

static void open_to_others(const char *path)
{
    assert_int_equal(chmod(path, 0666), 0);
}

static void a_bad_cache_is_ignored_and_made_again(void **state)
{
    static void (*const harm[])(const char *path) = {damage, cut_short, open_to_others};
    Picture source = make_picture(30, 30, 1, 8);
    Picture expected = run_picture("invert", &source, (Manner){0});

    (void)state;
    for (size_t i = 0; i < sizeof harm / sizeof harm[0]; i++) {
        DeviceOptions options = {NULL, cache};
        Error error;
        Picture result;

        assert_true(for_each_kernel(harm[i]) > 0);
        device_close(device);
        device = device_open(&options, &error);
        must(device == NULL, &error);
        result = run_picture("invert", &source, (Manner){0});
        assert_same_rows(&result, &expected, 0);
        free(result.rows);
    }
    free(source.rows);
    free(expected.rows);
}

static int set_up(void **state)
{
    DeviceOptions options = {NULL, cache};
    Error error;

    (void)state;
    assert_non_null(mkdtemp(cache));
    device = device_open(&options, &error);
    if (device == NULL)
        fprintf(stderr, "%s\n", error.message);
    return device == NULL;
}

static int tear_down(void **state)
{
    char *command = memory_format_text("rm -rf %s", cache);
    int status;

    (void)state;
    device_close(device);
    status = system(command);
    free(command);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_band_height_gives_the_same_bytes),
        cmocka_unit_test(any_cut_gives_the_same_bytes),
        cmocka_unit_test(a_tile_reads_its_halo_and_no_more),
        cmocka_unit_test(edges_are_right_at_every_size),
        cmocka_unit_test(a_flat_image_stays_flat_at_every_size),
        cmocka_unit_test(one_stream_takes_images_of_any_format),
        cmocka_unit_test(fused_operations_equal_separate_ones),
        cmocka_unit_test(opaque_alpha_changes_nothing),
        cmocka_unit_test(transparent_colour_does_not_bleed),
        cmocka_unit_test(an_impossible_frame_is_refused),
        cmocka_unit_test(more_rows_than_offered_are_refused),
        cmocka_unit_test(the_known_answers_come_out),
        cmocka_unit_test(building_leaves_the_lane_small),
        cmocka_unit_test(an_unknown_device_is_refused_with_the_list),
        cmocka_unit_test(a_bad_cache_is_ignored_and_made_again),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
