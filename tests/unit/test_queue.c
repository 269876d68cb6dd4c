/* The life of a tile, against a real Redis: every move keeps every tile in exactly one place. */
#include "queue_fixture.h"

static Server server;
static Queue *queue;
static Error error;

/* Each test has a queue of its own on the one server. */
static int begin(void **state)
{
    static int number;
    char name[32];

    (void)state;
    snprintf(name, sizeof name, "q%d", number++);
    queue = open_queue(server.url, name, &error);
    assert_non_null(queue);
    enrol(queue, "w");
    return 0;
}

static int end(void **state)
{
    (void)state;
    queue_close(queue);
    return 0;
}

static void a_job_runs_to_its_end(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    Glance job;

    (void)state;
    submit(queue, &spec, 500, 1, id);
    conserved(queue, id);
    assert_int_equal(work_off(queue, "w", 0), 500);
    job = glance(queue, id);
    assert_int_equal(job.state, JOB_DONE);
    assert_int_equal(job.left, 0);
    assert_int_equal(job.images_done, 500);
    assert_int_equal(job.pixels_done, 50000);
    assert_int_equal(job.bytes_done, 3500);
    assert_true(job.finished_ms > 0);
    assert_int_equal(conserved(queue, id).done, 500);
}

static void tiles_come_in_the_order_of_the_job(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[100];
    char id[QUEUE_JOB_ID];
    int next = 0;

    (void)state;
    submit(queue, &spec, 100, 1, id);
    while (next < 100) {
        int count = claim(queue, "w", 0, 7, tasks);
        assert_true(count > 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(tasks[i].image, next++);
    }
}

static void the_last_tile_of_a_cut_image_brings_its_join(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[8];
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 2, 3, id);
    assert_int_equal(claim(queue, "w", 0, 3, tasks), 3);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    assert_int_equal(commit(queue, "w", 0, &tasks[2]), COMMIT_DONE);
    assert_int_equal(glance(queue, id).tiles, 6);
    assert_int_equal(commit(queue, "w", 0, &tasks[1]), COMMIT_JOIN);
    assert_int_equal(glance(queue, id).tiles, 7);
    conserved(queue, id);
    assert_int_equal(claim(queue, "w", 0, 1, tasks), 1);
    assert_int_equal(tasks[0].image, 0);
    assert_int_equal(tasks[0].tile, 3);
    assert_int_equal(glance(queue, id).images_done, 0);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    assert_int_equal(glance(queue, id).images_done, 1);
    work_off(queue, "w", 0);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(conserved(queue, id).done, 8);
}

static void a_late_commit_changes_nothing(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[4];
    char id[QUEUE_JOB_ID];
    int moved = 0;

    (void)state;
    submit(queue, &spec, 4, 1, id);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 4);
    need(queue_reclaim_lane(queue, "w", 0, "killed", 10, &moved, &error), &error);
    assert_int_equal(moved, 4);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_FENCED);
    assert_int_equal(glance(queue, id).left, 4);
    assert_int_equal(glance(queue, id).fenced, 1);
    assert_int_equal(conserved(queue, id).done, 0);
    assert_int_equal(claim(queue, "w", 1, 1, tasks), 1);
    assert_int_equal(tasks[0].image, 0);
    assert_int_equal(tasks[0].losses, 1);
    need(queue_reclaim_lane(queue, "w", 0, "killed", 10, &moved, &error), &error);
    assert_int_equal(moved, 0);
}

static void a_tile_is_done_once(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask task;
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 1, 1, id);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
    assert_int_equal(commit(queue, "w", 0, &task), COMMIT_DONE);
    assert_int_equal(commit(queue, "w", 0, &task), COMMIT_FENCED);
    assert_int_equal(glance(queue, id).images_done, 1);
    assert_int_equal(glance(queue, id).left, 0);
}

static void a_lost_reply_loses_no_tile(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[4];
    QueueTask adopted[8];
    char id[QUEUE_JOB_ID];
    int count = 0;

    (void)state;
    submit(queue, &spec, 4, 1, id);
    assert_int_equal(claim(queue, "w", 0, 3, tasks), 3);
    need(queue_adopt(queue, "w", 0, adopted, 8, &count, &error), &error);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(adopted[i].image, tasks[i].image);
}

