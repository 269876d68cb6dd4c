#include "monitor/waker.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Where workers come from when none stands by. */
static Waker *(*const outside[])(const Config *, Queue *) = {waker_open_command};

void wakers_open(Wakers *wakers, const Config *config, Queue *queue)
{
    *wakers = (Wakers){.standby = waker_open_standby(config, queue)};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        Waker *waker = outside[i](config, queue);

        if (waker == NULL)
            continue;
        wakers->names[wakers->count] = waker->name;
        wakers->outside[wakers->count++] = waker;
    }
}

void wakers_close(Wakers *wakers)
{
    for (size_t i = 0; i < wakers->count; i++)
        wakers->outside[i]->close(wakers->outside[i]);
    wakers->standby->close(wakers->standby);
    *wakers = (Wakers){0};
}

int wakers_wake(Wakers *wakers, const WakeCall *call, Error *error)
{
    Waker *waker = wakers->standby;

    for (size_t i = 0; i < wakers->count; i++)
        if (strcmp(wakers->names[i], call->who) == 0)
            waker = wakers->outside[i];
    return waker->wake(waker, call, error);
}

/* ---------------------------------------------------------------- standby */

typedef struct Standby {
    Waker waker;
    Queue *queue;
    int64_t good_ms;
} Standby;

static int standby_wake(Waker *waker, const WakeCall *call, Error *error)
{
    Standby *standby = (Standby *)waker;
    bool sent;

    if (queue_send_word(standby->queue, call->who, WORD_WAKE, standby->good_ms, &sent, error) != 0)
        return -1;
    return sent ? 0 : error_set(error, ERROR_SYSTEM, "it does not stand by any more");
}

static void standby_close(Waker *waker)
{
    free(waker);
}

Waker *waker_open_standby(const Config *config, Queue *queue)
{
    Standby *standby = memory_need(sizeof *standby);

    *standby = (Standby){.waker = {"standby", standby_wake, NULL, standby_close},
                         .queue = queue,
                         .good_ms = config->monitor.wake_timeout_ms};
    return &standby->waker;
}
