#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "queue/connection.h"

enum { ID_LETTERS = 8, CANCEL_STEP = 1000 };

static const char *const state_names[] = {
    [JOB_SUBMITTING] = "submitting", [JOB_RUNNING] = "running",     [JOB_PAUSED] = "paused",
    [JOB_BLOCKED] = "blocked",       [JOB_CANCELLED] = "cancelled", [JOB_DONE] = "done",
};

const char *queue_job_state_name(QueueJobState state)
{
    return state_names[state];
}

/* 32 letters without 0, 1, l, o, which people confuse. */
void queue_make_nonce(char *text, int letters)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
    unsigned char random[32];

    if (getrandom(random, (size_t)letters, 0) != letters)
        for (int i = 0; i < letters; i++)
            random[i] = (unsigned char)(clock_monotonic_us() >> (i % 4 * 5));
    for (int i = 0; i < letters; i++)
        text[i] = alphabet[random[i] % 32];
    text[letters] = '\0';
}

static void add_field_number(Queue *queue, const char *field, int64_t number)
{
    command_add_text(queue, field);
    command_add_number(queue, number);
}

static void add_field_text(Queue *queue, const char *field, const char *text)
{
    command_add_text(queue, field);
    command_add_text(queue, text == NULL ? "" : text);
}

static int create_once(Queue *queue, const QueueJobSpec *spec, const char *id, int64_t *created,
                       Error *error)
{
    char field[24];
    int64_t number;

    if (script_begin(queue, SCRIPT_CREATE, error) != 0)
        return -1;
    command_add_text(queue, id);
    add_field_text(queue, "pipeline", spec->pipeline);
    add_field_text(queue, "store", spec->store);
    add_field_text(queue, "output", spec->output);
    add_field_text(queue, "format", spec->format);
    add_field_text(queue, "owner", spec->owner);
    add_field_text(queue, "fingerprint", spec->fingerprint);
    add_field_text(queue, "producer", spec->producer);
    add_field_number(queue, "quality", spec->quality);
    add_field_number(queue, "png_level", spec->png_level);
    add_field_number(queue, "strip", spec->strip);
    add_field_number(queue, "priority", spec->priority);
    add_field_number(queue, "max_fails", spec->max_fails);
    add_field_number(queue, "max_losses", spec->max_losses);
    add_field_number(queue, "retry_first_ms", spec->retry_first_ms);
    add_field_number(queue, "retry_most_ms", spec->retry_most_ms);
    add_field_number(queue, "roots", spec->root_count);
    for (int i = 0; i < spec->root_count; i++) {
        snprintf(field, sizeof field, "root:%d", i);
        add_field_text(queue, field, spec->roots[i]);
    }
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *created = number;
    return 0;
}

static int check_spec(const QueueJobSpec *spec, Error *error)
{
    if (spec->priority < 1 || spec->priority > 100)
        return error_set(error, ERROR_USAGE, "priority %d is not 1..100", spec->priority);
    if (spec->max_fails < 1 || spec->max_losses < 1)
        return error_set(error, ERROR_USAGE, "max_fails and max_losses must be 1 or more");
    if (spec->retry_first_ms < 0 || spec->retry_most_ms < spec->retry_first_ms)
        return error_set(error, ERROR_USAGE, "retry_most must not be less than retry_first");
    return 0;
}

/* When a reply is lost, the same id is tried once more: if it exists then, it is ours. */
int queue_create_job(Queue *queue, const QueueJobSpec *spec, char id[QUEUE_JOB_ID], Error *error)
{
    int64_t created = 0;
    bool lost = false;

    if (check_spec(spec, error) != 0)
        return -1;
    while (created == 0) {
        if (!lost)
            queue_make_nonce(id, ID_LETTERS);
        if (create_once(queue, spec, id, &created, error) == 0) {
            snprintf(queue->adding.producer, sizeof queue->adding.producer, "%s",
                     spec->producer != NULL ? spec->producer : "");
            if (lost)
                return 0;
        } else if (lost || error->kind != ERROR_REDIS) {
            return -1;
        } else {
            lost = true;
        }
    }
    return 0;
}

int queue_take_job(Queue *queue, const char *job, const char *from, const char *to, bool *ours,
                   Error *error)
{
    int64_t number;

    if (script_begin(queue, SCRIPT_TEND, error) != 0)
        return -1;
    command_add_text(queue, job);
    command_add_text(queue, from);
    command_add_text(queue, to);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *ours = number != 0;
    if (*ours)
        snprintf(queue->adding.producer, sizeof queue->adding.producer, "%s", to);
    return 0;
}

int queue_tend_job(Queue *queue, const char *job, const char *producer, bool *ours, Error *error)
{
    return queue_take_job(queue, job, producer, producer, ours, error);
}

static int job_change(Queue *queue, const char *job, const char *verb, const char *reason,
                      Error *error)
{
    if (script_begin(queue, SCRIPT_STATE, error) != 0)
        return -1;
    command_add_text(queue, job);
    command_add_text(queue, verb);
    command_add_text(queue, reason);
    command_end(queue);
    return queue_do(queue, error);
}

int queue_seal_job(Queue *queue, const char *job, Error *error)
{
    return job_change(queue, job, "seal", "", error);
}

int queue_pause_job(Queue *queue, const char *job, Error *error)
{
    return job_change(queue, job, "pause", "", error);
}

int queue_resume_job(Queue *queue, const char *job, Error *error)
{
    int64_t moved;

    if (job_change(queue, job, "resume", "", error) != 0)
        return -1;
    return queue_refill(queue, queue->ready_low, queue->ready_batch, &moved, error);
}

int queue_block_job(Queue *queue, const char *job, const char *reason, Error *error)
{
    return job_change(queue, job, "block", reason, error);
}

int queue_cancel_job(Queue *queue, const char *job, Error *error)
{
    char cursor[32] = "0";
    bool more = true;

    while (more) {
        redisReply *reply;
        if (script_begin(queue, SCRIPT_CANCEL, error) != 0)
            return -1;
        command_add_text(queue, job);
        command_add_text(queue, cursor);
        command_add_number(queue, CANCEL_STEP);
        command_end(queue);
        reply = queue_ask(queue, 0, error);
        if (reply == NULL)
            return -1;
        more = reply_number(reply_item(reply, 0)) != 0;
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply_item(reply, 1)));
        freeReplyObject(reply);
    }
    return 0;
}
