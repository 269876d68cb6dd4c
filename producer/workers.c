/* tilecrew workers: who works on the queue, with what, and how fast. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "producer/commands.h"
#include "producer/crew.h"
#include "producer/report.h"
#include "producer/session.h"

static json_t *worker_json(const QueueWorker *worker)
{
    json_t *value = json_pack("{s:s, s:s*, s:I, s:s, s:s*, s:s*, s:s*, s:i, s:I}", "id", worker->id,
                              "host", worker->host, "pid", (json_int_t)worker->pid, "state",
                              queue_worker_state_name(worker->state), "device", worker->device,
                              "codecs", worker->codecs, "version", worker->version, "lanes",
                              worker->lanes, "beat", (json_int_t)worker->beat);

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
        table_add(&table, "%s", queue_worker_state_name(worker->state));
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

int command_workers(void *settings, const CommandLine *line, Error *error)
{
    Session session;
    QueueWorker *workers;
    size_t count;
    char *mixed;

    if (session_start(&session, settings, line, error) != 0)
        return -1;
    if (queue_list_workers(session.queue, &workers, &count, error) != 0) {
        session_close(&session);
        return -1;
    }
    mixed = crew_mixed_codecs(workers, count);
    if (session.settings->json) {
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
    session_close(&session);
    return 0;
}
