/* Reading jobs: the hash `job:<id>` into a QueueJob, by a table. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/connection.h"

typedef enum FieldKind { FIELD_TEXT, FIELD_INT, FIELD_LONG, FIELD_BOOL, FIELD_STATE } FieldKind;

#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, kind, offsetof(QueueJob, name)                                                      \
    }
static const struct {
    const char *name;
    FieldKind kind;
    size_t offset;
} fields[] = {
    FIELD(FIELD_STATE, state),        FIELD(FIELD_TEXT, pipeline),
    FIELD(FIELD_TEXT, store),         FIELD(FIELD_TEXT, output),
    FIELD(FIELD_TEXT, format),        FIELD(FIELD_TEXT, owner),
    FIELD(FIELD_TEXT, reason),        FIELD(FIELD_INT, quality),
    FIELD(FIELD_INT, png_level),      FIELD(FIELD_INT, priority),
    FIELD(FIELD_INT, max_fails),      FIELD(FIELD_INT, max_losses),
    FIELD(FIELD_BOOL, strip),         FIELD(FIELD_LONG, retry_first_ms),
    FIELD(FIELD_LONG, retry_most_ms), FIELD(FIELD_LONG, images),
    FIELD(FIELD_LONG, tiles),         FIELD(FIELD_LONG, left),
    FIELD(FIELD_LONG, images_done),   FIELD(FIELD_LONG, images_failed),
    FIELD(FIELD_LONG, pixels_done),   FIELD(FIELD_LONG, pixels),
    FIELD(FIELD_LONG, bytes_done),    FIELD(FIELD_LONG, created_ms),
    FIELD(FIELD_LONG, started_ms),    FIELD(FIELD_LONG, finished_ms),
    FIELD(FIELD_LONG, fenced),        FIELD(FIELD_LONG, retried),
    FIELD(FIELD_BOOL, sealed),        FIELD(FIELD_TEXT, fingerprint),
    FIELD(FIELD_TEXT, producer),      FIELD(FIELD_LONG, tended_ms),
};

static QueueJobState parse_state(const char *text)
{
    for (int state = JOB_SUBMITTING; state < JOB_DONE; state++)
        if (strcmp(text, queue_job_state_name((QueueJobState)state)) == 0)
            return (QueueJobState)state;
    return JOB_DONE;
}

static void set_field(QueueJob *job, FieldKind kind, size_t offset, const redisReply *value)
{
    char *place = (char *)job + offset;

    switch (kind) {
    case FIELD_TEXT:
        free(*(char **)place);
        *(char **)place = memory_copy_text(reply_text(value));
        break;
    case FIELD_INT:
        *(int *)place = (int)reply_number(value);
        break;
    case FIELD_LONG:
        *(int64_t *)place = reply_number(value);
        break;
    case FIELD_BOOL:
        *(bool *)place = reply_number(value) != 0;
        break;
    case FIELD_STATE:
        *(QueueJobState *)place = parse_state(reply_text(value));
        break;
    }
}

static void set_root(QueueJob *job, const char *field, const char *value)
{
    long index = strtol(field + strlen("root:"), NULL, 10);

    if (index < 0 || index >= job->root_count)
        return;
    free(job->roots[index]);
    job->roots[index] = memory_copy_text(value);
}

static void fill_roots(QueueJob *job, const redisReply *hash)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (strcmp(reply_text(hash->element[i]), "roots") == 0)
            job->root_count = (int)reply_number(hash->element[i + 1]);
    if (job->root_count < 0 || job->root_count > 65536)
        job->root_count = 0;
    job->roots = memory_need((size_t)(job->root_count + 1) * sizeof *job->roots);
    for (int i = 0; i < job->root_count; i++)
        job->roots[i] = memory_copy_text("");
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (strncmp(reply_text(hash->element[i]), "root:", 5) == 0)
            set_root(job, reply_text(hash->element[i]), reply_text(hash->element[i + 1]));
}

/* HGETALL's reply into a job; text that is missing is "". */
static void job_fill(QueueJob *job, const char *id, const redisReply *hash,
                     const redisReply *waiting, const redisReply *time)
{
    int64_t now_ms =
        reply_number(reply_item(time, 0)) * 1000 + reply_number(reply_item(time, 1)) / 1000;

    *job = (QueueJob){0};
    snprintf(job->id, sizeof job->id, "%s", id);
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        const redisReply *value = NULL;
        for (size_t i = 0; i + 1 < hash->elements && value == NULL; i += 2)
            if (strcmp(reply_text(hash->element[i]), fields[f].name) == 0)
                value = hash->element[i + 1];
        set_field(job, fields[f].kind, fields[f].offset, value);
    }
    fill_roots(job, hash);
    job->waiting = reply_number(waiting);
    job->silent_ms = now_ms - job->tended_ms;
}

