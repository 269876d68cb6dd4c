/* producer/progress.h: one line about a job on the way.
 *
 * On a terminal it is a bar that is drawn over itself, as wide as the terminal is just then; else
 * a plain line every ten seconds. It goes to standard error, so that standard output stays for
 * results. NO_COLOR and TERM=dumb are respected. */
#ifndef PRODUCER_PROGRESS_H
#define PRODUCER_PROGRESS_H

#include <stdbool.h>

#include "queue/queue.h"

typedef struct Progress Progress;

/* quiet: says nothing at all. */
Progress *progress_open(bool quiet);
void progress_close(Progress *progress); /* clears the bar; takes NULL */

/* progress_show draws when it is time; `job` as it stands. */
void progress_show(Progress *progress, const QueueJob *job);

/* progress_note prints a line above the bar. */
void progress_note(Progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
