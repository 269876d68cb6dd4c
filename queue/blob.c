/* What the redis store needs: named bytes in `job:<id>:blobs`, and the images that came to their
 * end in `job:<id>:finished`. An entry of the latter moves to `job:<id>:collecting` when it is
 * given to the collector and is removed by the collector's next call, so that none is lost with a
 * reply or with a collector; after a reconnect what was left there is given again. One collector a
 * job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "queue/connection.h"

/* The job may have been removed meanwhile: its blobs must not stay behind. */
int queue_put_blob(Queue *queue, const char *job, const char *name, const void *bytes,
                   size_t length, Error *error)
{
    const Key blobs = queue_key(queue, "job:%s:blobs", job);
    Replies replies;
    bool there;

    command_begin(queue, "HSET");
    command_add_text(queue, blobs.text);
    command_add_text(queue, name);
    command_add(queue, bytes, length);
    command_end(queue);
    command_put(queue, "EXISTS", queue_key(queue, "job:%s", job).text);
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    there = reply_number(replies.item[1]) == 1;
    replies_free(&replies);
    if (there)
        return 0;
    command_put(queue, "UNLINK", blobs.text);
    if (queue_do(queue, error) != 0)
        return -1;
    return error_set(error, ERROR_USAGE, "there is no job %s", job);
}

int queue_get_blob(Queue *queue, const char *job, const char *name, void **bytes, size_t *length,
                   Error *error)
{
    redisReply *reply;
    int status = 0;

    *bytes = NULL;
    *length = 0;
    command_put(queue, "HGET", queue_key(queue, "job:%s:blobs", job).text, name);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    if (reply->type == REDIS_REPLY_STRING) {
        *bytes = memory_try((size_t)reply->len, 1, name, error);
        status = *bytes == NULL ? -1 : 0;
        if (status == 0 && reply->len > 0)
            memcpy(*bytes, reply->str, (size_t)reply->len);
        *length = status == 0 ? (size_t)reply->len : 0;
    }
    freeReplyObject(reply);
    return status;
}

int queue_delete_blob(Queue *queue, const char *job, const char *name, Error *error)
{
    command_put(queue, "HDEL", queue_key(queue, "job:%s:blobs", job).text, name);
    return queue_do(queue, error);
}

int queue_delete_blobs(Queue *queue, const char *job, const char *one, const char *other,
                       Error *error)
{
    command_put(queue, "HDEL", queue_key(queue, "job:%s:blobs", job).text, one, other);
    return queue_do(queue, error);
}

int queue_list_blobs(Queue *queue, const char *job, char ***names, size_t *count, Error *error)
{
    redisReply *reply;

    command_put(queue, "HKEYS", queue_key(queue, "job:%s:blobs", job).text);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    *count = reply->elements;
    *names = memory_need((*count + 1) * sizeof **names);
    for (size_t i = 0; i < *count; i++)
        (*names)[i] = memory_copy_text(reply_text(reply->element[i]));
    freeReplyObject(reply);
    return 0;
}

static int collect_acknowledge(Queue *queue, const Key *collecting, Error *error)
{
    if (queue->collecting.entry[0] == '\0')
        return 0;
    command_put(queue, "LREM", collecting->text, "1", queue->collecting.entry);
    if (queue_do(queue, error) != 0)
        return -1;
    queue->collecting.entry[0] = '\0';
    return 0;
}

static redisReply *collect_move_full(Queue *queue, const char *const move[4], Error *error)
{
    if (script_begin(queue, SCRIPT_COLLECT, error) != 0)
        return NULL;
    for (int i = 0; i < 4; i++)
        command_add_text(queue, move[i]);
    command_end(queue);
    return queue_ask(queue, 0, error);
}

/* LMOVE, or BLMOVE with a wait. move: from, to, and the end of each. */
static redisReply *collect_move(Queue *queue, const char *const move[4], int64_t wait_ms,
                                Error *error)
{
    char seconds[32];
    redisReply *reply;

    snprintf(seconds, sizeof seconds, "%.3f", (double)wait_ms / 1000);
    if (wait_ms > 0)
        command_put(queue, "BLMOVE", move[0], move[1], move[2], move[3], seconds);
    else
        command_put(queue, "LMOVE", move[0], move[1], move[2], move[3]);
    reply = queue_ask(queue, wait_ms, error);
    if (reply != NULL || error->kind != ERROR_FULL)
        return reply;
    clock_sleep_ms(wait_ms);
    return collect_move_full(queue, move, error);
}

/* Takes back what a lost reply or an earlier collector left, the last given first. */
static int collect_settle(Queue *queue, const Key *finished, const Key *collecting, Error *error)
{
    const char *const move[] = {collecting->text, finished->text, "RIGHT", "LEFT"};

    while (queue->transport == NULL || !queue->collecting.settled) {
        redisReply *reply = collect_move(queue, move, 0, error);
        if (reply == NULL)
            return -1;
        queue->collecting.settled = reply->type == REDIS_REPLY_NIL;
        freeReplyObject(reply);
    }
    return 0;
}

static int collect_next(Queue *queue, const Key *finished, const Key *collecting, int64_t wait_ms,
                        Error *error)
{
    const char *const move[] = {finished->text, collecting->text, "LEFT", "RIGHT"};
    redisReply *reply = collect_move(queue, move, wait_ms, error);

    if (reply == NULL)
        return -1;
    snprintf(queue->collecting.entry, sizeof queue->collecting.entry, "%s", reply_text(reply));
    freeReplyObject(reply);
    return 0;
}

int queue_next_finished(Queue *queue, const char *job, int64_t wait_ms, int64_t *image,
                        bool *failed, Error *error)
{
    const Key finished = queue_key(queue, "job:%s:finished", job);
    const Key collecting = queue_key(queue, "job:%s:collecting", job);
    char *how;

    *image = -1;
    *failed = false;
    if (strcmp(queue->collecting.job, job) != 0) {
        queue->collecting.settled = false;
        queue->collecting.entry[0] = '\0';
        snprintf(queue->collecting.job, sizeof queue->collecting.job, "%s", job);
    }
    if (collect_acknowledge(queue, &collecting, error) != 0 ||
        collect_settle(queue, &finished, &collecting, error) != 0 ||
        collect_next(queue, &finished, &collecting, wait_ms, error) != 0)
        return -1;
    if (queue->collecting.entry[0] == '\0')
        return 0;
    *image = strtoll(queue->collecting.entry, &how, 10);
    *failed = strcmp(how, ":failed") == 0;
    return 0;
}
