/* The connection: what goes wrong with servers, and workers that are fenced. */
#include "queue_fixture.h"

static Error error;

/* Opening must fail with a message that holds `part`. */
static void refuses(const char *url, const char *part)
{
    Queue *queue = open_queue(url, "q", &error);

    assert_null(queue);
    assert_contains(error.message, part);
}

static int cli(const Server *server, const char *line)
{
    char command[512];

    snprintf(command, sizeof command, "redis-cli -s %s %s >/dev/null 2>&1",
             server->url + strlen("unix:"), line);
    return system(command); /* NOLINT(cert-env33-c) */
}

static void a_missing_server_is_named(void **state)
{
    (void)state;
    refuses("unix:/nowhere/redis.sock", "cannot reach Redis at unix:/nowhere/redis.sock");
    assert_int_equal(error.kind, ERROR_REDIS);
    refuses("redis://127.0.0.1:1", "cannot reach Redis at redis://127.0.0.1:1/0");
    refuses("redis://no-such-host.invalid", "cannot find the Redis host");
}

static void a_password_is_asked_for_and_told_when_wrong(void **state)
{
    Server server = {0};
    char path[128];
    QueueOptions options = {.name = "q", .password_file = path};
    FILE *file;
    Queue *queue;

    (void)state;
    server_start(&server, "--requirepass", "secret");
    refuses(server.url, "asks for a password");
    snprintf(path, sizeof path, "%s/password", server.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("wrong\n", file);
    fclose(file);
    options.url = server.url;
    assert_null(queue_open(&options, &error));
    assert_contains(error.message, "refuses the user or password");
    assert_null(strstr(error.message, "wrong "));
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("secret\n", file);
    fclose(file);
    queue = queue_open(&options, &error);
    assert_non_null(queue);
    queue_close(queue);
    unlink(path);
    server_stop(&server);
}

static void a_server_that_evicts_is_refused(void **state)
{
    Server server = {0};

    (void)state;
    server_start(&server, "--maxmemory-policy", "allkeys-lru");
    refuses(server.url, "set maxmemory-policy noeviction");
    assert_contains(error.message, "allkeys-lru");
    server_stop(&server);
}

static void names_of_queues_are_checked(void **state)
{
    (void)state;
    assert_null(open_queue("unix:/nowhere", "a b", &error));
    assert_contains(error.message, "no name for a queue");
    assert_null(open_queue("unix:/nowhere", "", &error));
}

static void forgotten_scripts_are_loaded_again(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueTask tasks[8];
    Server server = {0};
    Queue *queue;

    (void)state;
    server_start(&server, NULL, NULL);
    queue = open_queue(server.url, "q", &error);
    assert_non_null(queue);
    enrol(queue, "w");
    submit(queue, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 5, tasks), 5);
    assert_int_equal(cli(&server, "script flush"), 0);
    assert_int_equal(commit(queue, "w", 0, &tasks[0]), COMMIT_DONE);
    assert_int_equal(cli(&server, "script flush"), 0);
    submit(queue, &spec, 3000, 2, id); /* many chunks in one exchange */
    assert_int_equal(conserved(queue, id).total, 6000);
    queue_close(queue);
    server_stop(&server);
}

static void a_lost_connection_is_made_again_by_the_next_call(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueTask tasks[8];
    Server server = {0};
    Queue *queue;
    int count;

    (void)state;
    server_start(&server, NULL, NULL);
    queue = open_queue(server.url, "q", &error);
    assert_non_null(queue);
    enrol(queue, "w");
    submit(queue, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 5, tasks), 5);
    assert_int_equal(cli(&server, "client kill type normal"), 0);
    assert_int_equal(queue_claim(queue, "w", 0, 5, 0, tasks, &count, &error), -1);
    assert_int_equal(error.kind, ERROR_REDIS);
    need(queue_adopt(queue, "w", 0, tasks, 8, &count, &error), &error);
    assert_int_equal(count, 5);
    conserved(queue, id);
    queue_close(queue);
    server_stop(&server);
}

