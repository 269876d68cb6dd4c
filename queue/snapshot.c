/* Which lists there are is asked first, then all are read in one MULTI, in which the workers are
 * asked for again: if one has come meanwhile, its lists are missing, and it is done anew. */
#include "queue/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void add_name(char ***names, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*names)[i], name) == 0)
            return;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 14 takes it for freed by an earlier try */
    *names = memory_resize(*names, (*count + 1) * sizeof **names);
    (*names)[(*count)++] = memory_copy_text(name);
}

static int find_lanes(Queue *queue, Snapshot *snapshot, Error *error)
{
    QueueWorker *workers;
    size_t count;

    if (queue_list_workers(queue, &workers, &count, error) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        for (int lane = 0; lane < workers[i].lanes; lane++)
            add_name(&snapshot->claims, &snapshot->claims_count,
                     queue_key(queue, "processing:%s:%d", workers[i].id, lane).text);
    queue_free_workers(workers, count);
    return 0;
}

/* Lists of workers that are in the books no more can be found by their keys only. Braces have no
 * meaning in a pattern, and a queue's name has none of those that do. */
static int find_orphans(Queue *queue, Snapshot *snapshot, Error *error)
{
    char cursor[32] = "0";

    do {
        redisReply *page;
        const redisReply *keys;
        command_put(queue, "SCAN", cursor, "MATCH", queue_key(queue, "processing:*").text, "COUNT",
                    "1000");
        page = queue_ask(queue, 0, error);
        if (page == NULL)
            return -1;
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply_item(page, 0)));
        keys = reply_item(page, 1);
        for (size_t i = 0; keys != NULL && i < keys->elements; i++)
            add_name(&snapshot->claims, &snapshot->claims_count, reply_text(keys->element[i]));
        freeReplyObject(page);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

static int find_jobs(Queue *queue, const char *job, Snapshot *snapshot, Error *error)
{
    redisReply *both;

    if (job != NULL) {
        add_name(&snapshot->ids, &snapshot->job_count, job);
        return 0;
    }
    both = queue_list_job_ids(queue, error);
    if (both == NULL)
        return -1;
    for (int list = 0; list < 2; list++)
        for (size_t i = 0; i < both->element[list]->elements; i++)
            add_name(&snapshot->ids, &snapshot->job_count,
                     reply_text(both->element[list]->element[i]));
    freeReplyObject(both);
    return 0;
}

static void put_transaction(Queue *queue, const Snapshot *snapshot)
{
    command_put(queue, "MULTI");
    command_put(queue, "SMEMBERS", queue_key(queue, "workers").text);
    command_put(queue, "LRANGE", queue_key(queue, "ready").text, "0", "-1");
    command_put(queue, "ZRANGE", queue_key(queue, "delayed").text, "0", "-1");
    command_put(queue, "LRANGE", queue_key(queue, "dead").text, "0", "-1");
    for (size_t i = 0; i < snapshot->claims_count; i++)
        command_put(queue, "LRANGE", snapshot->claims[i], "0", "-1");
    for (size_t i = 0; i < snapshot->job_count; i++) {
        const char *id = snapshot->ids[i];
        command_put(queue, "HMGET", queue_key(queue, "job:%s", id).text, "tiles", "left", "dead",
                    "dropped", "images_done", "bits", "images", "repairs", "state");
        command_put(queue, "LRANGE", queue_key(queue, "job:%s:tiles", id).text, "0", "-1");
        command_put(queue, "GET", queue_key(queue, "job:%s:done", id).text);
        command_put(queue, "GET", queue_key(queue, "job:%s:dropped", id).text);
    }
    command_put(queue, "EXEC");
}

static int read_lists(Queue *queue, Snapshot *snapshot, Error *error)
{
    Replies replies;
    redisReply *const *next;

    put_transaction(queue, snapshot);
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    snapshot->replies = replies.item[replies.count - 1];
    replies.item[replies.count - 1] = NULL;
    replies_free(&replies);
    if (snapshot->replies->elements != 4 + snapshot->claims_count + 4 * snapshot->job_count)
        return error_set(error, ERROR_REDIS, "Redis at %s did not run a transaction",
                         queue->address.display);
    next = snapshot->replies->element;
    snapshot->workers = *next++;
    snapshot->ready = *next++;
    snapshot->delayed = *next++;
    snapshot->dead = *next++;
    snapshot->processing = (const redisReply *const *)next;
    next += snapshot->claims_count;
    snapshot->jobs = memory_need((snapshot->job_count + 1) * sizeof *snapshot->jobs);
    for (size_t i = 0; i < snapshot->job_count; i++, next += 4)
        snapshot->jobs[i] = (SnapshotJob){snapshot->ids[i], next[0], next[1], next[2], next[3]};
    return 0;
}

/* Whether each worker of the snapshot was known when the lists were chosen. */
static bool is_whole(const Queue *queue, const Snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->workers->elements; i++) {
        const char *worker = reply_text(snapshot->workers->element[i]);
        const Key first = queue_key(queue, "processing:%s:0", worker);
        bool known = false;
        for (size_t c = 0; c < snapshot->claims_count && !known; c++)
            known = strcmp(snapshot->claims[c], first.text) == 0;
        if (!known)
            return false;
    }
    return true;
}

static int snapshot_try(Queue *queue, const char *job, Snapshot *snapshot, Error *error)
{
    *snapshot = (Snapshot){0};
    if (find_lanes(queue, snapshot, error) == 0 && find_orphans(queue, snapshot, error) == 0 &&
        find_jobs(queue, job, snapshot, error) == 0 && read_lists(queue, snapshot, error) == 0)
        return 0;
    snapshot_free(snapshot);
    return -1;
}

int snapshot_take(Queue *queue, const char *job, Snapshot *snapshot, Error *error)
{
    enum { TRIES = 10 };

    for (int i = 0; i < TRIES; i++) {
        if (snapshot_try(queue, job, snapshot, error) != 0)
            return -1;
        if (is_whole(queue, snapshot))
            return 0;
        snapshot_free(snapshot);
    }
    return error_set(error, ERROR_REDIS,
                     "workers come faster than the queue can be audited: try again");
}

void snapshot_free(Snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->claims_count; i++)
        free(snapshot->claims[i]);
    for (size_t i = 0; i < snapshot->job_count; i++)
        free(snapshot->ids[i]);
    free(snapshot->claims); /* NOLINT(clang-analyzer-unix.Malloc): as in add_name */
    free(snapshot->ids);
    free(snapshot->jobs);
    if (snapshot->replies != NULL)
        freeReplyObject(snapshot->replies);
    *snapshot = (Snapshot){0};
}

bool snapshot_has_worker(const Queue *queue, const Snapshot *snapshot, const char *claims,
                         char id[QUEUE_WORKER_ID], int *lane)
{
    const char *worker = claims + strlen(queue_key(queue, "processing:").text);
    const char *colon = strrchr(worker, ':');
    size_t length = colon == NULL ? strlen(worker) : (size_t)(colon - worker);

    snprintf(id, QUEUE_WORKER_ID, "%.*s", (int)length, worker);
    *lane = colon == NULL ? 0 : (int)strtol(colon + 1, NULL, 10);
    for (size_t i = 0; i < snapshot->workers->elements; i++)
        if (strcmp(reply_text(snapshot->workers->element[i]), id) == 0)
            return true;
    return false;
}
