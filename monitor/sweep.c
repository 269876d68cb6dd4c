#include "monitor/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    UPKEEP_MS = 30 * 1000, /* between two rounds of upkeep */
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

    *sweep = (Sweep){.queue = queue, .config = config};
    liveness_begin(&sweep->liveness, &rules);
}

void sweep_end(Sweep *sweep)
{
    liveness_free(&sweep->liveness);
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
    for (size_t i = 0; i < liveness->count; i++) {
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

static int sweep_upkeep(Sweep *sweep, Error *error)
{
    int64_t now = clock_monotonic_ms();

    if (sweep->upkeep_ms != 0 && now - sweep->upkeep_ms < UPKEEP_MS)
        return 0;
    sweep->upkeep_ms = now;
    return sweep_unblock(sweep, error) < 0 ? -1 : sweep_expire(sweep, error);
}

int sweep_once(Sweep *sweep, Error *error)
{
    static int (*const steps[])(Sweep *, Error *) = {sweep_promote, sweep_workers, sweep_refill,
                                                     sweep_upkeep};

    if (sweep->failed)
        liveness_forgive(&sweep->liveness, clock_monotonic_ms());
    sweep->failed = true;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i](sweep, error) < 0)
            return -1;
    sweep->failed = false;
    return 0;
}
