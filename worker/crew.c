#include "worker/crew.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "worker/cache.h"
#include "worker/machine.h"

enum { RESTART_FIRST_MS = 100, RESTART_MOST_MS = 10000, LANE_NAME = 24 };

int crew_begin(Crew *crew, const LaneSetup *setup, int count, Error *error)
{
    *crew = (Crew){.setup = *setup, .count = count};
    crew->setup.board = board_create(count, error);
    if (crew->setup.board == NULL)
        return -1;
    crew->place = memory_need((size_t)count * sizeof *crew->place);
    return 0;
}

void crew_end(Crew *crew)
{
    board_destroy(crew->setup.board, crew->count);
    free(crew->place);
    *crew = (Crew){0};
}

/* ---------------------------------------------------------------- starting */

_Noreturn static void crew_become_lane(const Crew *crew, int lane)
{
    LaneSetup setup = crew->setup;
    char name[LANE_NAME];

    closefrom(STDERR_FILENO + 1); /* the supervisor's connection is its own */
    snprintf(name, sizeof name, "lane %d", lane);
    log_set_name(name);
    setup.lane = lane;
    _exit(lane_run(&setup));
}

static void crew_start(Crew *crew, int lane)
{
    LanePlace *place = &crew->place[lane];
    pid_t pid;

    atomic_store(&crew->setup.board->slot[lane].opened, false);
    pid = fork();
    if (pid == 0)
        crew_become_lane(crew, lane);
    place->started_ms = clock_monotonic_ms();
    if (pid < 0) {
        log_error("lane not started", "lane=%d error=\"%s\"", lane, strerror(errno));
        place->start_at_ms =
            place->started_ms +
            clock_backoff_ms(place->early_deaths++, RESTART_FIRST_MS, RESTART_MOST_MS);
        return;
    }
    place->pid = pid;
    place->over_time = false;
    place->tiles_at_start = crew->setup.board->slot[lane].tiles;
    log_debug("lane started", "lane=%d pid=%d", lane, (int)pid);
}

void crew_start_due(Crew *crew)
{
    const int64_t now = clock_monotonic_ms();

    for (int lane = 0; lane < crew->count; lane++) {
        const LanePlace *place = &crew->place[lane];

        if (place->pid == 0 && !place->unsettled && place->start_at_ms <= now)
            crew_start(crew, lane);
    }
}

/* ---------------------------------------------------------------- dying */

static void crew_describe_death(const Crew *crew, LanePlace *place, int status)
{
    const int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (place->over_time)
        snprintf(place->reason, sizeof place->reason,
                 "took longer than worker.tile_time_limit (%" PRId64 " s)",
                 crew->setup.config->worker.tile_time_limit_ms / 1000);
    else if (signal_number == SIGKILL)
        snprintf(place->reason, sizeof place->reason,
                 "its lane was killed by SIGKILL (by the kernel, when memory runs out)");
    else if (signal_number != 0)
        snprintf(place->reason, sizeof place->reason, "its lane was killed by SIG%s",
                 sigabbrev_np(signal_number));
    else
        snprintf(place->reason, sizeof place->reason, "its lane ended with status %d",
                 WEXITSTATUS(status));
}

static void crew_note_device_failure(Crew *crew)
{
    if (crew_tiles(crew) != crew->tiles_at_failure)
        crew->device_failures = 0;
    crew->tiles_at_failure = crew_tiles(crew);
    crew->device_failures++;
}

/* A lane that crashed before its device was open held nothing: there is nobody to blame but the
 * driver. (SIGKILL is no crash: somebody sent it, or memory is short just now.) */
static void crew_note_driver_crash(Crew *crew, const LanePlace *place)
{
    char *trouble = memory_format_text(
        "%s while it opened the OpenCL device; the driver is broken, or misses something of this "
        "machine (PoCL needs /sys): try it with clinfo, or another one with --device",
        place->reason);

    board_tell_trouble(crew->setup.board, trouble);
    free(trouble);
    crew_note_device_failure(crew);
}

/* A lane that opened its device and crashed or failed before it made anything may have been given a
 * broken kernel. */
static void crew_suspect_cache(Crew *crew, int lane, int status)
{
    const LaneSlot *slot = &crew->setup.board->slot[lane];
    const bool crashed = WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL;
    const bool failed = WIFEXITED(status) && WEXITSTATUS(status) == LANE_EXIT_DEVICE;

    if (crew->cache_discarded || crew->setup.cache_dir == NULL || (!crashed && !failed) ||
        !slot->opened || slot->tiles > crew->place[lane].tiles_at_start)
        return;
    crew->cache_discarded = true;
    log_warning("built kernels discarded", "folder=%s reason=\"one may be broken\"",
                crew->setup.cache_dir);
    cache_discard(crew->setup.cache_dir);
}

