/* Tiles given up: the list `dead` of tasks of all jobs, and `dead:info`: task -> "ms worker
 * reason".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/connection.h"
#include "queue/record.h"

enum { DEAD_PAGE = 500 };

static int64_t dead_length(Queue *queue, Error *error)
{
    int64_t number;
    int64_t length;

    command_put(queue, "LLEN", queue_key(queue, "dead").text);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    length = number;
    return length;
}

/* One step through the list; the others' tiles go to its end. */
static int dead_step(Queue *queue, const QueueDeadFilter *filter, const char *verb, int64_t *seen,
                     int64_t *moved, Error *error)
{
    redisReply *reply;

    if (script_begin(queue, SCRIPT_DEAD, error) != 0)
        return -1;
    command_add_text(queue, filter->job != NULL ? filter->job : "");
    command_add_text(queue, verb);
    command_add_number(queue, DEAD_PAGE);
    command_add_text(queue, filter->reason != NULL ? filter->reason : "");
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    *seen = reply_number(reply_item(reply, 0));
    *moved = reply_number(reply_item(reply, 1));
    freeReplyObject(reply);
    return 0;
}

/* How many tiles of the job are in the list. */
static int dead_of_job(Queue *queue, const char *job, int64_t *count, Error *error)
{
    redisReply *reply;
    int status = 0;

    command_put(queue, "HMGET", queue_key(queue, "job:%s", job).text, "state", "dead");
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    *count = reply_number(reply_item(reply, 1));
    if (reply_text(reply_item(reply, 0))[0] == '\0')
        status = error_set(error, ERROR_USAGE, "there is no job %s", job);
    freeReplyObject(reply);
    return status;
}

/* Goes once through the list, or until all the job's tiles were met. The first step is made even
 * when there are none, for its check of the job. */
static int dead_sweep(Queue *queue, const QueueDeadFilter *filter, const char *verb, int64_t *total,
                      Error *error)
{
    int64_t length = dead_length(queue, error);
    int64_t left = length;
    int64_t seen = 0;
    int64_t moved = 0;

    *total = 0;
    if (length < 0 || (filter->job != NULL && dead_of_job(queue, filter->job, &left, error) != 0))
        return -1;
    do {
        if (dead_step(queue, filter, verb, &seen, &moved, error) != 0)
            return -1;
        *total += moved;
        left -= moved;
        length -= seen;
    } while (left > 0 && length > 0 && seen > 0);
    return 0;
}

int queue_retry_dead(Queue *queue, const QueueDeadFilter *filter, int64_t *moved, Error *error)
{
    int64_t refilled;

    if (dead_sweep(queue, filter, "retry", moved, error) != 0)
        return -1;
    return queue_refill(queue, queue->ready_low, queue->ready_batch, &refilled, error);
}

int queue_discard_dead(Queue *queue, const QueueDeadFilter *filter, int64_t *dropped, Error *error)
{
    return dead_sweep(queue, filter, "discard", dropped, error);
}

/* "ms worker reason" */
static void dead_fill(QueueDead *dead, const QueueTask *task, const char *info, const char *record)
{
    const char *worker = strchr(info, ' ');
    const char *reason = worker == NULL ? NULL : strchr(worker + 1, ' ');
    QueueImage image = {0};
    Error damage;

    *dead = (QueueDead){.task = *task, .at_ms = strtoll(info, NULL, 10)};
    if (reason != NULL)
        dead->worker = memory_format_text("%.*s", (int)(reason - worker - 1), worker + 1);
    else
        dead->worker = memory_copy_text("");
    dead->reason = memory_copy_text(reason == NULL ? "" : reason + 1);
    if (record[0] != '\0' && record_read(record, &image, &damage) == 0) {
        dead->path = image.path;
        image.path = NULL;
    } else {
        dead->path = memory_copy_text("");
    }
    queue_free_image(&image);
}

/* Picks the tasks of one page that are wanted. */
static size_t dead_pick(const redisReply *page, const char *job, QueueTask *tasks, size_t most)
{
    size_t picked = 0;
    Error damage;

    for (size_t i = 0; i < page->elements && picked < most; i++)
        if (queue_parse_task(page->element[i]->str, (size_t)page->element[i]->len, &tasks[picked],
                             &damage) == 0 &&
            (job == NULL || strcmp(job, tasks[picked].job) == 0))
            picked++;
    return picked;
}

static int dead_describe(Queue *queue, const QueueTask *tasks, size_t count, QueueDead *dead,
                         Error *error)
{
    char text[QUEUE_TASK_TEXT];
    Replies replies;

    for (size_t i = 0; i < count; i++) {
        queue_format_task(&tasks[i], text);
        command_put(queue, "HGET", queue_key(queue, "dead:info").text, text);
        snprintf(text, sizeof text, "%lld", (long long)tasks[i].image);
        command_put(queue, "HGET", queue_key(queue, "job:%s:images", tasks[i].job).text, text);
    }
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        dead_fill(&dead[i], &tasks[i], reply_text(replies.item[2 * i]),
                  reply_text(replies.item[2 * i + 1]));
    replies_free(&replies);
    return 0;
}

static redisReply *dead_page(Queue *queue, int64_t from, Error *error)
{
    command_begin(queue, "LRANGE");
    command_add_text(queue, queue_key(queue, "dead").text);
    command_add_number(queue, from);
    command_add_number(queue, from + DEAD_PAGE - 1);
    command_end(queue);
    return queue_ask(queue, 0, error);
}

static void dead_release(QueueDead *dead)
{
    free(dead->path);
    free(dead->reason);
    free(dead->worker);
}

/* Keeps those of `count` that have the text in their reason; returns how many. */
static size_t dead_keep(QueueDead *dead, size_t count, const char *reason)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (reason == NULL || strstr(dead[i].reason, reason) != NULL)
            dead[kept++] = dead[i];
        else
            dead_release(&dead[i]);
    }
    return kept;
}

int queue_list_dead(Queue *queue, const QueueDeadFilter *filter, size_t most, QueueDead **dead,
                    size_t *count, Error *error)
{
    QueueTask tasks[DEAD_PAGE];
    size_t seen = DEAD_PAGE;

    *dead = NULL;
    *count = 0;
    for (int64_t from = 0; seen == DEAD_PAGE && *count < most; from += DEAD_PAGE) {
        redisReply *page = dead_page(queue, from, error);
        size_t room = most - *count < DEAD_PAGE ? most - *count : DEAD_PAGE;
        size_t picked;
        if (page == NULL)
            goto fail;
        seen = page->elements;
        picked = dead_pick(page, filter->job, tasks, room);
        freeReplyObject(page);
        *dead = memory_resize(*dead, (*count + picked + 1) * sizeof **dead);
        if (picked > 0 && dead_describe(queue, tasks, picked, *dead + *count, error) != 0)
            goto fail;
        *count += dead_keep(*dead + *count, picked, filter->reason);
    }
    return 0;
fail:
    queue_free_dead(*dead, *count);
    *dead = NULL;
    *count = 0;
    return -1;
}

void queue_free_dead(QueueDead *dead, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dead_release(&dead[i]);
    free(dead);
}
