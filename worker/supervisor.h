/* worker/supervisor.h: one worker: its place in the queue's books, its beat, its crew of lanes.
 *
 * The supervisor never works on an image and never opens OpenCL (a runtime with threads does not
 * survive a fork), so it can always replace a lane that does. It is single-threaded; while Redis is
 * away it goes on, for ever.
 *
 * A backup worker (standby) enrols and beats, but has no lanes until a monitor wakes
 * it, and none again when that tells it to stand down. */
#ifndef WORKER_SUPERVISOR_H
#define WORKER_SUPERVISOR_H

#include "base/error.h"
#include "config/config.h"

/* supervisor_run runs a worker until it is asked to leave: SIGTERM, SIGINT or SIGHUP (the tiles in
 * hand are finished, a second signal puts them back), or the queue's word to drain. Returns 0, or
 * -1 when it cannot work: ERROR_DEVICE, ERROR_CONFIG, ERROR_SYSTEM. cache_dir: of built kernels, or
 * NULL. */
int supervisor_run(const Config *config, const char *cache_dir, bool standby, Error *error);

#endif
