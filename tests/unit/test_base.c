#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "tests/unit/unit.h"

#include <errno.h>

/* --- text */

static void a_text_grows_and_stays_terminated(void **state)
{
    Text text = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        text_add_format(&text, "%d,", i % 10);
    assert_int_equal(text.length, 2000);
    assert_int_equal(strlen(text.data), 2000);
    text_clear(&text);
    assert_string_equal(text.data, "");
    text_add(&text, "a\0b", 3);
    assert_int_equal(text.length, 3);
    assert_int_equal(text.data[3], '\0');
    text_free(&text);
    assert_null(text.data);
}

static void an_empty_text_is_taken_as_an_empty_string(void **state)
{
    Text text = {0};
    char *taken = text_take(&text);

    (void)state;
    assert_string_equal(taken, "");
    assert_null(text.data);
    free(taken);
}

static void distances_are_those_of_levenshtein(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("gaussian", "gausian"), 1);
    assert_int_equal(text_distance("abc", "abc"), 0);
}

static void a_name_too_far_off_is_not_suggested(void **state)
{
    static const char *const names[] = {"gaussian", "box", "median"};

    (void)state;
    assert_string_equal(text_nearest("gausian", names, 3), "gaussian");
    assert_string_equal(text_nearest("bix", names, 3), "box");
    assert_null(text_nearest("sobel", names, 3));
    assert_null(text_nearest("anything", names, 0));
}

/* --- errors */

static void an_error_names_its_context_and_cause(void **state)
{
    Error error = {0};

    (void)state;
    errno = ENOENT;
    assert_int_equal(error_set_errno(&error, ERROR_STORE, "open '%s'", "a.jpg"), -1);
    assert_string_equal(error.message, "open 'a.jpg': No such file or directory");
    assert_int_equal(error_prefix(&error, "job %d: ", 7), -1);
    assert_string_equal(error.message, "job 7: open 'a.jpg': No such file or directory");
    assert_int_equal(error.kind, ERROR_STORE);
}

static void a_long_message_is_cut_and_not_overrun(void **state)
{
    char lengthy[3000];
    Error error = {0};

    (void)state;
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    error_set(&error, ERROR_INPUT, "%s", lengthy);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    error_prefix(&error, "%s: ", lengthy);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    errno = EIO;
    error_set_errno(&error, ERROR_INPUT, "%s", lengthy);
    assert_contains(error.message, ": Input/output error");
}

static void exit_statuses_are_those_of_the_manual(void **state)
{
    (void)state;
    assert_int_equal(error_exit_status(ERROR_USAGE), 64);
    assert_int_equal(error_exit_status(ERROR_REDIS), 69);
    assert_int_equal(error_exit_status(ERROR_CONFIG), 78);
    assert_int_equal(error_exit_status(ERROR_INPUT), 1);
}

/* --- time */

static void waits_double_up_to_the_most_with_jitter(void **state)
{
    (void)state;
    for (int attempt = 0; attempt < 40; attempt++) {
        int64_t full = attempt < 6 ? INT64_C(100) << attempt : 5000;

        full = full < 5000 ? full : 5000;
        for (int i = 0; i < 50; i++) {
            int64_t wait = clock_backoff_ms(attempt, 100, 5000);
            assert_in_range(wait, full / 2, full);
        }
    }
}

static void a_wait_never_overflows(void **state)
{
    (void)state;
    assert_in_range(clock_backoff_ms(1000000, 1, INT64_MAX), 1, INT64_MAX);
    assert_in_range(clock_backoff_ms(3, 10, 5), 2, 10);
}

static void the_monotonic_clock_moves_on(void **state)
{
    int64_t before = clock_monotonic_us();

    (void)state;
    clock_sleep_ms(3);
    assert_true(clock_monotonic_us() - before >= 3000);
    assert_true(clock_wall_ms() > INT64_C(1600000000000));
}

/* --- bytes */

static void memory_is_read_to_its_end_in_any_pieces(void **state)
{
    ByteSource *source = bytes_open_memory("abcdefg", 7, "letters");
    Error error = {0};
    char piece[4];

    (void)state;
    assert_int_equal(source->size, 7);
    assert_string_equal(source->name, "letters");
    assert_int_equal(source->read(source, piece, 4, &error), 4);
    assert_memory_equal(piece, "abcd", 4);
    assert_int_equal(source->read(source, piece, 4, &error), 3);
    assert_memory_equal(piece, "efg", 3);
    assert_int_equal(source->read(source, piece, 4, &error), 0);
    source->close(source);
}

static void a_finished_sink_hands_over_what_was_written(void **state)
{
    void *result = NULL;
    size_t length = 0;
    ByteSink *sink = bytes_create_memory(&result, &length, "out");
    Error error = {0};

    (void)state;
    assert_int_equal(sink->write(sink, "ab", 2, &error), 0);
    assert_int_equal(sink->write(sink, "c", 1, &error), 0);
    assert_int_equal(sink->written, 3);
    assert_int_equal(sink->finish(sink, &error), 0);
    assert_int_equal(length, 3);
    assert_memory_equal(result, "abc", 3);
    free(result);
}

static void an_abandoned_sink_leaves_nothing(void **state)
{
    void *result = NULL;
    size_t length = 0;
    ByteSink *sink = bytes_create_memory(&result, &length, "out");
    Error error = {0};

    (void)state;
    assert_int_equal(sink->write(sink, "ab", 2, &error), 0);
    sink->abandon(sink);
    assert_null(result);
    assert_int_equal(length, 0);
}

/* --- memory */

static void an_impossible_allocation_is_an_error_that_names_it(void **state)
{
    volatile size_t huge = SIZE_MAX / 2; /* hidden from the compiler's own warning */
    Error error = {0};

    (void)state;
    assert_null(memory_try(huge, 4, "rows of 'a.png'", &error));
    assert_int_equal(error.kind, ERROR_SYSTEM);
    assert_contains(error.message, "rows of 'a.png'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows_and_stays_terminated),
        cmocka_unit_test(an_empty_text_is_taken_as_an_empty_string),
        cmocka_unit_test(distances_are_those_of_levenshtein),
        cmocka_unit_test(a_name_too_far_off_is_not_suggested),
        cmocka_unit_test(an_error_names_its_context_and_cause),
        cmocka_unit_test(a_long_message_is_cut_and_not_overrun),
        cmocka_unit_test(exit_statuses_are_those_of_the_manual),
        cmocka_unit_test(waits_double_up_to_the_most_with_jitter),
        cmocka_unit_test(a_wait_never_overflows),
        cmocka_unit_test(the_monotonic_clock_moves_on),
        cmocka_unit_test(memory_is_read_to_its_end_in_any_pieces),
        cmocka_unit_test(a_finished_sink_hands_over_what_was_written),
        cmocka_unit_test(an_abandoned_sink_leaves_nothing),
        cmocka_unit_test(an_impossible_allocation_is_an_error_that_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
