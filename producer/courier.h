/* producer/courier.h: carries bytes for workers that see no files (the redis store): sources into
 * Redis, results out of it into the output folder, never more than a given number of bytes at once.
 *
 * A source and its result count from the moment the source is sent until the image is collected.
 * How large a result will be is not known before; it is reckoned with from the pixels. */
#ifndef PRODUCER_COURIER_H
#define PRODUCER_COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

typedef struct Courier Courier;

typedef struct CourierOptions {
    const char *const *roots; /* borrowed */
    const char *output;
    const char *format; /* keep, jpeg, png */
    int64_t bytes_in_flight;
    bool sync;
} CourierOptions;

/* courier_open borrows the queue and the job's id. */
Courier *courier_open(Queue *queue, const char *job, const CourierOptions *options, Error *error);
void courier_close(Courier *courier); /* takes NULL */

/* courier_has_room says whether the image may be sent now; one that is larger than everything
 * allowed may go alone. */
bool courier_has_room(const Courier *courier, const QueueImage *image);

/* courier_send puts the image's source. A source that cannot be read is sent as no bytes: the image
 * then fails at the worker, with its reason. */
int courier_send(Courier *courier, const QueueImage *image, Error *error);

/* courier_expect tells of images that an earlier courier of the job has sent: those whose bytes are
 * still in Redis are on their way. */
int courier_expect(Courier *courier, const QueueImage *images, size_t count, Error *error);

/* courier_collect takes results that are finished, waiting up to wait_ms for the first. Returns how
 * many images ended, or -1: the next call goes on with the image at which this one failed. */
int courier_collect(Courier *courier, int64_t wait_ms, Error *error);
int64_t courier_left(const Courier *courier); /* images sent and not collected */

#endif
