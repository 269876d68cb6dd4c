/* monitor/liveness.h: which workers are alive, by one rule: a worker whose beat did not change for
 * dead_after on the monitor's own monotonic clock is silent.
 *
 * Life of a watch: made when a worker is first listed -> alive while its beat moves -> silent
 * (to be fenced) -> fenced -> forgettable once its lists stayed empty for the grace -> dropped when
 * the queue no longer lists it. No wall clock and nobody else's clock decides anything. Silence
 * counts only while the monitor was looking: when a look comes late (Redis was away, this process
 * or its machine stood still), every worker gets a fresh dead_after, since nobody can tell who
 * stood still. The grace is there because a claim of a stopped or half-open client can land after
 * its worker was fenced.
 *
 * Knows nothing of Redis; times are given in milliseconds of clock_monotonic_ms. */
#ifndef MONITOR_LIVENESS_H
#define MONITOR_LIVENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

typedef struct LivenessRules {
    int64_t dead_after_ms; /* silence that fences */
    int64_t gap_ms;        /* time between two looks beyond which silence proves nothing */
    int64_t grace_ms;      /* how long the lists of a fenced worker must stay empty */
} LivenessRules;

typedef enum LivenessVerdict {
    LIVENESS_ALIVE,
    LIVENESS_SILENT,      /* fence it */
    LIVENESS_FENCED,      /* sweep its lists */
    LIVENESS_FORGETTABLE, /* sweep its lists once more, then forget it if they are empty */
} LivenessVerdict;

typedef struct Watch {
    char id[QUEUE_WORKER_ID];
    int lanes;
    QueueWorkerState state;
    bool backup;
    bool fenced;
    int64_t beat;
    int64_t
        changed_ms; /* when the beat was first seen at this value; fenced: the last news of it */
    uint64_t look;  /* the last look that listed it */
} Watch;

typedef struct Liveness {
    LivenessRules rules;
    Watch *watches; /* in the order of the list they came from, so that a look is one walk */
    size_t count;
    size_t room;
    uint64_t look;
    int64_t looked_ms; /* 0: never */
} Liveness;

void liveness_begin(Liveness *liveness, const LivenessRules *rules);
void liveness_free(Liveness *liveness);

/* liveness_look takes the list of all workers as read at `now`. */
void liveness_look(Liveness *liveness, const QueueWorker *workers, size_t count, int64_t now);

/* liveness_forgive gives every worker a fresh dead_after. */
void liveness_forgive(Liveness *liveness, int64_t now);

LivenessVerdict liveness_judge(const Liveness *liveness, const Watch *watch, int64_t now);

/* liveness_stir restarts the grace of a fenced worker, because claims of it turned up. */
void liveness_stir(Watch *watch, int64_t now);

#endif
