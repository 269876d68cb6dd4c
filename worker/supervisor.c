/* One loop: look after the lanes, keep the books in Redis, wait for a signal or the next thing that
 * is due. Signals are blocked but while it waits, so nothing comes at a bad moment.
 *
 * When a lane crashed, its tiles are put right before the next lane takes its place: the one in
 * hand, which may have killed it, is counted as lost; those that only waited behind it are not. */
#include "worker/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "image/image.h"
#include "worker/crew.h"
#include "worker/machine.h"

enum {
    CONNECT_MOST_MS = 2000, /* the loop must not stand still for long */
    COMMAND_MOST_MS = 3000,
    DEVICE_FAILURES = 5,  /* in a row: this machine's device does not work */
    LEAVE_MOST_MS = 5000, /* waits so long for Redis when leaving; then the monitor clears up */
    HOST_NAME = 256,
};

typedef enum Phase { PHASE_WORK, PHASE_FINISH, PHASE_ABANDON } Phase;

typedef struct Supervisor {
    const Config *config;
    QueueOptions options; /* of lanes */
    Queue *queue;
    char id[QUEUE_WORKER_ID];
    char host[HOST_NAME];
    Crew crew;
    Phase phase;
    QueueWorker record;
    CpuTimes cpu;
    int64_t next_beat_ms;
    int64_t rated_ms; /* when the rates were taken last */
    int outage;       /* failures of Redis in a row */
    int64_t outage_ms;
} Supervisor;

/* ---------------------------------------------------------------- signals */

static void supervisor_signals(sigset_t *signals)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1};

    sigemptyset(signals);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(signals, numbers[i]);
}

static void supervisor_finish(Supervisor *supervisor, const char *why)
{
    if (supervisor->phase != PHASE_WORK)
        return;
    log_info("worker stops", "reason=\"%s\"", why);
    supervisor->phase = PHASE_FINISH;
    supervisor->record.state = WORKER_DRAINING;
    supervisor->next_beat_ms = clock_monotonic_ms(); /* tell the others */
    crew_signal(&supervisor->crew, SIGTERM);
}

static void supervisor_obey(Supervisor *supervisor, int signal_number)
{
    switch (signal_number) {
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
        if (supervisor->phase == PHASE_WORK) {
            supervisor_finish(supervisor, "asked to; finishing the tiles in hand");
        } else {
            log_info("worker stops now", "tiles in hand are put back");
            supervisor->phase = PHASE_ABANDON;
            crew_kill_and_reap(&supervisor->crew);
        }
        break;
    default: /* SIGCHLD and SIGUSR1 only wake the loop */
        break;
    }
}

static void supervisor_rest(Supervisor *supervisor, int64_t until_ms)
{
    int64_t rest = until_ms - clock_monotonic_ms();
    struct timespec span = {0};
    sigset_t signals;
    int signal_number;

    supervisor_signals(&signals);
    if (rest > 0)
        span = (struct timespec){.tv_sec = rest / 1000, .tv_nsec = rest % 1000 * 1000000};
    signal_number = sigtimedwait(&signals, NULL, &span);
    if (signal_number > 0)
        supervisor_obey(supervisor, signal_number);
}

/* ---------------------------------------------------------------- Redis comes and goes */

static void supervisor_note_outage(Supervisor *supervisor, const Error *error)
{
    if (supervisor->outage++ > 0)
        return;
    supervisor->outage_ms = clock_monotonic_ms();
    log_warning("redis out of reach", "error=\"%s\" trying=\"until it answers\"", error->message);
}

static void supervisor_note_answer(Supervisor *supervisor)
{
    if (supervisor->outage > 0)
        log_info("redis answers again", "after_ms=%" PRId64,
                 clock_monotonic_ms() - supervisor->outage_ms);
    supervisor->outage = 0;
}

static int64_t supervisor_retry_ms(const Supervisor *supervisor)
{
    return clock_monotonic_ms() + clock_backoff_ms(supervisor->outage,
                                                   supervisor->config->redis.retry_first_ms,
                                                   supervisor->config->redis.retry_most_ms);
}

