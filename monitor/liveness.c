#include "monitor/liveness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void liveness_begin(Liveness *liveness, const LivenessRules *rules)
{
    *liveness = (Liveness){.rules = *rules};
}

void liveness_free(Liveness *liveness)
{
    free(liveness->watches);
    *liveness = (Liveness){0};
}

void liveness_forgive(Liveness *liveness, int64_t now)
{
    for (size_t i = 0; i < liveness->count; i++)
        if (!liveness->watches[i].fenced)
            liveness->watches[i].changed_ms = now;
}

/* The queue lists workers in nearly the same order each time, so the search starts where the last
 * one ended and a look at N workers costs N comparisons and not N x N. */
static Watch *liveness_find(Liveness *liveness, const char *id, size_t *cursor)
{
    for (size_t step = 0; step < liveness->count; step++) {
        size_t at = (*cursor + step) % liveness->count;
        if (strcmp(liveness->watches[at].id, id) == 0) {
            *cursor = at + 1;
            return &liveness->watches[at];
        }
    }
    return NULL;
}

static Watch *liveness_add(Liveness *liveness, const QueueWorker *worker, int64_t now)
{
    Watch *watch;

    if (liveness->count == liveness->room) {
        liveness->room = liveness->room > 0 ? 2 * liveness->room : 16;
        liveness->watches =
            memory_resize(liveness->watches, liveness->room * sizeof *liveness->watches);
    }
    watch = &liveness->watches[liveness->count++];
    *watch = (Watch){.beat = worker->beat, .changed_ms = now};
    snprintf(watch->id, sizeof watch->id, "%s", worker->id);
    return watch;
}

static void liveness_drop_unlisted(Liveness *liveness)
{
    size_t kept = 0;

    for (size_t i = 0; i < liveness->count; i++)
        if (liveness->watches[i].look == liveness->look)
            liveness->watches[kept++] = liveness->watches[i];
    liveness->count = kept;
}

void liveness_look(Liveness *liveness, const QueueWorker *workers, size_t count, int64_t now)
{
    size_t cursor = 0;

    if (liveness->look > 0 && now - liveness->looked_ms > liveness->rules.gap_ms)
        liveness_forgive(liveness, now);
    liveness->look++;
    liveness->looked_ms = now;
    for (size_t i = 0; i < count; i++) {
        const QueueWorker *worker = &workers[i];
        bool fenced = worker->state == WORKER_FENCED;
        Watch *watch = liveness_find(liveness, worker->id, &cursor);

        if (watch == NULL)
            watch = liveness_add(liveness, worker, now);
        if (worker->beat != watch->beat || fenced != watch->fenced)
            watch->changed_ms = now;
        watch->beat = worker->beat;
        watch->fenced = fenced;
        watch->lanes = worker->lanes;
        watch->state = worker->state;
        watch->backup = worker->backup;
        watch->look = liveness->look;
    }
    liveness_drop_unlisted(liveness);
}

LivenessVerdict liveness_judge(const Liveness *liveness, const Watch *watch, int64_t now)
{
    int64_t quiet_ms = now - watch->changed_ms;

    if (watch->fenced)
        return quiet_ms >= liveness->rules.grace_ms ? LIVENESS_FORGETTABLE : LIVENESS_FENCED;
    return quiet_ms >= liveness->rules.dead_after_ms ? LIVENESS_SILENT : LIVENESS_ALIVE;
}

void liveness_stir(Watch *watch, int64_t now)
{
    watch->changed_ms = now;
}
