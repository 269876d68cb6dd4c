/* A private redis-server on a unix socket for the queue's tests, and short forms of what they do
 * often. Every call that must succeed goes through need(). */
#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "queue/queue.h"
#include "unit.h"

typedef struct Server {
    char folder[64];
    char url[128];
    pid_t pid;
} Server;

static inline void server_start(Server *server, const char *option, const char *value)
{
    char socket_path[96];

    snprintf(server->folder, sizeof server->folder, "/tmp/tilecrew-test-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", server->folder);
    snprintf(server->url, sizeof server->url, "unix:%s", socket_path);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* goes with a test that crashes */
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--save",
               "", "--appendonly", "no", "--logfile", "/dev/null", "--dir", server->folder, option,
               value, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access(socket_path, F_OK) != 0; i++)
        clock_sleep_ms(10);
}

static inline void server_stop(Server *server)
{
    char socket_path[96];

    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    snprintf(socket_path, sizeof socket_path, "%s/redis.sock", server->folder);
    unlink(socket_path);
    assert_int_equal(rmdir(server->folder), 0);
}

/* need fails the test with the error's message; used as need(call(..., &error), &error). */
static inline void need(int status, const Error *error)
{
    if (status < 0)
        fail_msg("%s", error->message);
}

static inline Queue *open_queue(const char *url, const char *name, Error *error)
{
    QueueOptions options = {.url = url, .name = name, .ready_low = 16, .ready_batch = 64};

    return queue_open(&options, error);
}

static inline QueueJobSpec plain_spec(void)
{
    static const char *const roots[] = {"/photos", "/more"};

    return (QueueJobSpec){.pipeline = "invert",
                          .store = "file",
                          .roots = roots,
                          .root_count = 2,
                          .output = "/out",
                          .format = "keep",
                          .quality = 90,
                          .png_level = 3,
                          .priority = 10,
                          .max_fails = 3,
                          .max_losses = 3,
                          .retry_first_ms = 1,
                          .retry_most_ms = 2,
                          .owner = "me@here"};
}

/* A sealed job of `images` images of `tiles` tiles each, 100 pixels an image. */
static inline void submit(Queue *queue, const QueueJobSpec *spec, int images, int tiles,
                          char id[QUEUE_JOB_ID])
{
    QueueImage *list = calloc((size_t)images + 1, sizeof *list);
    Error error;

    assert_non_null(list);
    for (int i = 0; i < images; i++)
        list[i] = (QueueImage){.path = (char *)"a b.jpg",
                               .result = (char *)"a b.png",
                               .width = 10,
                               .height = 10,
                               .tiles = tiles,
                               .tile_rows = 5};
    need(queue_create_job(queue, spec, id, &error), &error);
    need(queue_add_images(queue, id, list, (size_t)images, &error), &error);
    need(queue_seal_job(queue, id, &error), &error);
    free(list);
}

static inline void enrol(Queue *queue, const char *id)
{
    QueueWorker worker = {.host = (char *)"here", .lanes = 2, .state = WORKER_LIVE, .pid = 1};
    Error error;

    snprintf(worker.id, sizeof worker.id, "%s", id);
    need(queue_enrol_worker(queue, &worker, &error), &error);
}

static inline int claim(Queue *queue, const char *worker, int lane, int most, QueueTask *tasks)
{
    Error error;
    int count = 0;

    need(queue_claim(queue, worker, lane, most, 0, tasks, &count, &error), &error);
    return count;
}

static inline QueueCommit commit(Queue *queue, const char *worker, int lane, const QueueTask *task)
{
    QueueResult result = {.task = *task, .pixels = 100, .bytes = 7};
    Error error;

    need(queue_commit(queue, worker, lane, &result, 1, &error), &error);
    return result.outcome;
}

/* Claims and commits until nothing is left; returns how many tiles were done. */
static inline int work_off(Queue *queue, const char *worker, int lane)
{
    QueueTask tasks[16];
    int done = 0;

    for (int count = claim(queue, worker, lane, 16, tasks); count > 0;
         count = claim(queue, worker, lane, 16, tasks))
        for (int i = 0; i < count; i++)
            done += commit(queue, worker, lane, &tasks[i]) <= COMMIT_JOIN;
    return done;
}

static inline QueueAudit audit(Queue *queue, const char *job)
{
    QueueAudit *rows = NULL;
    QueueAudit row;
    size_t count = 0;
    int64_t repaired = 0;
    Error error;

    need(queue_audit(queue, job, false, &rows, &count, &repaired, &error), &error);
    assert_int_equal(count, 1);
    row = rows[0];
    free(rows);
    return row;
}

/* Conservation: every tile of the job is in exactly one place. */
static inline QueueAudit conserved(Queue *queue, const char *job)
{
    QueueAudit row = audit(queue, job);

    assert_int_equal(row.missing, 0);
    assert_int_equal(row.doubled, 0);
    assert_int_equal(row.listed + row.ready + row.processing + row.delayed + row.dead + row.done +
                         row.dropped,
                     row.total);
    return row;
}

static inline QueueJob read_job(Queue *queue, const char *id)
{
    QueueJob job;
    Error error;

    need(queue_read_job(queue, id, &job, &error), &error);
    return job;
}

/* The job's state and some counters, for asserts that need no free. */
typedef struct Glance {
    QueueJobState state;
    int64_t tiles, left, images_done, images_failed, pixels_done, bytes_done, fenced, retried;
    int64_t finished_ms, waiting;
} Glance;

static inline Glance glance(Queue *queue, const char *id)
{
    QueueJob job = read_job(queue, id);
    Glance seen = {job.state,         job.tiles,       job.left,       job.images_done,
                   job.images_failed, job.pixels_done, job.bytes_done, job.fenced,
                   job.retried,       job.finished_ms, job.waiting};

    queue_free_job(&job);
    return seen;
}

#endif
