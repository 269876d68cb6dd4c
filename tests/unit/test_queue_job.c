/* Jobs against a real Redis: fairness, pausing, cancelling, auditing, and what goes with a job. */
#include "queue/connection.h"
#include "queue_fixture.h"

static Server server;
static Queue *queue;
static char queue_name[32];
static Error error;

static int begin(void **state)
{
    static int number;

    (void)state;
    snprintf(queue_name, sizeof queue_name, "q%d", number++);
    queue = open_queue(server.url, queue_name, &error);
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

/* Runs a line of Lua on the server, K being the prefix of the queue that holds job `id`. */
static void tamper(const char *id, const char *lua)
{
    char command[1024];

    snprintf(command, sizeof command,
             "redis-cli -s %s eval \"local j = redis.call('keys', '*:job:%s')[1]; "
             "local K = string.sub(j, 1, -%d); %s\" 0 >/dev/null",
             server.url + strlen("unix:"), id, (int)strlen(id) + 5, lua);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void a_job_is_read_as_it_was_made(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueJob job;
    QueueJob *jobs;
    size_t count;

    (void)state;
    submit(queue, &spec, 3, 1, id);
    need(queue_read_job(queue, id, &job, &error), &error);
    assert_string_equal(job.pipeline, "invert");
    assert_string_equal(job.output, "/out");
    assert_string_equal(job.owner, "me@here");
    assert_int_equal(job.root_count, 2);
    assert_string_equal(job.roots[1], "/more");
    assert_int_equal(job.quality, 90);
    assert_int_equal(job.images, 3);
    assert_int_equal(job.pixels, 300);
    assert_int_equal(job.state, JOB_RUNNING);
    assert_true(job.created_ms > 0);
    queue_free_job(&job);
    need(queue_list_jobs(queue, &jobs, &count, &error), &error);
    assert_int_equal(count, 1);
    queue_free_job(&jobs[0]);
    free(jobs);
    assert_int_equal(queue_read_job(queue, "nosuch", &job, &error), -1);
    assert_int_equal(error.kind, ERROR_USAGE);
}

static void images_are_read_as_they_were_added(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueImage images[2] = {
        {.path = (char *)"odd\t%41\n.jpg",
         .result = (char *)"\xff.png",
         .root = 1,
         .bytes = 77,
         .width = 30,
         .height = 20,
         .tiles = 4,
         .tile_rows = 5},
        {.path = (char *)"b", .result = (char *)"c", .width = 1, .height = 1, .tiles = 1},
    };
    QueueImage read[3];
    QueueJobState states[3];
    char id[QUEUE_JOB_ID];
    QueueTask tasks[3] = {{.image = 0}, {.image = 1}, {.image = 9}};

    (void)state;
    need(queue_create_job(queue, &spec, id, &error), &error);
    need(queue_add_images(queue, id, images, 2, &error), &error);
    for (int i = 0; i < 3; i++)
        memcpy(tasks[i].job, id, sizeof tasks[i].job);
    need(queue_read_images(queue, tasks, 3, read, states, &error), &error);
    assert_string_equal(read[0].path, images[0].path);
    assert_string_equal(read[0].result, images[0].result);
    assert_int_equal(read[0].root, 1);
    assert_int_equal(read[0].bytes, 77);
    assert_int_equal(read[0].width, 30);
    assert_int_equal(read[0].height, 20);
    assert_int_equal(read[0].tiles, 4);
    assert_int_equal(read[0].tile_rows, 5);
    assert_int_equal(read[1].first_tile, 5);
    assert_int_equal(states[0], JOB_SUBMITTING);
    assert_null(read[2].path);
    for (int i = 0; i < 3; i++)
        queue_free_image(&read[i]);
}

static void shares_are_in_proportion_to_priorities(void **state)
{
    QueueJobSpec spec = plain_spec();
    char id[2][QUEUE_JOB_ID];
    int taken[2] = {0, 0};
    QueueTask tasks[16];

    (void)state;
    spec.priority = 10;
    submit(queue, &spec, 1000, 1, id[0]);
    spec.priority = 30;
    submit(queue, &spec, 1000, 1, id[1]);
    for (int round = 0; round < 60; round++) {
        int count = claim(queue, "w", 0, 16, tasks);
        for (int i = 0; i < count; i++)
            taken[strcmp(tasks[i].job, id[1]) == 0]++;
    }
    assert_true(taken[0] > 150); /* nobody starves, whoever came first */
    assert_true(taken[1] > 2 * taken[0] && taken[1] < 4 * taken[0]);
}

static void ready_stays_short(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueDepths depths;
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 5000, 1, id);
    need(queue_read_depths(queue, &depths, &error), &error);
    assert_true(depths.ready > 0 && depths.ready <= 80);
    assert_int_equal(depths.jobs, 1);
    assert_int_equal(depths.workers_live, 1);
}

static void a_paused_job_gives_no_tiles_until_it_is_resumed(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[16];
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 100, 1, id);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 4);
    need(queue_pause_job(queue, id, &error), &error);
    need(queue_pause_job(queue, id, &error), &error);
    assert_int_equal(conserved(queue, id).ready, 0);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    need(queue_put_back(queue, "w", 0, &tasks[1], 3, &error), &error);
    assert_int_equal(conserved(queue, id).listed, 99);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 0);
    need(queue_resume_job(queue, id, &error), &error);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 4);
    assert_int_equal(tasks[0].image, 1);
    need(queue_put_back(queue, "w", 0, tasks, 4, &error), &error);
    assert_int_equal(work_off(queue, "w", 0), 99);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
}

