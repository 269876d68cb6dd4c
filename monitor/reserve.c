#include "monitor/reserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void reserve_begin(Reserve *reserve, const ReserveRules *rules)
{
    *reserve = (Reserve){.rules = *rules, .few_ms = -1, .none_ms = -1, .plenty_ms = -1};
}

void reserve_free(Reserve *reserve)
{
    free(reserve->tried);
    *reserve = (Reserve){0};
}

/* ---------------------------------------------------------------- counting */

static const Watch *reserve_find(const Liveness *liveness, const char *id)
{
    for (size_t i = 0; i < liveness->count; i++)
        if (strcmp(liveness->watches[i].id, id) == 0)
            return &liveness->watches[i];
    return NULL;
}

static bool reserve_is(const Liveness *liveness, const Watch *watch, QueueWorkerState state,
                       int64_t now)
{
    return watch != NULL && watch->state == state &&
           liveness_judge(liveness, watch, now) == LIVENESS_ALIVE;
}

static bool reserve_counts(const Reserve *reserve, const Liveness *liveness, const Watch *watch,
                           int64_t now)
{
    return reserve_is(liveness, watch, WORKER_LIVE, now) && strcmp(watch->id, reserve->told) != 0;
}

/* Runs a clock while `on`, and puts it back when not. */
static void reserve_run_clock(int64_t *since_ms, bool on, int64_t now)
{
    if (!on)
        *since_ms = -1;
    else if (*since_ms < 0)
        *since_ms = now;
}

void reserve_look(Reserve *reserve, const Liveness *liveness, int64_t now)
{
    const ReserveRules *rules = &reserve->rules;
    int backups = 0;

    reserve->alive = 0;
    for (size_t i = 0; i < liveness->count; i++) {
        const Watch *watch = &liveness->watches[i];

        if (!reserve_counts(reserve, liveness, watch, now))
            continue;
        reserve->alive++;
        backups += watch->backup;
    }
    reserve_run_clock(&reserve->few_ms, reserve->alive < rules->min_workers, now);
    reserve_run_clock(&reserve->none_ms, reserve->alive == 0, now);
    reserve_run_clock(&reserve->plenty_ms, backups > 0 && reserve->alive > rules->min_workers, now);
    if (reserve->few_ms < 0)
        reserve->tried_count = 0;
}

static bool reserve_is_over(int64_t since_ms, int64_t span_ms, int64_t now)
{
    return since_ms >= 0 && now - since_ms >= span_ms;
}

/* ---------------------------------------------------------------- calling */

static bool reserve_was_tried(const Reserve *reserve, const char *name)
{
    for (size_t i = 0; i < reserve->tried_count; i++)
        if (strcmp(reserve->tried[i], name) == 0)
            return true;
    return false;
}

static const char *reserve_find_standby(const Reserve *reserve, const Liveness *liveness,
                                        int64_t quiet_most_ms, int64_t now)
{
    for (size_t i = 0; i < liveness->count; i++) {
        const Watch *watch = &liveness->watches[i];

        if (watch->backup && reserve_is(liveness, watch, WORKER_STANDBY, now) &&
            now - watch->changed_ms <= quiet_most_ms && !reserve_was_tried(reserve, watch->id))
            return watch->id;
    }
    return NULL;
}

static const char *reserve_find_candidate(const Reserve *reserve, const Liveness *liveness,
                                          int64_t now)
{
    const char *found = reserve_find_standby(reserve, liveness, reserve->rules.stale_ms, now);

    if (found == NULL)
        found = reserve_find_standby(reserve, liveness, INT64_MAX, now);
    for (const char *const *name = reserve->rules.outside; found == NULL && *name != NULL; name++)
        if (!reserve_was_tried(reserve, *name))
            found = *name;
    return found;
}

static bool reserve_is_short(const Reserve *reserve, int64_t now)
{
    if (reserve->few_ms < 0)
        return false;
    return reserve->alive == 0 ||
           reserve_is_over(reserve->few_ms, reserve->rules.wake_after_ms, now);
}

static ReserveStep reserve_call(Reserve *reserve, const Liveness *liveness, int64_t now)
{
    const char *candidate;

    if (!reserve_is_short(reserve, now))
        return RESERVE_NOTHING;
    candidate = reserve_find_candidate(reserve, liveness, now);
    if (candidate == NULL && reserve->tried_count > 0 &&
        now - reserve->tried_ms >= reserve->rules.wake_timeout_ms) {
        reserve->tried_count = 0;
        candidate = reserve_find_candidate(reserve, liveness, now);
    }
    if (candidate == NULL)
        return RESERVE_NOTHING;
    snprintf(reserve->called, sizeof reserve->called, "%s", candidate);
    reserve->called_ms = now;
    reserve->alive_when_called = reserve->alive;
    return RESERVE_WAKE;
}

