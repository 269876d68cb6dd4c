/* base/clock.h: time. Decisions use the monotonic clock only; the wall clock is for people.
 * Milliseconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

/* clock_sleep_ms sleeps at least that long unless a signal arrives. */
void clock_sleep_ms(int64_t milliseconds);

/* clock_backoff_ms is the wait before attempt `attempt` (0, 1, ...): first_ms doubled each time up
 * to most_ms, then a uniformly random part between half of it and all of it ("equal jitter", so
 * that a crowd does not return at once). */
int64_t clock_backoff_ms(int attempt, int64_t first_ms, int64_t most_ms);

#endif