static void a_blocked_job_says_why(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueJob job;

    (void)state;
    submit(queue, &spec, 10, 1, id);
    need(queue_block_job(queue, id, "/out is full", &error), &error);
    job = read_job(queue, id);
    assert_int_equal(job.state, JOB_BLOCKED);
    assert_string_equal(job.reason, "/out is full");
    queue_free_job(&job);
    need(queue_resume_job(queue, id, &error), &error);
    assert_int_equal(work_off(queue, "w", 0), 10);
}

static void a_cancelled_job_drops_all_but_what_is_done(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueTask tasks[4];
    char id[QUEUE_JOB_ID], other[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 3000, 1, id);
    submit(queue, &spec, 20, 1, other);
    assert_int_equal(claim(queue, "w", 0, 4, tasks), 4);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    need(queue_fail(queue, "w", 0, &tasks[1], "later", false, &error), &error);
    need(queue_cancel_job(queue, id, &error), &error);
    assert_int_equal(glance(queue, id).left, 2);
    conserved(queue, id);
    assert_int_equal(commit(queue, "w", 0, &tasks[2]), COMMIT_DROPPED);
    assert_int_equal(conserved(queue, id).processing, 1);
    assert_int_equal(glance(queue, id).finished_ms, 0);
    need(queue_put_back(queue, "w", 0, &tasks[3], 1, &error), &error);
    assert_int_equal(conserved(queue, id).dropped, 2999);
    assert_int_equal(glance(queue, id).state, JOB_CANCELLED);
    assert_true(glance(queue, id).finished_ms > 0);
    need(queue_cancel_job(queue, id, &error), &error);
    assert_int_equal(work_off(queue, "w", 0), 20);
    conserved(queue, other);
}

static void an_empty_job_is_done_when_it_is_sealed(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 0, 1, id);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    need(queue_seal_job(queue, id, &error), &error);
}

static void a_sealed_job_takes_no_more_images(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueImage image = {.path = (char *)"a", .result = (char *)"a", .tiles = 1};
    char id[QUEUE_JOB_ID];

    (void)state;
    submit(queue, &spec, 2, 1, id);
    assert_int_equal(queue_add_images(queue, id, &image, 1, &error), -1);
    assert_int_equal(error.kind, ERROR_USAGE);
    assert_contains(error.message, "sealed");
    assert_int_equal(glance(queue, id).tiles, 2);
}

static void an_audit_finds_and_reissues_what_is_nowhere(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueAudit *rows;
    size_t count;
    int64_t repaired;

    (void)state;
    submit(queue, &spec, 10, 3, id);
    tamper(id, "redis.call('del', K .. 'ready')");
    assert_int_equal(audit(queue, id).missing, 30);
    need(queue_audit(queue, id, true, &rows, &count, &repaired, &error), &error);
    free(rows);
    assert_int_equal(repaired, 30);
    conserved(queue, id);
    assert_int_equal(work_off(queue, "w", 0), 40);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(conserved(queue, id).done, 40);
}

