/* producer/resume.h: going on with a job that an earlier, dead submission of the same began.
 *
 * Two submissions are the same when their owner, inputs, output, operations and everything else
 * that changes a result are; then their fingerprints are equal. What is taken up: a job that is not
 * sealed; and with the redis store also one whose results nobody has collected. */
#ifndef PRODUCER_RESUME_H
#define PRODUCER_RESUME_H

#include "producer/submission.h"

/* resume_prepare gives the submission its name as a producer, and its fingerprint. */
void resume_prepare(Submission *submission);

/* resume_find looks for such a job: 1 when there was one, which is the submission's now (job,
 * sealed), 0 when there is none, or -1: ERROR_USAGE when its producer still lives. It may take some
 * seconds to see whether it does. */
int resume_find(Submission *submission, Queue *queue, Progress *progress, Error *error);

/* resume_load reads what the job holds, so that only the rest is planned; with the redis store it
 * opens the follow's courier and tells it what is still to be collected. */
int resume_load(Submission *submission, Follow *follow, Error *error);

#endif
