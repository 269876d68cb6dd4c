/* monitor/reserve.h: when a backup worker is called, and when it may go.
 *
 * A call: too few workers are alive for wake_after, or none at all -> a candidate is named, to be
 * woken by a waker -> woken, once its own beat says `live`; or failed, when it does not within
 * wake_timeout, dies, or cannot be reached: then the next candidate. Candidates are those that
 * stand by, the ones with a fresh beat first, and after them the wakers that can get workers from
 * outside the queue, by name. Who failed is called again only after a pause of wake_timeout with
 * nobody else left.
 *
 * A backup worker may stand down when there have been min_workers without it for
 * stand_down_after; one at a time. It then counts no more, although it finishes its tiles.
 *
 * Whether there is work makes no difference: workers that are ready when work comes are what
 * min_workers asks for. Knows nothing of Redis; every look is fed with what liveness knows, by
 * followers too, so that their clocks run when they take the lead. */
#ifndef MONITOR_RESERVE_H
#define MONITOR_RESERVE_H

#include "monitor/liveness.h"

typedef struct ReserveRules {
    int min_workers;
    int64_t wake_after_ms;
    int64_t wake_timeout_ms;
    int64_t stand_down_after_ms;
    int64_t stale_ms;           /* a beat that stood still for longer is not fresh */
    const char *const *outside; /* names of wakers, ended by NULL; borrowed */
} ReserveRules;

typedef enum ReserveStep {
    RESERVE_NOTHING,
    RESERVE_WAKE,       /* wake `who`: an id, or the name of a waker */
    RESERVE_WOKEN,      /* `who` is live */
    RESERVE_FAILED,     /* `who` was called in vain */
    RESERVE_STAND_DOWN, /* tell `who` */
    RESERVE_STOOD_DOWN, /* `who` stands by again */
    RESERVE_NO_WORKERS, /* none is alive for wake_after; said once */
    RESERVE_BACK,       /* one is again */
} ReserveStep;

typedef char ReserveName[QUEUE_WORKER_ID];

typedef struct Reserve {
    ReserveRules rules;
    int alive;             /* live, not silent, and not told to stand down */
    int64_t few_ms;        /* since when there are too few; -1: enough */
    int64_t none_ms;       /* since when there is none; -1: some */
    int64_t plenty_ms;     /* since when there are enough without one of the backups; -1: not */
    ReserveName called;    /* "": nobody */
    int64_t called_ms;     /* when */
    int alive_when_called; /* how many */
    ReserveName told;      /* to stand down; "": nobody */
    int64_t told_ms;       /* when */
    ReserveName *tried;    /* failed since there were enough last */
    size_t tried_count;
    int64_t tried_ms; /* when the last one failed */
    bool none_said;
} Reserve;

void reserve_begin(Reserve *reserve, const ReserveRules *rules);
void reserve_free(Reserve *reserve);

/* reserve_look counts; call it after liveness_look, with the same `now`. */
void reserve_look(Reserve *reserve, const Liveness *liveness, int64_t now);

/* reserve_forget_calls: another monitor led meanwhile. */
void reserve_forget_calls(Reserve *reserve);

/* reserve_next gives the next thing to do, until it is RESERVE_NOTHING. */
ReserveStep reserve_next(Reserve *reserve, const Liveness *liveness, int64_t now, ReserveName who);

/* reserve_fail says that the one who is called cannot be woken; nothing when it is not `who`. */
void reserve_fail(Reserve *reserve, const char *who, int64_t now);

#endif
