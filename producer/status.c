/* tilecrew status: the jobs of a queue, or one job with its failures. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"

enum { DEAD_MOST = 100000, PIPELINE_SHOWN = 48 };

/* --- all jobs */

static void status_add_row(Table *table, const QueueJob *job)
{
    char progress[REPORT_NUMBER], megapixels[REPORT_NUMBER], age[REPORT_NUMBER];

    table_add(table, "%s", job->id);
    table_add(table, "%s%s", queue_job_state_name(job->state),
              report_job_is_stuck(job) ? " (producer gone)" : "");
    table_add(table, "%.0f %%", report_job_percent(job));
    table_add(table, "%s", report_job_progress(progress, job));
    table_add(table, "%" PRId64, job->images_failed);
    table_add(table, "%s", report_megapixels(megapixels, job->pixels));
    table_add(table, "%s", report_age(age, job->created_ms));
    table_add(table, "%s", job->owner != NULL ? job->owner : "");
    table_add(table, "%.*s", PIPELINE_SHOWN, job->pipeline);
}

static void status_print_jobs(const QueueJob *jobs, size_t count)
{
    static const char *const headings[] = {"JOB", "STATE", ">DONE", ">IMAGES",   ">FAILED",
                                           ">MP", ">AGE",  "OWNER", "OPERATIONS"};
    Table table;

    table_begin(&table, headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++)
        status_add_row(&table, &jobs[i]);
    table_print(&table, stdout);
}

static json_t *status_depths_json(const QueueDepths *depths)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ready", (json_int_t)depths->ready,
                     "processing", (json_int_t)depths->processing, "delayed",
                     (json_int_t)depths->delayed, "dead", (json_int_t)depths->dead, "jobs",
                     (json_int_t)depths->jobs, "workers_live", (json_int_t)depths->workers_live,
                     "workers_standby", (json_int_t)depths->workers_standby);
}

static void status_print_queue(const Session *session, const QueueDepths *depths)
{
    printf("queue %s at %s: %" PRId64 " tiles ready, %" PRId64 " in work, %" PRId64
           " to be tried again, %" PRId64 " dead; %" PRId64 " %s",
           session->config.redis.queue, queue_display_url(session->queue), depths->ready,
           depths->processing, depths->delayed, depths->dead, depths->workers_live,
           depths->workers_live == 1 ? "worker" : "workers");
    if (depths->workers_standby > 0)
        printf(", %" PRId64 " standing by", depths->workers_standby);
    putchar('\n');
}

static int status_of_queue(const Session *session, Error *error)
{
    QueueDepths depths;
    QueueJob *jobs;
    size_t count;

    if (queue_read_depths(session->queue, &depths, error) != 0 ||
        queue_list_jobs(session->queue, &jobs, &count, error) != 0)
        return -1;
    if (session->settings->json) {
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, report_job_json(&jobs[i]));
        report_print_json(json_pack(
            "{s:s, s:s, s:o, s:o}", "redis", queue_display_url(session->queue), "queue",
            session->config.redis.queue, "depths", status_depths_json(&depths), "jobs", list));
    } else {
        status_print_queue(session, &depths);
        if (count > 0)
            status_print_jobs(jobs, count);
    }
    for (size_t i = 0; i < count; i++)
        queue_free_job(&jobs[i]);
    free(jobs);
    return 0;
}

/* --- one job */

static void status_print_times(const QueueJob *job)
{
    char age[REPORT_NUMBER], duration[REPORT_NUMBER];

    printf("submitted   %s ago by %s\n", report_age(age, job->created_ms),
           job->owner != NULL ? job->owner : "?");
    if (job->finished_ms > 0)
        printf("finished    %s ago, after %s\n", report_age(age, job->finished_ms),
               report_duration(duration, job->finished_ms - job->created_ms));
}

/* What to do about a job whose producer died before all images were in. */
static void status_print_stuck(const QueueJob *job)
{
    char age[REPORT_NUMBER];

    if (report_job_is_stuck(job))
        printf("incomplete  its producer %s gave no sign for %s: the same command again goes on, "
               "'tilecrew cancel %s' drops it\n",
               job->producer, report_duration(age, job->silent_ms), job->id);
}

static void status_print_job(const QueueJob *job)
{
    char progress[REPORT_NUMBER], done[REPORT_NUMBER], all[REPORT_NUMBER], bytes[REPORT_NUMBER];

    printf("job         %s, %s%s%s\n", job->id, queue_job_state_name(job->state),
           job->reason != NULL && job->reason[0] != '\0' ? ": " : "",
           job->reason != NULL ? job->reason : "");
    if (job->state == JOB_BLOCKED)
        printf("            then: tilecrew resume %s\n", job->id);
    printf("operations  %s\n", job->pipeline);
    for (int i = 0; i < job->root_count; i++)
        printf("%s%s\n", i == 0 ? "input       " : "            ", job->roots[i]);
    printf("output      %s (format %s, quality %d, png level %d%s; store %s)\n", job->output,
           job->format, job->quality, job->png_level, job->strip ? ", stripped" : "", job->store);
    printf("images      %s, %" PRId64 " failed; %s of %s megapixels, %s written\n",
           report_job_progress(progress, job), job->images_failed,
           report_megapixels(done, job->pixels_done), report_megapixels(all, job->pixels),
           report_bytes(bytes, job->bytes_done));
    printf("tiles       %" PRId64 " of %" PRId64 " left, %" PRId64 " retried, %" PRId64
           " late commits refused; priority %d\n",
           job->left, job->tiles, job->retried, job->fenced, job->priority);
    status_print_times(job);
    status_print_stuck(job);
}

static void status_print_failure(const char *label, const QueueDead *dead)
{
    char *path = report_visible(dead->path != NULL ? dead->path : "?");
    char *reason = report_visible(report_reason(dead));

    printf("%s%s: %s\n", label, path, reason);
    free(path);
    free(reason);
}

static int status_of_job(Session *session, Error *error)
{
    char id[QUEUE_JOB_ID];
    QueueJob job;
    QueueDead *dead = NULL;
    size_t count = 0;

    if (session_find_job(session, 0, id, error) != 0 ||
        queue_read_job(session->queue, id, &job, error) != 0)
        return -1;
    if (queue_list_dead(session->queue, &(QueueDeadFilter){.job = id}, DEAD_MOST, &dead, &count,
                        error) != 0) {
        queue_free_job(&job);
        return -1;
    }
    report_name_failures(session->queue, (const char *const *)job.roots, job.root_count, dead,
                         count);
    if (session->settings->json) {
        json_t *value = report_job_json(&job);

        json_object_set_new(value, "failures", report_dead_json(dead, count));
        report_print_json(value);
    } else {
        status_print_job(&job);
        for (size_t i = 0; i < count; i++)
            status_print_failure(i == 0 ? "failed      " : "            ", &dead[i]);
    }
    queue_free_dead(dead, count);
    queue_free_job(&job);
    return 0;
}

int command_status(void *settings, const CommandLine *line, Error *error)
{
    Session session;
    int status;

    if (session_start(&session, settings, line, error) != 0)
        return -1;
    status =
        line->operand_count > 0 ? status_of_job(&session, error) : status_of_queue(&session, error);
    session_close(&session);
    return status;
}
