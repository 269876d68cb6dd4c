#include "worker/settle.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static bool settle_is_in_hand(const LaneSlot *slot, const QueueTask *task)
{
    return slot->tile_since_ms != 0 && strcmp(task->job, slot->task.job) == 0 &&
           task->image == slot->task.image && task->tile == slot->task.tile;
}

/* What is left in the lane's list is the tile in hand, or tiles of which nobody knows which one
 * was. */
static int settle_blame(Crew *crew, Queue *queue, int lane, const QueueTask *in_hand, Error *error)
{
    const LanePlace *place = &crew->place[lane];
    const LaneSetup *setup = &crew->setup;
    int moved = 1;

    if (place->over_time && in_hand != NULL)
        return queue_fail(queue, setup->worker, lane, in_hand, place->reason, false, error);
    while (moved > 0)
        if (queue_reclaim_lane(queue, setup->worker, lane, place->reason,
                               setup->config->monitor.reclaim_batch, &moved, error) != 0)
            return -1;
    return 0;
}

static int settle_lane(Crew *crew, Queue *queue, int lane, Error *error)
{
    const LaneSetup *setup = &crew->setup;
    LaneSlot *slot = &setup->board->slot[lane];
    const int most = 2 * setup->config->worker.claim_ahead;
    QueueTask *tasks = memory_need((size_t)most * sizeof *tasks);
    QueueTask in_hand = {0};
    int count = 0, others = 0, result;

    result = queue_adopt(queue, setup->worker, lane, tasks, most, &count, error);
    for (int i = 0; i < count; i++)
        if (settle_is_in_hand(slot, &tasks[i]))
            in_hand = tasks[i];
        else
            tasks[others++] = tasks[i];
    if (result == 0 && others < count && others > 0)
        result = queue_put_back(queue, setup->worker, lane, tasks, others, error);
    if (result == 0)
        result = settle_blame(crew, queue, lane, others < count ? &in_hand : NULL, error);
    free(tasks);
    if (result != 0)
        return -1;
    board_end_tile(slot);
    board_clean_up(slot);
    crew->place[lane].unsettled = false;
    return 0;
}

int settle_dead_lanes(Crew *crew, Queue *queue, Error *error)
{
    for (int lane = 0; lane < crew->count; lane++)
        if (crew->place[lane].unsettled && settle_lane(crew, queue, lane, error) != 0)
            return -1;
    return 0;
}

int settle_put_back(Crew *crew, Queue *queue, Error *error)
{
    const LaneSetup *setup = &crew->setup;
    const int most = 2 * setup->config->worker.claim_ahead;
    QueueTask *tasks = memory_need((size_t)most * sizeof *tasks);
    int result = 0;

    for (int lane = 0; lane < crew->count && result == 0; lane++) {
        int count = 0;

        do {
            result = queue_adopt(queue, setup->worker, lane, tasks, most, &count, error);
            if (result == 0 && count > 0)
                result = queue_put_back(queue, setup->worker, lane, tasks, count, error);
        } while (result == 0 && count > 0);
    }
    free(tasks);
    return result;
}
