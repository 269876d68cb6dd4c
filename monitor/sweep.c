#include "monitor/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    EXPIRE_MS = 30 * 1000, /* between two looks for jobs that finished long ago */
    GRACE_FACTOR = 12,     /* a fenced worker's lists are watched this many dead_after longer */
};

void sweep_begin(Sweep *sweep, Queue *queue, const Config *config)
{
    int64_t dead_after = config->monitor.dead_after_ms;
    LivenessRules rules = {
        .dead_after_ms = dead_after,
        .gap_ms = config->monitor.sweep_ms + dead_after / 2,
        .grace_ms = GRACE_FACTOR * dead_after,
    };
    ReserveRules reserve = {
        .min_workers = config->monitor.min_workers,
        .wake_after_ms = config->monitor.wake_after_ms,
        .wake_timeout_ms = config->monitor.wake_timeout_ms,
        .stand_down_after_ms = config->monitor.stand_down_after_ms,
        .stale_ms = dead_after / 2,
    };

    *sweep = (Sweep){.queue = queue, .config = config};
    lead_begin(&sweep->lead, config->monitor.sweep_ms);
    liveness_begin(&sweep->liveness, &rules);
    wakers_open(&sweep->wakers, config, queue);
    reserve.outside = sweep->wakers.names;
    reserve_begin(&sweep->reserve, &reserve);
}

void sweep_end(Sweep *sweep)
{
    Error error;

    if (!sweep->failed)
        lead_resign(&sweep->lead, sweep->queue, &error); /* else it expires */
    reserve_free(&sweep->reserve);
    wakers_close(&sweep->wakers);
    liveness_free(&sweep->liveness);
}

static int sweep_lead(Sweep *sweep, Error *error)
{
    const bool led = sweep->lead.leading;

    if (lead_seek(&sweep->lead, sweep->queue, error) != 0)
        return -1;
    if (sweep->lead.leading && !led)
        reserve_forget_calls(&sweep->reserve);
    return 0;
}

static int sweep_promote(Sweep *sweep, Error *error)
{
    int most = sweep->config->monitor.reclaim_batch;
    int moved;

    do {
        if (queue_promote_delayed(sweep->queue, most, &moved, error) < 0)
            return -1;
    } while (moved >= most);
    return 0;
}

static int sweep_refill(Sweep *sweep, Error *error)
{
    int64_t moved;

    return queue_refill(sweep->queue, sweep->config->job.ready_low, sweep->config->job.ready_batch,
                        &moved, error);
}

/* Moves all claims of a fenced worker back, in batches so that no script holds up Redis. */
static int sweep_reclaim(Sweep *sweep, const Watch *watch, int *reclaimed, Error *error)
{
    char reason[QUEUE_REASON];
    int moved;

    snprintf(reason, sizeof reason, "its worker %s died (no beat for %lld ms)", watch->id,
             (long long)sweep->config->monitor.dead_after_ms);
    *reclaimed = 0;
    for (int lane = 0; lane < watch->lanes; lane++) {
        do {
            if (queue_reclaim_lane(sweep->queue, watch->id, lane, reason,
                                   sweep->config->monitor.reclaim_batch, &moved, error) < 0)
                return -1;
            *reclaimed += moved;
        } while (moved > 0);
    }
    if (*reclaimed > 0)
        log_warning("tiles reclaimed", "worker=%s tiles=%d", watch->id, *reclaimed);
    return 0;
}

static int sweep_fence(Sweep *sweep, Watch *watch, int64_t now, Error *error)
{
    bool fenced;
    int reclaimed;

    if (queue_fence_worker(sweep->queue, watch->id, watch->beat, &fenced, error) < 0)
        return -1;
    if (!fenced) /* it beat just now, or it left: the next look tells */
        return 0;
    log_warning("worker fenced", "worker=%s silent_ms=%lld", watch->id,
                (long long)(now - watch->changed_ms));
    watch->fenced = true;
    liveness_stir(watch, now);
    return sweep_reclaim(sweep, watch, &reclaimed, error);
}

