/* One loop: look after the lanes, keep the books in Redis, wait for a signal or the next thing that
 * is due. Signals are blocked but while it waits, so nothing comes at a bad moment.
 *
 * A backup worker is `awake` or not. Not awake it has no lane, says `standby`, and waits on its
 * wake list in slices that keep its beat and its ear for signals. Woken it starts its lanes, and
 * says `live` once a device works; then they may claim. Told to stand down it ends its lanes, which
 * finish their tiles, and says `standby` again. Any other worker is awake from the start. */
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
#include "base/version.h"
#include "image/image.h"
#include "worker/crew.h"
#include "worker/machine.h"
#include "worker/settle.h"

enum {
    CONNECT_MOST_MS = 2000, /* the loop must not stand still for long */
    COMMAND_MOST_MS = 3000,
    DEVICE_FAILURES = 5,  /* in a row: this machine's device does not work */
    LEAVE_MOST_MS = 5000, /* waits so long for Redis when leaving; then the monitor clears up */
    HEAR_MOST_MS = 500,   /* a slice of waiting to be woken, in which signals are not heard */
    LEFTOVERS_EVERY_MS = 5000,
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
    bool backup;          /* started to stand by */
    bool enrolled;        /* the queue knows the worker */
    bool awake;           /* has lanes, or shall have */
    int64_t leftovers_ms; /* standing by: when its lists were last looked at; 0: never awake */
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

static void supervisor_sleep(Supervisor *supervisor, int64_t until_ms)
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
            supervisor_sleep(supervisor, until);
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
                                       .backup = supervisor->backup,
                                       .state = supervisor->backup ? WORKER_STANDBY : WORKER_LIVE};
    supervisor->awake = !supervisor->backup;
    memcpy(supervisor->record.id, supervisor->id, sizeof supervisor->record.id);
    supervisor->rated_ms = clock_monotonic_ms();
}

/* The queue has the worker as `live`. */
static void supervisor_let_claim(Supervisor *supervisor)
{
    Board *board = supervisor->crew.setup.board;

    if (supervisor->record.state != WORKER_LIVE || atomic_load(&board->may_claim))
        return;
    atomic_store(&board->may_claim, true);
    log_info("worker ready", "id=%s lanes=%d device=\"%s\" redis=%s", supervisor->id,
             supervisor->crew.count, supervisor->record.device,
             queue_display_url(supervisor->queue));
}

static int supervisor_enrol(Supervisor *supervisor, Error *error)
{
    if (queue_enrol_worker(supervisor->queue, &supervisor->record, error) != 0)
        return -1;
    supervisor->enrolled = true;
    if (supervisor->record.state == WORKER_STANDBY)
        log_info("worker stands by", "id=%s redis=%s", supervisor->id,
                 queue_display_url(supervisor->queue));
    supervisor_let_claim(supervisor);
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
    if (supervisor->backup) /* it stands by again */
        board_close(supervisor->crew.setup.board);
    supervisor->enrolled = false;
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
    else
        supervisor_let_claim(supervisor);
    return 0;
}

/* ---------------------------------------------------------------- standing by */

static void supervisor_obey_word(Supervisor *supervisor, QueueWord word)
{
    if (supervisor->phase != PHASE_WORK)
        return;
    if (word == WORD_WAKE && !supervisor->awake) {
        log_info("worker woken", "id=%s", supervisor->id);
        supervisor->awake = true;
    } else if (word == WORD_STAND_DOWN && supervisor->awake) {
        log_info("worker stands down", "finishing the tiles in hand");
        supervisor->awake = false;
        crew_signal(&supervisor->crew, SIGTERM);
    }
}

/* A lane that ended while it waited for a tile may have been given one in its last moment. */
static int supervisor_put_back_leftovers(Supervisor *supervisor, Error *error)
{
    const int64_t now = clock_monotonic_ms();

    if (supervisor->leftovers_ms == 0 || now - supervisor->leftovers_ms < LEFTOVERS_EVERY_MS)
        return 0;
    supervisor->leftovers_ms = now;
    return settle_put_back(&supervisor->crew, supervisor->queue, error);
}