static void a_job_takes_images_from_its_producer_alone(void **state)
{
    QueueJobSpec spec = plain_spec();
    QueueImage images[2] = {{.path = (char *)"a", .result = (char *)"a", .tiles = 1},
                            {.path = (char *)"b", .result = (char *)"b", .tiles = 1}};
    char id[QUEUE_JOB_ID];
    Queue *second = open_queue(server.url, queue_name, &error);
    QueueJob job;
    bool ours;

    (void)state;
    assert_non_null(second);
    spec.producer = "first";
    spec.fingerprint = "f";
    need(queue_create_job(queue, &spec, id, &error), &error);
    need(queue_add_images(queue, id, images, 1, &error), &error);
    need(queue_take_job(second, id, "nobody", "second", &ours, &error), &error);
    assert_false(ours);
    need(queue_tend_job(queue, id, "first", &ours, &error), &error);
    assert_true(ours);
    need(queue_take_job(second, id, "first", "second", &ours, &error), &error);
    assert_true(ours);
    assert_int_equal(queue_add_images(queue, id, images + 1, 1, &error), -1);
    assert_int_equal(error.kind, ERROR_USAGE);
    assert_contains(error.message, "taken over");
    need(queue_add_images(second, id, images + 1, 1, &error), &error);
    assert_int_equal(images[1].number, 1);
    need(queue_tend_job(queue, id, "first", &ours, &error), &error);
    assert_false(ours);
    job = read_job(queue, id);
    assert_string_equal(job.producer, "second");
    assert_string_equal(job.fingerprint, "f");
    assert_false(job.sealed);
    assert_in_range(job.silent_ms, 0, 5000);
    queue_free_job(&job);
    need(queue_seal_job(second, id, &error), &error);
    assert_int_equal(conserved(queue, id).total, 2);
    queue_close(second);
}

static void images_that_redis_lost_are_told(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueImage image = {.path = (char *)"a", .result = (char *)"a", .tiles = 1};
    char id[QUEUE_JOB_ID];

    (void)state;
    need(queue_create_job(queue, &spec, id, &error), &error);
    need(queue_add_images(queue, id, &image, 1, &error), &error);
    command_put(queue, "HSET", queue_key(queue, "job:%s", id).text, "images", "0");
    need(queue_do(queue, &error), &error);
    assert_int_equal(queue_add_images(queue, id, &image, 1, &error), -1);
    assert_int_equal(error.kind, ERROR_STORE);
    assert_contains(error.message, "has lost the last 1 images");
}

/* What no script can do, a person can: counters that disagree with the bitmaps are counted again.
 */
static void a_repair_counts_again(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID], key[64];
    QueueAudit *rows;
    QueueTask task;
    int64_t repaired;
    size_t count;

    (void)state;
    submit(queue, &spec, 5, 3, id);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
        assert_true(commit(queue, "w", 0, &task) <= COMMIT_JOIN);
    }
    assert_int_equal(audit(queue, id).miscounted, 0);
    snprintf(key, sizeof key, "job:%s", id);
    command_put(queue, "HINCRBY", queue_key(queue, "%s", key).text, "left", "4");
    command_put(queue, "HINCRBY", queue_key(queue, "%s", key).text, "images_done", "-1");
    command_put(queue, "HINCRBY", queue_key(queue, "%s", key).text, "tiles", "2");
    need(queue_do(queue, &error), &error);
    assert_int_equal(audit(queue, id).miscounted, 3);
    need(queue_audit(queue, id, true, &rows, &count, &repaired, &error), &error);
    free(rows);
    assert_int_equal(repaired, 0);
    assert_int_equal(conserved(queue, id).miscounted, 0);
    work_off(queue, "w", 0);
    assert_int_equal(glance(queue, id).state, JOB_DONE);
    assert_int_equal(glance(queue, id).images_done, 5);
    command_put(queue, "HSET", queue_key(queue, "%s", key).text, "left", "7", "state", "running",
                "finished_ms", "0");
    need(queue_do(queue, &error), &error);
    need(queue_audit(queue, id, true, &rows, &count, &repaired, &error), &error);
    free(rows);
    assert_int_equal(glance(queue, id).state, JOB_DONE); /* it ends by the repair */
}

