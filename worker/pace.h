/* worker/pace.h: how many tiles a lane claims at once.
 *
 * Claiming ahead saves a round trip a tile, which matters for tiles of a millisecond; but a tile
 * that waits behind another while some other lane idles makes the job end later. So a lane claims
 * what it expects to do in 20 ms and four round trips: tiny tiles by the dozen, photographs one by
 * one. Results wait no longer for their commit. Times in microseconds. */
#ifndef WORKER_PACE_H
#define WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pace {
    int most;          /* worker.claim_ahead */
    double tile;       /* a tile takes, lately; 0 while unknown */
    double pixel;      /* and each pixel of it */
    double round_trip; /* a command that does not wait takes */
} Pace;

void pace_note_tile(Pace *pace, int64_t taken, int64_t pixels);
void pace_note_round_trip(Pace *pace, int64_t taken);

int pace_depth(const Pace *pace);

/* pace_may_wait says whether a tile of `pixels` may wait behind claimed tiles of `ahead` pixels, or
 * is better put back. */
bool pace_may_wait(const Pace *pace, int64_t ahead, int64_t pixels);

/* How long a finished tile may wait for its commit. */
int64_t pace_hold(const Pace *pace);

#endif