/* Waits until Redis answers: 0 with supervisor->queue NULL when asked to stop meanwhile. */
static int supervisor_connect(Supervisor *supervisor, Error *error)
{
    QueueOptions options = supervisor->options;

    if (options.connect_timeout_ms > CONNECT_MOST_MS)
        options.connect_timeout_ms = CONNECT_MOST_MS;
    if (options.command_timeout_ms > COMMAND_MOST_MS)
        options.command_timeout_ms = COMMAND_MOST_MS;
    while (supervisor->phase == PHASE_WORK) {
        int64_t until;

        supervisor->queue = queue_open(&options, error);
        if (supervisor->queue != NULL) {
            supervisor_note_answer(supervisor);
            return 0;
        }
        if (error->kind != ERROR_REDIS)
            return -1;
        supervisor_note_outage(supervisor, error);
        until = supervisor_retry_ms(supervisor);
        while (supervisor->phase == PHASE_WORK && clock_monotonic_ms() < until)
            supervisor_rest(supervisor, until);
    }
    return 0;
}

/* ---------------------------------------------------------------- the books */

static void supervisor_describe(Supervisor *supervisor)
{
    queue_make_worker_id(supervisor->id);
    if (gethostname(supervisor->host, sizeof supervisor->host - 1) != 0)
        snprintf(supervisor->host, sizeof supervisor->host, "localhost");
    supervisor->record = (QueueWorker){.host = supervisor->host,
                                       .codecs = (char *)image_codec_versions(),
                                       .version = (char *)TILECREW_VERSION,
                                       .device = supervisor->crew.setup.board->device,
                                       .pid = getpid(),
                                       .lanes = supervisor->crew.count,
                                       .state = WORKER_LIVE};
    memcpy(supervisor->record.id, supervisor->id, sizeof supervisor->record.id);
    supervisor->rated_ms = clock_monotonic_ms();
}

static int supervisor_enrol(Supervisor *supervisor, Error *error)
{
    if (queue_enrol_worker(supervisor->queue, &supervisor->record, error) != 0)
        return -1;
    atomic_store(&supervisor->crew.setup.board->enrolled, true);
    log_info("worker ready", "id=%s lanes=%d device=\"%s\" redis=%s", supervisor->id,
             supervisor->crew.count, supervisor->record.device,
             queue_display_url(supervisor->queue));
    return 0;
}

static void supervisor_take_rates(Supervisor *supervisor)
{
    const double weight = 0.5; /* of the newest beat */
    const int64_t now = clock_monotonic_ms();
    const double seconds = (double)(now - supervisor->rated_ms) / 1000;
    const int64_t tiles = crew_tiles(&supervisor->crew);
    const int64_t pixels = crew_pixels(&supervisor->crew);
    QueueWorker *record = &supervisor->record;

    record->cpu = machine_cpu_percent(&supervisor->cpu);
    record->memory = machine_private_bytes(getpid()) + crew_memory(&supervisor->crew);
    if (seconds > 0) {
        const double tile_rate = (double)(tiles - record->tiles) / seconds;
        const double pixel_rate = (double)(pixels - record->pixels) / seconds / 1e6;

        record->tiles_per_second += weight * (tile_rate - record->tiles_per_second);
        record->megapixels_per_second += weight * (pixel_rate - record->megapixels_per_second);
        supervisor->rated_ms = now;
    }
    record->tiles = tiles;
    record->pixels = pixels;
}

/* The queue took the worker for dead and gave its tiles to others: what its lanes are doing is
 * void, and so is its id. */
static void supervisor_start_anew(Supervisor *supervisor)
{
    char old[QUEUE_WORKER_ID];

    memcpy(old, supervisor->id, sizeof old);
    crew_kill_and_reap(&supervisor->crew);
    board_reset(supervisor->crew.setup.board, supervisor->crew.count);
    supervisor_describe(supervisor);
    log_warning("worker was fenced", "id=%s new=%s", old, supervisor->id);
}

