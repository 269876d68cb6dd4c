/* producer/submission.h: a command line's inputs on their way into a job. Headers are probed and
 * tiles pushed by turns, in batches that start small, so that workers begin before the walk of a
 * large folder ends. */
#ifndef PRODUCER_SUBMISSION_H
#define PRODUCER_SUBMISSION_H

#include "producer/follow.h"
#include "producer/plan.h"
#include "producer/record.h"
#include "producer/session.h"

typedef struct Submission {
    const Session *session;
    const char *store; /* "file" or "redis" */
    Pipeline *pipeline;
    Walk *walk;
    Planner *planner;
    char *output; /* absolute */
    RecordState record;
    QueueImage *images; /* planned and not yet pushed */
    size_t image_count;
    bool more;                      /* files are still to be looked at */
    char job[QUEUE_JOB_ID];         /* "" before submission_create_job */
    char producer[QUEUE_WORKER_ID]; /* who we are */
    char *fingerprint;              /* of everything that makes a submission the same as another */
    bool sealed;                    /* all images are in the job */
} Submission;

/* submission_open checks everything on the command line (operands: IN... OUT) and plans the first
 * batch. On failure there is nothing to close. */
int submission_open(Submission *submission, const Session *session, Error *error);
void submission_close(Submission *submission);
bool submission_is_empty(const Submission *submission); /* nothing to do */

char *submission_owner(void); /* "user@host"; free() */
int submission_create_job(Submission *submission, Queue *queue, Error *error);

/* submission_plan_anew begins planning again, without what the job has already (see
 * producer/resume.h): `stored` of it, in order. */
int submission_plan_anew(Submission *submission, const QueueImage *stored, size_t count,
                         Error *error);

/* submission_push plans and pushes all of it, following on the way, and seals the job. */
int submission_push(Submission *submission, Follow *follow, Error *error);

/* submission_open_courier makes the follow's courier, for the redis store. */
int submission_open_courier(const Submission *submission, Follow *follow, Error *error);

/* submission_name_failures calls failed images what the person called them. */
void submission_name_failures(const Submission *submission, Queue *queue, QueueDead *dead,
                              size_t count);

/* submission_say_settings says when results of other settings are made again;
 * submission_say_skipped, at the end, what was not done; submission_report_refusals names what was
 * refused on standard error and returns how many. */
void submission_say_settings(const Submission *submission, Progress *progress);
void submission_say_skipped(const Submission *submission, Progress *progress);
int64_t submission_report_refusals(const Submission *submission);

#endif