static void crew_bury(Crew *crew, int lane, int status)
{
    LanePlace *place = &crew->place[lane];
    const LaneSlot *slot = &crew->setup.board->slot[lane];
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    const bool in_order = code == LANE_EXIT_DONE || code == LANE_EXIT_FENCED;
    const bool crashed = !in_order && code != LANE_EXIT_DEVICE && code != LANE_EXIT_TROUBLE;
    const int64_t now = clock_monotonic_ms();

    place->pid = 0;
    place->start_at_ms = now;
    crew->fence_suspected |= code == LANE_EXIT_FENCED;
    crew_suspect_cache(crew, lane, status);
    if (code == LANE_EXIT_DEVICE)
        crew_note_device_failure(crew);
    if (crashed) {
        place->unsettled = slot->opened;
        crew_describe_death(crew, place, status);
        log_warning("lane died", "lane=%d reason=\"%s\" job=%s image=%" PRId64 " tile=%d", lane,
                    place->reason, slot->tile_since_ms != 0 ? slot->task.job : "none",
                    slot->task.image, slot->task.tile);
        if (!slot->opened && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
            crew_note_driver_crash(crew, place);
    }
    if (in_order || slot->tiles > place->tiles_at_start)
        place->early_deaths = 0;
    if (!in_order)
        place->start_at_ms +=
            place->early_deaths++ == 0 && crashed
                ? 0
                : clock_backoff_ms(place->early_deaths - 1, RESTART_FIRST_MS, RESTART_MOST_MS);
}

void crew_reap(Crew *crew)
{
    for (int lane = 0; lane < crew->count; lane++) {
        int status;

        if (crew->place[lane].pid != 0 && waitpid(crew->place[lane].pid, &status, WNOHANG) > 0)
            crew_bury(crew, lane, status);
    }
}

/* ---------------------------------------------------------------- killing */

static int64_t crew_tile_deadline(const Crew *crew, int lane)
{
    const int64_t since = crew->setup.board->slot[lane].tile_since_ms;

    if (crew->place[lane].pid == 0 || crew->place[lane].over_time || since == 0)
        return INT64_MAX;
    return since + crew->setup.config->worker.tile_time_limit_ms;
}

void crew_kill_over_time(Crew *crew)
{
    const int64_t now = clock_monotonic_ms();

    for (int lane = 0; lane < crew->count; lane++)
        if (crew_tile_deadline(crew, lane) <= now) {
            crew->place[lane].over_time = true;
            kill(crew->place[lane].pid, SIGKILL);
        }
}

void crew_signal(Crew *crew, int signal_number)
{
    for (int lane = 0; lane < crew->count; lane++)
        if (crew->place[lane].pid != 0)
            kill(crew->place[lane].pid, signal_number);
}

void crew_kill_and_reap(Crew *crew)
{
    crew_signal(crew, SIGKILL);
    for (int lane = 0; lane < crew->count; lane++) {
        LanePlace *place = &crew->place[lane];

        while (place->pid != 0 && waitpid(place->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        board_end_tile(&crew->setup.board->slot[lane]);
        board_clean_up(&crew->setup.board->slot[lane]);
        *place = (LanePlace){.start_at_ms = clock_monotonic_ms()};
    }
}

/* ---------------------------------------------------------------- sums */

int crew_alive(const Crew *crew)
{
    int alive = 0;

    for (int lane = 0; lane < crew->count; lane++)
        alive += crew->place[lane].pid != 0;
    return alive;
}

int64_t crew_next_ms(const Crew *crew)
{
    int64_t next = INT64_MAX;

    for (int lane = 0; lane < crew->count; lane++) {
        const LanePlace *place = &crew->place[lane];
        const bool due = place->pid == 0 && !place->unsettled;
        const int64_t when = due ? place->start_at_ms : crew_tile_deadline(crew, lane);

        next = when < next ? when : next;
    }
    return next;
}

int64_t crew_tiles(const Crew *crew)
{
    int64_t sum = 0;

    for (int lane = 0; lane < crew->count; lane++)
        sum += crew->setup.board->slot[lane].tiles;
    return sum;
}

int64_t crew_pixels(const Crew *crew)
{
    int64_t sum = 0;

    for (int lane = 0; lane < crew->count; lane++)
        sum += crew->setup.board->slot[lane].pixels;
    return sum;
}

int64_t crew_memory(const Crew *crew)
{
    int64_t sum = 0;

    for (int lane = 0; lane < crew->count; lane++)
        if (crew->place[lane].pid != 0)
            sum += machine_private_bytes(crew->place[lane].pid);
    return sum;
}
