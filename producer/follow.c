#include "producer/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "producer/interrupt.h"
#include "producer/report.h"

enum {
    LOOK_MS = 100,
    OUTAGE_FIRST_MS = 100,
    OUTAGE_MOST_MS = 2000,
    COLLECT_WAIT_MS = 50,
    TEND_MS = 1000,
    FAILURES_MOST = 100000,
};

int follow_begin(Follow *follow, Error *error)
{
    QueueEvent event;

    return queue_wait_event(follow->queue, follow->cursor, 0, &event, error) < 0 ? -1 : 0;
}

void follow_end(Follow *follow)
{
    queue_free_job(&follow->now);
    follow->now = (QueueJob){0};
}

static bool follow_has_changed(const QueueJob *a, const QueueJob *b)
{
    return a->state != b->state || a->left != b->left || a->tiles != b->tiles ||
           a->images_failed != b->images_failed || a->images_done != b->images_done;
}

static void follow_show(Follow *follow, const QueueJob *job)
{
    progress_show(follow->progress, job);
    if (follow->json_lines && follow_has_changed(&follow->now, job)) {
        json_t *value = report_job_json(job);

        json_dumpf(value, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(value);
    }
}

static int follow_read(Follow *follow, Error *error)
{
    const char *reason;
    QueueJob job;
    bool blocked;

    follow->looked_ms = clock_monotonic_ms();
    if (queue_read_job(follow->queue, follow->job, &job, error) != 0)
        return -1;
    if (follow->attempt > 0)
        progress_note(follow->progress, "Redis answers again");
    follow->attempt = 0;
    follow_show(follow, &job);
    if (report_job_is_stuck(&job) && !report_job_is_stuck(&follow->now))
        progress_note(follow->progress,
                      "the producer of job %s is gone before all images were in: its command given "
                      "again goes on, 'tilecrew cancel %s' drops it",
                      follow->job, follow->job);
    blocked = job.state == JOB_BLOCKED && follow->now.state != JOB_BLOCKED;
    queue_free_job(&follow->now);
    follow->now = job;
    if (!blocked)
        return 0;
    reason = job.reason != NULL ? job.reason : "the output cannot be written";
    if (!follow->stays_blocked)
        return error_set(error, ERROR_FULL, "%s, then give the same command again", reason);
    progress_note(follow->progress, "%s, then `tilecrew resume %s`", reason, follow->job);
    return 0;
}

/* --- what passes by itself */

int follow_endure(Follow *follow, Error *error)
{
    const bool outage = error->kind == ERROR_REDIS;
    int *attempt = outage ? &follow->attempt : &follow->full;

    if (!follow->patient || (!outage && error->kind != ERROR_FULL))
        return -1;
    if (*attempt == 0)
        progress_note(follow->progress, "%s; trying again until %s", error->message,
                      outage ? "it answers" : "there is room");
    clock_sleep_ms(clock_backoff_ms((*attempt)++, OUTAGE_FIRST_MS, OUTAGE_MOST_MS));
    if (interrupt_count() > 0)
        return error_set(error, ERROR_CANCELLED, "interrupted");
    return 0;
}

void follow_note_success(Follow *follow)
{
    Error ignored;

    if (follow->full == 0)
        return;
    follow->full = 0;
    progress_note(follow->progress, "there is room again");
    if (follow->now.state == JOB_BLOCKED) /* the monitor does so too, later */
        queue_resume_job(follow->queue, follow->job, &ignored);
}

int follow_collect(Follow *follow, int64_t wait_ms, Error *error)
{
    int collected = courier_collect(follow->courier, wait_ms, error);
    Error ignored;

    if (collected > 0)
        follow_note_success(follow);
    if (collected < 0 && error->kind == ERROR_FULL)
        queue_block_job(follow->queue, follow->job, error->message, &ignored);
    return collected;
}

void follow_check_gone(Follow *follow, Error *error)
{
    QueueJob job;
    Error why;

    if (error->kind != ERROR_USAGE)
        return;
    if (queue_read_job(follow->queue, follow->job, &job, &why) == 0)
        queue_free_job(&job);
    else if (why.kind == ERROR_USAGE)
        error_set(
            error, ERROR_STORE,
            "job %s is gone: Redis at %s knows nothing of it any more (was it started without "
            "its data?); submit it again, what has its result is not done again",
            follow->job, queue_display_url(follow->queue));
}

/* --- looking */

static int follow_tend(Follow *follow, Error *error)
{
    const int64_t now = clock_monotonic_ms();
    bool ours;

    if (follow->producer == NULL || now - follow->tended_ms < TEND_MS)
        return 0;
    follow->tended_ms = now;
    if (queue_tend_job(follow->queue, follow->job, follow->producer, &ours, error) != 0)
        return -1;
    if (!ours)
        return error_set(error, ERROR_USAGE,
                         "job %s was taken over by another submission of the same", follow->job);
    return 0;
}

int follow_look(Follow *follow, Error *error)
{
    if (interrupt_count() > 0)
        return error_set(error, ERROR_CANCELLED, "interrupted");
    if (clock_monotonic_ms() - follow->looked_ms < LOOK_MS)
        return 0;
    if (follow->servers != NULL && servers_check(follow->servers, error) != 0)
        return -1;
    return follow_tend(follow, error) == 0 && follow_read(follow, error) == 0
               ? 0
               : follow_endure(follow, error);
}

static bool follow_has_ended(const Follow *follow)
{
    if (follow->now.id[0] == '\0')
        return false;
    if (follow->now.state == JOB_CANCELLED)
        return true;
    return follow->now.state == JOB_DONE &&
           (follow->courier == NULL || courier_left(follow->courier) == 0);
}

/* follow_wait sleeps until there is news of the job, or it is time to look again. */
static int follow_wait(Follow *follow, Error *error)
{
    int64_t rest = LOOK_MS - (clock_monotonic_ms() - follow->looked_ms);
    QueueEvent event;
    int got;

    if (follow->courier != NULL) {
        int collected = follow_collect(follow, COLLECT_WAIT_MS, error);

        if (follow->now.state == JOB_DONE && collected == 0)
            follow->looked_ms = 0;
        return collected < 0 ? -1 : 0;
    }
    got = queue_wait_event(follow->queue, follow->cursor, rest > 1 ? rest : 1, &event, error);
    if (got == 1 && strcmp(event.job, follow->job) == 0)
        follow->looked_ms = 0;
    return got < 0 ? -1 : 0;
}

int follow_until_end(Follow *follow, Error *error)
{
    follow->looked_ms = 0;
    for (;;) {
        if (follow_look(follow, error) != 0)
            return -1;
        if (follow_has_ended(follow))
            return 0;
        if (follow_wait(follow, error) != 0 && follow_endure(follow, error) != 0)
            return -1;
    }
}

int64_t follow_report(const Follow *follow, Error *error)
{
    const QueueJob *job = &follow->now;
    QueueDeadFilter filter = {.job = follow->job};
    QueueDead *dead;
    size_t count;
    size_t images;

    if (queue_list_dead(follow->queue, &filter, FAILURES_MOST, &dead, &count, error) != 0)
        return -1;
    report_name_failures(follow->queue, (const char *const *)job->roots, job->root_count, dead,
                         count);
    images = report_failures(dead, count);
    queue_free_dead(dead, count);
    return (int64_t)images;
}
