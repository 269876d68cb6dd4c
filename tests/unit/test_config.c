#include "config/config.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* Each test works in a folder of its own, where tilecrew.yaml is found, with a clean environment.
 */
static char start_folder[4096];
static char folder[] = "/tmp/tilecrew-test-XXXXXX";

static int enter_folder(void **state)
{
    (void)state;
    if (getcwd(start_folder, sizeof start_folder) == NULL)
        return -1;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    unsetenv("TILECREW_REDIS");
    unsetenv("TILECREW_CONFIG");
    setenv("HOME", folder, 1);
    return 0;
}

static int leave_folder(void **state)
{
    (void)state;
    unlink("tilecrew.yaml");
    unlink("other.yaml");
    unlink("password");
    unlink(".config/tilecrew/tilecrew.yaml");
    rmdir(".config/tilecrew");
    rmdir(".config");
    return chdir(start_folder) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static Config load(const char *text)
{
    Config config;
    Error error = {0};

    write_file("tilecrew.yaml", text);
    if (config_load(&config, NULL, &error) != 0)
        fail_msg("%s", error.message);
    return config;
}

/* --- what is taken */

static void without_a_file_the_defaults_hold(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    assert_int_equal(config_load(&config, NULL, &error), 0);
    assert_string_equal(config.redis.queue, "default");
    assert_null(config.redis.password_file);
    assert_int_equal(config.worker.lanes, 0);
    assert_int_equal(config.worker.band_bytes, 256 * 1024);
    assert_int_equal(config.job.tile_pixels, 32000000);
    assert_int_equal(config.job.retry_most_ms, 60000);
    assert_int_equal(config.job.keep_finished_ms, 86400000);
    assert_int_equal(config.limits.max_pixels, 2200000000);
    assert_int_equal(config.output.quality, 90);
    assert_false(config.output.strip);
    assert_string_equal(config.log.format, "text");
    config_free(&config);
}

static void values_with_units_are_taken(void **state)
{
    Config config = load("worker:\n  band_bytes: 1.5MiB\n  beat: 2.5s\n  lanes: 3\n"
                         "  kernel_cache: /var/cache/tilecrew\n"
                         "output: {format: jpeg, strip: true}\njob:\n  tile_pixels: 0.5G\n"
                         "monitor:\nlimits:\n  max_source_bytes: 100 MB\n");

    (void)state;
    assert_int_equal(config.worker.band_bytes, 3 << 19);
    assert_int_equal(config.worker.beat_ms, 2500);
    assert_int_equal(config.worker.lanes, 3);
    assert_string_equal(config.worker.kernel_cache, "/var/cache/tilecrew");
    assert_string_equal(config.output.format, "jpeg");
    assert_true(config.output.strip);
    assert_int_equal(config.job.tile_pixels, 500000000);
    assert_int_equal(config.limits.max_source_bytes, 100000000);
    config_free(&config);
}

static void a_file_of_comments_is_fine(void **state)
{
    Config config = load("# nothing\n\n");

    (void)state;
    assert_int_equal(config.output.quality, 90);
    config_free(&config);
}

/* --- what is refused, and how */

static void every_error_names_line_column_and_remedy(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"worker:\n  lanse: 3\n",
         "tilecrew.yaml:2:3: unknown key 'worker.lanse'; did you mean 'lanes'?"},
        {"wroker:\n  lanes: 3\n",
         "tilecrew.yaml:1:1: unknown key 'wroker'; did you mean 'worker'?"},
        {"photos:\n",
         "tilecrew.yaml:1:1: unknown key 'photos'; known are redis, worker, monitor, job"},
        {"output:\n  zzzzzzzz: 1\n", "tilecrew.yaml:2:3: unknown key 'output.zzzzzzzz'; known are "
                                     "format, quality, png_level, strip, sync"},
        {"output:\n  quality: 101\n",
         "tilecrew.yaml:2:12: 'output.quality' must be a whole number from 1 to 100, not '101'"},
        {"output:\n  quality: -1\n", "tilecrew.yaml:2:12: 'output.quality' must be a whole number"},
        {"output:\n  quality: 90.5\n",
         "tilecrew.yaml:2:12: 'output.quality' must be a whole number"},
        {"output:\n  quality: '90'\n",
         "tilecrew.yaml:2:12: 'output.quality' must be written without quotes"},
        {"output:\n  quality:\n", "'output.quality' must have a value; the default is 90"},
        {"output:\n  quality: [1, 2]\n",
         "tilecrew.yaml:2:12: 'output.quality' must be a single value, not a list"},
        {"output:\n  quality:\n    high: 1\n",
         "tilecrew.yaml:3:5: 'output.quality' must be a single value, not keys of its own"},
        {"output:\n  format: jpg\n",
         "tilecrew.yaml:2:11: 'output.format' must be one of keep, jpeg, "
         "png, not 'jpg'; did you mean 'jpeg'?"},
        {"output:\n  strip: yes\n",
         "tilecrew.yaml:2:10: 'output.strip' must be true or false, not 'yes'"},
        {"worker:\n  beat: 5\n",
         "tilecrew.yaml:2:9: 'worker.beat' must be a duration with its unit "
         "(500ms, 1s, 10min, 4h) from 10ms to 1min, not '5'"},
        {"worker:\n  band_bytes: 64M\n",
         "tilecrew.yaml:2:15: 'worker.band_bytes' must be a size (4096, "
         "256KiB, 1.5GB) from 4KiB to 1GiB, not '64M'"},
        {"worker:\n  lanes: 99999999999999999999\n", "tilecrew.yaml:2:10: 'worker.lanes' must be"},
        {"redis:\n  queue: a b\n", "tilecrew.yaml:2:10: 'redis.queue' must be 1 to 64 letters"},
        {"redis:\n  url: http://x\n", "tilecrew.yaml:2:8: 'redis.url' must be redis://"},
        {"worker: 3\n", "tilecrew.yaml:1:9: 'worker' must hold keys, such as 'lanes: ...'"},
        {"- a\n", "tilecrew.yaml:1:1: expected sections"},
        {"? [a]\n: b\n", "tilecrew.yaml:1:3: a key must be a plain name, not a list"},
        {"worker:\n  lanes: 1\n  beat: 1s\n  lanes: 2\n",
         "tilecrew.yaml:4:3: duplicate key "
         "'worker.lanes'; it is already set on line 2"},
        {"job:\nworker:\njob:\n",
         "tilecrew.yaml:3:1: duplicate key 'job'; it is already set on line 1"},
        {"worker:\n\tlanes: 1\n", "tilecrew.yaml:2:1: "},
        {"worker: {lanes: 1\n", "tilecrew.yaml:2:1: "},
        {"worker:\n  lanes: \xff\n", "tilecrew.yaml:"},
        {"job:\n---\njob:\n", "tilecrew.yaml:2:1: a second document begins"},
        {"redis:\n  retry_first: 10s\n",
         "tilecrew.yaml: 'redis.retry_first' (10s) must not be more "
         "than 'redis.retry_most' (5s)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Config config;
        Error error = {0};

        write_file("tilecrew.yaml", cases[i].text);
        if (config_load(&config, NULL, &error) == 0)
            fail_msg("taken: %s", cases[i].text);
        assert_int_equal(error.kind, ERROR_CONFIG);
        assert_contains(error.message, cases[i].message);
        assert_null(config.redis.url);
    }
}

