/* worker/settle.h: the claims of lanes that are no more, put right by their supervisor.
 *
 * When a lane crashed, its tiles are put right before the next lane takes its place: the one in
 * hand, which may have killed it, is counted as lost; those that only waited behind it are not. */
#ifndef WORKER_SETTLE_H
#define WORKER_SETTLE_H

#include "queue/queue.h"
#include "worker/crew.h"

/* settle_dead_lanes does it for every place that is `unsettled`. */
int settle_dead_lanes(Crew *crew, Queue *queue, Error *error);

/* settle_put_back empties the lists of all lanes, none of which is alive; nothing is counted. */
int settle_put_back(Crew *crew, Queue *queue, Error *error);

#endif
