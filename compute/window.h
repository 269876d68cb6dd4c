/* compute/window.h: the sliding window of rows that one pass reads and the one before it writes.
 *
 * A window holds the rows [base, end) of one (intermediate) image, consecutive in device memory,
 * each with room for the border's columns left and right. Rows arrive at `end`, in order; where
 * there is no room left, rows that are no longer needed are dropped and the rest is copied to the
 * front.
 *
 * `low` and `high` bound the rows that the producer makes; `from` and `to` those that the consumer
 * reads, which reach beyond the image by its halo where the tile touches the image's border: those
 * rows (numbers below 0, or from the height on) are copies that window_fill makes. */
#ifndef COMPUTE_WINDOW_H
#define COMPUTE_WINDOW_H

#include "compute/opencl.h"
#include "compute/operation.h"

typedef struct Window {
    Device *device;
    cl_mem memory;
    size_t memory_size;
    /* of the format and the consumer */
    int64_t width, height;
    int channels;
    int element; /* bytes of a sample */
    int halo_x, halo_y;
    Border border;
    cl_kernel pad; /* NULL where halo_x is 0 */
    /* of the layout, in elements */
    int64_t stride, left;
    int64_t capacity; /* rows */
    /* of the rows */
    int64_t low, high, from, to;
    int64_t base, end;
    bool topped; /* the rows above the image are there, or not needed */
    /* of the host's view */
    void *mapped;
    int64_t mapped_row; /* the first one mapped */
} Window;

/* What window_open needs to know. */
typedef struct WindowShape {
    int64_t width, height;
    int channels;
    SampleType sample;
    int halo_x, halo_y;
    Border border;
    int64_t from, to; /* rows that the consumer reads; beyond the image they are its border */
    int64_t band;     /* rows that arrive at a time */
    int64_t spare;    /* further rows that may wait */
} WindowShape;

/* window_open prepares a window for an image; what memory it has from the last one is used again. A
 * Window starts as {0}. */
int window_open(Window *window, Device *device, const WindowShape *shape, Error *error);
void window_close(Window *window);

/* window_room returns how many rows can be put at `end` now; rows before `keep` are not needed any
 * more. */
int window_room(Window *window, int64_t keep, int64_t wanted, int64_t *room, Error *error);

/* window_add says that the producer has put `count` rows: their columns are padded. */
int window_add(Window *window, int64_t count, Error *error);

/* window_fill makes the rows of the border that can be made now. */
int window_fill(Window *window, Error *error);

int64_t window_origin(const Window *window, int64_t row); /* element of the row's first sample */

/* window_map gives the host rows [row, row + count), to write or to read, until window_unmap. */
void *window_map(Window *window, int64_t row, int64_t count, bool write, Error *error);
int window_unmap(Window *window, Error *error);

#endif
