#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/connection.h"
#include "queue/lane.h"

static void add_task(Queue *queue, const QueueTask *task)
{
    char text[QUEUE_TASK_TEXT];

    command_add(queue, text, (size_t)queue_format_task(task, text));
}

static int take_outcomes(Queue *queue, const redisReply *outcomes, QueueResult *results, int count,
                         Error *error)
{
    const char *digits = reply_text(outcomes);

    if (strlen(digits) != (size_t)count)
        return error_set(error, ERROR_REDIS, "Redis at %s answered a commit of %d tiles with '%s'",
                         queue->address.display, count, digits);
    for (int i = 0; i < count; i++)
        results[i].outcome = (QueueCommit)(digits[i] - '0');
    return 0;
}

int queue_commit_and_claim(Queue *queue, const char *worker, int lane, QueueResult *results,
                           int result_count, int most, QueueTask *tasks, int *count, Error *error)
{
    const Key claims = lane_key(queue, worker, lane);
    const redisReply *claimed;
    redisReply *reply;
    int status;

    *count = 0;
    if (script_begin(queue, SCRIPT_COMMIT, error) != 0)
        return -1;
    command_add_text(queue, claims.text);
    command_add_text(queue, worker);
    command_add_number(queue, most);
    command_add_number(queue, queue->ready_low);
    command_add_number(queue, queue->ready_batch);
    for (int i = 0; i < result_count; i++) {
        add_task(queue, &results[i].task);
        command_add_number(queue, results[i].pixels);
        command_add_number(queue, results[i].bytes);
    }
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    status = take_outcomes(queue, reply_item(reply, 0), results, result_count, error);
    claimed = reply_item(reply, 1);
    if (status == 0 && claimed != NULL)
        status = lane_take_tasks(queue, claims.text, claimed->element, claimed->elements, tasks,
                                 most, count, error);
    freeReplyObject(reply);
    return status;
}

int queue_commit(Queue *queue, const char *worker, int lane, QueueResult *results, int count,
                 Error *error)
{
    int none = 0;

    return count == 0
               ? 0
               : queue_commit_and_claim(queue, worker, lane, results, count, 0, NULL, &none, error);
}

/* Reasons are one line of limited length, for lists and terminals. */
static void add_reason(Queue *queue, const char *reason)
{
    char line[QUEUE_REASON];
    size_t length = strnlen(reason, sizeof line - 1);

    for (size_t i = 0; i < length; i++)
        line[i] = (unsigned char)reason[i] < 0x20 || reason[i] == 0x7f ? ' ' : reason[i];
    command_add(queue, line, length);
}

int queue_fail(Queue *queue, const char *worker, int lane, const QueueTask *task,
               const char *reason, bool permanent, Error *error)
{
    char jitter[32];

    snprintf(jitter, sizeof jitter, "%.6f",
             (double)clock_backoff_ms(0, 2000000, 2000000) / 1e6 - 1);
    if (script_begin(queue, SCRIPT_FAIL, error) != 0)
        return -1;
    command_add_text(queue, lane_key(queue, worker, lane).text);
    command_add_text(queue, worker);
    add_task(queue, task);
    add_reason(queue, reason);
    command_add_text(queue, permanent ? "1" : "0");
    command_add_text(queue, jitter);
    command_end(queue);
    return queue_do(queue, error);
}

int queue_put_back(Queue *queue, const char *worker, int lane, const QueueTask *tasks, int count,
                   Error *error)
{
    if (count == 0)
        return 0;
    if (script_begin(queue, SCRIPT_PUT_BACK, error) != 0)
        return -1;
    command_add_text(queue, lane_key(queue, worker, lane).text);
    for (int i = 0; i < count; i++)
        add_task(queue, &tasks[i]);
    command_end(queue);
    return queue_do(queue, error);
}

int queue_reclaim_lane(Queue *queue, const char *worker, int lane, const char *reason, int most,
                       int *moved, Error *error)
{
    int64_t number;

    *moved = 0;
    if (script_begin(queue, SCRIPT_RECLAIM, error) != 0)
        return -1;
    command_add_text(queue, lane_key(queue, worker, lane).text);
    command_add_text(queue, worker);
    add_reason(queue, reason);
    command_add_number(queue, most);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *moved = (int)number;
    return 0;
}