static int sweep_fenced(Sweep *sweep, Watch *watch, bool forgettable, int64_t now, Error *error)
{
    int reclaimed;

    if (sweep_reclaim(sweep, watch, &reclaimed, error) < 0)
        return -1;
    if (reclaimed > 0)
        liveness_stir(watch, now);
    else if (forgettable)
        return queue_forget_worker(sweep->queue, watch->id, error);
    return 0;
}

/* Codec libraries of different versions may encode the same pixels differently: said once, until
 * the crew is of one kind again. */
static void sweep_compare_codecs(Sweep *sweep, const QueueWorker *workers, size_t count)
{
    const QueueWorker *first = NULL;
    const QueueWorker *other = NULL;

    for (size_t i = 0; i < count && other == NULL; i++) {
        if (workers[i].state == WORKER_FENCED || workers[i].codecs == NULL ||
            workers[i].codecs[0] == 0)
            continue;
        if (first == NULL)
            first = &workers[i];
        else if (strcmp(first->codecs, workers[i].codecs) != 0)
            other = &workers[i];
    }
    if (other != NULL && !sweep->mixed)
        log_warning("codecs differ", "worker=%s codecs=\"%s\" worker=%s codecs=\"%s\"", first->id,
                    first->codecs, other->id, other->codecs);
    sweep->mixed = other != NULL;
}

static int sweep_workers(Sweep *sweep, Error *error)
{
    Liveness *liveness = &sweep->liveness;
    QueueWorker *workers;
    size_t count;
    int64_t now;

    if (queue_list_workers(sweep->queue, &workers, &count, error) < 0)
        return -1;
    now = clock_monotonic_ms();
    liveness_look(liveness, workers, count, now);
    sweep_compare_codecs(sweep, workers, count);
    queue_free_workers(workers, count);
    for (size_t i = 0; i < liveness->count && sweep->lead.leading; i++) {
        Watch *watch = &liveness->watches[i];
        LivenessVerdict verdict = liveness_judge(liveness, watch, now);
        int outcome = 0;

        if (verdict == LIVENESS_SILENT)
            outcome = sweep_fence(sweep, watch, now, error);
        else if (verdict != LIVENESS_ALIVE)
            outcome = sweep_fenced(sweep, watch, verdict == LIVENESS_FORGETTABLE, now, error);
        if (outcome < 0)
            return -1;
    }
    reserve_look(&sweep->reserve, liveness, now); /* followers too: takeover needs no time */
    return 0;
}

/* ---------------------------------------------------------------- the reserve */

static int sweep_report_failed(Sweep *sweep, const char *who, const char *reason, Error *error)
{
    char *detail = memory_format_text("%s %s", who, reason);
    int result;

    log_warning("backup failed", "worker=%s reason=\"%s\"", who, reason);
    result = queue_tell(sweep->queue, "backup_failed", detail, error);
    free(detail);
    return result;
}

static int sweep_wake(Sweep *sweep, const char *who, int64_t now, Error *error)
{
    const WakeCall call = {
        .who = who, .monitor = sweep->lead.lock.token, .alive = sweep->reserve.alive};
    Error why;

    log_warning("too few workers", "alive=%d wanted=%d waking=%s", call.alive,
                sweep->config->monitor.min_workers, who);
    if (queue_tell(sweep->queue, "worker_called", who, error) != 0)
        return -1;
    if (wakers_wake(&sweep->wakers, &call, &why) == 0)
        return 0;
    reserve_fail(&sweep->reserve, who, now);
    if (why.kind == ERROR_REDIS) {
        *error = why;
        return -1;
    }
    return sweep_report_failed(sweep, who, why.message, error);
}

static int sweep_note_failed(Sweep *sweep, const char *who, int64_t now, Error *error)
{
    const int64_t patience = sweep->config->monitor.wake_timeout_ms;
    char reason[QUEUE_REASON];

    if (now - sweep->reserve.called_ms < patience)
        snprintf(reason, sizeof reason, "died or left before it was live");
    else
        snprintf(reason, sizeof reason, "was not live within monitor.wake_timeout (%lld ms)",
                 (long long)patience);
    return sweep_report_failed(sweep, who, reason, error);
}

static int sweep_stand_down(Sweep *sweep, const char *who, Error *error)
{
    bool sent;

    log_info("backup stands down", "worker=%s", who);
    return queue_send_word(sweep->queue, who, WORD_STAND_DOWN,
                           sweep->config->monitor.wake_timeout_ms, &sent, error);
}

