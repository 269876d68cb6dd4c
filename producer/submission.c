#include "producer/submission.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "producer/report.h"

enum { FIRST_BATCH_MS = 20, BATCH_MS = 200, BATCH_MOST = 4096, SEND_BATCH = 32, HOST_NAME = 256 };

/* --- opening */

static int submission_check(const Session *session, Error *error)
{
    const Settings *settings = session->settings;

    if (settings->ops == NULL)
        return error_set(error, ERROR_USAGE,
                         "--ops is missing: name the operations, such as --ops gaussian:sigma=2 "
                         "(see 'tilecrew ops')");
    if (settings->ops[strspn(settings->ops, " ,")] == '\0')
        return error_set(error, ERROR_USAGE,
                         "--ops is empty: name the operations, such as --ops gaussian:sigma=2 "
                         "(see 'tilecrew ops')");
    if (session->line->operand_count == 0)
        return error_set(error, ERROR_USAGE, "inputs and output folder are missing: IN... OUT");
    if (session->line->operand_count == 1)
        return error_set(error, ERROR_USAGE,
                         "there is one folder only, '%s': name inputs and then the output folder",
                         session->line->operands[0]);
    return 0;
}

static int submission_open_walk(Submission *submission, Error *error)
{
    const CommandLine *line = submission->session->line;
    const char *output = line->operands[line->operand_count - 1];

    submission->walk = walk_open(line->operands, line->operand_count - 1, output, error);
    if (submission->walk == NULL)
        return -1;
    submission->output = record_open_output(output, error);
    if (submission->output == NULL)
        return -1;
    walk_leave_out(submission->walk, submission->output);
    return 0;
}

/* What is known already comes from a job that is taken up again. */
static int submission_open_planner(Submission *submission, const QueueImage *known, size_t count,
                                   Error *error)
{
    const Config *config = &submission->session->config;
    RecordSettings settings = {.pipeline = pipeline_text(submission->pipeline),
                               .format = config->output.format,
                               .quality = config->output.quality,
                               .png_level = config->output.png_level,
                               .strip = config->output.strip};
    PlannerOptions options = {.output = submission->output,
                              .pipeline = submission->pipeline,
                              .format = config->output.format,
                              .tile_pixels = config->job.tile_pixels,
                              .max_source_bytes = config->limits.max_source_bytes,
                              .force = submission->session->settings->force,
                              .must_open = strcmp(submission->store, "redis") == 0};

    options.limits = (ImageLimits){.max_pixels = config->limits.max_pixels,
                                   .max_side = config->limits.max_side,
                                   .max_scans = config->limits.max_scans,
                                   .max_coefficient_bytes = config->limits.max_coefficients,
                                   .max_metadata_bytes = config->limits.max_metadata_bytes};
    if (record_settings(submission->output, &settings, &options.since, &submission->record,
                        error) != 0)
        return -1;
    submission->planner = planner_open(submission->walk, &options);
    for (size_t i = 0; i < count; i++)
        planner_know(submission->planner, &known[i]);
    return planner_take(submission->planner, BATCH_MOST, FIRST_BATCH_MS, &submission->images,
                        &submission->image_count, &submission->more, error);
}

int submission_open(Submission *submission, const Session *session, Error *error)
{
    *submission = (Submission){.session = session};
    submission->store = session->settings->store != NULL ? session->settings->store : "file";
    if (submission_check(session, error) != 0)
        return -1;
    if (strcmp(submission->store, "file") != 0 && strcmp(submission->store, "redis") != 0)
        return error_set(error, ERROR_USAGE, "--store must be file or redis, not '%s'",
                         submission->store);
    submission->pipeline = pipeline_parse(session->settings->ops, error);
    if (submission->pipeline == NULL)
        return -1;
    if (submission_open_walk(submission, error) == 0 &&
        submission_open_planner(submission, NULL, 0, error) == 0)
        return 0;
    submission_close(submission);
    return -1;
}

static void submission_free_images(Submission *submission)
{
    for (size_t i = 0; i < submission->image_count; i++)
        queue_free_image(&submission->images[i]);
    free(submission->images);
    submission->images = NULL;
    submission->image_count = 0;
}

void submission_close(Submission *submission)
{
    const PlannerCounts *counts;

    if (submission->planner != NULL && submission->record == RECORD_NEW) {
        counts = planner_counts(submission->planner);
        if (counts->images == 0 && counts->done == 0)
            record_remove(submission->output);
    }
    submission_free_images(submission);
    planner_close(submission->planner);
    walk_close(submission->walk);
    pipeline_free(submission->pipeline);
    free(submission->output);
    free(submission->fingerprint);
    *submission = (Submission){0};
}

int submission_plan_anew(Submission *submission, const QueueImage *stored, size_t count,
                         Error *error)
{
    const RecordState record = submission->record;
    int status;

    submission_free_images(submission);
    planner_close(submission->planner);
    walk_close(submission->walk);
    free(submission->output);
    submission->planner = NULL;
    submission->walk = NULL;
    submission->output = NULL;
    status = submission_open_walk(submission, error);
    if (status == 0)
        status = submission_open_planner(submission, stored, count, error);
    submission->record = record;
    return status;
}

bool submission_is_empty(const Submission *submission)
{
    return submission->image_count == 0 && !submission->more;
}

/* --- the job */

char *submission_owner(void)
{
    char host[HOST_NAME] = "localhost";
    const struct passwd *user = getpwuid(geteuid());

    gethostname(host, sizeof host - 1);
    if (user != NULL)
        return memory_format_text("%s@%s", user->pw_name, host);
    return memory_format_text("%d@%s", (int)geteuid(), host);
}

