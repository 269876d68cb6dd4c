/* monitor/sweep.h: one round of everything that must go on although no worker does it.
 *
 * A sweep, every monitor.sweep, of the monitor that leads (monitor/lead.h): delayed tiles whose
 * time has come go to `ready`; `ready` is refilled; silent workers are fenced and their claims
 * moved back; backup workers are called and dismissed (monitor/reserve.h, monitor/waker.h). Every
 * half minute besides: blocked jobs are let go on (a worker blocks them again if their place is
 * still full, so a cleared disk heals by itself) and jobs that finished long ago are removed. A
 * monitor that follows only looks.
 *
 * Several monitors may run on one queue: every step is one script that finds its work done when
 * another monitor was first. */
#ifndef MONITOR_SWEEP_H
#define MONITOR_SWEEP_H

#include "config/config.h"
#include "monitor/lead.h"
#include "monitor/liveness.h"
#include "monitor/reserve.h"
#include "monitor/waker.h"
#include "queue/queue.h"

typedef struct Sweep {
    Queue *queue;         /* borrowed */
    const Config *config; /* borrowed */
    Lead lead;
    Liveness liveness;
    Reserve reserve;
    Wakers wakers;
    int64_t unblocked_ms, expired_ms; /* when blocked and finished jobs were seen to; 0: never */
    bool failed;                      /* the last sweep did not get through */
    bool mixed;                       /* workers with different codec libraries were reported */
} Sweep;

void sweep_begin(Sweep *sweep, Queue *queue, const Config *config);
/* sweep_end gives up the lead, if it has it and Redis is there. */
void sweep_end(Sweep *sweep);

/* sweep_once does one round. A failure (ERROR_REDIS: out of reach) leaves the rest of the round for
 * the next one, before which every worker is given a fresh dead_after. */
int sweep_once(Sweep *sweep, Error *error);

#endif
