/* Claiming. A connection that claims introduces itself by CLIENT SETNAME, before the script checks
 * that its worker is not fenced; whoever fences a worker kills its connections by that name, after
 * it was marked. So a blocked claim of a worker that is stopped or cut off cannot take a tile once
 * its lists were swept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "queue/connection.h"
#include "queue/lane.h"

Key lane_key(const Queue *queue, const char *worker, int lane)
{
    return queue_key(queue, "processing:%s:%d", worker, lane);
}

/* What is no task was pushed by hand or by a bug: it is removed and told about. */
static int lane_refuse(Queue *queue, const char *claims, const redisReply *text, Error *error)
{
    log_warning("task_refused", "key=%s text=\"%.100s\"", claims, text->str);
    command_begin(queue, "LREM");
    command_add_text(queue, claims);
    command_add_text(queue, "1");
    command_add(queue, text->str, (size_t)text->len);
    command_end(queue);
    command_begin(queue, "XADD");
    command_add_text(queue, queue_key(queue, "events").text);
    for (const char *const *word = (const char *const[]){"MAXLEN", "~", "10000", "*", "kind",
                                                         "task_refused", "job", "", "detail", NULL};
         *word != NULL; word++)
        command_add_text(queue, *word);
    command_add(queue, text->str, (size_t)text->len);
    command_end(queue);
    return queue_do(queue, error);
}

int lane_take_tasks(Queue *queue, const char *claims, redisReply *const *texts, size_t length,
                    QueueTask *tasks, int most, int *count, Error *error)
{
    for (size_t i = 0; i < length && *count < most; i++) {
        Error damage;
        if (texts[i]->type != REDIS_REPLY_STRING)
            continue;
        if (queue_parse_task(texts[i]->str, (size_t)texts[i]->len, &tasks[*count], &damage) == 0)
            ++*count;
        else if (lane_refuse(queue, claims, texts[i], error) != 0)
            return -1;
    }
    return 0;
}

/* ACLs may forbid CLIENT; fenced lists are swept more than once, so nothing is lost without it. */
static int lane_introduce(Queue *queue, const char *worker, int lane, Error *error)
{
    char name[sizeof queue->introduced];
    Replies replies;

    snprintf(name, sizeof name, "tilecrew:%s:%d", worker, lane);
    if (queue_connect(queue, error) != 0)
        return -1;
    if (strcmp(name, queue->introduced) == 0)
        return 0;
    command_put(queue, "CLIENT", "SETNAME", name);
    if (queue_exchange(queue, 0, &replies, error) != 0)
        return -1;
    replies_free(&replies);
    memcpy(queue->introduced, name, sizeof name);
    return 0;
}

static int claim_now(Queue *queue, const char *worker, const char *claims, int most,
                     QueueTask *tasks, int *count, Error *error)
{
    redisReply *reply;
    int status;

    if (script_begin(queue, SCRIPT_CLAIM, error) != 0)
        return -1;
    command_add_text(queue, claims);
    command_add_text(queue, worker);
    command_add_number(queue, most);
    command_add_number(queue, queue->ready_low);
    command_add_number(queue, queue->ready_batch);
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    status =
        lane_take_tasks(queue, claims, reply->element, reply->elements, tasks, most, count, error);
    freeReplyObject(reply);
    return status;
}

/* A Redis whose memory is full takes no BRPOPLPUSH, while the scripts that claim go through: there
 * is nothing just now, and the lane asks again after a while. */
static int claim_when_full(int64_t wait_ms)
{
    enum { ASK_AGAIN_MS = 200 };

    clock_sleep_ms(wait_ms < ASK_AGAIN_MS ? wait_ms : ASK_AGAIN_MS);
    return 0;
}

static int claim_waiting(Queue *queue, const char *claims, int most, int64_t wait_ms,
                         QueueTask *tasks, int *count, Error *error)
{
    const Key ready = queue_key(queue, "ready");
    char seconds[32];
    Replies replies;
    int status;

    snprintf(seconds, sizeof seconds, "%.3f", (double)wait_ms / 1000);
    command_put(queue, "BRPOPLPUSH", ready.text, claims, seconds);
    for (int i = 1; i < most; i++)
        command_put(queue, "RPOPLPUSH", ready.text, claims);
    if (queue_expect(queue, wait_ms, &replies, error) != 0)
        return error->kind == ERROR_FULL ? claim_when_full(wait_ms) : -1;
    status = lane_take_tasks(queue, claims, replies.item, (size_t)replies.count, tasks, most, count,
                             error);
    replies_free(&replies);
    return status;
}

int queue_claim(Queue *queue, const char *worker, int lane, int most, int64_t wait_ms,
                QueueTask *tasks, int *count, Error *error)
{
    const Key claims = lane_key(queue, worker, lane);

    *count = 0;
    if (most < 1)
        return 0;
    if (lane_introduce(queue, worker, lane, error) != 0 ||
        claim_now(queue, worker, claims.text, most, tasks, count, error) != 0)
        return -1;
    if (*count > 0 || wait_ms <= 0)
        return 0;
    return claim_waiting(queue, claims.text, most, wait_ms, tasks, count, error);
}

/* The oldest claim is at the end of the list and comes first. */
int queue_adopt(Queue *queue, const char *worker, int lane, QueueTask *tasks, int most, int *count,
                Error *error)
{
    const Key claims = lane_key(queue, worker, lane);
    redisReply *reply;
    int status;

    *count = 0;
    command_begin(queue, "LRANGE");
    command_add_text(queue, claims.text);
    command_add_number(queue, -(int64_t)most);
    command_add_text(queue, "-1");
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    for (size_t i = 0; i < reply->elements / 2; i++) {
        redisReply *other = reply->element[i];
        reply->element[i] = reply->element[reply->elements - 1 - i];
        reply->element[reply->elements - 1 - i] = other;
    }
    status = lane_take_tasks(queue, claims.text, reply->element, reply->elements, tasks, most,
                             count, error);
    freeReplyObject(reply);
    return status;
}
