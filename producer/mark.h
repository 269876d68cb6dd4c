/* producer/mark.h: the trace of a run in its output folder, so that what a killed run left half
 * written is found and removed by the next one.
 *
 * While a run works, OUT/.tilecrew/run-JOB exists and is locked by it. A mark that nobody locks
 * belongs to a run that was killed. */
#ifndef PRODUCER_MARK_H
#define PRODUCER_MARK_H

#include "base/error.h"

/* mark_sweep removes the marks of killed runs in `output` and what these runs left. */
void mark_sweep(const char *output);

/* mark_make makes the mark of this run's job; mark_remove takes it away. */
int mark_make(const char *output, const char *job, int *mark, Error *error);
void mark_remove(const char *output, const char *job, int mark);

#endif
