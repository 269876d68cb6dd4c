/* How a lane goes on.
 *
 *     nothing held: commit what is done and claim more, in one round trip;
 *                   still nothing: wait for a tile, at most claim_wait
 *     tiles held:   make the next one; commit when the oldest result has waited long enough
 *     any error of Redis: wait a little, read the processing list, go on with what is in it
 */
#include "worker/lane.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/claims.h"
#include "worker/job_cache.h"
#include "worker/machine.h"
#include "worker/tile.h"

enum {
    GO_ON = -1,
    ADOPT_EVERY_MS = 5000,
    MEMORY_EVERY_MS = 1000,
    STOP_OUTAGE_MS = 10000, /* a stopping lane waits so long for Redis; then its tiles are redone */
};

typedef struct Lane {
    const LaneSetup *setup;
    LaneSlot *slot;
    Queue *queue;
    Device *device;
    JobCache *jobs;
    Claims claims;
    int64_t tiles;        /* made by this process */
    int64_t memory_ms;    /* when its memory was looked at last */
    int64_t memory_first; /* private bytes after its first tile */
    int outage;           /* failures of Redis in a row */
    int64_t outage_ms;    /* when the first of them was */
    int status;           /* GO_ON, or the exit status */
} Lane;

/* ---------------------------------------------------------------- the process */

/* A lane that only waits for work has nothing to finish: it goes at once. Were a tile just on its
 * way to it, the supervisor puts that back. */
static volatile sig_atomic_t lane_stop, lane_waits;

static void lane_on_term(int signal_number)
{
    (void)signal_number;
    lane_stop = 1;
    if (lane_waits)
        _exit(LANE_EXIT_DONE);
}

static void lane_take_signals(void)
{
    const struct sigaction term = {.sa_handler = lane_on_term};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    sigemptyset(&none);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &ignore, NULL); /* Ctrl-C goes to the whole group; the supervisor decides */
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A lane does not outlive its supervisor; and where memory is short the kernel shall take a lane,
 * which can be replaced. */
static int lane_become_child(pid_t supervisor)
{
    int score;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
        return -1;
    score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        dprintf(score, "500");
        close(score);
    }
    return 0;
}

static int lane_open_device(Lane *lane, Error *error)
{
    const LaneSetup *setup = lane->setup;
    const DeviceOptions options = {.choose = setup->config->worker.device,
                                   .cache_dir = setup->cache_dir};

    lane->device = device_open(&options, error);
    if (lane->device == NULL)
        return -1;
    atomic_store(&lane->slot->opened, true);
    if (board_tell_device(setup->board, device_name(lane->device), device_driver(lane->device)))
        kill(setup->supervisor, SIGUSR1);
    return 0;
}

/* ---------------------------------------------------------------- outages */

static void lane_note_outage(Lane *lane, const Error *error)
{
    const Config *config = lane->setup->config;

    if (lane->outage == 0) {
        lane->outage_ms = clock_monotonic_ms();
        log_warning("redis out of reach", "error=\"%s\"", error->message);
    }
    clock_sleep_ms(
        clock_backoff_ms(lane->outage, config->redis.retry_first_ms, config->redis.retry_most_ms));
    lane->outage++;
}

static void lane_note_answer(Lane *lane)
{
    if (lane->outage > 0)
        log_info("redis answers again", "after_ms=%" PRId64,
                 clock_monotonic_ms() - lane->outage_ms);
    lane->outage = 0;
}

/* Anything but an outage ends the lane: its supervisor starts another one, with patience. */
static void lane_give_up(Lane *lane, const Error *error)
{
    const bool device = error->kind == ERROR_DEVICE;

    if (device)
        board_tell_trouble(lane->setup->board, error->message);
    log_error(device ? "device failed" : "lane ends", "error=\"%s\"", error->message);
    lane->status = device ? LANE_EXIT_DEVICE : LANE_EXIT_TROUBLE;
}

static void lane_connect(Lane *lane)
{
    Error error;

    while (!lane_stop && lane->status == GO_ON) {
        lane->queue = queue_open(lane->setup->queue, &error);
        if (lane->queue != NULL)
            break;
        if (error.kind == ERROR_REDIS)
            lane_note_outage(lane, &error);
        else
            lane_give_up(lane, &error);
    }
    if (lane->queue != NULL)
        lane_note_answer(lane);
}

/* A lane that is asked to stop waits for a while only, and only for the sake of what it made, which
 * would be made again. */
static bool lane_stops_waiting(const Lane *lane)
{
    return lane_stop && (lane->claims.done_count == 0 ||
                         clock_monotonic_ms() - lane->outage_ms > STOP_OUTAGE_MS);
}

/* After trouble with Redis, and at the start: what does the lane hold? That this can be read does
 * not end an outage: a Redis that became a replica, or is full, answers reading commands. */