int submission_create_job(Submission *submission, Queue *queue, Error *error)
{
    const Config *config = &submission->session->config;
    QueueJobSpec spec = {.pipeline = pipeline_text(submission->pipeline),
                         .store = submission->store,
                         .output = submission->output,
                         .format = config->output.format,
                         .quality = config->output.quality,
                         .png_level = config->output.png_level,
                         .strip = config->output.strip,
                         .priority = submission->session->settings->priority,
                         .max_fails = config->job.max_fails,
                         .max_losses = config->job.max_losses,
                         .retry_first_ms = config->job.retry_first_ms,
                         .retry_most_ms = config->job.retry_most_ms};
    char *owner = submission_owner();
    int status;

    spec.roots = walk_roots(submission->walk, &spec.root_count);
    spec.owner = owner;
    spec.fingerprint = submission->fingerprint;
    spec.producer = submission->producer[0] != '\0' ? submission->producer : NULL;
    status = queue_create_job(queue, &spec, submission->job, error);
    free(owner);
    return status;
}

int submission_open_courier(const Submission *submission, Follow *follow, Error *error)
{
    const Config *config = &submission->session->config;
    CourierOptions options = {.output = submission->output,
                              .format = config->output.format,
                              .bytes_in_flight = config->store.bytes_in_flight,
                              .sync = config->output.sync};
    int root_count;

    options.roots = walk_roots(submission->walk, &root_count);
    follow->courier = courier_open(follow->queue, submission->job, &options, error);
    return follow->courier == NULL ? -1 : 0;
}

/* --- pushing */

static int submission_add(const Submission *submission, Follow *follow, QueueImage *images,
                          size_t count, Error *error)
{
    while (count > 0 && queue_add_images(follow->queue, submission->job, images, count, error) != 0)
        if (follow_endure(follow, error) != 0)
            return -1;
    if (count > 0)
        follow_note_success(follow);
    return follow_look(follow, error);
}

/* Where Redis is full, collecting makes room. */
static int submission_send_one(Follow *follow, const QueueImage *image, Error *error)
{
    while (courier_send(follow->courier, image, error) != 0) {
        const bool full = error->kind == ERROR_FULL;

        if (follow_endure(follow, error) != 0 ||
            (full && follow_collect(follow, 0, error) < 0 && follow_endure(follow, error) != 0))
            return -1;
    }
    follow_note_success(follow);
    return 0;
}

/* submission_send is submission_add by way of the courier, who waits for room: an image's bytes are
 * in Redis before its tiles are. */
static int submission_send(const Submission *submission, Follow *follow, QueueImage *images,
                           size_t count, Error *error)
{
    size_t added = 0;

    for (size_t i = 0; i < count; i++) {
        while (!courier_has_room(follow->courier, &images[i])) {
            if (submission_add(submission, follow, images + added, i - added, error) != 0 ||
                (follow_collect(follow, BATCH_MS, error) < 0 && follow_endure(follow, error) != 0))
                return -1;
            added = i;
        }
        if (submission_send_one(follow, &images[i], error) != 0)
            return -1;
        if (i + 1 - added >= SEND_BATCH) {
            if (submission_add(submission, follow, images + added, i + 1 - added, error) != 0)
                return -1;
            added = i + 1;
        }
    }
    return submission_add(submission, follow, images + added, count - added, error);
}

static int submission_seal(Submission *submission, Follow *follow, Error *error)
{
    while (queue_seal_job(follow->queue, submission->job, error) != 0)
        if (follow_endure(follow, error) != 0)
            return -1;
    submission->sealed = true;
    return 0;
}

int submission_push(Submission *submission, Follow *follow, Error *error)
{
    int status;

    for (;;) {
        if (follow->courier != NULL)
            status = submission_send(submission, follow, submission->images,
                                     submission->image_count, error);
        else
            status = submission_add(submission, follow, submission->images, submission->image_count,
                                    error);
        submission_free_images(submission);
        if (status != 0)
            return -1;
        if (!submission->more)
            return submission_seal(submission, follow, error);
        if (planner_take(submission->planner, BATCH_MOST, BATCH_MS, &submission->images,
                         &submission->image_count, &submission->more, error) != 0)
            return -1;
    }
}

/* --- what failed and what was left out */

void submission_name_failures(const Submission *submission, Queue *queue, QueueDead *dead,
                              size_t count)
{
    int root_count;
    const char **typed;

    walk_roots(submission->walk, &root_count);
    typed = memory_need((size_t)root_count * sizeof *typed + 1);
    for (int i = 0; i < root_count; i++)
        typed[i] = walk_typed_root(submission->walk, i);
    report_name_failures(queue, typed, root_count, dead, count);
    free(typed);
}

void submission_say_settings(const Submission *submission, Progress *progress)
{
    if (submission->record == RECORD_CHANGED)
        progress_note(progress,
                      "the settings are not those of the results in '%s': every result "
                      "is made again",
                      submission->output);
}

void submission_say_skipped(const Submission *submission, Progress *progress)
{
    const PlannerCounts *counts = planner_counts(submission->planner);
    int64_t others = counts->skipped + (int64_t)walk_skipped(submission->walk);

    if (counts->done > 0)
        progress_note(progress, "%" PRId64 " %s done before (--force does %s again)", counts->done,
                      counts->done == 1 ? "image was" : "images were",
                      counts->done == 1 ? "it" : "them");
    if (others > 0)
        progress_note(progress, "%" PRId64 " other %s skipped", others,
                      others == 1 ? "file" : "files");
}

int64_t submission_report_refusals(const Submission *submission)
{
    size_t count;
    const WalkRefusal *refusals = walk_refusals(submission->walk, &count);

    for (size_t i = 0; i < count; i++)
        report_print_failure(refusals[i].name, refusals[i].reason);
    return (int64_t)count;
}
