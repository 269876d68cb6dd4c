/* tilecrew audit: proves that no tile of any job is lost or doubled. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"

static bool audit_holds(const QueueAudit *row)
{
    return row->missing == 0 && row->doubled == 0 && row->miscounted == 0 &&
           row->listed + row->ready + row->processing + row->delayed + row->dead + row->done +
                   row->dropped ==
               row->total;
}

static void audit_print(const QueueAudit *rows, size_t count)
{
    static const char *const headings[] = {
        "JOB",   ">TOTAL",   ">WAITING", ">READY",   ">CLAIMED",    ">DELAYED", ">DEAD",
        ">DONE", ">DROPPED", ">MISSING", ">DOUBLED", ">MISCOUNTED", "VERDICT"};
    Table table;

    table_begin(&table, headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++) {
        const int64_t numbers[] = {rows[i].total,      rows[i].listed,    rows[i].ready,
                                   rows[i].processing, rows[i].delayed,   rows[i].dead,
                                   rows[i].done,       rows[i].dropped,   rows[i].missing,
                                   rows[i].doubled,    rows[i].miscounted};

        table_add(&table, "%s", rows[i].job);
        for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++)
            table_add(&table, "%" PRId64, numbers[j]);
        table_add(&table, "%s", audit_holds(&rows[i]) ? "conserved" : "NOT CONSERVED");
    }
    table_print(&table, stdout);
}

static void audit_print_json(const QueueAudit *rows, size_t count, int64_t repaired, bool holds)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "job",
                      rows[i].job, "total", (json_int_t)rows[i].total, "waiting",
                      (json_int_t)rows[i].listed, "ready", (json_int_t)rows[i].ready, "processing",
                      (json_int_t)rows[i].processing, "delayed", (json_int_t)rows[i].delayed,
                      "dead", (json_int_t)rows[i].dead, "done", (json_int_t)rows[i].done, "dropped",
                      (json_int_t)rows[i].dropped, "missing", (json_int_t)rows[i].missing,
                      "doubled", (json_int_t)rows[i].doubled, "miscounted",
                      (json_int_t)rows[i].miscounted, "conserved", audit_holds(&rows[i])));
    report_print_json(json_pack("{s:b, s:I, s:o}", "conserved", holds, "repaired",
                                (json_int_t)repaired, "jobs", list));
}

static int audit_report(const Session *session, const QueueAudit *rows, size_t count,
                        int64_t repaired)
{
    bool holds = true;

    for (size_t i = 0; i < count; i++)
        holds = holds && audit_holds(&rows[i]);
    if (session->settings->json)
        audit_print_json(rows, count, repaired, holds);
    else if (count == 0)
        printf("no jobs to audit\n");
    else
        audit_print(rows, count);
    if (!session->settings->json && session->settings->repair)
        printf("%" PRId64 " missing tiles issued again\n", repaired);
    return holds || session->settings->repair ? 0 : EXIT_SOME_FAILED;
}

int command_audit(void *settings, const CommandLine *line, Error *error)
{
    const char *job = line->operand_count > 0 ? line->operands[0] : NULL;
    Session session;
    QueueAudit *rows;
    size_t count;
    int64_t repaired = 0;
    int status = -1;

    if (session_start(&session, settings, line, error) != 0)
        return -1;
    if (queue_audit(session.queue, job, session.settings->repair, &rows, &count, &repaired,
                    error) == 0) {
        status = audit_report(&session, rows, count, repaired);
        free(rows);
    }
    session_close(&session);
    return status;
}
