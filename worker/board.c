#include "worker/board.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

static size_t board_size(int lanes)
{
    return sizeof(Board) + (size_t)lanes * sizeof(LaneSlot);
}

Board *board_create(int lanes, Error *error)
{
    void *memory =
        mmap(NULL, board_size(lanes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        error_set_errno(error, ERROR_SYSTEM, "no memory to share with %d lanes", lanes);
        return NULL;
    }
    return memory;
}

void board_destroy(Board *board, int lanes)
{
    if (board != NULL)
        munmap(board, board_size(lanes));
}

bool board_tell_device(Board *board, const char *name, const char *driver)
{
    int unknown = DEVICE_UNKNOWN;

    if (!atomic_compare_exchange_strong(&board->device_state, &unknown, DEVICE_BEING_WRITTEN))
        return false;
    snprintf(board->device, sizeof board->device, "%s, %s", name, driver);
    atomic_store(&board->device_state, DEVICE_KNOWN);
    return true;
}

/* Two lanes may write at once and mix their messages, which are all about the same device. */
void board_tell_trouble(Board *board, const char *message)
{
    snprintf(board->trouble, sizeof board->trouble, "%s", message);
}

void board_reset(Board *board, int lanes)
{
    atomic_store(&board->may_claim, false);
    memset(board->slot, 0, (size_t)lanes * sizeof board->slot[0]);
}

void board_close(Board *board)
{
    atomic_store(&board->may_claim, false);
    atomic_store(&board->device_state, DEVICE_UNKNOWN);
}

void board_begin_tile(LaneSlot *slot, const QueueTask *task)
{
    slot->task = *task;
    atomic_store(&slot->tile_since_ms, clock_monotonic_ms());
}

void board_end_tile(LaneSlot *slot)
{
    atomic_store(&slot->tile_since_ms, 0);
}

void board_clean_up(LaneSlot *slot)
{
    if (slot->temporary[0] != '\0')
        unlink(slot->temporary);
    slot->temporary[0] = '\0';
}
