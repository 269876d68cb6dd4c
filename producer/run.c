/* tilecrew run: everything on this machine. Redis starts while headers are being read; worker and
 * monitor as soon as it answers; the lanes work while the rest of the folder is still walked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "producer/commands.h"
#include "producer/interrupt.h"
#include "producer/mark.h"
#include "producer/report.h"
#include "producer/submission.h"
#include "store/store.h"

enum { FINISH_MS = 30000, FINISH_POLL_MS = 10, FAILURES_MOST = 100000 };

typedef struct Run {
    Session session;
    Submission submission;
    Servers *servers;
    Follow follow;
    int mark; /* -1: none */
    int64_t started_ms;
    int64_t failed;
} Run;

/* --- the way there */

static int run_connect(Run *run, Error *error)
{
    const Settings *settings = run->session.settings;

    if (servers_start_crew(run->servers, settings->config, run->session.line, error) != 0 ||
        config_set(&run->session.config, "redis.url", servers_url(run->servers), error) != 0)
        return -1;
    if (session_connect(&run->session, error) != 0)
        return -1;
    if (settings->verbose)
        progress_note(run->follow.progress, "Redis is at %s (redis-cli -s %s)",
                      servers_url(run->servers), servers_socket(run->servers));
    run->follow.queue = run->session.queue;
    run->follow.servers = run->servers;
    return 0;
}

static int run_work(Run *run, Error *error)
{
    Submission *submission = &run->submission;

    if (run_connect(run, error) != 0 ||
        submission_create_job(submission, run->session.queue, error) != 0 ||
        mark_make(submission->output, submission->job, &run->mark, error) != 0)
        return -1;
    run->follow.job = submission->job;
    if (follow_begin(&run->follow, error) != 0 ||
        submission_push(submission, &run->follow, error) != 0)
        return -1;
    return follow_until_end(&run->follow, error);
}

/* --- the end */

static void run_say_summary(const Run *run)
{
    const QueueJob *job = &run->follow.now;
    int64_t ms = clock_monotonic_ms() - run->started_ms;
    char megapixels[REPORT_NUMBER], duration[REPORT_NUMBER];

    printf("%" PRId64 " %s, %s megapixels in %s (%.1f MP/s)", job->images_done,
           job->images_done == 1 ? "image" : "images",
           report_megapixels(megapixels, job->pixels_done), report_duration(duration, ms),
           (double)job->pixels_done / 1000 / (double)(ms > 0 ? ms : 1));
    if (run->failed > 0)
        printf(", %" PRId64 " failed", run->failed);
    printf(": %s\n", run->submission.output);
}

static json_t *run_failure_json(const char *path, const char *reason)
{
    return json_pack("{s:o, s:o}", "path", report_text_json(path), "reason",
                     report_text_json(reason));
}

static json_t *run_failures_json(const Run *run, const QueueDead *dead, size_t count)
{
    json_t *list = json_array();
    size_t refused;
    const WalkRefusal *refusals = walk_refusals(run->submission.walk, &refused);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, run_failure_json(dead[i].path, report_reason(&dead[i])));
    for (size_t i = 0; i < refused; i++)
        json_array_append_new(list, run_failure_json(refusals[i].name, refusals[i].reason));
    return list;
}

static void run_print_json(const Run *run, const QueueDead *dead, size_t count)
{
    const QueueJob *job = &run->follow.now;
    const PlannerCounts *counts = planner_counts(run->submission.planner);
    double seconds = (double)(clock_monotonic_ms() - run->started_ms) / 1000;
    double megapixels = (double)job->pixels_done / 1e6;

    report_print_json(json_pack(
        "{s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}", "output",
        report_text_json(run->submission.output), "pipeline",
        pipeline_text(run->submission.pipeline), "images_done", (json_int_t)job->images_done,
        "images_failed", (json_int_t)run->failed, "images_done_before", (json_int_t)counts->done,
        "other_files", (json_int_t)(counts->skipped + (int64_t)walk_skipped(run->submission.walk)),
        "megapixels", megapixels, "seconds", seconds, "megapixels_per_second",
        seconds > 0 ? megapixels / seconds : 0, "failures", run_failures_json(run, dead, count)));
}

