/* queue/snapshot.h: inside the room: everything that an audit looks at, read in one transaction. */
#ifndef QUEUE_SNAPSHOT_H
#define QUEUE_SNAPSHOT_H

#include "queue/connection.h"

/* One job of a snapshot; the replies belong to the snapshot. */
typedef struct SnapshotJob {
    const char *id;
    const redisReply *fields;         /* see FIELD_ */
    const redisReply *tiles;          /* its list */
    const redisReply *done, *dropped; /* bitmaps */
} SnapshotJob;
enum {
    FIELD_TILES,
    FIELD_LEFT,
    FIELD_DEAD,
    FIELD_DROPPED,
    FIELD_IMAGES_DONE,
    FIELD_COUNTERS, /* so many of them can be counted again from the lists and bitmaps */
    FIELD_BITS = FIELD_COUNTERS,
    FIELD_IMAGES,
    FIELD_REPAIRS,
    FIELD_STATE,
};

typedef struct Snapshot {
    redisReply *replies;
    char **claims; /* keys of processing lists */
    char **ids;
    size_t claims_count, job_count;
    const redisReply *workers, *ready, *delayed, *dead;
    const redisReply *const *processing; /* one list for each of `claims` */
    SnapshotJob *jobs;
} Snapshot;

/* snapshot_take reads the queue as it is at one moment; job NULL: all jobs. */
int snapshot_take(Queue *queue, const char *job, Snapshot *snapshot, Error *error);
void snapshot_free(Snapshot *snapshot);

/* snapshot_has_worker: whether the worker that the key of a processing list names was in the books.
 * Gives its id and lane. */
bool snapshot_has_worker(const Queue *queue, const Snapshot *snapshot, const char *claims,
                         char id[QUEUE_WORKER_ID], int *lane);

#endif
