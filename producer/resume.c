#include "producer/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "producer/interrupt.h"
#include "producer/report.h"

enum { LOOK_MS = 200, PAGE = 1000, HOST_NAME = 256 };

/* --- what makes a submission the same */

/* FNV-1a. */
static uint64_t resume_hash(const char *bytes, size_t length, uint64_t hash)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static void resume_add(Text *text, const char *part)
{
    text_add(text, part, strlen(part) + 1); /* the NUL keeps the parts apart */
}

static void resume_add_inputs(const CommandLine *line, Text *text)
{
    for (int i = 0; i + 1 < line->operand_count; i++) {
        char *path = realpath(line->operands[i], NULL);

        resume_add(text, path != NULL ? path : line->operands[i]);
        free(path);
    }
}

void resume_prepare(Submission *submission)
{
    const Config *config = &submission->session->config;
    char *owner = submission_owner();
    Text text = {0};

    resume_add(&text, owner);
    resume_add(&text, pipeline_text(submission->pipeline));
    resume_add(&text, submission->store);
    resume_add(&text, submission->output);
    resume_add(&text, config->output.format);
    resume_add_inputs(submission->session->line, &text);
    text_add_format(&text, "%d %d %d %" PRId64 " %d", config->output.quality,
                    config->output.png_level, config->output.strip, config->job.tile_pixels,
                    submission->session->settings->force);
    submission->fingerprint =
        memory_format_text("%016" PRIx64 "%016" PRIx64,
                           resume_hash(text.data, text.length, UINT64_C(14695981039346656037)),
                           resume_hash(text.data, text.length, UINT64_C(0x9e3779b97f4a7c15)));
    queue_make_worker_id(submission->producer);
    text_free(&text);
    free(owner);
}

/* --- whose job it is */

/* A producer is called "host-pid-nonce". */
static bool resume_process_is_gone(const char *producer)
{
    char host[HOST_NAME] = "";
    const char *at;
    long pid;

    if (gethostname(host, sizeof host - 1) != 0 || strncmp(producer, host, strlen(host)) != 0 ||
        producer[strlen(host)] != '-')
        return false;
    at = producer + strlen(host) + 1;
    pid = strtol(at, NULL, 10);
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* Waits until it is clear that the producer is gone: 0, or that it lives. */
static int resume_await_silence(Queue *queue, const QueueJob *found, Progress *progress,
                                Error *error)
{
    const int64_t until = clock_monotonic_ms() + REPORT_GONE_MS;

    if (found->silent_ms > REPORT_GONE_MS || resume_process_is_gone(found->producer))
        return 0;
    progress_note(progress, "job %s is this very submission: looking whether %s still works on it",
                  found->id, found->producer);
    while (clock_monotonic_ms() < until) {
        QueueJob job;
        bool same;

        clock_sleep_ms(LOOK_MS);
        if (interrupt_count() > 0)
            return error_set(error, ERROR_CANCELLED, "interrupted");
        if (queue_read_job(queue, found->id, &job, error) != 0)
            return -1;
        same = job.tended_ms == found->tended_ms;
        queue_free_job(&job);
        if (!same)
            return error_set(error, ERROR_USAGE,
                             "job %s is being submitted by the same command just now, by %s",
                             found->id, found->producer);
    }
    return 0;
}

/* --- finding it */

/* With the redis store a job is whole when its last result was collected. */
static int resume_has_blobs(Queue *queue, const QueueJob *job, bool *has, Error *error)
{
    char **names;
    size_t count;

    if (queue_list_blobs(queue, job->id, &names, &count, error) != 0)
        return -1;
    *has = count > 0;
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return 0;
}

static int resume_is_wanted(const Submission *submission, Queue *queue, const QueueJob *job,
                            bool *wanted, Error *error)
{
    *wanted = false;
    if (strcmp(job->fingerprint, submission->fingerprint) != 0 || job->state == JOB_CANCELLED)
        return 0;
    *wanted = !job->sealed;
    if (*wanted || strcmp(job->store, "redis") != 0)
        return 0;
    return resume_has_blobs(queue, job, wanted, error);
}

static int resume_take(Submission *submission, Queue *queue, const QueueJob *job,
                       Progress *progress, Error *error)
{
    bool ours;

    if (resume_await_silence(queue, job, progress, error) != 0 ||
        queue_take_job(queue, job->id, job->producer, submission->producer, &ours, error) != 0)
        return -1;
    if (!ours)
        return error_set(error, ERROR_USAGE,
                         "job %s is being submitted by the same command just now", job->id);
    memcpy(submission->job, job->id, sizeof submission->job);
    submission->sealed = job->sealed;
    progress_note(progress, "going on with job %s, which has %" PRId64 " images", job->id,
                  job->images);
    return 1;
}

int resume_find(Submission *submission, Queue *queue, Progress *progress, Error *error)
{
    bool wanted = false;
    QueueJob *jobs;
    size_t count;
    int status = 0;

    if (queue_list_jobs(queue, &jobs, &count, error) != 0)
        return -1;
    for (size_t i = 0; i < count && status == 0 && !wanted; i++) {
        status = resume_is_wanted(submission, queue, &jobs[i], &wanted, error);
        if (status == 0 && wanted)
            status = resume_take(submission, queue, &jobs[i], progress, error);
    }
    for (size_t i = 0; i < count; i++)
        queue_free_job(&jobs[i]);
    free(jobs);
    return status;
}

/* --- what it holds */

static int resume_read_images(Queue *queue, const char *job, int64_t from, int count,
                              QueueImage *images, Error *error)
{
    QueueJobState *states = memory_need((size_t)count * sizeof *states);
    QueueTask *tasks = memory_need((size_t)count * sizeof *tasks);
    int status;

    for (int i = 0; i < count; i++) {
        snprintf(tasks[i].job, sizeof tasks[i].job, "%s", job);
        tasks[i].image = from + i;
    }
    status = queue_read_images(queue, tasks, count, images, states, error);
    for (int i = 0; i < count && status == 0; i++)
        if (images[i].path == NULL)
            status = error_set(error, ERROR_STORE,
                               "job %s has no record of its image %" PRId64
                               ": cancel it ('tilecrew cancel %s') and submit again",
                               job, images[i].number, job);
    free(states);
    free(tasks);
    return status;
}

static int resume_use_images(Submission *submission, Follow *follow, const QueueImage *images,
                             size_t count, Error *error)
{
    if (submission_plan_anew(submission, images, count, error) != 0)
        return -1;
    if (strcmp(submission->store, "redis") != 0)
        return 0;
    return submission_open_courier(submission, follow, error) == 0
               ? courier_expect(follow->courier, images, count, error)
               : -1;
}

int resume_load(Submission *submission, Follow *follow, Error *error)
{
    QueueImage *images;
    int64_t known = 0;
    QueueJob job;
    int status = 0;

    if (queue_read_job(follow->queue, submission->job, &job, error) != 0)
        return -1;
    images = memory_need((size_t)(job.images + 1) * sizeof *images);
    while (known < job.images && status == 0) {
        const int64_t left = job.images - known;
        const int page = left < PAGE ? (int)left : PAGE;

        status = resume_read_images(follow->queue, job.id, known, page, images + known, error);
        known += page;
    }
    if (status == 0)
        status = resume_use_images(submission, follow, images, (size_t)known, error);
    for (int64_t i = 0; i < known; i++)
        queue_free_image(&images[i]);
    free(images);
    queue_free_job(&job);
    return status;
}