static void a_failed_tile_is_tried_again_and_then_given_up(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask task;
    QueueDead *dead = NULL;
    size_t count = 0;
    char id[QUEUE_JOB_ID];
    int moved;

    (void)state;
    submit(queue, &spec, 1, 1, id);
    for (int attempt = 0; attempt < 3; attempt++) {
        assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
        assert_int_equal(task.fails, attempt);
        need(queue_fail(queue, "w", 0, &task, "no\nluck", false, &error), &error);
        conserved(queue, id);
        clock_sleep_ms(4);
        need(queue_promote_delayed(queue, 10, &moved, &error), &error);
        conserved(queue, id);
    }
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(glance(queue, id).images_failed, 1);
    assert_int_equal(glance(queue, id).retried, 2);
    QueueDeadFilter every = {0};
    need(queue_list_dead(queue, &every, 10, &dead, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_string_equal(dead[0].reason, "no luck");
    assert_string_equal(dead[0].worker, "w");
    assert_string_equal(dead[0].path, "a b.jpg");
    assert_true(dead[0].at_ms > 0);
    queue_free_dead(dead, count);
}

static void what_cannot_succeed_is_not_tried_again(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[2];
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 1, 2, id);
    assert_int_equal(claim(queue, "w", 0, 2, tasks), 2);
    need(queue_fail(queue, "w", 0, &tasks[0], "not an image", true, &error), &error);
    need(queue_fail(queue, "w", 0, &tasks[1], "not an image", true, &error), &error);
    assert_int_equal(glance(queue, id).images_failed, 1);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(conserved(queue, id).dead, 2);
}

static void too_many_losses_end_a_tile(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask task;
    QueueDead *dead = NULL;
    char id[QUEUE_JOB_ID];
    size_t count = 0;
    int moved;

    (void)state;
    submit(queue, &spec, 1, 1, id);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
        need(
            queue_reclaim_lane(queue, "w", 0, "its lane was killed by SIGSEGV", 10, &moved, &error),
            &error);
        conserved(queue, id);
    }
    QueueDeadFilter any_job = {0};
    need(queue_list_dead(queue, &any_job, 5, &dead, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_string_equal(dead->reason, "killed its lane 3 times, last by SIGSEGV");
    queue_free_dead(dead, count);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 0);
    assert_int_equal(conserved(queue, id).dead, 1);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
}

static void dead_tiles_that_are_retried_reopen_the_job(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[3];
    char id[QUEUE_JOB_ID];
    int64_t moved = 0;

    (void)state;
    submit(queue, &spec, 3, 1, id);
    assert_int_equal(claim(queue, "w", 0, 3, tasks), 3);
    need(queue_fail(queue, "w", 0, &tasks[0], "bad", true, &error), &error);
    need(queue_fail(queue, "w", 0, &tasks[1], "bad", true, &error), &error);
    assert_int_equal(commit(queue, "w", 0, &tasks[2]), COMMIT_DONE);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    QueueDeadFilter of_job = {.job = id};
    need(queue_retry_dead(queue, &of_job, &moved, &error), &error);
    assert_int_equal(moved, 2);
    assert_int_equal(glance(queue, id).state, JOB_RUNNING);
    assert_int_equal(glance(queue, id).images_failed, 0);
    assert_int_equal(glance(queue, id).left, 2);
    assert_int_equal(glance(queue, id).finished_ms, 0);
    conserved(queue, id);
    assert_int_equal(work_off(queue, "w", 0), 2);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(glance(queue, id).images_done, 3);
}

static void discarded_tiles_are_dropped_and_their_image_stays_failed(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask task;
    char id[QUEUE_JOB_ID], other[QUEUE_JOB_ID];
    int64_t moved = 0;

    (void)state;
    submit(queue, &spec, 1, 1, id);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
    need(queue_fail(queue, "w", 0, &task, "bad", true, &error), &error);
    submit(queue, &spec, 1, 1, other);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
    need(queue_fail(queue, "w", 0, &task, "bad", true, &error), &error);
    QueueDeadFilter of_job = {.job = id};
    need(queue_discard_dead(queue, &of_job, &moved, &error), &error);
    assert_int_equal(moved, 1);
    assert_int_equal(conserved(queue, id).dropped, 1);
    assert_int_equal(conserved(queue, other).dead, 1);
    assert_int_equal(glance(queue, id).images_failed, 1);
    assert_int_equal(glance(queue, id).left, 0);
}

static void dead_tiles_are_chosen_by_job_and_by_reason(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char one[QUEUE_JOB_ID], other[QUEUE_JOB_ID];
    QueueDead *dead = NULL;
    QueueTask task;
    int64_t moved = 0;
    size_t count = 0;

    (void)state;
    submit(queue, &spec, 600, 1, one);
    submit(queue, &spec, 600, 1, other);
    for (int i = 0; claim(queue, "w", 0, 1, &task) == 1; i++)
        need(queue_fail(queue, "w", 0, &task, i % 3 == 0 ? "bad [x] luck" : "w lost", true, &error),
             &error);
    QueueDeadFilter of_literal = {.reason = "[x]"};
    need(queue_list_dead(queue, &of_literal, 5000, &dead, &count, &error), &error);
    assert_int_equal(count, 400);
    queue_free_dead(dead, count);
    QueueDeadFilter of_nothing = {.reason = "nothing"};
    need(queue_list_dead(queue, &of_nothing, 5000, &dead, &count, &error), &error);
    assert_int_equal(count, 0);
    queue_free_dead(dead, count);
    QueueDeadFilter of_one = {.job = one, .reason = "luck"};
    need(queue_retry_dead(queue, &of_one, &moved, &error), &error);
    assert_in_range(moved, 1, 399);
    assert_int_equal(glance(queue, one).left, moved);
    assert_int_equal(glance(queue, other).left, 0);
    assert_int_equal(conserved(queue, one).dead, 600 - moved);
    QueueDeadFilter of_lost = {.reason = "lost"};
    need(queue_discard_dead(queue, &of_lost, &moved, &error), &error);
    assert_int_equal(moved, 800); /* neither the worker's name nor a pattern counts */
    QueueDeadFilter whatever = {0};
    need(queue_retry_dead(queue, &whatever, &moved, &error), &error);
    assert_int_equal(conserved(queue, one).dead + conserved(queue, other).dead, 0);
    assert_int_equal(work_off(queue, "w", 0), 400);
    assert_int_equal(conserved(queue, other).dropped + conserved(queue, one).dropped, 800);
    assert_int_equal(glance(queue, other).state, JOB_DONE);
}

static void what_is_put_back_is_not_counted_and_comes_first(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[4];
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 4);
    need(queue_put_back(queue, "w", 0, tasks, 4, &error), &error);
    conserved(queue, id);
    assert_int_equal(claim(queue, "w", 1, 4, tasks), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tasks[i].image, i);
        assert_int_equal(tasks[i].losses, 0);
    }
}

