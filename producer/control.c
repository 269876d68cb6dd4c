/* tilecrew cancel, pause and resume. */
#include <stdio.h>
#include <string.h>

#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"
#include "store/store.h"

typedef int (*Control)(Queue *queue, const char *job, Error *error);

/* Lanes that have a tile of the job in hand remove its parts; where none has, nobody else would. */
static int control_cancel(Queue *queue, const char *id, Error *error)
{
    QueueJob job;

    if (queue_cancel_job(queue, id, error) != 0 || queue_read_job(queue, id, &job, error) != 0)
        return -1;
    if (job.state == JOB_CANCELLED && strcmp(job.store, "file") == 0)
        store_sweep_parts(job.output, id);
    queue_free_job(&job);
    return 0;
}

/* control_job applies `control` and prints what state the job is in then. */
static int control_job(void *settings, const CommandLine *line, Control control, Error *error)
{
    Session session;
    QueueJob job = {0};
    char id[QUEUE_JOB_ID];
    int status = -1;

    if (session_start(&session, settings, line, error) != 0)
        return -1;
    if (session_find_job(&session, 0, id, error) != 0 || control(session.queue, id, error) != 0 ||
        queue_read_job(session.queue, id, &job, error) != 0)
        goto out;
    if (session.settings->json)
        report_print_json(report_job_json(&job));
    else
        printf("%s: %s\n", job.id, queue_job_state_name(job.state));
    queue_free_job(&job);
    status = 0;
out:
    session_close(&session);
    return status;
}

int command_cancel(void *settings, const CommandLine *line, Error *error)
{
    return control_job(settings, line, control_cancel, error);
}

int command_pause(void *settings, const CommandLine *line, Error *error)
{
    return control_job(settings, line, queue_pause_job, error);
}

int command_resume(void *settings, const CommandLine *line, Error *error)
{
    return control_job(settings, line, queue_resume_job, error);
}
