/* queue/sentinel.h: inside the room: finding the master by way of Redis Sentinel.
 *
 * Whoever connects asks first, so after any error, which closes the connection, the next one goes
 * to where the master is then. */
#ifndef QUEUE_SENTINEL_H
#define QUEUE_SENTINEL_H

#include "queue/connection.h"

/* sentinel_find_master fills address.at, from the first sentinel that answers. */
int sentinel_find_master(Queue *queue, Error *error);

/* sentinel_check_role reads the reply to ROLE of the Redis that was found. */
int sentinel_check_role(Queue *queue, const redisReply *role, Error *error);

#endif
