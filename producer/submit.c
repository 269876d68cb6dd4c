/* tilecrew submit: a job for workers that run somewhere. With the file store the command ends as
 * soon as all tiles are in Redis; with the redis store it stays, for it is the one who carries the
 * bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "producer/commands.h"
#include "producer/interrupt.h"
#include "producer/report.h"
#include "producer/resume.h"
#include "producer/submission.h"

typedef struct Submit {
    Session session;
    Submission submission;
    Follow follow;
    bool resumed; /* the job was begun by an earlier submission */
} Submit;

static void submit_say_job(const Submit *submit)
{
    const PlannerCounts *counts = planner_counts(submit->submission.planner);

    if (submit->session.settings->json)
        report_print_json(json_pack(
            "{s:s, s:I, s:I, s:I, s:I}", "job", submit->submission.job, "images",
            (json_int_t)counts->images, "pixels", (json_int_t)counts->pixels, "images_done_before",
            (json_int_t)counts->done, "other_files",
            (json_int_t)(counts->skipped + (int64_t)walk_skipped(submit->submission.walk))));
    else
        printf("%s\n", submit->submission.job);
    fflush(stdout);
}

/* Whether the job is ours to cancel: not when another submission has taken it over. */
static bool submit_owns_job(const Submit *submit)
{
    const Submission *submission = &submit->submission;
    Error ignored;
    bool ours;

    return queue_tend_job(submit->session.queue, submission->job, submission->producer, &ours,
                          &ignored) == 0 &&
           ours;
}

/* submit_stopped says what became of the job: a person's Ctrl-C and a wrong command line cancel it,
 * after anything else the same command goes on with it. */
static int submit_stopped(Submit *submit, Error *error)
{
    const char *job = submit->submission.job;
    Error ignored;

    if (job[0] == '\0')
        return -1;
    follow_check_gone(&submit->follow, error);
    if (submit->submission.sealed && submit->follow.courier == NULL) {
        if (error->kind == ERROR_CANCELLED)
            error_set(error, ERROR_CANCELLED, "job %s goes on; 'tilecrew watch %s' follows it", job,
                      job);
        return -1;
    }
    if (error->kind != ERROR_CANCELLED && error->kind != ERROR_USAGE)
        return -1;
    if (!submit_owns_job(submit))
        return -1;
    if (queue_cancel_job(submit->session.queue, job, &ignored) != 0)
        return error_prefix(error, "job %s is incomplete ('tilecrew cancel %s' drops it): ", job,
                            job);
    if (error->kind == ERROR_CANCELLED)
        return error_set(error, ERROR_CANCELLED,
                         "interrupted; job %s is cancelled, the same command again does the rest",
                         job);
    return error_prefix(error, "job %s is cancelled: ", job);
}

static int submit_begin(Submit *submit, Error *error)
{
    Submission *submission = &submit->submission;
    Follow *follow = &submit->follow;

    if (!submit->resumed && submission_create_job(submission, submit->session.queue, error) != 0)
        return -1;
    follow->job = submission->job;
    follow->producer = submission->producer;
    if (strcmp(submission->store, "redis") == 0)
        progress_note(follow->progress,
                      "job %s: this command carries the bytes and stays until they are through",
                      submission->job);
    if (submit->resumed) {
        if (resume_load(submission, follow, error) != 0)
            return -1;
    } else if (strcmp(submission->store, "redis") == 0) {
        if (submission_open_courier(submission, follow, error) != 0)
            return -1;
    }
    return follow_begin(follow, error);
}

static bool submit_stays(const Submit *submit)
{
    return submit->session.settings->wait || submit->follow.courier != NULL;
}

static int submit_work(Submit *submit, Error *error)
{
    Follow *follow = &submit->follow;

    if (submit_begin(submit, error) != 0)
        return -1;
    follow->patient = true;
    follow->stays_blocked = true;
    if (!submit->submission.sealed && submission_push(&submit->submission, follow, error) != 0)
        return -1;
    submit_say_job(submit);
    if (follow->courier == NULL)
        follow->producer = NULL; /* the job needs nobody any more */
    return submit_stays(submit) ? follow_until_end(follow, error) : 0;
}

/* submit_end is the exit status of what was done. What failed in a job that nobody waits for is
 * not known yet, and said by `watch` and `status`. */
static int submit_end(Submit *submit, Error *error)
{
    int64_t failed = 0;

    submission_say_skipped(&submit->submission, submit->follow.progress);
    if (submit_stays(submit) && submit->follow.now.images_failed > 0) {
        progress_close(submit->follow.progress);
        submit->follow.progress = NULL;
        failed = follow_report(&submit->follow, error);
        if (failed < 0)
            return -1;
    }
    failed += submission_report_refusals(&submit->submission);
    if (submit->follow.now.state == JOB_CANCELLED)
        return error_set(error, ERROR_INPUT, "job %s was cancelled", submit->submission.job);
    return failed > 0 ? EXIT_SOME_FAILED : 0;
}

static int submit_all(Submit *submit, Error *error)
{
    Submission *submission = &submit->submission;
    Follow *follow = &submit->follow;
    int status;

    submission_say_settings(submission, follow->progress);
    follow->queue = submit->session.queue;
    resume_prepare(submission);
    status = resume_find(submission, follow->queue, follow->progress, error);
    if (status >= 0) {
        submit->resumed = status > 0;
        status = 0;
        if (!submit->resumed && submission_is_empty(submission))
            progress_note(follow->progress, "nothing to do, no job made");
        else
            status = submit_work(submit, error);
    }
    if (status == 0)
        status = submit_end(submit, error);
    else
        submit_stopped(submit, error);
    progress_close(follow->progress);
    courier_close(follow->courier);
    follow_end(follow);
    return status;
}

int command_submit(void *settings, const CommandLine *line, Error *error)
{
    Submit submit = {0};
    int status = -1;

    if (session_open(&submit.session, settings, line, error) != 0)
        return -1;
    interrupt_catch();
    if (submission_open(&submit.submission, &submit.session, error) != 0)
        goto out;
    if (session_connect(&submit.session, error) == 0) {
        submit.follow.progress = progress_open(submit.session.settings->quiet);
        status = submit_all(&submit, error);
    }
    submission_close(&submit.submission);
out:
    session_close(&submit.session);
    return status;
}
