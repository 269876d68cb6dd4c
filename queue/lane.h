/* queue/lane.h: inside the room: what claiming and committing share. */
#ifndef QUEUE_LANE_H
#define QUEUE_LANE_H

#include "queue/connection.h"

Key lane_key(const Queue *queue, const char *worker, int lane);

/* lane_take_tasks parses claimed texts behind tasks[*count]; replies that are no text are skipped,
 * texts that are no task are removed from the list `claims`. */
int lane_take_tasks(Queue *queue, const char *claims, redisReply *const *texts, size_t length,
                    QueueTask *tasks, int most, int *count, Error *error);

#endif