static int supervisor_beat(Supervisor *supervisor, Error *error)
{
    QueueWorkerState state;

    supervisor_take_rates(supervisor);
    if (queue_beat(supervisor->queue, &supervisor->record, &state, error) != 0)
        return -1;
    if (state == WORKER_FENCED && supervisor->phase == PHASE_WORK)
        supervisor_start_anew(supervisor);
    else if (state == WORKER_FENCED)
        crew_kill_and_reap(&supervisor->crew); /* their tiles are others' now */
    else if (state == WORKER_DRAINING)
        supervisor_finish(supervisor, "drained");
    return 0;
}

/* ---------------------------------------------------------------- tiles of dead lanes */

static bool supervisor_is_in_hand(const LaneSlot *slot, const QueueTask *task)
{
    return slot->tile_since_ms != 0 && strcmp(task->job, slot->task.job) == 0 &&
           task->image == slot->task.image && task->tile == slot->task.tile;
}

/* What is left in the lane's list is the tile in hand, or tiles of which nobody knows which one
 * was. */
static int supervisor_blame(Supervisor *supervisor, int lane, const QueueTask *in_hand,
                            Error *error)
{
    const LanePlace *place = &supervisor->crew.place[lane];
    int moved = 1;

    if (place->over_time && in_hand != NULL)
        return queue_fail(supervisor->queue, supervisor->id, lane, in_hand, place->reason, false,
                          error);
    while (moved > 0)
        if (queue_reclaim_lane(supervisor->queue, supervisor->id, lane, place->reason,
                               supervisor->config->monitor.reclaim_batch, &moved, error) != 0)
            return -1;
    return 0;
}

static int supervisor_settle_lane(Supervisor *supervisor, int lane, Error *error)
{
    LaneSlot *slot = &supervisor->crew.setup.board->slot[lane];
    const int most = 2 * supervisor->config->worker.claim_ahead;
    QueueTask *tasks = memory_need((size_t)most * sizeof *tasks);
    QueueTask in_hand = {0};
    int count = 0, others = 0, result;

    result = queue_adopt(supervisor->queue, supervisor->id, lane, tasks, most, &count, error);
    for (int i = 0; i < count; i++)
        if (supervisor_is_in_hand(slot, &tasks[i]))
            in_hand = tasks[i];
        else
            tasks[others++] = tasks[i];
    if (result == 0 && others < count && others > 0)
        result = queue_put_back(supervisor->queue, supervisor->id, lane, tasks, others, error);
    if (result == 0)
        result = supervisor_blame(supervisor, lane, others < count ? &in_hand : NULL, error);
    free(tasks);
    if (result != 0)
        return -1;
    board_end_tile(slot);
    board_clean_up(slot);
    supervisor->crew.place[lane].unsettled = false;
    return 0;
}

static int supervisor_settle(Supervisor *supervisor, Error *error)
{
    for (int lane = 0; lane < supervisor->crew.count; lane++)
        if (supervisor->crew.place[lane].unsettled &&
            supervisor_settle_lane(supervisor, lane, error) != 0)
            return -1;
    return 0;
}

/* ---------------------------------------------------------------- the loop */

static bool supervisor_may_enrol(const Supervisor *supervisor)
{
    const Board *board = supervisor->crew.setup.board;

    return supervisor->phase == PHASE_WORK && !atomic_load(&board->enrolled) &&
           atomic_load(&board->device_state) == DEVICE_KNOWN;
}

/* Everything that is due in Redis. */
static int supervisor_keep_books(Supervisor *supervisor, Error *error)
{
    const Board *board = supervisor->crew.setup.board;

    if (supervisor_may_enrol(supervisor) && supervisor_enrol(supervisor, error) != 0)
        return -1;
    if (!atomic_load(&board->enrolled))
        return 0;
    if (supervisor_settle(supervisor, error) != 0)
        return -1;
    if (clock_monotonic_ms() < supervisor->next_beat_ms && !supervisor->crew.fence_suspected)
        return 0;
    if (supervisor_beat(supervisor, error) != 0)
        return -1;
    supervisor->crew.fence_suspected = false;
    supervisor->next_beat_ms = clock_monotonic_ms() + supervisor->config->worker.beat_ms;
    return 0;
}

