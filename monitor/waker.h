/* monitor/waker.h: the ways to get another worker. A waker is one row of the table in waker.c.
 *
 * `standby` tells a worker that stands by in the queue. The others get one from outside the queue
 * and are known by name: `command` runs a program of the operator. A waker only sets things going:
 * it never waits, since the sweep that calls it also brings dead workers' tiles back. Whether it
 * worked is seen from the beats alone (monitor/reserve.h). */
#ifndef MONITOR_WAKER_H
#define MONITOR_WAKER_H

#include "config/config.h"
#include "queue/queue.h"

typedef struct WakeCall {
    const char *who;     /* the worker to wake, or the waker's own name */
    const char *monitor; /* who calls */
    int alive;           /* workers now */
} WakeCall;

typedef struct Waker Waker;
struct Waker {
    const char *name;
    /* Sets it going: -1 when that cannot be done, which counts as failed. */
    int (*wake)(Waker *waker, const WakeCall *call, Error *error);
    /* Once a sweep, NULL when there is nothing to tend: -1 when the last call turned out to have
     * failed. */
    int (*tend)(Waker *waker, Error *error);
    void (*close)(Waker *waker);
};

enum { WAKERS_MOST = 4 };

typedef struct Wakers {
    Waker *standby;
    Waker
        *outside[WAKERS_MOST]; /* those that are configured, in the order in which they are tried */
    const char *names[WAKERS_MOST + 1]; /* of them, ended by NULL */
    size_t count;
} Wakers;

/* wakers_open makes those that are configured; `config` and `queue` are borrowed. */
void wakers_open(Wakers *wakers, const Config *config, Queue *queue);
void wakers_close(Wakers *wakers);

/* wakers_wake calls the waker of that name, or else `standby` with the worker of that id. */
int wakers_wake(Wakers *wakers, const WakeCall *call, Error *error);

/* One kind each; waker_open_command gives NULL when no command is configured. */
Waker *waker_open_standby(const Config *config, Queue *queue);
Waker *waker_open_command(const Config *config, Queue *queue);

#endif