static void a_server_that_hangs_is_given_up_at_the_deadline(void **state)
{
    QueueOptions options = {.name = "q", .command_timeout_ms = 200};
    QueueDepths depths;
    Server server = {0};
    Queue *queue;
    int64_t before;

    (void)state;
    server_start(&server, NULL, NULL);
    options.url = server.url;
    queue = queue_open(&options, &error);
    assert_non_null(queue);
    kill(server.pid, SIGSTOP);
    before = clock_monotonic_ms();
    assert_int_equal(queue_read_depths(queue, &depths, &error), -1);
    assert_contains(error.message, "did not answer within 200 ms");
    assert_true(clock_monotonic_ms() - before < 2000);
    kill(server.pid, SIGCONT);
    need(queue_read_depths(queue, &depths, &error), &error);
    queue_close(queue);
    server_stop(&server);
}

/* All that lets work end, and so makes room. */
static void work_on_when_full(Queue *queue, const char *id)
{
    QueueWorker worker = {.id = "w", .state = WORKER_LIVE};
    QueueWorkerState seen;
    QueueTask tasks[2];
    int64_t image, moved;
    bool failed, fenced;
    int count;

    need(queue_beat(queue, &worker, &seen, &error), &error);
    assert_int_equal(seen, WORKER_LIVE);
    need(queue_claim(queue, "w", 0, 1, 0, tasks, &count, &error), &error);
    assert_int_equal(count, 1);
    need(queue_put_back(queue, "w", 0, tasks, 1, &error), &error);
    need(queue_block_job(queue, id, "full", &error), &error);
    need(queue_claim(queue, "w", 0, 1, 50, tasks, &count, &error), &error);
    assert_int_equal(count, 0);
    need(queue_resume_job(queue, id, &error), &error);
    need(queue_refill(queue, 16, 64, &moved, &error), &error);
    need(queue_next_finished(queue, id, 20, &image, &failed, &error), &error);
    assert_int_equal(image, -1);
    enrol(queue, "v");
    need(queue_fence_worker(queue, "v", 0, &fenced, &error), &error);
    assert_true(fenced);
}

static void a_full_redis_is_no_lost_connection(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID], other[QUEUE_JOB_ID];
    QueueTask task;
    QueueJob *jobs;
    size_t count;
    Server server = {0};
    Queue *queue;

    (void)state;
    server_start(&server, NULL, NULL);
    queue = open_queue(server.url, "q", &error);
    assert_non_null(queue);
    enrol(queue, "w");
    submit(queue, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 1, &task), 1);
    assert_int_equal(cli(&server, "config set maxmemory 1"), 0);
    assert_int_equal(queue_put_blob(queue, id, "b", "x", 1, &error), -1);
    assert_int_equal(error.kind, ERROR_FULL);
    assert_contains(error.message, "out of memory");
    assert_int_equal(commit(queue, "w", 0, &task), COMMIT_DONE); /* what is begun can end */
    need(queue_list_jobs(queue, &jobs, &count, &error), &error);
    assert_int_equal(count, 1);
    queue_free_job(&jobs[0]);
    free(jobs);
    assert_int_equal(queue_create_job(queue, &spec, other, &error), -1); /* nothing new */
    assert_int_equal(error.kind, ERROR_FULL);
    work_on_when_full(queue, id);
    assert_int_equal(cli(&server, "config set maxmemory 0"), 0);
    conserved(queue, id);
    queue_close(queue);
    server_stop(&server);
}

static void a_fenced_worker_gains_no_claims(void **state)
{
    const QueueJobSpec spec = plain_spec();
    QueueWorker worker = {.id = "w", .state = WORKER_LIVE};
    QueueWorkerState seen;
    char id[QUEUE_JOB_ID];
    QueueTask tasks[8];
    Server server = {0};
    Queue *queue, *monitor;
    bool fenced;
    int count;

    (void)state;
    server_start(&server, NULL, NULL);
    queue = open_queue(server.url, "q", &error);
    monitor = open_queue(server.url, "q", &error);
    assert_non_null(queue);
    assert_non_null(monitor);
    enrol(queue, "w");
    submit(monitor, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 2, tasks), 2);
    need(queue_beat(queue, &worker, &seen, &error), &error);
    assert_int_equal(seen, WORKER_LIVE);
    need(queue_fence_worker(monitor, "w", 0, &fenced, &error), &error);
    assert_false(fenced); /* it has beaten since */
    need(queue_fence_worker(monitor, "w", 1, &fenced, &error), &error);
    assert_true(fenced);
    need(queue_fence_worker(monitor, "w", 1, &fenced, &error), &error);
    assert_false(fenced);
    assert_int_equal(queue_claim(queue, "w", 0, 2, 0, tasks, &count, &error), -1);
    assert_int_equal(error.kind, ERROR_REDIS); /* its connection was killed */
    assert_int_equal(queue_claim(queue, "w", 0, 2, 0, tasks, &count, &error), -1);
    assert_int_equal(error.kind, ERROR_CANCELLED);
    need(queue_beat(queue, &worker, &seen, &error), &error);
    assert_int_equal(seen, WORKER_FENCED);
    need(queue_forget_worker(monitor, "w", &error), &error); /* not while it holds claims */
    need(queue_reclaim_lane(monitor, "w", 0, "silent", 10, &count, &error), &error);
    assert_int_equal(count, 2);
    need(queue_forget_worker(monitor, "w", &error), &error);
    conserved(monitor, id);
    queue_close(queue);
    queue_close(monitor);
    server_stop(&server);
}

