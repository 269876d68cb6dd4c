/* bench/queue_noop.c: how many tiles a second the queue carries when a tile is no work at all.
 *
 * A private redis-server on a unix socket; one job of N one-tile images is submitted; then P
 * processes claim and commit them, `batch` at a time, until none is left, and queue_audit proves
 * that every tile is done once. Beside it, on the same server, the same number of processes move as
 * many elements with bare LMOVE, 16 in a pipeline: what Redis does without any protocol.
 *
 *   queue_noop [--tiles N] [--processes P] [--appendonly] */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "queue/queue.h"

enum { MOST_PROCESSES = 64, MOST_BATCH = 64, PIPELINE = 16 };

typedef struct Bench {
    char folder[64], socket[96], url[112];
    pid_t server;
    int tiles, processes;
    bool appendonly;
} Bench;

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "queue_noop: %s: %s\n", what, why);
    exit(1);
}

static void must(int status, const char *what, const Error *error)
{
    if (status < 0)
        give_up(what, error->message);
}

static void server_start(Bench *bench)
{
    snprintf(bench->folder, sizeof bench->folder, "/tmp/tilecrew-bench-XXXXXX");
    if (mkdtemp(bench->folder) == NULL)
        give_up("mkdtemp", bench->folder);
    snprintf(bench->socket, sizeof bench->socket, "%s/redis.sock", bench->folder);
    snprintf(bench->url, sizeof bench->url, "unix:%s", bench->socket);
    bench->server = fork();
    if (bench->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", bench->socket,
               "--save", "", "--logfile", "/dev/null", "--dir", bench->folder, "--appendonly",
               bench->appendonly ? "yes" : "no", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access(bench->socket, F_OK) != 0; i++)
        clock_sleep_ms(10);
}

static void server_stop(const Bench *bench)
{
    char *command = memory_format_text("rm -r -- '%s'", bench->folder);

    kill(bench->server, SIGKILL);
    waitpid(bench->server, NULL, 0);
    if (system(command) != 0)
        fprintf(stderr, "queue_noop: %s stays behind\n", bench->folder);
    free(command);
}

static Queue *open_queue(const Bench *bench, const char *name)
{
    const QueueOptions options = {.url = bench->url, .name = name};
    Error error;
    Queue *queue = queue_open(&options, &error);

    if (queue == NULL)
        give_up("open", error.message);
    return queue;
}

/* Runs one function in each process; returns seconds until all have ended. */
static double run_processes(const Bench *bench, int batch, void (*work)(const Bench *, int, int))
{
    int64_t start = clock_monotonic_us();
    pid_t children[MOST_PROCESSES];
    int status = 0;

    for (int i = 0; i < bench->processes; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            work(bench, i, batch);
            _exit(0);
        }
    }
    for (int i = 0; i < bench->processes; i++)
        if (waitpid(children[i], &status, 0) < 0 || status != 0)
            give_up("consumer", "failed");
    return (double)(clock_monotonic_us() - start) / 1e6;
}

static double submit(const Bench *bench, Queue *queue, char job[QUEUE_JOB_ID])
{
    const QueueJobSpec spec = {.pipeline = "invert",
                               .store = "file",
                               .output = "/out",
                               .format = "keep",
                               .priority = 10,
                               .max_fails = 3,
                               .max_losses = 3};
    QueueImage *images = memory_need((size_t)bench->tiles * sizeof *images);
    char path[] = "holiday/IMG_0001.jpg";
    int64_t start;
    Error error;

    for (int i = 0; i < bench->tiles; i++)
        images[i] = (QueueImage){.path = path,
                                 .result = path,
                                 .width = 4000,
                                 .height = 3000,
                                 .tiles = 1,
                                 .tile_rows = 3000};
    start = clock_monotonic_us();
    must(queue_create_job(queue, &spec, job, &error), "create", &error);
    must(queue_add_images(queue, job, images, (size_t)bench->tiles, &error), "add", &error);
    must(queue_seal_job(queue, job, &error), "seal", &error);
    free(images);
    return (double)(clock_monotonic_us() - start) / 1e6;
}

