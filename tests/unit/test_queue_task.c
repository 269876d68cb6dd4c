/* Task text: what people read in redis-cli is exactly what the programs compare. */
#include "queue/queue.h"
#include "unit.h"

static void a_task_is_the_same_after_writing_and_reading(void **state)
{
    const QueueTask tasks[] = {
        {"j7k2m9", 12, 0, 0, 0},
        {"a", 0, 0, 0, 0},
        {"abcdefghijk2345", 999999999999999, 2147483647, 2147483647, 2147483647},
    };

    (void)state;
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        char text[QUEUE_TASK_TEXT];
        char again[QUEUE_TASK_TEXT];
        QueueTask read;
        Error error;
        int length = queue_format_task(&tasks[i], text);
        assert_int_equal(length, (int)strlen(text));
        assert_int_equal(queue_parse_task(text, (size_t)length, &read, &error), 0);
        queue_format_task(&read, again);
        assert_string_equal(again, text);
        assert_int_equal(read.image, tasks[i].image);
    }
}

static void the_text_is_job_image_tile_fails_losses(void **state)
{
    const QueueTask task = {"j7k2m9", 12, 3, 1, 2};
    char text[QUEUE_TASK_TEXT];

    (void)state;
    queue_format_task(&task, text);
    assert_string_equal(text, "j7k2m9:12:3:1:2");
}

static void what_is_no_task_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "j",
        "j:1:2:3",
        "j:1:2:3:4:5",
        "j:1:2:3:4 ",
        ":1:2:3:4",
        "j:01:2:3:4", /* would be written otherwise than it is in the list */
        "j:-1:2:3:4",
        "j:+1:2:3:4",
        "j:1:2:3:2147483648",
        "j:99999999999999999999:0:0:0",
        "j:1::3:4",
        "j k:1:2:3:4",
        "abcdefghijklmnop:1:2:3:4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        QueueTask task;
        Error error = {0};
        assert_int_equal(queue_parse_task(texts[i], strlen(texts[i]), &task, &error), -1);
        assert_contains(error.message, "is no task");
    }
}

static void a_task_need_not_end_with_a_nul(void **state)
{
    const char bytes[] = {'j', ':', '1', ':', '2', ':', '3', ':', '4', '5'};
    QueueTask task;
    Error error;

    (void)state;
    assert_int_equal(queue_parse_task(bytes, 9, &task, &error), 0);
    assert_int_equal(task.losses, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_the_same_after_writing_and_reading),
        cmocka_unit_test(the_text_is_job_image_tile_fails_losses),
        cmocka_unit_test(what_is_no_task_is_refused),
        cmocka_unit_test(a_task_need_not_end_with_a_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
