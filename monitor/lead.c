#include "monitor/lead.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { LEASE_SWEEPS = 3, LEASE_LEAST_MS = 1000 };

void lead_begin(Lead *lead, int64_t sweep_ms)
{
    *lead = (Lead){.lease_ms = LEASE_SWEEPS * sweep_ms};
    if (lead->lease_ms < LEASE_LEAST_MS)
        lead->lease_ms = LEASE_LEAST_MS;
    queue_make_worker_id(lead->lock.token);
}

static void lead_report(const Lead *lead, bool led, bool news)
{
    if (lead->leading && !led)
        log_info("monitor leads", "monitor=%s", lead->lock.token);
    else if (!lead->leading && (led || news))
        log_info("monitor follows", "monitor=%s leader=%.*s", lead->lock.token,
                 (int)strcspn(lead->lock.value, " "), lead->lock.value);
}

int lead_seek(Lead *lead, Queue *queue, Error *error)
{
    const bool led = lead->leading;
    const bool stale = clock_monotonic_ms() - lead->changed_ms >= lead->lease_ms;
    char before[sizeof lead->lock.value];

    memcpy(before, lead->lock.value, sizeof before);
    if (queue_seek_lead(queue, &lead->lock, lead->lease_ms, stale, error) != 0)
        return -1;
    if (strcmp(before, lead->lock.value) != 0)
        lead->changed_ms = clock_monotonic_ms();
    lead->leading = queue_leads(&lead->lock);
    lead_report(lead, led, before[0] == '\0');
    return 0;
}

int lead_resign(Lead *lead, Queue *queue, Error *error)
{
    if (!lead->leading)
        return 0;
    lead->leading = false;
    return queue_resign_lead(queue, &lead->lock, error);
}
