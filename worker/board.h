/* worker/board.h: what lanes tell their supervisor, in memory that they share from the fork on.
 *
 * Each lane writes its own slot only; the slot outlives the process, so that the supervisor can see
 * what a lane was doing when it died. The first lane that opened its device writes which one it
 * is. */
#ifndef WORKER_BOARD_H
#define WORKER_BOARD_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "queue/queue.h"

enum { BOARD_DEVICE = 256 };

typedef struct LaneSlot {
    /* clock_monotonic_ms when the tile in hand was begun, 0 while there is none. `task` is valid
     * while it is not 0. */
    _Atomic int64_t tile_since_ms;
    QueueTask task;
    _Atomic int64_t tiles; /* committed since the worker enrolled; over all processes of the lane */
    _Atomic int64_t pixels;
    _Atomic bool opened;      /* this process of the lane has its device open */
    char temporary[PATH_MAX]; /* the file that it is writing, see store/store.h; "" when none */
} LaneSlot;

typedef enum DeviceState { DEVICE_UNKNOWN, DEVICE_BEING_WRITTEN, DEVICE_KNOWN } DeviceState;

typedef struct Board {
    _Atomic int device_state;
    char device[BOARD_DEVICE];  /* name and driver; valid once DEVICE_KNOWN */
    char trouble[QUEUE_REASON]; /* what the device failed with last; "" when it never did */
    _Atomic bool may_claim;     /* the queue knows the worker as live */
    LaneSlot slot[];
} Board;

Board *board_create(int lanes, Error *error);
void board_destroy(Board *board, int lanes);

/* board_tell_device is for lanes; true for the one lane that was first. */
bool board_tell_device(Board *board, const char *name, const char *driver);

void board_tell_trouble(Board *board, const char *message);

/* board_reset zeroes every slot and `may_claim`; no lane is alive. The device stays known.
 * board_close ends claiming and forgets the device: the next lanes have to show that it works. */
void board_reset(Board *board, int lanes);
void board_close(Board *board);

void board_begin_tile(LaneSlot *slot, const QueueTask *task);
void board_end_tile(LaneSlot *slot);

/* board_clean_up removes the file that a dead lane was writing. */
void board_clean_up(LaneSlot *slot);

#endif