static int lane_recover(Lane *lane)
{
    Error error;

    while (claims_adopt(&lane->claims, &error) != 0) {
        lane_note_outage(lane, &error);
        if (lane_stops_waiting(lane))
            return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- a tile */

static int lane_make(Lane *lane, const QueueTask *task, const QueueImage *image, Error *error)
{
    TileWork work = {
        .config = lane->setup->config, .jobs = lane->jobs, .image = image, .tile = task->tile};
    const bool join = image->tiles > 1 && task->tile == image->tiles;
    QueueResult result = {.task = *task};
    int64_t started, taken;

    if (image->path == NULL)
        return error_set(error, ERROR_INPUT, "the queue has no sound record of this image");
    if (image->tiles < 1 || task->tile < 0 || (!join && task->tile >= image->tiles))
        return error_set(error, ERROR_INPUT, "the queue's record of this image is broken");
    work.job = job_cache_get(lane->jobs, task->job, error);
    if (work.job == NULL)
        return -1;
    started = clock_monotonic_us();
    if ((join ? tile_join(&work, error) : tile_make(&work, error)) != 0) {
        /* The device did build and compute before, so the tile takes its part of the blame. */
        if (error->kind == ERROR_DEVICE)
            lane_give_up(lane, error);
        return -1;
    }
    taken = clock_monotonic_us() - started;
    pace_note_tile(&lane->claims.pace, taken - work.preparing_us, work.pixels);
    result.pixels = work.pixels;
    result.bytes = work.bytes;
    claims_add_done(&lane->claims, &result, join ? image->tiles : 0);
    log_debug("tile made", "job=%s image=%" PRId64 " tile=%d path=\"%s\" us=%" PRId64, task->job,
              task->image, task->tile, image->path, taken);
    return 0;
}

/* What becomes of a tile that could not be made. Returns -1 when Redis is out of reach. */
static int lane_refuse(Lane *lane, const QueueTask *task, const Error *why, Error *error)
{
    const LaneSetup *setup = lane->setup;

    switch (why->kind) {
    case ERROR_REDIS:
        *error = *why;
        return -1;
    case ERROR_FULL: /* blocked first, so that nobody claims it again */
        if (queue_block_job(lane->queue, task->job, why->message, error) != 0)
            return -1;
        log_warning("job blocked", "job=%s reason=\"%s\"", task->job, why->message);
        return queue_put_back(lane->queue, setup->worker, setup->lane, task, 1, error);
    case ERROR_DEVICE:
        if (lane->status != GO_ON) /* it failed on this very tile */
            break;
        lane_give_up(lane, why);
        return queue_put_back(lane->queue, setup->worker, setup->lane, task, 1, error);
    default:
        break;
    }
    log_debug("tile failed", "job=%s image=%" PRId64 " tile=%d reason=\"%s\"", task->job,
              task->image, task->tile, why->message);
    return queue_fail(lane->queue, setup->worker, setup->lane, task, why->message,
                      why->kind == ERROR_INPUT || why->kind == ERROR_USAGE, error);
}

static int lane_do_next(Lane *lane, Error *error)
{
    Claims *claims = &lane->claims;
    const QueueTask *task = &claims->held[claims->next];
    const QueueResult dropped = {.task = *task};
    Error why;
    int result;

    if (claims->states[claims->next] == JOB_CANCELLED) {
        claims_add_done(claims, &dropped, 0); /* its commit drops it */
        claims->next++;
        return 0;
    }
    board_begin_tile(lane->slot, task);
    result = lane_make(lane, task, &claims->images[claims->next], &why);
    if (result != 0)
        result = lane_refuse(lane, task, &why, error);
    board_end_tile(lane->slot);
    claims->next++;
    lane->tiles++;
    return result;
}

/* ---------------------------------------------------------------- commits */

/* Reads the outcomes of what was just committed. */
static void lane_settle(Lane *lane)
{
    Claims *claims = &lane->claims;

    for (int i = 0; i < claims->done_count; i++) {
        const QueueResult *result = &claims->done[i];
        const QueueTask *task = &result->task;
        const CachedJob *job;

        if (result->outcome == COMMIT_FENCED) {
            log_warning("commit refused", "job=%s image=%" PRId64 " tile=%d", task->job,
                        task->image, task->tile);
            lane->status = LANE_EXIT_FENCED;
            continue;
        }
        if (result->outcome == COMMIT_DONE || result->outcome == COMMIT_JOIN) {
            lane->slot->tiles++;
            lane->slot->pixels += result->pixels;
        }
        if (result->outcome != COMMIT_DROPPED && claims->joined[i] == 0)
            continue;
        job = job_cache_find(lane->jobs, task->job);
        if (job == NULL)
            continue;
        if (result->outcome == COMMIT_DROPPED)
            job->store->forget(job->store);
        else
            tile_remove_parts(job, task->image, claims->joined[i]);
    }
    claims->done_count = 0;
}

static int lane_commit(Lane *lane, Error *error)
{
    if (claims_commit(&lane->claims, error) != 0)
        return -1;
    lane_settle(lane);
    return 0;
}

/* ---------------------------------------------------------------- the loop */

/* Whether the lane should give way to a fresh one: memory that it does not give back, or age. */
static bool lane_is_worn(Lane *lane)
{
    const Config *config = lane->setup->config;
    const int64_t now = clock_monotonic_ms();
    int64_t grown;

    if (config->worker.lane_tile_limit > 0 && lane->tiles >= config->worker.lane_tile_limit)
        return true;
    if (lane->tiles == 0 || now - lane->memory_ms < MEMORY_EVERY_MS)
        return false;
    lane->memory_ms = now;
    grown = machine_private_bytes(getpid());
    if (lane->memory_first == 0)
        lane->memory_first = grown;
    grown -= lane->memory_first;
    if (grown <= config->worker.lane_memory_limit)
        return false;
    log_info("lane replaced", "grown_bytes=%" PRId64 " tiles=%" PRId64, grown, lane->tiles);
    return true;
}

static int lane_wait(Lane *lane, Error *error)
{
    Claims *claims = &lane->claims;
    int result;

    if (clock_monotonic_ms() - claims->adopted_ms > ADOPT_EVERY_MS) {
        result = claims_adopt(claims, error);
        if (result != 0 || claims_left(claims) > 0)
            return result;
    }
    lane_waits = 1;
    if (lane_stop)
        _exit(LANE_EXIT_DONE);
    result = claims_wait(claims, lane->setup->config->worker.claim_wait_ms, error);
    lane_waits = 0;
    return result;
}

static int lane_step(Lane *lane, Error *error)
{
    Claims *claims = &lane->claims;

    if (lane_stop || (claims_left(claims) == 0 && lane_is_worn(lane))) {
        lane->status = LANE_EXIT_DONE;
        return 0;
    }
    if (claims_left(claims) > 0) {
        if (lane_do_next(lane, error) != 0)
            return -1;
        return claims_must_commit(claims) && claims_left(claims) > 0 ? lane_commit(lane, error) : 0;
    }
    if (claims->done_count == 0)
        return lane_wait(lane, error);
    if (claims_exchange(claims, error) != 0)
        return -1;
    lane_settle(lane);
    return 0;
}

/* Whatever the lane's end, it commits what it made and puts back what it did not begin. */
static int lane_leave(Lane *lane, Error *error)
{
    return claims_put_back(&lane->claims, error) != 0 ? -1 : lane_commit(lane, error);
}

static void lane_loop(Lane *lane)
{
    Error error;
    int result = lane_recover(lane);

    while (result == 0) {
        const bool ends = lane->status != GO_ON;

        if ((ends ? lane_leave(lane, &error) : lane_step(lane, &error)) == 0) {
            lane_note_answer(lane); /* not before: Redis may answer, and refuse what a step does */
            if (ends)
                break;
        } else if (error.kind == ERROR_CANCELLED) {
            log_warning("claim refused", "error=\"%s\"", error.message);
            lane->status = LANE_EXIT_FENCED;
            break;
        } else {
            lane_note_outage(lane, &error);
            result = lane_stops_waiting(lane) ? -1 : lane_recover(lane);
        }
    }
}

int lane_run(const LaneSetup *setup)
{
    Lane lane = {.setup = setup, .slot = &setup->board->slot[setup->lane], .status = GO_ON};
    const JobCacheOptions options = {.config = setup->config,
                                     .cache_dir = setup->cache_dir,
                                     .temporary = lane.slot->temporary,
                                     .temporary_size = sizeof lane.slot->temporary};
    Error error;

    if (lane_become_child(setup->supervisor) != 0)
        return LANE_EXIT_DONE;
    lane_take_signals();
    if (lane_open_device(&lane, &error) != 0) {
        lane_give_up(&lane, &error);
        return lane.status;
    }
    lane_connect(&lane);
    while (!lane_stop && !atomic_load(&setup->board->may_claim))
        clock_sleep_ms(1);
    if (lane.queue != NULL) {
        lane.jobs = job_cache_open(&options, lane.queue, lane.device);
        claims_begin(&lane.claims, lane.queue, setup->worker, setup->lane,
                     setup->config->worker.claim_ahead);
        lane_loop(&lane);
        claims_end(&lane.claims);
        job_cache_close(lane.jobs);
        queue_close(lane.queue);
    }
    device_close(lane.device);
    return lane.status == GO_ON ? LANE_EXIT_DONE : lane.status;
}
