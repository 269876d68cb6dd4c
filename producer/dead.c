/* tilecrew dead: the tiles that were given up: listed, tried again, or dropped. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"

enum { DEAD_MOST = 100000 };

typedef struct DeadAction {
    const char *name;
    /* NULL: lists */
    int (*change)(Queue *queue, const QueueDeadFilter *filter, int64_t *count, Error *error);
    const char *done;
} DeadAction;

static const DeadAction actions[] = {
    {"list", NULL, NULL},
    {"retry", queue_retry_dead, "tried again"},
    {"discard", queue_discard_dead, "discarded"},
};

static const DeadAction *dead_find_action(const char *word, Error *error)
{
    const char *names[sizeof actions / sizeof actions[0]];
    const char *nearest;

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        names[i] = actions[i].name;
        if (strcmp(word, names[i]) == 0)
            return &actions[i];
    }
    nearest = text_nearest(word, names, sizeof names / sizeof names[0]);
    error_set(error, ERROR_USAGE, "'%s' is none of list, retry and discard%s%s%s", word,
              nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "'?" : "");
    return NULL;
}

static void dead_print(const QueueDead *dead, size_t count)
{
    static const char *const headings[] = {"JOB",     "FILE", ">TILE", ">FAILS",
                                           ">LOSSES", ">AGE", "REASON"};
    char age[REPORT_NUMBER];
    Table table;

    table_begin(&table, headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++) {
        table_add(&table, "%s", dead[i].task.job);
        table_add(&table, "%s", dead[i].path != NULL ? dead[i].path : "?");
        table_add(&table, "%d", dead[i].task.tile);
        table_add(&table, "%d", dead[i].task.fails);
        table_add(&table, "%d", dead[i].task.losses);
        table_add(&table, "%s", report_age(age, dead[i].at_ms));
        table_add(&table, "%s", report_reason(&dead[i]));
    }
    table_print(&table, stdout);
}

static int dead_list(const Session *session, const QueueDeadFilter *filter, Error *error)
{
    QueueDead *dead;
    size_t count;

    if (queue_list_dead(session->queue, filter, DEAD_MOST, &dead, &count, error) != 0)
        return -1;
    if (session->settings->json)
        report_print_json(json_pack("{s:o}", "dead", report_dead_json(dead, count)));
    else if (count == 0)
        printf("no dead tiles\n");
    else
        dead_print(dead, count);
    queue_free_dead(dead, count);
    return 0;
}

static int dead_change(const Session *session, const QueueDeadFilter *filter,
                       const DeadAction *action, Error *error)
{
    int64_t count;

    if (action->change(session->queue, filter, &count, error) != 0)
        return -1;
    if (session->settings->json)
        report_print_json(
            json_pack("{s:s, s:I}", "action", action->name, "tiles", (json_int_t)count));
    else
        printf("%" PRId64 " %s %s\n", count, count == 1 ? "tile" : "tiles", action->done);
    return 0;
}

int command_dead(void *settings, const CommandLine *line, Error *error)
{
    const DeadAction *action = dead_find_action(line->operands[0], error);
    const QueueDeadFilter filter = {.job = line->operand_count > 1 ? line->operands[1] : NULL,
                                    .reason = ((const Settings *)settings)->reason};
    Session session;
    int status;

    if (action == NULL || session_start(&session, settings, line, error) != 0)
        return -1;
    status = action->change == NULL ? dead_list(&session, &filter, error)
                                    : dead_change(&session, &filter, action, error);
    session_close(&session);
    return status;
}
