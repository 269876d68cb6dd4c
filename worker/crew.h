/* worker/crew.h: the lane processes of one worker: started, watched, killed, replaced. Knows
 * nothing of Redis.
 *
 * Life of a lane's place: due (start_at_ms) -> alive (pid) -> dead -> settled -> due again. A lane
 * that crashed leaves its place with `unsettled` set: its claims must be moved (by the supervisor)
 * before the next lane takes that place, which would otherwise adopt the tile that killed its
 * predecessor. Lanes that die young are restarted after growing waits. */
#ifndef WORKER_CREW_H
#define WORKER_CREW_H

#include "worker/lane.h"

typedef struct LanePlace {
    pid_t pid; /* 0: none */
    int64_t start_at_ms;
    int64_t started_ms;
    int64_t tiles_at_start;
    int early_deaths; /* in a row */
    bool over_time;   /* was killed for worker.tile_time_limit */
    bool unsettled;
    char reason[QUEUE_REASON]; /* of its death */
} LanePlace;

typedef struct Crew {
    LaneSetup setup; /* of its lanes, but for `lane` */
    LanePlace *place;
    int count;
    int device_failures;      /* in a row, no tile between them; a crash while opening is one */
    int64_t tiles_at_failure; /* of all lanes */
    bool cache_discarded;     /* the built kernels, which is tried once */
    bool fence_suspected;     /* a lane's commit was refused; for the supervisor to clear */
} Crew;

int crew_begin(Crew *crew, const LaneSetup *setup, int count, Error *error);
void crew_end(Crew *crew); /* no lane is alive */

/* crew_start_due starts the lanes whose time has come. In the child process it does not return. */
void crew_start_due(Crew *crew);
void crew_reap(Crew *crew); /* looks which lanes died, and of what */
void crew_kill_over_time(Crew *crew);
void crew_signal(Crew *crew, int signal_number); /* to every lane */
void crew_kill_and_reap(Crew *crew);             /* kills all and waits for them */

int crew_alive(const Crew *crew);
int64_t crew_next_ms(const Crew *crew); /* when crew_start_due or _kill_over_time has work */
int64_t crew_tiles(const Crew *crew);
int64_t crew_pixels(const Crew *crew);
int64_t crew_memory(const Crew *crew); /* private bytes of all lanes */

#endif
