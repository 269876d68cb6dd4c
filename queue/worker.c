/* Workers' records: `workers` and `worker:<id>`. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "queue/connection.h"

enum { LEAVE_STEP = 500 };

static const char *const state_names[] = {
    [WORKER_STANDBY] = "standby",
    [WORKER_LIVE] = "live",
    [WORKER_DRAINING] = "draining",
    [WORKER_FENCED] = "fenced",
};

const char *queue_worker_state_name(QueueWorkerState state)
{
    return state_names[state];
}

static QueueWorkerState parse_state(const char *text)
{
    for (int state = WORKER_STANDBY; state < WORKER_FENCED; state++)
        if (strcmp(text, state_names[state]) == 0)
            return (QueueWorkerState)state;
    return WORKER_FENCED;
}

/* Host names are kept to what is clear in a key: letters, digits, dots, hyphens, underscores. */
void queue_make_worker_id(char id[QUEUE_WORKER_ID])
{
    char host[64] = "";
    char nonce[8];

    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "host");
    for (char *c = host; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c) == NULL)
            *c = '_';
    queue_make_nonce(nonce, 6);
    snprintf(id, QUEUE_WORKER_ID, "%s-%ld-%s", host, (long)getpid(), nonce);
}

static void add_text(Queue *queue, const char *field, const char *value)
{
    command_add_text(queue, field);
    command_add_text(queue, value == NULL ? "" : value);
}

static void add_number(Queue *queue, const char *field, int64_t value)
{
    command_add_text(queue, field);
    command_add_number(queue, value);
}

static void add_fraction(Queue *queue, const char *field, double value)
{
    char text[40];

    snprintf(text, sizeof text, "%.2f", value);
    add_text(queue, field, text);
}

static void add_rates(Queue *queue, const QueueWorker *worker)
{
    add_fraction(queue, "cpu", worker->cpu);
    add_number(queue, "memory", worker->memory);
    add_number(queue, "tiles", worker->tiles);
    add_number(queue, "pixels", worker->pixels);
    add_fraction(queue, "tiles_per_second", worker->tiles_per_second);
    add_fraction(queue, "megapixels_per_second", worker->megapixels_per_second);
}

int queue_enrol_worker(Queue *queue, const QueueWorker *worker, Error *error)
{
    if (script_begin(queue, SCRIPT_ENROL, error) != 0)
        return -1;
    command_add_text(queue, worker->id);
    add_text(queue, "state", queue_worker_state_name(worker->state));
    add_text(queue, "host", worker->host);
    add_number(queue, "pid", worker->pid);
    add_text(queue, "device", worker->device);
    add_number(queue, "backup", worker->backup);
    add_text(queue, "codecs", worker->codecs);
    add_text(queue, "version", worker->version);
    add_number(queue, "lanes", worker->lanes);
    add_rates(queue, worker);
    command_end(queue);
    return queue_do(queue, error);
}

int queue_beat(Queue *queue, const QueueWorker *worker, QueueWorkerState *state, Error *error)
{
    redisReply *reply;

    if (script_begin(queue, SCRIPT_BEAT, error) != 0)
        return -1;
    command_add_text(queue, worker->id);
    command_add_text(queue, queue_worker_state_name(worker->state));
    add_text(queue, "device", worker->device); /* a backup worker learns it when it wakes */
    add_rates(queue, worker);
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    *state = parse_state(reply_text(reply));
    freeReplyObject(reply);
    return 0;
}

static int worker_end(Queue *queue, const char *worker, const char *verb, Error *error)
{
    bool more = true;

    while (more) {
        redisReply *reply;
        if (script_begin(queue, SCRIPT_LEAVE, error) != 0)
            return -1;
        command_add_text(queue, worker);
        command_add_text(queue, verb);
        command_add_number(queue, LEAVE_STEP);
        command_end(queue);
        reply = queue_ask(queue, 0, error);
        if (reply == NULL)
            return -1;
        more = reply_number(reply) != 0;
        freeReplyObject(reply);
    }
    return 0;
}

int queue_leave(Queue *queue, const char *worker, Error *error)
{
    return worker_end(queue, worker, "leave", error);
}

int queue_forget_worker(Queue *queue, const char *worker, Error *error)
{
    return worker_end(queue, worker, "forget", error);
}

static int worker_mark(Queue *queue, const char *worker, QueueWorkerState state, const char *beat,
                       bool *changed, Error *error)
{
    int64_t number;

    if (script_begin(queue, SCRIPT_MARK, error) != 0)
        return -1;
    command_add_text(queue, worker);
    command_add_text(queue, queue_worker_state_name(state));
    command_add_text(queue, beat);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *changed = number != 0;
    return 0;
}

