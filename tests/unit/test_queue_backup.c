/* The lead among monitors, and the words to backup workers. */
#include "queue_fixture.h"

static Server server;

static int start(void **state)
{
    (void)state;
    server_start(&server, "--maxmemory-policy", "noeviction");
    return 0;
}

static int end(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

static Queue *open_named(const char *name)
{
    Error error;
    Queue *queue = open_queue(server.url, name, &error);

    if (queue == NULL)
        fail_msg("%s", error.message);
    return queue;
}

static bool seek(Queue *queue, QueueLead *lead, int64_t lease_ms, bool stale)
{
    Error error;

    need(queue_seek_lead(queue, lead, lease_ms, stale, &error), &error);
    return queue_leads(lead);
}

static void one_leads_and_the_others_follow_until_it_resigns(void **state)
{
    QueueLead first = {.token = "first"}, second = {.token = "second"};
    Queue *queue = open_named("resign");
    Error error;

    (void)state;
    assert_true(seek(queue, &first, 60000, false));
    assert_true(first.taken);
    assert_false(seek(queue, &second, 60000, false));
    assert_string_equal(second.value, "first 1");
    assert_true(seek(queue, &first, 60000, false));
    assert_false(first.taken);
    assert_string_equal(first.value, "first 2");
    need(queue_resign_lead(queue, &second, &error), &error); /* it is not its own */
    assert_true(seek(queue, &first, 60000, false));
    need(queue_resign_lead(queue, &first, &error), &error);
    assert_true(seek(queue, &second, 60000, false));
    assert_true(second.taken);
    queue_close(queue);
}

static void a_lead_that_is_not_renewed_expires(void **state)
{
    QueueLead first = {.token = "first"}, second = {.token = "second"};
    Queue *queue = open_named("expire");

    (void)state;
    assert_true(seek(queue, &first, 30, false));
    assert_false(seek(queue, &second, 30, false));
    clock_sleep_ms(60);
    assert_true(seek(queue, &second, 60000, false));
    assert_false(seek(queue, &first, 60000, false));
    queue_close(queue);
}

static void a_stale_lead_is_taken_only_if_it_was_not_renewed_meanwhile(void **state)
{
    QueueLead first = {.token = "first"}, second = {.token = "second"};
    Queue *queue = open_named("stale");

    (void)state;
    assert_true(seek(queue, &first, 60000, false));
    assert_false(seek(queue, &second, 60000, false));
    assert_true(seek(queue, &first, 60000, false));
    assert_false(seek(queue, &second, 60000, true)); /* it has seen "first 1" */
    assert_true(seek(queue, &second, 60000, true));
    assert_false(seek(queue, &first, 60000, false));
    queue_close(queue);
}

static void a_name_that_begins_like_another_is_another(void **state)
{
    QueueLead longer = {.token = "first2"}, lead = {.token = "first"};
    Queue *queue = open_named("names");

    (void)state;
    assert_true(seek(queue, &longer, 60000, false));
    assert_false(seek(queue, &lead, 60000, false));
    queue_close(queue);
}

static void enrol_as(Queue *queue, const char *id, QueueWorkerState state, bool backup)
{
    QueueWorker worker = {.host = (char *)"here", .lanes = 1, .state = state, .backup = backup};
    Error error;

    snprintf(worker.id, sizeof worker.id, "%s", id);
    need(queue_enrol_worker(queue, &worker, &error), &error);
}

static bool send(Queue *queue, const char *worker, QueueWord word, int64_t good_ms)
{
    Error error;
    bool sent;

    need(queue_send_word(queue, worker, word, good_ms, &sent, &error), &error);
    return sent;
}

static QueueWord hear(Queue *queue, const char *worker, int64_t wait_ms)
{
    QueueWord word;
    Error error;

    need(queue_hear_word(queue, worker, wait_ms, &word, &error), &error);
    return word;
}

static void a_word_is_heard_once_and_only_by_whom_it_concerns(void **state)
{
    Queue *queue = open_named("words");

    (void)state;
    enrol_as(queue, "s", WORKER_STANDBY, true);
    enrol_as(queue, "t", WORKER_LIVE, true);
    enrol_as(queue, "w", WORKER_LIVE, false);
    assert_false(send(queue, "nobody", WORD_WAKE, 60000));
    assert_false(send(queue, "t", WORD_WAKE, 60000));
    assert_false(send(queue, "s", WORD_STAND_DOWN, 60000));
    assert_false(send(queue, "w", WORD_STAND_DOWN, 60000)); /* it is no backup */
    assert_true(send(queue, "s", WORD_WAKE, 60000));
    assert_true(send(queue, "s", WORD_WAKE, 60000)); /* in place of the first */
    assert_int_equal(hear(queue, "t", 0), WORD_NONE);
    assert_int_equal(hear(queue, "s", 50), WORD_WAKE);
    assert_int_equal(hear(queue, "s", 0), WORD_NONE);
    assert_true(send(queue, "t", WORD_STAND_DOWN, 60000));
    assert_int_equal(hear(queue, "t", 0), WORD_STAND_DOWN);
    queue_close(queue);
}

static void a_word_that_nobody_heard_in_time_is_gone(void **state)
{
    Queue *queue = open_named("late");
    int64_t begin;

    (void)state;
    enrol_as(queue, "s", WORKER_STANDBY, true);
    assert_true(send(queue, "s", WORD_WAKE, 20));
    clock_sleep_ms(50);
    begin = clock_monotonic_ms();
    assert_int_equal(hear(queue, "s", 100), WORD_NONE);
    assert_in_range(clock_monotonic_ms() - begin, 95, 2000);
    queue_close(queue);
}

static void the_books_tell_who_is_a_backup_and_what_it_computes_on(void **state)
{
    QueueWorker beat = {.id = "s", .state = WORKER_LIVE, .device = (char *)"a device"};
    Queue *queue = open_named("books");
    QueueWorkerState seen;
    QueueWorker *workers;
    size_t count;
    Error error;

    (void)state;
    enrol_as(queue, "s", WORKER_STANDBY, true);
    need(queue_beat(queue, &beat, &seen, &error), &error);
    assert_int_equal(seen, WORKER_LIVE);
    need(queue_list_workers(queue, &workers, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_true(workers[0].backup);
    assert_string_equal(workers[0].device, "a device");
    queue_free_workers(workers, count);
    need(queue_leave(queue, "s", &error), &error);
    queue_close(queue);
}

static void what_is_told_is_in_the_stream(void **state)
{
    Queue *queue = open_named("told");
    char cursor[64] = "0-0";
    QueueEvent event;
    Error error;

    (void)state;
    need(queue_tell(queue, "no_workers", "since today", &error), &error);
    assert_int_equal(queue_wait_event(queue, cursor, 0, &event, &error), 1);
    assert_string_equal(event.kind, "no_workers");
    assert_string_equal(event.detail, "since today");
    queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_leads_and_the_others_follow_until_it_resigns),
        cmocka_unit_test(a_lead_that_is_not_renewed_expires),
        cmocka_unit_test(a_stale_lead_is_taken_only_if_it_was_not_renewed_meanwhile),
        cmocka_unit_test(a_name_that_begins_like_another_is_another),
        cmocka_unit_test(a_word_is_heard_once_and_only_by_whom_it_concerns),
        cmocka_unit_test(a_word_that_nobody_heard_in_time_is_gone),
        cmocka_unit_test(the_books_tell_who_is_a_backup_and_what_it_computes_on),
        cmocka_unit_test(what_is_told_is_in_the_stream),
    };

    return cmocka_run_group_tests_name("queue backup", tests, start, end);
}