static void an_audit_sees_what_is_doubled_and_it_is_done_once(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID], lua[200];

    (void)state;
    submit(queue, &spec, 5, 1, id);
    snprintf(lua, sizeof lua, "redis.call('lpush', K .. 'ready', '%s:2:0:0:0')", id);
    tamper(id, lua);
    assert_int_equal(audit(queue, id).doubled, 1);
    assert_int_equal(work_off(queue, "w", 0), 5);
    assert_int_equal(conserved(queue, id).done, 5);
}

static void a_repair_takes_back_claims_of_unknown_workers(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueAudit *rows;
    QueueTask tasks[4];
    char id[QUEUE_JOB_ID];
    size_t count;
    int64_t repaired;

    (void)state;
    submit(queue, &spec, 4, 1, id);
    assert_int_equal(claim(queue, "w", 1, 3, tasks), 3);
    tamper(id, "redis.call('srem', K .. 'workers', 'w')");
    assert_int_equal(conserved(queue, id).processing, 3);
    need(queue_audit(queue, NULL, true, &rows, &count, &repaired, &error), &error);
    free(rows);
    assert_int_equal(repaired, 3);
    assert_int_equal(conserved(queue, id).processing, 0);
}

static void an_expired_job_leaves_no_key(void **state)
{
    QueueJobSpec spec = plain_spec();
    QueueTask tasks[3];
    QueueJob job;
    char id[QUEUE_JOB_ID], line[256];
    int removed;

    (void)state;
    spec.store = "redis";
    submit(queue, &spec, 3, 1, id);
    need(queue_put_blob(queue, id, "source:0", "x", 1, &error), &error);
    assert_int_equal(claim(queue, "w", 0, 3, tasks), 3);
    need(queue_fail(queue, "w", 0, &tasks[0], "bad", true, &error), &error);
    assert_int_equal(commit(queue, "w", 0, &tasks[1]), COMMIT_DONE);
    assert_int_equal(commit(queue, "w", 0, &tasks[2]), COMMIT_DONE);
    need(queue_expire_jobs(queue, 60000, &removed, &error), &error);
    assert_int_equal(removed, 0);
    need(queue_expire_jobs(queue, 0, &removed, &error), &error);
    assert_int_equal(removed, 1);
    assert_int_equal(queue_read_job(queue, id, &job, &error), -1);
    snprintf(line, sizeof line, "test -z \"$(redis-cli -s %s keys '*%s*')\"",
             server.url + strlen("unix:"), id);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
    assert_int_equal(queue_put_blob(queue, id, "late", "x", 1, &error), -1);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
}

static void a_cancelled_job_gives_its_bytes_back_when_its_last_tile_is_dropped(void **state)
{
    QueueJobSpec spec = plain_spec();
    QueueTask tasks[2];
    char id[QUEUE_JOB_ID];
    void *bytes;
    size_t length;

    (void)state;
    spec.store = "redis";
    submit(queue, &spec, 2, 1, id);
    need(queue_put_blob(queue, id, "source:0", "x", 1, &error), &error);
    assert_int_equal(claim(queue, "w", 0, 1, tasks), 1);
    need(queue_cancel_job(queue, id, &error), &error);
    need(queue_get_blob(queue, id, "source:0", &bytes, &length, &error), &error);
    assert_non_null(bytes); /* the lane that has a tile in hand may read it yet */
    free(bytes);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DROPPED);
    need(queue_get_blob(queue, id, "source:0", &bytes, &length, &error), &error);
    assert_null(bytes);
}

static void a_finished_job_without_a_record_does_not_stop_expiry(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID], line[256];
    int removed;

    (void)state;
    submit(queue, &spec, 0, 1, id); /* without images it is finished at once */
    snprintf(line, sizeof line, "redis-cli -s %s zadd 'tc:{%s}:finished' 1 ghost >/dev/null",
             server.url + strlen("unix:"), queue_name);
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
    need(queue_expire_jobs(queue, 0, &removed, &error), &error);
    assert_int_equal(removed, 2);
    need(queue_expire_jobs(queue, 0, &removed, &error), &error);
    assert_int_equal(removed, 0);
}

