/* producer/crew.h: what can be said about the workers of a queue as a whole. */
#ifndef PRODUCER_CREW_H
#define PRODUCER_CREW_H

#include "queue/queue.h"

/* crew_mixed_codecs returns the codec versions in use, each with one worker that has them, when
 * there is more than one (free()); NULL when all agree. Fenced workers do not count. */
char *crew_mixed_codecs(const QueueWorker *workers, size_t count);

#endif
