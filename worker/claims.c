#include "worker/claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void claims_begin(Claims *claims, Queue *queue, const char *worker, int lane, int most)
{
    /* A lost reply can leave the list with claims that come on top of those known. */
    const size_t room = 2 * (size_t)most;

    *claims = (Claims){.queue = queue, .worker = worker, .lane = lane, .room = (int)room};
    claims->pace.most = most;
    claims->held = memory_need(room * sizeof *claims->held);
    claims->images = memory_need(room * sizeof *claims->images);
    claims->states = memory_need(room * sizeof *claims->states);
    claims->done = memory_need(room * sizeof *claims->done);
    claims->joined = memory_need(room * sizeof *claims->joined);
}

static void claims_forget_held(Claims *claims)
{
    for (int i = 0; i < claims->held_count; i++) {
        queue_free_image(&claims->images[i]);
        claims->images[i] = (QueueImage){0};
    }
    claims->next = claims->held_count = 0;
}

void claims_end(Claims *claims)
{
    claims_forget_held(claims);
    free(claims->held);
    free(claims->images);
    free(claims->states);
    free(claims->done);
    free(claims->joined);
}

int claims_left(const Claims *claims)
{
    return claims->held_count - claims->next;
}

int claims_put_back(Claims *claims, Error *error)
{
    if (claims_left(claims) == 0)
        return 0;
    if (queue_put_back(claims->queue, claims->worker, claims->lane, claims->held + claims->next,
                       claims_left(claims), error) != 0)
        return -1;
    claims_forget_held(claims);
    return 0;
}

/* Puts back the tail of what was just claimed where it would wait too long behind the others. */
static int claims_trim(Claims *claims, Error *error)
{
    int64_t ahead = 0;
    int keep = 0;

    for (; keep < claims->held_count; keep++) {
        const int64_t pixels = claims->images[keep].width * claims->images[keep].height;

        if (keep > 0 && !pace_may_wait(&claims->pace, ahead, pixels))
            break;
        ahead += pixels;
    }
    if (keep >= claims->held_count)
        return 0;
    if (queue_put_back(claims->queue, claims->worker, claims->lane, claims->held + keep,
                       claims->held_count - keep, error) != 0)
        return -1;
    for (int i = keep; i < claims->held_count; i++) {
        queue_free_image(&claims->images[i]);
        claims->images[i] = (QueueImage){0};
    }
    claims->held_count = keep;
    return 0;
}

static int claims_prepare(Claims *claims, Error *error)
{
    if (claims->held_count == 0)
        return 0;
    if (queue_read_images(claims->queue, claims->held, claims->held_count, claims->images,
                          claims->states, error) != 0)
        return -1;
    return claims_trim(claims, error);
}

int claims_wait(Claims *claims, int64_t wait_ms, Error *error)
{
    claims_forget_held(claims);
    if (queue_claim(claims->queue, claims->worker, claims->lane, pace_depth(&claims->pace), wait_ms,
                    claims->held, &claims->held_count, error) != 0)
        return -1;
    return claims_prepare(claims, error);
}

int claims_exchange(Claims *claims, Error *error)
{
    const int64_t started = clock_monotonic_us();

    claims_forget_held(claims);
    if (queue_commit_and_claim(claims->queue, claims->worker, claims->lane, claims->done,
                               claims->done_count, pace_depth(&claims->pace), claims->held,
                               &claims->held_count, error) != 0)
        return -1;
    pace_note_round_trip(&claims->pace, clock_monotonic_us() - started);
    return claims_prepare(claims, error);
}

static bool claims_is_same(const QueueTask *a, const QueueTask *b)
{
    return strcmp(a->job, b->job) == 0 && a->image == b->image && a->tile == b->tile;
}

int claims_adopt(Claims *claims, Error *error)
{
    int kept = 0, next = 0;

    claims_forget_held(claims);
    if (queue_adopt(claims->queue, claims->worker, claims->lane, claims->held, claims->room,
                    &claims->held_count, error) != 0)
        return -1;
    claims->adopted_ms = clock_monotonic_ms();
    for (int d = 0; d < claims->done_count; d++) {
        int h = 0;

        while (h < claims->held_count && !claims_is_same(&claims->held[h], &claims->done[d].task))
            h++;
        if (h == claims->held_count)
            continue;
        claims->held[h].job[0] = '\0'; /* it is done */
        claims->done[kept] = claims->done[d];
        claims->joined[kept++] = claims->joined[d];
    }
    claims->done_count = kept;
    for (int h = 0; h < claims->held_count; h++)
        if (claims->held[h].job[0] != '\0')
            claims->held[next++] = claims->held[h];
    claims->held_count = next;
    return claims_prepare(claims, error);
}

int claims_commit(Claims *claims, Error *error)
{
    const int64_t started = clock_monotonic_us();

    if (claims->done_count == 0)
        return 0;
    if (queue_commit(claims->queue, claims->worker, claims->lane, claims->done, claims->done_count,
                     error) != 0)
        return -1;
    pace_note_round_trip(&claims->pace, clock_monotonic_us() - started);
    return 0;
}

bool claims_must_commit(const Claims *claims)
{
    return claims->done_count == claims->room ||
           (claims->done_count > 0 &&
            clock_monotonic_us() - claims->oldest_done_us >= pace_hold(&claims->pace));
}

void claims_add_done(Claims *claims, const QueueResult *result, int joined)
{
    if (claims->done_count == 0)
        claims->oldest_done_us = clock_monotonic_us();
    claims->joined[claims->done_count] = joined;
    claims->done[claims->done_count++] = *result;
}