int queue_drain_worker(Queue *queue, const char *worker, Error *error)
{
    bool changed;

    return worker_mark(queue, worker, WORKER_DRAINING, "", &changed, error);
}

/* Kills the connections on which lanes of the worker may be blocked in a claim. `list` is the text
 * of CLIENT LIST: lines of "id=N ... name=tilecrew:WORKER:LANE ...". */
static void kill_connections(Queue *queue, const char *worker, const char *list)
{
    char name[QUEUE_WORKER_ID + 32];

    snprintf(name, sizeof name, " name=tilecrew:%s:", worker);
    for (const char *line = list; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *found = strstr(line, name);
        char id[24] = "";
        if (strncmp(line, "id=", 3) == 0 && found != NULL && (end == NULL || found < end)) {
            snprintf(id, sizeof id, "%.*s", (int)strcspn(line + 3, " "), line + 3);
            command_put(queue, "CLIENT", "KILL", "ID", id);
        }
        line = end == NULL ? NULL : end + 1;
    }
}

int queue_fence_worker(Queue *queue, const char *worker, int64_t beat, bool *fenced, Error *error)
{
    char seen[24];
    Replies replies;

    snprintf(seen, sizeof seen, "%lld", (long long)beat);
    if (worker_mark(queue, worker, WORKER_FENCED, seen, fenced, error) != 0)
        return -1;
    if (!*fenced)
        return 0;
    command_put(queue, "CLIENT", "LIST", "TYPE", "normal");
    if (queue_exchange(queue, 0, &replies, error) != 0)
        return -1;
    kill_connections(queue, worker, reply_text(replies.item[0]));
    replies_free(&replies);
    if (queue_exchange(queue, 0, &replies, error) != 0)
        return -1;
    replies_free(&replies); /* errors are allowed: an ACL may forbid CLIENT; see claim.c */
    return 0;
}

static const char *field_of(const redisReply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2)
        if (strcmp(reply_text(hash->element[i]), name) == 0)
            return reply_text(hash->element[i + 1]);
    return "";
}

static int64_t number_of(const redisReply *hash, const char *name)
{
    return strtoll(field_of(hash, name), NULL, 10);
}

static void worker_fill(QueueWorker *worker, const char *id, const redisReply *hash)
{
    snprintf(worker->id, sizeof worker->id, "%s", id);
    worker->host = memory_copy_text(field_of(hash, "host"));
    worker->device = memory_copy_text(field_of(hash, "device"));
    worker->codecs = memory_copy_text(field_of(hash, "codecs"));
    worker->version = memory_copy_text(field_of(hash, "version"));
    worker->pid = number_of(hash, "pid");
    worker->lanes = (int)number_of(hash, "lanes");
    worker->state = parse_state(field_of(hash, "state"));
    worker->backup = number_of(hash, "backup") != 0;
    worker->beat = number_of(hash, "beat");
    worker->cpu = strtod(field_of(hash, "cpu"), NULL);
    worker->memory = number_of(hash, "memory");
    worker->tiles = number_of(hash, "tiles");
    worker->pixels = number_of(hash, "pixels");
    worker->tiles_per_second = strtod(field_of(hash, "tiles_per_second"), NULL);
    worker->megapixels_per_second = strtod(field_of(hash, "megapixels_per_second"), NULL);
    worker->started_ms = number_of(hash, "started_ms");
    worker->seen_ms = number_of(hash, "seen_ms");
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const QueueWorker *)a)->id, ((const QueueWorker *)b)->id);
}

int queue_list_workers(Queue *queue, QueueWorker **workers, size_t *count, Error *error)
{
    redisReply *ids;
    Replies replies;

    *workers = NULL;
    *count = 0;
    command_put(queue, "SMEMBERS", queue_key(queue, "workers").text);
    ids = queue_ask(queue, 0, error);
    if (ids == NULL)
        return -1;
    for (size_t i = 0; i < ids->elements; i++)
        command_put(queue, "HGETALL", queue_key(queue, "worker:%s", ids->element[i]->str).text);
    if (queue_expect(queue, 0, &replies, error) != 0) {
        freeReplyObject(ids);
        return -1;
    }
    *workers = memory_need((ids->elements + 1) * sizeof **workers);
    for (int i = 0; i < replies.count; i++)
        if (replies.item[i]->elements > 0) /* one that has left meanwhile has no record */
            worker_fill(&(*workers)[(*count)++], ids->element[i]->str, replies.item[i]);
    qsort(*workers, *count, sizeof **workers, by_id);
    freeReplyObject(ids);
    replies_free(&replies);
    return 0;
}

void queue_free_workers(QueueWorker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(workers[i].host);
        free(workers[i].device);
        free(workers[i].codecs);
        free(workers[i].version);
    }
    free(workers);
}
