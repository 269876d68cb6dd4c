#include "base/clock.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return clock_read_us(CLOCK_REALTIME) / 1000;
}

void clock_sleep_ms(int64_t milliseconds)
{
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};

    nanosleep(&span, NULL);
}

int64_t clock_backoff_ms(int attempt, int64_t first_ms, int64_t most_ms)
{
    int64_t wait = first_ms;
    uint64_t dice = 0;

    for (int i = 0; i < attempt && wait < most_ms; i++)
        wait = wait > most_ms / 2 ? most_ms : wait * 2;
    if (wait > most_ms)
        wait = most_ms;
    if (getrandom(&dice, sizeof dice, GRND_NONBLOCK) != (ssize_t)sizeof dice)
        dice = (uint64_t)clock_monotonic_us();
    return wait / 2 + (int64_t)(dice % (uint64_t)(wait / 2 + 1));
}