static void job_ask(Queue *queue, const char *id)
{
    command_put(queue, "HGETALL", queue_key(queue, "job:%s", id).text);
    command_put(queue, "LLEN", queue_key(queue, "job:%s:tiles", id).text);
}

int queue_read_job(Queue *queue, const char *job, QueueJob *out, Error *error)
{
    Replies replies;
    int status = 0;

    job_ask(queue, job);
    command_put(queue, "TIME");
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    if (replies.item[0]->elements == 0)
        status = error_set(error, ERROR_USAGE, "there is no job %s", job);
    else
        job_fill(out, job, replies.item[0], replies.item[1], replies.item[2]);
    replies_free(&replies);
    return status;
}

void queue_free_job(QueueJob *job)
{
    free(job->pipeline);
    free(job->store);
    free(job->output);
    free(job->format);
    free(job->owner);
    free(job->reason);
    free(job->fingerprint);
    free(job->producer);
    for (int i = 0; i < job->root_count; i++)
        free(job->roots[i]);
    free(job->roots);
    *job = (QueueJob){0};
}

redisReply *queue_list_job_ids(Queue *queue, Error *error)
{
    redisReply *both;

    if (script_begin(queue, SCRIPT_JOBS, error) != 0)
        return NULL;
    command_end(queue);
    both = queue_ask(queue, 0, error);
    if (both == NULL || both->elements == 2)
        return both;
    freeReplyObject(both);
    error_set(error, ERROR_REDIS, "Redis at %s did not list the jobs", queue->address.display);
    return NULL;
}

static int newest_first(const void *a, const void *b)
{
    const QueueJob *one = a;
    const QueueJob *other = b;

    if (one->created_ms != other->created_ms)
        return one->created_ms < other->created_ms ? 1 : -1;
    return strcmp(one->id, other->id);
}

int queue_list_jobs(Queue *queue, QueueJob **jobs, size_t *count, Error *error)
{
    redisReply *both = queue_list_job_ids(queue, error);
    Replies replies;
    const char **ids;
    size_t total = 0;

    if (both == NULL)
        return -1;
    ids = memory_need((both->element[0]->elements + both->element[1]->elements + 1) * sizeof *ids);
    for (int list = 0; list < 2; list++)
        for (size_t i = 0; i < both->element[list]->elements; i++)
            ids[total++] = reply_text(both->element[list]->element[i]);
    for (size_t i = 0; i < total; i++)
        job_ask(queue, ids[i]);
    command_put(queue, "TIME");
    if (queue_expect(queue, 0, &replies, error) != 0) {
        free(ids);
        freeReplyObject(both);
        return -1;
    }
    *jobs = memory_need((total + 1) * sizeof **jobs);
    *count = 0;
    for (size_t i = 0; i < total; i++)
        if (replies.item[2 * i]->elements > 0)
            job_fill(&(*jobs)[(*count)++], ids[i], replies.item[2 * i], replies.item[2 * i + 1],
                     replies.item[2 * total]);
    qsort(*jobs, *count, sizeof **jobs, newest_first);
    free(ids);
    freeReplyObject(both);
    replies_free(&replies);
    return 0;
}
