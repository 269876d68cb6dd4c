/* monitor/lead.h: of several monitors one leads, the others watch and take over.
 *
 * The lead is a lock in Redis, renewed at every sweep. Another monitor takes it when it is given
 * up, when it expires, or when it was not renewed for a whole lease on that monitor's own clock (an
 * expiry is Redis's wall clock, which may jump). A leader that was held up finds at its next sweep
 * that another leads; two that act at once do no harm, as every step is one script. */
#ifndef MONITOR_LEAD_H
#define MONITOR_LEAD_H

#include "queue/queue.h"

typedef struct Lead {
    QueueLead lock;
    int64_t lease_ms;
    int64_t changed_ms; /* when the lock was first seen at this value */
    bool leading;
} Lead;

/* lead_begin: a lease is three sweeps, so that a leader dead after a renewal is followed within
 * four. */
void lead_begin(Lead *lead, int64_t sweep_ms);

/* lead_seek renews the lead or tries to take it; lead->leading is the outcome. */
int lead_seek(Lead *lead, Queue *queue, Error *error);

/* lead_resign lets another take over at once. */
int lead_resign(Lead *lead, Queue *queue, Error *error);

#endif