static void a_blocked_claim_of_a_fenced_worker_takes_nothing(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    Server server = {0};
    Queue *monitor;
    bool fenced;
    pid_t child;

    (void)state;
    server_start(&server, NULL, NULL);
    monitor = open_queue(server.url, "q", &error);
    assert_non_null(monitor);
    enrol(monitor, "w");
    child = fork();
    if (child == 0) {
        Queue *queue = open_queue(server.url, "q", &error);
        QueueTask task;
        int count;
        queue_claim(queue, "w", 0, 1, 20000, &task, &count, &error);
        _exit(0);
    }
    clock_sleep_ms(200);
    kill(child, SIGSTOP);
    need(queue_fence_worker(monitor, "w", 0, &fenced, &error), &error);
    assert_true(fenced);
    submit(monitor, &spec, 5, 1, id);
    assert_int_equal(conserved(monitor, id).processing, 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    queue_close(monitor);
    server_stop(&server);
}

static void a_worker_that_leaves_puts_its_claims_back_uncounted(void **state)
{
    const QueueJobSpec spec = plain_spec();
    char id[QUEUE_JOB_ID];
    QueueWorker *workers;
    QueueTask tasks[8];
    Server server = {0};
    Queue *queue;
    size_t count;

    (void)state;
    server_start(&server, NULL, NULL);
    queue = open_queue(server.url, "q", &error);
    assert_non_null(queue);
    enrol(queue, "w");
    submit(queue, &spec, 10, 1, id);
    assert_int_equal(claim(queue, "w", 0, 3, tasks), 3);
    assert_int_equal(claim(queue, "w", 1, 3, tasks), 3);
    need(queue_drain_worker(queue, "w", &error), &error);
    need(queue_list_workers(queue, &workers, &count, &error), &error);
    assert_int_equal(count, 1);
    assert_int_equal(workers[0].state, WORKER_DRAINING);
    assert_string_equal(workers[0].host, "here");
    queue_free_workers(workers, count);
    need(queue_leave(queue, "w", &error), &error);
    assert_int_equal(conserved(queue, id).processing, 0);
    enrol(queue, "v");
    assert_int_equal(claim(queue, "v", 0, 8, tasks), 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(tasks[i].losses, 0);
    need(queue_list_workers(queue, &workers, &count, &error), &error);
    assert_int_equal(count, 1);
    queue_free_workers(workers, count);
    queue_close(queue);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_server_is_named),
        cmocka_unit_test(a_password_is_asked_for_and_told_when_wrong),
        cmocka_unit_test(a_server_that_evicts_is_refused),
        cmocka_unit_test(names_of_queues_are_checked),
        cmocka_unit_test(forgotten_scripts_are_loaded_again),
        cmocka_unit_test(a_lost_connection_is_made_again_by_the_next_call),
        cmocka_unit_test(a_server_that_hangs_is_given_up_at_the_deadline),
        cmocka_unit_test(a_full_redis_is_no_lost_connection),
        cmocka_unit_test(a_fenced_worker_gains_no_claims),
        cmocka_unit_test(a_blocked_claim_of_a_fenced_worker_takes_nothing),
        cmocka_unit_test(a_worker_that_leaves_puts_its_claims_back_uncounted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
