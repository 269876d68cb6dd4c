/* tilecrew workers: who works on the queue, with what, and how fast; and who shall leave. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "producer/commands.h"
#include "producer/crew.h"
#include "producer/report.h"
#include "producer/session.h"

enum { LOOK_MS = 200 };

static json_t *worker_json(const QueueWorker *worker)
{
    json_t *value = json_pack("{s:s, s:s*, s:I, s:s, s:s*, s:s*, s:s*, s:i, s:I}", "id", worker->id,
                              "host", worker->host, "pid", (json_int_t)worker->pid, "state",
                              queue_worker_state_name(worker->state), "device", worker->device,
                              "codecs", worker->codecs, "version", worker->version, "lanes",
                              worker->lanes, "beat", (json_int_t)worker->beat);

    json_object_set_new(value, "backup", json_boolean(worker->backup));
    json_object_update_new(
        value, json_pack("{s:f, s:I, s:I, s:I, s:f, s:f, s:I, s:I}", "cpu_percent", worker->cpu,
                         "memory_bytes", (json_int_t)worker->memory, "tiles",
                         (json_int_t)worker->tiles, "pixels", (json_int_t)worker->pixels,
                         "tiles_per_second", worker->tiles_per_second, "megapixels_per_second",
                         worker->megapixels_per_second, "started_ms",
                         (json_int_t)worker->started_ms, "seen_ms", (json_int_t)worker->seen_ms));
    return value;
}

static void workers_print(const QueueWorker *workers, size_t count)
{
    static const char *const headings[] = {"WORKER", "STATE", ">LANES", ">CPU",  ">MEMORY",
                                           ">TILES", ">MP/s", ">UP",    ">SEEN", "DEVICE"};
    char memory[REPORT_NUMBER], up[REPORT_NUMBER], seen[REPORT_NUMBER];
    Table table;

    table_begin(&table, headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++) {
        const QueueWorker *worker = &workers[i];

        table_add(&table, "%s", worker->id);
        table_add(&table, "%s%s", queue_worker_state_name(worker->state),
                  worker->backup && worker->state == WORKER_LIVE ? " (backup)" : "");
        table_add(&table, "%d", worker->lanes);
        table_add(&table, "%.0f %%", worker->cpu);
        table_add(&table, "%s", report_bytes(memory, worker->memory));
        table_add(&table, "%" PRId64, worker->tiles);
        table_add(&table, "%.1f", worker->megapixels_per_second);
        table_add(&table, "%s", report_age(up, worker->started_ms));
        table_add(&table, "%s", report_age(seen, worker->seen_ms));
        table_add(&table, "%s", worker->device != NULL ? worker->device : "");
    }
    table_print(&table, stdout);
}

static int workers_list(const Session *session, Error *error)
{
    QueueWorker *workers;
    size_t count;
    char *mixed;

    if (queue_list_workers(session->queue, &workers, &count, error) != 0)
        return -1;
    mixed = crew_mixed_codecs(workers, count);
    if (session->settings->json) {
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, worker_json(&workers[i]));
        report_print_json(json_pack("{s:o, s:b}", "workers", list, "mixed_codecs", mixed != NULL));
    } else if (count == 0) {
        printf("no workers: start tilecrew-worker --redis URL on a machine that reaches Redis\n");
    } else {
        workers_print(workers, count);
        if (mixed != NULL)
            printf("mixed codecs: results may differ in bytes from worker to worker: %s\n", mixed);
    }
    free(mixed);
    queue_free_workers(workers, count);
    return 0;
}

/* ---------------------------------------------------------------- draining */

/* The worker of that id, or the only one whose id begins so. */
static const QueueWorker *workers_find(const QueueWorker *workers, size_t count, const char *name,
                                       Error *error)
{
    const QueueWorker *found = NULL;
    Text several = {0};
    int fits = 0;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(workers[i].id, name) == 0) {
            text_free(&several);
            return &workers[i];
        }
        if (strncmp(workers[i].id, name, strlen(name)) == 0) {
            text_add_format(&several, "%s%s", fits++ > 0 ? ", " : "", workers[i].id);
            found = &workers[i];
        }
    }
    if (fits == 0)
        error_set(error, ERROR_USAGE, "no worker is called '%s': see 'tilecrew workers'", name);
    else if (fits > 1)
        error_set(error, ERROR_USAGE, "'%s' can be %s: write more of the name", name, several.data);
    text_free(&several);
    return fits == 1 ? found : NULL;
}

/* Gives the ids of all workers that are named, or none. */
static int drain_choose(const Session *session, char **ids, Error *error)
{
    const CommandLine *line = session->line;
    QueueWorker *workers;
    size_t count;
    int result = 0;

    if (queue_list_workers(session->queue, &workers, &count, error) != 0)
        return -1;
    for (int i = 1; i < line->operand_count && result == 0; i++) {
        const QueueWorker *worker = workers_find(workers, count, line->operands[i], error);

        result = worker != NULL ? 0 : -1;
        if (worker != NULL)
            ids[i - 1] = memory_copy_text(worker->id);
    }
    queue_free_workers(workers, count);
    return result;
}

static bool drain_is_over(const QueueWorker *workers, size_t count, char *const *ids, int id_count)
{
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < id_count; j++)
            if (workers[i].state != WORKER_FENCED && strcmp(workers[i].id, ids[j]) == 0)
                return false;
    return true;
}

/* A worker that dies meanwhile is fenced, and is gone as well. */
static int drain_wait(const Session *session, char *const *ids, int id_count, Error *error)
{
    bool over = false;

    while (!over) {
        QueueWorker *workers;
        size_t count;

        if (queue_list_workers(session->queue, &workers, &count, error) != 0)
            return -1;
        over = drain_is_over(workers, count, ids, id_count);
        queue_free_workers(workers, count);
        if (!over)
            clock_sleep_ms(LOOK_MS);
    }
    return 0;
}

static void drain_report(const Session *session, char *const *ids, int id_count)
{
    json_t *list;

    if (session->settings->json) {
        list = json_array();
        for (int i = 0; i < id_count; i++)
            json_array_append_new(list, json_string(ids[i]));
        report_print_json(json_pack("{s:o}", "drained", list));
        return;
    }
    for (int i = 0; i < id_count; i++)
        printf("%s %s\n", ids[i],
               session->settings->wait ? "has left" : "finishes the tiles in hand and leaves");
}

static int workers_drain(const Session *session, Error *error)
{
    const int count = session->line->operand_count - 1;
    char **ids = memory_need((size_t)(count + 1) * sizeof *ids);
    int result;

    if (count == 0)
        result = error_set(error, ERROR_USAGE, "which workers? 'tilecrew workers' lists them");
    else
        result = drain_choose(session, ids, error);
    for (int i = 0; i < count && result == 0; i++)
        result = queue_drain_worker(session->queue, ids[i], error);
    if (result == 0 && session->settings->wait)
        result = drain_wait(session, ids, count, error);
    if (result == 0)
        drain_report(session, ids, count);
    for (int i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
    return result;
}

int command_workers(void *settings, const CommandLine *line, Error *error)
{
    const bool drain = line->operand_count > 0;
    Session session;
    int result;

    if (drain && strcmp(line->operands[0], "drain") != 0)
        return error_set(error, ERROR_USAGE, "'%s' is unknown; known is drain", line->operands[0]);
    if (session_start(&session, settings, line, error) != 0)
        return -1;
    result = drain ? workers_drain(&session, error) : workers_list(&session, error);
    session_close(&session);
    return result;
}