/* Returns when to look again at the latest. */
static int64_t supervisor_look(Supervisor *supervisor)
{
    Crew *crew = &supervisor->crew;
    int64_t next = clock_monotonic_ms() + supervisor->config->worker.beat_ms;
    Error error;

    crew_reap(crew);
    crew_kill_over_time(crew);
    if (supervisor_keep_books(supervisor, &error) != 0) {
        supervisor_note_outage(supervisor, &error);
        next = supervisor_retry_ms(supervisor);
    } else {
        supervisor_note_answer(supervisor);
    }
    if (supervisor->phase == PHASE_WORK) {
        crew_start_due(crew);
        if (crew_next_ms(crew) < next)
            next = crew_next_ms(crew);
    }
    if (supervisor->outage == 0 && supervisor->next_beat_ms < next &&
        atomic_load(&crew->setup.board->enrolled))
        next = supervisor->next_beat_ms;
    if (supervisor_may_enrol(supervisor) && supervisor->outage == 0)
        next = 0; /* it was fenced just now */
    return next;
}

static void supervisor_leave(Supervisor *supervisor)
{
    const int64_t until = clock_monotonic_ms() + LEAVE_MOST_MS;
    int64_t next;
    Error error;

    if (!atomic_load(&supervisor->crew.setup.board->enrolled))
        return;
    while (supervisor_settle(supervisor, &error) != 0 ||
           queue_leave(supervisor->queue, supervisor->id, &error) != 0) {
        supervisor_note_outage(supervisor, &error);
        if (clock_monotonic_ms() >= until || supervisor->phase == PHASE_ABANDON) {
            log_warning("worker could not take its leave", "id=%s error=\"%s\"", supervisor->id,
                        error.message);
            return;
        }
        next = supervisor_retry_ms(supervisor);
        supervisor_rest(supervisor, next < until ? next : until);
    }
    log_info("worker left", "id=%s tiles=%" PRId64, supervisor->id, crew_tiles(&supervisor->crew));
}

static int supervisor_work(Supervisor *supervisor, Error *error)
{
    const Crew *crew = &supervisor->crew;
    int result = 0;

    for (;;) {
        const int64_t next = supervisor_look(supervisor);

        if (crew->device_failures >= DEVICE_FAILURES && result == 0) {
            result = error_set(error, ERROR_DEVICE, "the device failed %d times in a row: %s",
                               crew->device_failures, crew->setup.board->trouble);
            supervisor_finish(supervisor, "the device does not work");
        }
        if (supervisor->phase != PHASE_WORK && crew_alive(crew) == 0)
            break;
        supervisor_rest(supervisor, next);
    }
    supervisor_leave(supervisor);
    return result;
}

int supervisor_run(const Config *config, const char *cache_dir, Error *error)
{
    Supervisor supervisor = {
        .config = config,
        .options = {.url = config->redis.url,
                    .password_file = config->redis.password_file,
                    .name = config->redis.queue,
                    .connect_timeout_ms = config->redis.connect_timeout_ms,
                    .command_timeout_ms = config->redis.command_timeout_ms,
                    .ready_low = config->job.ready_low,
                    .ready_batch = config->job.ready_batch},
    };
    const LaneSetup setup = {.config = config,
                             .queue = &supervisor.options,
                             .cache_dir = cache_dir,
                             .worker = supervisor.id,
                             .supervisor = getpid()};
    const int lanes = config->worker.lanes > 0 ? config->worker.lanes : machine_cores();
    sigset_t signals;
    int result = 0;

    if (crew_begin(&supervisor.crew, &setup, lanes, error) != 0)
        return -1;
    supervisor_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    supervisor_describe(&supervisor);
    result = supervisor_connect(&supervisor, error);
    if (result == 0 && supervisor.queue != NULL)
        result = supervisor_work(&supervisor, error);
    if (supervisor.queue != NULL)
        queue_close(supervisor.queue);
    crew_end(&supervisor.crew);
    return result;
}
