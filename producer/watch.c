/* tilecrew watch: follows a job until it ends, through pauses and outages. */
#include <inttypes.h>
#include <stdio.h>

#include "producer/commands.h"
#include "producer/follow.h"
#include "producer/interrupt.h"
#include "producer/report.h"
#include "producer/session.h"

static void watch_say_end(const QueueJob *job)
{
    char megapixels[REPORT_NUMBER], duration[REPORT_NUMBER];
    int64_t ms = job->finished_ms - job->created_ms;

    printf("%s: %s, %" PRId64 " images, %s megapixels", job->id, queue_job_state_name(job->state),
           job->images_done, report_megapixels(megapixels, job->pixels_done));
    if (job->finished_ms > 0)
        printf(" in %s", report_duration(duration, ms));
    if (job->images_failed > 0)
        printf(", %" PRId64 " failed", job->images_failed);
    putchar('\n');
}

static int watch_end(Follow *follow, bool json, Error *error)
{
    int64_t failed = 0;

    progress_close(follow->progress);
    follow->progress = NULL;
    if (follow->now.images_failed > 0)
        failed = follow_report(follow, error);
    if (failed < 0)
        return -1;
    if (!json)
        watch_say_end(&follow->now);
    return follow->now.images_failed > 0 || follow->now.state == JOB_CANCELLED ? EXIT_SOME_FAILED
                                                                               : 0;
}

int command_watch(void *settings, const CommandLine *line, Error *error)
{
    char job[QUEUE_JOB_ID];
    Session session;
    Follow follow = {.job = job, .patient = true, .stays_blocked = true};
    int status = -1;

    if (session_start(&session, settings, line, error) != 0)
        return -1;
    if (session_find_job(&session, 0, job, error) != 0)
        goto out;
    interrupt_catch();
    follow.queue = session.queue;
    follow.json_lines = session.settings->json;
    follow.progress = progress_open(session.settings->json || session.settings->quiet);
    if (follow_begin(&follow, error) == 0 && follow_until_end(&follow, error) == 0)
        status = watch_end(&follow, session.settings->json, error);
    else if (error->kind == ERROR_CANCELLED)
        error_set(error, ERROR_CANCELLED, "job %s goes on", job);
    else if (follow.now.id[0] != '\0') /* it was there before */
        follow_check_gone(&follow, error);
    progress_close(follow.progress);
    follow_end(&follow);
out:
    session_close(&session);
    return status;
}