static void consume(const Bench *bench, int lane, int batch)
{
    Queue *queue = open_queue(bench, "noop");
    QueueTask tasks[MOST_BATCH];
    QueueResult results[MOST_BATCH];
    int count = 0;
    Error error;

    must(queue_claim(queue, "bench", lane, batch, 0, tasks, &count, &error), "claim", &error);
    while (count > 0) {
        for (int i = 0; i < count; i++)
            results[i] = (QueueResult){.task = tasks[i], .pixels = 12000000, .bytes = 4000000};
        must(queue_commit_and_claim(queue, "bench", lane, results, count, batch, tasks, &count,
                                    &error),
             "commit", &error);
    }
    queue_close(queue);
}

static void prove(Queue *queue, const char *job, const Bench *bench)
{
    QueueAudit *rows;
    size_t count;
    int64_t repaired;
    Error error;

    must(queue_audit(queue, job, false, &rows, &count, &repaired, &error), "audit", &error);
    if (rows[0].done != bench->tiles || rows[0].total != bench->tiles || rows[0].missing != 0 ||
        rows[0].doubled != 0)
        give_up("audit", "tiles are missing or doubled");
    free(rows);
}

static void move_bare(const Bench *bench, int process, int batch)
{
    redisContext *context = redisConnectUnix(bench->socket);
    char to[32];
    bool more = true;

    snprintf(to, sizeof to, "bare:%d", process);
    if (context == NULL || context->err != 0)
        give_up("hiredis", "cannot connect");
    while (more) {
        for (int i = 0; i < batch; i++)
            redisAppendCommand(context, "LMOVE bare %s RIGHT LEFT", to);
        for (int i = 0; i < batch; i++) {
            redisReply *reply = NULL;
            if (redisGetReply(context, (void **)&reply) != REDIS_OK)
                give_up("LMOVE", context->errstr);
            more = reply->type != REDIS_REPLY_NIL;
            freeReplyObject(reply);
        }
    }
    redisFree(context);
}

static void fill_bare(const Bench *bench)
{
    redisContext *context = redisConnectUnix(bench->socket);

    if (context == NULL || context->err != 0)
        give_up("hiredis", "cannot connect");
    freeReplyObject(redisCommand(context, "EVAL %s 0 %d",
                                 "for i = 1, ARGV[1] do redis.call('LPUSH', 'bare', "
                                 "'j7k2m9pq:' .. i .. ':0:0:0') end",
                                 bench->tiles));
    redisFree(context);
}

static void report(const char *what, int batch, int tiles, double seconds)
{
    printf("%-22s %5d %9.2f s %10.0f tiles/s\n", what, batch, seconds, tiles / seconds);
    fflush(stdout);
}

static void measure(const Bench *bench, int batch)
{
    Queue *queue = open_queue(bench, "noop");
    char job[QUEUE_JOB_ID];
    double seconds = submit(bench, queue, job);

    if (batch == 1)
        report("submit", 200, bench->tiles, seconds);
    report("claim and commit", batch, bench->tiles, run_processes(bench, batch, consume));
    prove(queue, job, bench);
    queue_close(queue);
}

int main(int argc, char **argv)
{
    static const int batches[] = {1, 4, 16, 64};
    Bench bench = {.tiles = 100000, .processes = 2};
    QueueWorker worker = {.id = "bench", .state = WORKER_LIVE, .lanes = MOST_PROCESSES};
    Queue *queue;
    Error error;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--appendonly") == 0)
            bench.appendonly = true;
        else if (strcmp(argv[i], "--tiles") == 0 && i + 1 < argc)
            bench.tiles = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--processes") == 0 && i + 1 < argc)
            bench.processes = (int)strtol(argv[++i], NULL, 10);
        else
            give_up(argv[i], "usage: queue_noop [--tiles N] [--processes P] [--appendonly]");
    }
    if (bench.tiles < 1 || bench.processes < 1 || bench.processes > MOST_PROCESSES)
        give_up("--tiles or --processes", "out of range");
    server_start(&bench);
    queue = open_queue(&bench, "noop");
    must(queue_enrol_worker(queue, &worker, &error), "enrol", &error);
    printf("%d tiles, %d processes, appendonly %s\n%-22s %5s\n", bench.tiles, bench.processes,
           bench.appendonly ? "yes" : "no", "", "batch");
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++)
        measure(&bench, batches[i]);
    fill_bare(&bench);
    report("bare LMOVE", PIPELINE, bench.tiles, run_processes(&bench, PIPELINE, move_bare));
    queue_close(queue);
    server_stop(&bench);
    return 0;
}