static void an_url_with_a_password_is_never_shown(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    write_file("tilecrew.yaml", "redis:\n  url: rediz://me:secret@host\n");
    assert_int_equal(config_load(&config, NULL, &error), -1);
    assert_null(strstr(error.message, "secret"));
}

static void a_password_file_open_to_everyone_is_refused(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    write_file("password", "secret\n");
    write_file("tilecrew.yaml", "redis:\n  password_file: password\n");
    chmod("password", 0604);
    assert_int_equal(config_load(&config, NULL, &error), -1);
    assert_contains(error.message, "'password' is open to everyone (mode 0604)");
    assert_contains(error.message, "chmod o-rwx 'password'");
    chmod("password", 0640);
    assert_int_equal(config_load(&config, NULL, &error), 0);
    assert_string_equal(config.redis.password_file, "password");
    config_free(&config);
    unlink("password");
    assert_int_equal(config_load(&config, NULL, &error), -1);
    assert_contains(error.message, "cannot be read: No such file");
}

/* --- where it comes from */

static void the_first_file_found_counts(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    mkdir(".config", 0700);
    mkdir(".config/tilecrew", 0700);
    write_file(".config/tilecrew/tilecrew.yaml", "output:\n  quality: 11\n");
    assert_int_equal(config_load(&config, NULL, &error), 0);
    assert_int_equal(config.output.quality, 11);
    config_free(&config);
    config = load("output:\n  quality: 12\n");
    assert_int_equal(config.output.quality, 12);
    config_free(&config);
    write_file("other.yaml", "output:\n  quality: 13\n");
    setenv("TILECREW_CONFIG", "other.yaml", 1);
    assert_int_equal(config_load(&config, NULL, &error), 0);
    assert_int_equal(config.output.quality, 13);
    config_free(&config);
    assert_int_equal(config_load(&config, "tilecrew.yaml", &error), 0);
    assert_int_equal(config.output.quality, 12);
    config_free(&config);
}