/* Follows what the lanes make of being woken or stood down. */
static int supervisor_change_state(Supervisor *supervisor, Error *error)
{
    Board *board = supervisor->crew.setup.board;
    QueueWorker *record = &supervisor->record;

    if (!supervisor->backup || supervisor->phase != PHASE_WORK)
        return 0;
    if (supervisor->awake && record->state == WORKER_STANDBY &&
        atomic_load(&board->device_state) == DEVICE_KNOWN) {
        record->state = WORKER_LIVE;
        supervisor->next_beat_ms = clock_monotonic_ms();
    } else if (!supervisor->awake && record->state == WORKER_LIVE &&
               crew_alive(&supervisor->crew) == 0) {
        if (settle_put_back(&supervisor->crew, supervisor->queue, error) != 0)
            return -1;
        board_close(board);
        record->state = WORKER_STANDBY;
        supervisor->leftovers_ms = supervisor->next_beat_ms = clock_monotonic_ms();
        log_info("worker stands by", "id=%s tiles=%" PRId64, supervisor->id, record->tiles);
    }
    return supervisor->awake ? 0 : supervisor_put_back_leftovers(supervisor, error);
}

static bool supervisor_stands_by(const Supervisor *supervisor)
{
    return supervisor->enrolled && supervisor->record.state == WORKER_STANDBY &&
           !supervisor->awake && supervisor->phase == PHASE_WORK && supervisor->outage == 0;
}

/* Waits for a signal until then; standing by, for the monitor's word. */
static void supervisor_rest(Supervisor *supervisor, int64_t until_ms)
{
    int64_t wait_ms = until_ms - clock_monotonic_ms();
    QueueWord word;
    Error error;

    if (!supervisor_stands_by(supervisor) || wait_ms <= 0) {
        supervisor_sleep(supervisor, until_ms);
        return;
    }
    wait_ms = wait_ms < HEAR_MOST_MS ? wait_ms : HEAR_MOST_MS;
    if (queue_hear_word(supervisor->queue, supervisor->id, wait_ms, &word, &error) != 0)
        supervisor->next_beat_ms = clock_monotonic_ms(); /* which tells whether it is an outage */
    else
        supervisor_obey_word(supervisor, word);
    supervisor_sleep(supervisor, 0);
}

/* ---------------------------------------------------------------- the loop */

static bool supervisor_may_enrol(const Supervisor *supervisor)
{
    const Board *board = supervisor->crew.setup.board;

    return supervisor->phase == PHASE_WORK && !supervisor->enrolled &&
           (!supervisor->awake || atomic_load(&board->device_state) == DEVICE_KNOWN);
}

/* Everything that is due in Redis. */
static int supervisor_keep_books(Supervisor *supervisor, Error *error)
{
    QueueWord word;

    if (supervisor_may_enrol(supervisor) && supervisor_enrol(supervisor, error) != 0)
        return -1;
    if (!supervisor->enrolled)
        return 0;
    if (settle_dead_lanes(&supervisor->crew, supervisor->queue, error) != 0 ||
        supervisor_change_state(supervisor, error) != 0)
        return -1;
    if (clock_monotonic_ms() < supervisor->next_beat_ms && !supervisor->crew.fence_suspected)
        return 0;
    if (supervisor_beat(supervisor, error) != 0)
        return -1;
    supervisor->crew.fence_suspected = false;
    supervisor->next_beat_ms = clock_monotonic_ms() + supervisor->config->worker.beat_ms;
    if (!supervisor->enrolled || supervisor->record.state != WORKER_LIVE || !supervisor->backup)
        return 0;
    if (queue_hear_word(supervisor->queue, supervisor->id, 0, &word, error) != 0)
        return -1;
    supervisor_obey_word(supervisor, word);
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
    if (supervisor->phase == PHASE_WORK && supervisor->awake) {
        crew_start_due(crew);
        if (crew_next_ms(crew) < next)
            next = crew_next_ms(crew);
    }
    if (supervisor->outage == 0 && supervisor->next_beat_ms < next && supervisor->enrolled)
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

    if (!supervisor->enrolled)
        return;
    while (settle_dead_lanes(&supervisor->crew, supervisor->queue, &error) != 0 ||
           queue_leave(supervisor->queue, supervisor->id, &error) != 0) {
        supervisor_note_outage(supervisor, &error);
        if (clock_monotonic_ms() >= until || supervisor->phase == PHASE_ABANDON) {
            log_warning("worker could not take its leave", "id=%s error=\"%s\"", supervisor->id,
                        error.message);
            return;
        }
        next = supervisor_retry_ms(supervisor);
        supervisor_sleep(supervisor, next < until ? next : until);
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

int supervisor_run(const Config *config, const char *cache_dir, bool standby, Error *error)
{
    Supervisor supervisor = {
        .config = config,
        .backup = standby,
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