void reserve_fail(Reserve *reserve, const char *who, int64_t now)
{
    if (reserve->called[0] == '\0' || strcmp(who, reserve->called) != 0)
        return;
    reserve->tried =
        memory_resize(reserve->tried, (reserve->tried_count + 1) * sizeof *reserve->tried);
    memcpy(reserve->tried[reserve->tried_count++], reserve->called, sizeof reserve->called);
    reserve->tried_ms = now;
    reserve->called[0] = '\0';
}

static bool reserve_is_outside(const Reserve *reserve, const char *name)
{
    for (const char *const *outside = reserve->rules.outside; *outside != NULL; outside++)
        if (strcmp(*outside, name) == 0)
            return true;
    return false;
}

static ReserveStep reserve_hear_called(Reserve *reserve, const Liveness *liveness, int64_t now)
{
    const bool late = now - reserve->called_ms >= reserve->rules.wake_timeout_ms;
    const Watch *watch = reserve_find(liveness, reserve->called);
    bool woken, gone;

    if (reserve_is_outside(reserve, reserve->called)) {
        woken = reserve->alive > reserve->alive_when_called;
        gone = false;
    } else {
        woken = reserve_is(liveness, watch, WORKER_LIVE, now);
        gone = !woken && !reserve_is(liveness, watch, WORKER_STANDBY, now);
    }
    if (woken) {
        reserve->called[0] = '\0';
        return RESERVE_WOKEN;
    }
    if (!gone && !late)
        return RESERVE_NOTHING;
    reserve_fail(reserve, reserve->called, now);
    return RESERVE_FAILED;
}

/* ---------------------------------------------------------------- standing down */

static ReserveStep reserve_hear_told(Reserve *reserve, const Liveness *liveness, int64_t now)
{
    const Watch *watch = reserve_find(liveness, reserve->told);
    const bool live = reserve_is(liveness, watch, WORKER_LIVE, now);

    if (live && now - reserve->told_ms < reserve->rules.wake_timeout_ms)
        return RESERVE_NOTHING;
    reserve->told[0] = '\0';
    return !live && reserve_is(liveness, watch, WORKER_STANDBY, now) ? RESERVE_STOOD_DOWN
                                                                     : RESERVE_NOTHING;
}

/* Those that came last go first. */
static ReserveStep reserve_dismiss(Reserve *reserve, const Liveness *liveness, int64_t now)
{
    if (!reserve_is_over(reserve->plenty_ms, reserve->rules.stand_down_after_ms, now))
        return RESERVE_NOTHING;
    for (size_t i = liveness->count; i-- > 0;) {
        const Watch *watch = &liveness->watches[i];

        if (!watch->backup || !reserve_is(liveness, watch, WORKER_LIVE, now))
            continue;
        memcpy(reserve->told, watch->id, sizeof reserve->told);
        reserve->told_ms = now;
        reserve->plenty_ms = -1;
        reserve->alive--;
        return RESERVE_STAND_DOWN;
    }
    return RESERVE_NOTHING;
}

/* ---------------------------------------------------------------- what to do */

void reserve_forget_calls(Reserve *reserve)
{
    reserve->called[0] = reserve->told[0] = '\0';
    reserve->tried_count = 0;
}

static ReserveStep reserve_alarm(Reserve *reserve, int64_t now)
{
    const bool none = reserve_is_over(reserve->none_ms, reserve->rules.wake_after_ms, now);

    if (none == reserve->none_said || (!none && reserve->none_ms >= 0))
        return RESERVE_NOTHING;
    reserve->none_said = none;
    return none ? RESERVE_NO_WORKERS : RESERVE_BACK;
}

ReserveStep reserve_next(Reserve *reserve, const Liveness *liveness, int64_t now, ReserveName who)
{
    ReserveStep step = reserve_alarm(reserve, now);

    who[0] = '\0';
    if (step == RESERVE_NOTHING && reserve->called[0] != '\0') {
        memcpy(who, reserve->called, sizeof(ReserveName));
        step = reserve_hear_called(reserve, liveness, now);
    }
    if (step == RESERVE_NOTHING && reserve->told[0] != '\0') {
        memcpy(who, reserve->told, sizeof(ReserveName));
        step = reserve_hear_told(reserve, liveness, now);
    }
    if (step == RESERVE_NOTHING && reserve->called[0] == '\0') {
        step = reserve_call(reserve, liveness, now);
        memcpy(who, reserve->called, sizeof(ReserveName));
    }
    if (step == RESERVE_NOTHING && reserve->told[0] == '\0') {
        step = reserve_dismiss(reserve, liveness, now);
        memcpy(who, reserve->told, sizeof(ReserveName));
    }
    return step;
}
