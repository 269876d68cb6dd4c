/* What monitors (and whoever waits) do for the queue: retries, refills, expiry, and how full it is.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "queue/connection.h"

int queue_promote_delayed(Queue *queue, int most, int *moved, Error *error)
{
    int64_t number;

    *moved = 0;
    if (script_begin(queue, SCRIPT_PROMOTE, error) != 0)
        return -1;
    command_add_number(queue, most);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *moved = (int)number;
    return 0;
}

/* One call looks at 64 jobs; the whole rotation is gone through until some job has tiles. */
int queue_refill(Queue *queue, int64_t low, int64_t batch, int64_t *moved, Error *error)
{
    enum { MOST_STEPS = 64 };
    bool more = true;

    *moved = 0;
    for (int step = 0; step < MOST_STEPS && more && *moved == 0; step++) {
        redisReply *reply;
        if (script_begin(queue, SCRIPT_REFILL, error) != 0)
            return -1;
        command_add_number(queue, low);
        command_add_number(queue, batch);
        command_end(queue);
        reply = queue_ask(queue, 0, error);
        if (reply == NULL)
            return -1;
        *moved = reply_number(reply_item(reply, 0));
        more = reply_number(reply_item(reply, 1)) != 0;
        freeReplyObject(reply);
    }
    return 0;
}

/* Its dead tiles go first, in steps, for they are in a list of all jobs. A job without a record (it
 * was removed by another monitor just now, or lost by Redis) must not keep the others from theirs.
 */
static int expire_job(Queue *queue, const char *job, int64_t keep_ms, int *removed, Error *error)
{
    int64_t number;
    int64_t dropped;

    if (queue_discard_dead(queue, &(QueueDeadFilter){.job = job}, &dropped, error) != 0 &&
        error->kind != ERROR_USAGE)
        return -1;
    if (script_begin(queue, SCRIPT_EXPIRE, error) != 0)
        return -1;
    command_add_text(queue, job);
    command_add_number(queue, keep_ms);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *removed += (int)number;
    return 0;
}

/* Redis's own clock. */
static int ask_now(Queue *queue, int64_t *now_ms, Error *error)
{
    redisReply *reply;

    command_put(queue, "TIME");
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    *now_ms = reply_number(reply_item(reply, 0)) * 1000 + reply_number(reply_item(reply, 1)) / 1000;
    freeReplyObject(reply);
    return 0;
}

int queue_expire_jobs(Queue *queue, int64_t keep_ms, int *removed, Error *error)
{
    redisReply *ids;
    int64_t now_ms = 0;
    int status = 0;

    *removed = 0;
    if (ask_now(queue, &now_ms, error) != 0)
        return -1;
    command_begin(queue, "ZRANGEBYSCORE");
    command_add_text(queue, queue_key(queue, "finished").text);
    command_add_text(queue, "-inf");
    command_add_number(queue, now_ms - keep_ms);
    for (const char *const *word = (const char *const[]){"LIMIT", "0", "100", NULL}; *word; word++)
        command_add_text(queue, *word);
    command_end(queue);
    ids = queue_ask(queue, 0, error);
    if (ids == NULL)
        return -1;
    for (size_t i = 0; i < ids->elements && status == 0; i++)
        status = expire_job(queue, reply_text(ids->element[i]), keep_ms, removed, error);
    freeReplyObject(ids);
    return status;
}

static int depths_of_workers(Queue *queue, QueueDepths *depths, Error *error)
{
    QueueWorker *workers = NULL;
    Replies replies;
    size_t count = 0;

    if (queue_list_workers(queue, &workers, &count, error) != 0)
        return -1;
    command_put(queue, "PING"); /* so that there is a reply even without workers */
    for (size_t i = 0; i < count; i++) {
        depths->workers_live += workers[i].state == WORKER_LIVE;
        depths->workers_standby += workers[i].state == WORKER_STANDBY;
        for (int lane = 0; lane < workers[i].lanes; lane++)
            command_put(queue, "LLEN",
                        queue_key(queue, "processing:%s:%d", workers[i].id, lane).text);
    }
    queue_free_workers(workers, count);
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    for (int i = 1; i < replies.count; i++)
        depths->processing += reply_number(replies.item[i]);
    replies_free(&replies);
    return 0;
}

int queue_read_depths(Queue *queue, QueueDepths *depths, Error *error)
{
    Replies replies;

    *depths = (QueueDepths){0};
    command_put(queue, "LLEN", queue_key(queue, "ready").text);
    command_put(queue, "ZCARD", queue_key(queue, "delayed").text);
    command_put(queue, "LLEN", queue_key(queue, "dead").text);
    command_put(queue, "LLEN", queue_key(queue, "jobs").text);
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    depths->ready = reply_number(replies.item[0]);
    depths->delayed = reply_number(replies.item[1]);
    depths->dead = reply_number(replies.item[2]);
    depths->jobs = reply_number(replies.item[3]);
    replies_free(&replies);
    return depths_of_workers(queue, depths, error);
}