static void events_tell_what_happened(void **state)
{
    const QueueJobSpec spec = plain_spec();
    const char *const expected[] = {"job_submitted", "tile_dead", "job_done"};
    char cursor[64] = "";
    char id[QUEUE_JOB_ID];
    QueueEvent event;
    QueueTask task;

    (void)state;
    assert_int_equal(queue_wait_event(queue, cursor, 0, &event, &error), 0);
    submit(queue, &spec, 1, 1, id);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
    need(queue_fail(queue, "w", 0, &task, "broken", true, &error), &error);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(queue_wait_event(queue, cursor, 100, &event, &error), 1);
        assert_string_equal(event.kind, expected[i]);
        assert_string_equal(event.job, id);
        assert_true(event.at_ms > 0);
    }
    assert_int_equal(queue_wait_event(queue, cursor, 20, &event, &error), 0);
}

static void a_collector_gets_each_finished_image_even_if_one_dies(void **state)
{
    QueueJobSpec spec = plain_spec();
    QueueTask tasks[2];
    Queue *first;
    char id[QUEUE_JOB_ID];
    int64_t image;
    bool failed;

    (void)state;
    spec.store = "redis";
    submit(queue, &spec, 2, 1, id);
    assert_int_equal(claim(queue, "w", 0, 2, tasks), 2);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    need(queue_fail(queue, "w", 0, &tasks[1], "bad", true, &error), &error);
    first = open_queue(server.url, queue_name, &error);
    assert_non_null(first);
    need(queue_next_finished(first, id, 100, &image, &failed, &error), &error);
    assert_int_equal(image, 0);
    queue_close(first); /* it dies with image 0 in hand */
    need(queue_next_finished(queue, id, 100, &image, &failed, &error), &error);
    assert_int_equal(image, 0);
    assert_false(failed);
    need(queue_next_finished(queue, id, 100, &image, &failed, &error), &error);
    assert_int_equal(image, 1);
    assert_true(failed);
    need(queue_next_finished(queue, id, 20, &image, &failed, &error), &error);
    assert_int_equal(image, -1);
}

static void blobs_hold_any_bytes(void **state)
{
    const QueueJobSpec spec = plain_spec();
    size_t size = 3000000;
    unsigned char *bytes = malloc(size);
    char id[QUEUE_JOB_ID];
    void *read;
    size_t length;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    submit(queue, &spec, 1, 1, id);
    need(queue_put_blob(queue, id, "source:0", bytes, size, &error), &error);
    need(queue_get_blob(queue, id, "source:0", &read, &length, &error), &error);
    assert_int_equal(length, size);
    assert_memory_equal(read, bytes, size);
    free(read);
    need(queue_delete_blob(queue, id, "source:0", &error), &error);
    need(queue_get_blob(queue, id, "source:0", &read, &length, &error), &error);
    assert_null(read);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(a_job_is_read_as_it_was_made),
        TEST(images_are_read_as_they_were_added),
        TEST(shares_are_in_proportion_to_priorities),
        TEST(ready_stays_short),
        TEST(a_paused_job_gives_no_tiles_until_it_is_resumed),
        TEST(a_blocked_job_says_why),
        TEST(a_cancelled_job_drops_all_but_what_is_done),
        TEST(an_empty_job_is_done_when_it_is_sealed),
        TEST(a_sealed_job_takes_no_more_images),
        TEST(an_audit_finds_and_reissues_what_is_nowhere),
        TEST(a_job_takes_images_from_its_producer_alone),
        TEST(images_that_redis_lost_are_told),
        TEST(a_repair_counts_again),
        TEST(an_audit_sees_what_is_doubled_and_it_is_done_once),
        TEST(a_repair_takes_back_claims_of_unknown_workers),
        TEST(an_expired_job_leaves_no_key),
        TEST(a_cancelled_job_gives_its_bytes_back_when_its_last_tile_is_dropped),
        TEST(a_finished_job_without_a_record_does_not_stop_expiry),
        TEST(events_tell_what_happened),
        TEST(a_collector_gets_each_finished_image_even_if_one_dies),
        TEST(blobs_hold_any_bytes),
    };
    int failed;

    server_start(&server, NULL, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