static int sweep_take_step(Sweep *sweep, ReserveStep step, const char *who, int64_t now,
                           Error *error)
{
    switch (step) {
    case RESERVE_WAKE:
        return sweep_wake(sweep, who, now, error);
    case RESERVE_FAILED:
        return sweep_note_failed(sweep, who, now, error);
    case RESERVE_STAND_DOWN:
        return sweep_stand_down(sweep, who, error);
    case RESERVE_WOKEN:
        log_info("worker woken", "worker=%s", who);
        return queue_tell(sweep->queue, "worker_woken", who, error);
    case RESERVE_STOOD_DOWN:
        return queue_tell(sweep->queue, "worker_stood_down", who, error);
    case RESERVE_NO_WORKERS:
        log_warning("no workers", "alive=0");
        return queue_tell(sweep->queue, "no_workers", "", error);
    case RESERVE_BACK:
        log_info("workers again", "alive=%d", sweep->reserve.alive);
        return queue_tell(sweep->queue, "workers_back", "", error);
    default:
        return 0;
    }
}

/* A follower looks after what it began when it led. */
static int sweep_reserve(Sweep *sweep, Error *error)
{
    const int64_t now = clock_monotonic_ms();
    ReserveName who;
    ReserveStep step;
    Error why;

    for (size_t i = 0; i < sweep->wakers.count; i++) {
        Waker *waker = sweep->wakers.outside[i];

        if (waker->tend == NULL || waker->tend(waker, &why) == 0)
            continue;
        reserve_fail(&sweep->reserve, waker->name, now);
        if (sweep_report_failed(sweep, waker->name, why.message, error) != 0)
            return -1;
    }
    while (sweep->lead.leading &&
           (step = reserve_next(&sweep->reserve, &sweep->liveness, now, who)) != RESERVE_NOTHING)
        if (sweep_take_step(sweep, step, who, now, error) != 0)
            return -1;
    return 0;
}

static int sweep_unblock(Sweep *sweep, Error *error)
{
    QueueJob *jobs;
    size_t count;
    int outcome = 0;

    if (queue_list_jobs(sweep->queue, &jobs, &count, error) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (outcome == 0 && jobs[i].state == JOB_BLOCKED) {
            log_info("blocked job tried again", "job=%s", jobs[i].id);
            outcome = queue_resume_job(sweep->queue, jobs[i].id, error);
        }
        queue_free_job(&jobs[i]);
    }
    free(jobs);
    return outcome;
}

static int sweep_expire(Sweep *sweep, Error *error)
{
    int removed = 0;

    if (queue_expire_jobs(sweep->queue, sweep->config->job.keep_finished_ms, &removed, error) < 0)
        return -1;
    if (removed > 0)
        log_info("finished jobs removed", "jobs=%d", removed);
    return 0;
}

/* Whether it is time again; the first time at once. */
static bool sweep_is_due(int64_t *last_ms, int64_t every_ms)
{
    const int64_t now = clock_monotonic_ms();

    if (*last_ms != 0 && now - *last_ms < every_ms)
        return false;
    *last_ms = now;
    return true;
}

static int sweep_upkeep(Sweep *sweep, Error *error)
{
    if (sweep_is_due(&sweep->unblocked_ms, sweep->config->monitor.retry_blocked_ms) &&
        sweep_unblock(sweep, error) < 0)
        return -1;
    return sweep_is_due(&sweep->expired_ms, EXPIRE_MS) ? sweep_expire(sweep, error) : 0;
}

int sweep_once(Sweep *sweep, Error *error)
{
    static const struct {
        int (*take)(Sweep *, Error *);
        bool followers; /* take it too */
    } steps[] = {{sweep_lead, true},    {sweep_promote, false}, {sweep_workers, true},
                 {sweep_reserve, true}, {sweep_refill, false},  {sweep_upkeep, false}};

    if (sweep->failed)
        liveness_forgive(&sweep->liveness, clock_monotonic_ms());
    sweep->failed = true;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if ((sweep->lead.leading || steps[i].followers) && steps[i].take(sweep, error) < 0)
            return -1;
    sweep->failed = false;
    return 0;
}
