/* queue/record.h: inside the room: an image as text in `job:<id>:images`:
 *   "first_tile tiles tile_rows width height bytes root\tpath\tresult"
 * Scripts read the first two. Bytes below 0x20, 0x7f and % are written %XX in path and result. */
#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include "base/text.h"
#include "queue/queue.h"

void record_write(const QueueImage *image, Text *record);

/* record_read fills everything but `number`; the paths are the caller's (queue_free_image). */
int record_read(const char *record, QueueImage *image, Error *error);

#endif
