/* worker/lane.h: a lane claims tiles, makes them and commits them: one process, one core.
 *
 * A lane holds what its processing list in Redis holds, and nothing else: after every trouble with
 * Redis it reads that list and goes on from there, so that no lost reply loses a tile. SIGTERM lets
 * it finish the tile in hand and put back the others; it may be killed at any moment, and its
 * supervisor puts back what it held. */
#ifndef WORKER_LANE_H
#define WORKER_LANE_H

#include <sys/types.h>

#include "config/config.h"
#include "queue/queue.h"
#include "worker/board.h"

/* Exit statuses of a lane; anything else, or a signal, is a crash. */
enum {
    LANE_EXIT_DONE = 0,     /* asked to stop, or to be replaced by a fresh one */
    LANE_EXIT_FENCED = 10,  /* its claims were taken away: is the worker fenced? */
    LANE_EXIT_TROUBLE = 11, /* it cannot go on; it has logged why, and put back its tiles */
    LANE_EXIT_DEVICE = 70,  /* the device does not work; likewise */
};

typedef struct LaneSetup {
    const Config *config;
    const QueueOptions *queue;
    const char *cache_dir; /* of built kernels, or NULL */
    const char *worker;    /* id */
    int lane;
    Board *board;
    pid_t supervisor;
} LaneSetup;

/* lane_run is the whole life of a lane process, behind fork. It returns the exit status. */
int lane_run(const LaneSetup *setup);

#endif