static void a_named_file_has_to_be_there(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    assert_int_equal(config_load(&config, "absent.yaml", &error), -1);
    assert_string_equal(
        error.message,
        "configuration file 'absent.yaml' cannot be read: No such file or directory");
    setenv("TILECREW_CONFIG", "absent.yaml", 1);
    assert_int_equal(config_load(&config, NULL, &error), -1);
    assert_int_equal(config_load(&config, ".", &error), -1);
}

static void the_environment_comes_before_the_file(void **state)
{
    Config config;
    Error error = {0};

    (void)state;
    setenv("TILECREW_REDIS", "unix:/run/a.sock", 1);
    config = load("redis:\n  url: redis://b\n");
    assert_string_equal(config.redis.url, "unix:/run/a.sock");
    config_free(&config);
    setenv("TILECREW_REDIS", "nonsense", 1);
    assert_int_equal(config_load(&config, NULL, &error), -1);
    assert_contains(error.message, "environment variable TILECREW_REDIS: 'redis.url' must be");
}

/* --- single keys */

static void a_key_is_set_by_its_dotted_name(void **state)
{
    Config config = load("");
    Error error = {0};

    (void)state;
    assert_int_equal(config_set(&config, "output.quality", "85", &error), 0);
    assert_int_equal(config.output.quality, 85);
    assert_int_equal(config_set(&config, "worker.kernel_cache", "/a", &error), 0);
    assert_int_equal(config_set(&config, "worker.kernel_cache", "", &error), 0);
    assert_null(config.worker.kernel_cache);
    assert_int_equal(config_set(&config, "output.qualty", "85", &error), -1);
    assert_string_equal(error.message,
                        "unknown key 'output.qualty'; did you mean 'output.quality'?");
    assert_int_equal(config_set(&config, "output.quality", "0", &error), -1);
    assert_string_equal(error.message,
                        "'output.quality' must be a whole number from 1 to 100, not '0'");
    assert_int_equal(config.output.quality, 85);
    config_free(&config);
}

static void the_command_line_wins_and_its_errors_name_the_option(void **state)
{
    OptionSetting settings[] = {{"quality", "output.quality", "70"}, {"beat", "worker.beat", "9s"}};
    CommandLine line = {.settings = settings, .setting_count = 1};
    Config config = load("output:\n  quality: 12\n");
    Error error = {0};

    (void)state;
    assert_int_equal(config_apply_arguments(&config, &line, &error), 0);
    assert_int_equal(config.output.quality, 70);
    line.setting_count = 2;
    assert_int_equal(config_apply_arguments(&config, &line, &error), -1);
    assert_contains(error.message, "'worker.beat' (9s) must not be more than 'monitor.dead_after'");
    settings[0].value = "700";
    assert_int_equal(config_apply_arguments(&config, &line, &error), -1);
    assert_string_equal(error.message,
                        "option '--quality' must be a whole number from 1 to 100, not '700'");
    assert_int_equal(error.kind, ERROR_USAGE);
    config_free(&config);
}