/* run_report names what failed and sums up: the exit status. */
static int run_report(Run *run, Error *error)
{
    const Settings *settings = run->session.settings;
    QueueDeadFilter filter = {.job = run->submission.job};
    QueueDead *dead = NULL;
    size_t count = 0;

    if (run->follow.now.images_failed > 0 &&
        queue_list_dead(run->session.queue, &filter, FAILURES_MOST, &dead, &count, error) != 0)
        return -1;
    submission_name_failures(&run->submission, run->session.queue, dead, count);
    submission_say_skipped(&run->submission, run->follow.progress);
    progress_close(run->follow.progress);
    run->follow.progress = NULL;
    run->failed = (int64_t)report_failures(dead, count);
    run->failed += submission_report_refusals(&run->submission);
    if (settings->json)
        run_print_json(run, dead, count);
    else if (!settings->quiet && run->follow.now.images > 0)
        run_say_summary(run);
    else if (!settings->quiet)
        printf("nothing to do: %s\n", planner_counts(run->submission.planner)->done > 0
                                          ? "every image has its result"
                                          : "no images among the inputs");
    queue_free_dead(dead, count);
    return run->failed > 0 ? EXIT_SOME_FAILED : 0;
}

/* run_interrupted lets the lanes finish the tiles in hand; a second Ctrl-C does not wait for it. */
static void run_interrupted(Run *run)
{
    int64_t until = clock_monotonic_ms() + FINISH_MS;
    int asked = interrupt_count();
    Error ignored;

    progress_note(run->follow.progress, "finishing the tiles in hand; Ctrl-C again stops at once");
    servers_ask_worker_to_end(run->servers);
    while (!servers_worker_has_ended(run->servers) && interrupt_count() == asked &&
           clock_monotonic_ms() < until)
        clock_sleep_ms(FINISH_POLL_MS);
    if (run->follow.job != NULL) {
        follow_end(&run->follow);
        queue_read_job(run->session.queue, run->follow.job, &run->follow.now, &ignored);
    }
}

/* run_stopped turns the Error of a run that did not end by itself into what to say, once everything
 * is down. */
static void run_stopped(const Run *run, Error *error)
{
    const QueueJob *job = &run->follow.now;

    if (error->kind == ERROR_CANCELLED)
        error_set(error, ERROR_CANCELLED,
                  "interrupted with %" PRId64 " of %" PRId64
                  " images done; the same command again does the rest",
                  job->images_done, planner_counts(run->submission.planner)->images);
}

/* run_clean removes what killed lanes left half written, the parts of images of which a part
 * failed, and the run's mark. */
static void run_clean(const Run *run, bool incomplete)
{
    Error ignored;

    if (run->mark < 0)
        return;
    if (incomplete)
        store_sweep_file(run->submission.output, run->submission.job, &ignored);
    mark_remove(run->submission.output, run->submission.job, run->mark);
}

static int run_all(Run *run, Error *error)
{
    int status = 0;

    if (!submission_is_empty(&run->submission))
        status = run_work(run, error);
    if (status == 0)
        status = run_report(run, error);
    else if (error->kind == ERROR_CANCELLED)
        run_interrupted(run);
    progress_close(run->follow.progress);
    run->follow.progress = NULL;
    servers_close(run->servers);
    run_clean(run, status != 0);
    if (status < 0)
        run_stopped(run, error);
    follow_end(&run->follow);
    return status;
}

int command_run(void *settings, const CommandLine *line, Error *error)
{
    Run run = {.mark = -1, .started_ms = clock_monotonic_ms()};
    int status = -1;

    if (session_open(&run.session, settings, line, error) != 0)
        return -1;
    interrupt_catch();
    if (submission_open(&run.submission, &run.session, error) != 0)
        goto out;
    mark_sweep(run.submission.output);
    run.follow.progress = progress_open(run.session.settings->quiet);
    submission_say_settings(&run.submission, run.follow.progress);
    if (!submission_is_empty(&run.submission) &&
        (run.servers = servers_open(run.session.config.redis.password_file, error)) == NULL)
        progress_close(run.follow.progress);
    else
        status = run_all(&run, error);
    submission_close(&run.submission);
out:
    session_close(&run.session);
    return status;
}