static void commit_and_claim_is_both(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[16];
    QueueResult results[16];
    char id[QUEUE_JOB_ID];
    int count = 0;
    int done = 0;

    (void)state;
    submit(queue, &spec, 300, 1, id);
    count = claim(queue, "w", 0, 16, tasks);
    while (count > 0) {
        for (int i = 0; i < count; i++)
            results[i] = (QueueResult){.task = tasks[i]};
        done += count;
        need(queue_commit_and_claim(queue, "w", 0, results, count, 16, tasks, &count, &error),
             &error);
        conserved(queue, id);
    }
    assert_int_equal(done, 300);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
}

static void what_is_no_task_does_not_stop_a_lane(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[4];
    char command[512];
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 1, 1, id);
    snprintf(command, sizeof command,
             "redis-cli -s %s eval \"for _, k in ipairs(redis.call('keys', '*:ready')) do "
             "redis.call('rpush', k, 'rubbish') end\" 0 >/dev/null",
             server.url + strlen("unix:"));
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    log_set_level(LOG_LEVEL_QUIET);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 1);
    log_set_level(LOG_LEVEL_INFO);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(a_job_runs_to_its_end),
        TEST(tiles_come_in_the_order_of_the_job),
        TEST(the_last_tile_of_a_cut_image_brings_its_join),
        TEST(a_late_commit_changes_nothing),
        TEST(a_tile_is_done_once),
        TEST(a_lost_reply_loses_no_tile),
        TEST(a_failed_tile_is_tried_again_and_then_given_up),
        TEST(what_cannot_succeed_is_not_tried_again),
        TEST(too_many_losses_end_a_tile),
        TEST(dead_tiles_that_are_retried_reopen_the_job),
        TEST(discarded_tiles_are_dropped_and_their_image_stays_failed),
        TEST(dead_tiles_are_chosen_by_job_and_by_reason),
        TEST(what_is_put_back_is_not_counted_and_comes_first),
        TEST(commit_and_claim_is_both),
        TEST(what_is_no_task_does_not_stop_a_lane),
    };
    int failed;

    server_start(&server, NULL, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