static void sizes_and_durations_are_exact_or_refused(void **state)
{
    static const char *const wrong_sizes[] = {"",    "x",   "-1",         "1.",
                                              ".5",  "1.5", "1e3",        "0x10",
                                              "12Q", "1 2", "9999999TiB", "99999999999999999999"};
    int64_t value = 0;
    Error error = {0};

    (void)state;
    assert_int_equal(config_parse_size("0", &value, &error), 0);
    assert_int_equal(value, 0);
    assert_int_equal(config_parse_size("1.5GB", &value, &error), 0);
    assert_int_equal(value, 1500000000);
    assert_int_equal(config_parse_size("0.25 KiB", &value, &error), 0);
    assert_int_equal(value, 256);
    assert_int_equal(config_parse_size("9223372036854775807", &value, &error), 0);
    assert_true(value == INT64_MAX);
    for (size_t i = 0; i < sizeof wrong_sizes / sizeof wrong_sizes[0]; i++)
        if (config_parse_size(wrong_sizes[i], &value, &error) == 0)
            fail_msg("taken as a size: '%s'", wrong_sizes[i]);
    assert_int_equal(config_parse_duration("1.5min", &value, &error), 0);
    assert_int_equal(value, 90000);
    assert_int_equal(config_parse_duration("7d", &value, &error), 0);
    assert_int_equal(value, 604800000);
    assert_int_equal(config_parse_duration("0", &value, &error), 0);
    assert_int_equal(config_parse_duration("10", &value, &error), -1);
    assert_int_equal(config_parse_duration("0.5ms", &value, &error), -1);
    assert_contains(error.message, "'0.5ms' is not a duration");
}

/* --- the shipped file */

static char *read_whole(const char *path)
{
    char *text = memory_need(65536);
    FILE *file = fopen(path, "r");

    if (file == NULL)
        fail_msg("no %s", path);
    text[fread(text, 1, 65535, file)] = '\0';
    fclose(file);
    return text;
}

static char *print_default(void)
{
    int keep = dup(STDOUT_FILENO);

    fflush(stdout);
    assert_non_null(freopen("other.yaml", "w", stdout));
    config_print_default();
    fflush(stdout);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    return read_whole("other.yaml");
}

static void the_shipped_file_is_the_printed_default(void **state)
{
    char *path = memory_format_text("%s/config/tilecrew.yaml", start_folder);
    char *shipped = read_whole(path);
    char *printed = print_default();

    (void)state;
    assert_string_equal(shipped, printed); /* else: make config/tilecrew.yaml */
    free(path);
    free(shipped);
    free(printed);
}

static void the_printed_default_loads_as_the_defaults(void **state)
{
    Config config;
    Config from_file;
    Error error = {0};
    char *printed = print_default();

    (void)state;
    assert_int_equal(config_load(&config, NULL, &error), 0);
    if (config_load(&from_file, "other.yaml", &error) != 0)
        fail_msg("%s", error.message);
    assert_int_equal(from_file.limits.max_coefficients, config.limits.max_coefficients);
    assert_int_equal(from_file.store.bytes_in_flight, config.store.bytes_in_flight);
    assert_string_equal(from_file.redis.url, config.redis.url);
    assert_null(from_file.worker.kernel_cache);
    config_free(&config);
    config_free(&from_file);
    free(printed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_the_defaults_hold),
        TEST(values_with_units_are_taken),
        TEST(a_file_of_comments_is_fine),
        TEST(every_error_names_line_column_and_remedy),
        TEST(an_url_with_a_password_is_never_shown),
        TEST(a_password_file_open_to_everyone_is_refused),
        TEST(the_first_file_found_counts),
        TEST(a_named_file_has_to_be_there),
        TEST(the_environment_comes_before_the_file),
        TEST(a_key_is_set_by_its_dotted_name),
        TEST(the_command_line_wins_and_its_errors_name_the_option),
        TEST(sizes_and_durations_are_exact_or_refused),
        TEST(the_shipped_file_is_the_printed_default),
        TEST(the_printed_default_loads_as_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
