/* worker/claims.h: what a lane's processing list holds, as the lane knows it.
 *
 * Life of a claim here: held (claimed or adopted, its image record read) -> taken by
 * claims_next -> done (made, its result in the store) -> committed. A held one may also be put
 * back. The list in Redis is the truth: after any error of kind ERROR_REDIS nothing here is certain
 * until claims_adopt has read it again. */
#ifndef WORKER_CLAIMS_H
#define WORKER_CLAIMS_H

#include "queue/queue.h"
#include "worker/pace.h"

typedef struct Claims {
    Queue *queue;       /* borrowed, as is worker */
    const char *worker; /* id */
    int lane;
    Pace pace;
    int room;              /* of each array */
    QueueTask *held;       /* held[next..held_count) are still to do */
    QueueImage *images;    /* of held */
    QueueJobState *states; /* of the jobs of held */
    int next;
    int held_count;
    QueueResult *done; /* made, not committed */
    int *joined;       /* of done: how many parts its join used up; 0: it is no join */
    int done_count;
    int64_t oldest_done_us; /* clock_monotonic_us when the first of done was made */
    int64_t adopted_ms;     /* clock_monotonic_ms when the list was read last */
} Claims;

void claims_begin(Claims *claims, Queue *queue, const char *worker, int lane, int most);
void claims_end(Claims *claims);

int claims_left(const Claims *claims); /* held and to do */

/* claims_wait claims a tile, waiting up to wait_ms, and more behind it where it pays;
 * claims_exchange commits what is done and claims in the same round trip, without waiting;
 * claims_adopt reads the processing list: what of `done` is not in it any more was committed, or
 * taken away, and is forgotten; the rest of the list is held. Nothing is held before. After each of
 * them the images of what is held are known, and what would wait too long has been put back. */
int claims_wait(Claims *claims, int64_t wait_ms, Error *error);
int claims_exchange(Claims *claims, Error *error);
int claims_adopt(Claims *claims, Error *error);

/* claims_commit commits what is done. After it and claims_exchange the outcomes are in `done`, for
 * the caller to read and then set done_count to 0. */
int claims_commit(Claims *claims, Error *error);
bool claims_must_commit(const Claims *claims); /* the oldest result has waited long enough */

void claims_add_done(Claims *claims, const QueueResult *result, int joined);
int claims_put_back(Claims *claims, Error *error); /* all that is held and to do */

#endif
