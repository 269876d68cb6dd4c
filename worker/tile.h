/* worker/tile.h: one tile from source to result. */
#ifndef WORKER_TILE_H
#define WORKER_TILE_H

#include "image/image.h"
#include "worker/job_cache.h"

typedef struct TileWork {
    const Config *config;
    JobCache *jobs;
    CachedJob *job;
    const QueueImage *image;
    int tile;             /* image->tiles: the join of a cut image */
    int64_t pixels;       /* filled: made by this tile; 0 for a join */
    int64_t bytes;        /* filled: written */
    int64_t preparing_us; /* filled: spent on the stream, building kernels when it is the first */
} TileWork;

/* tile_make does the tile: afterwards its result (or part) is in the store, whole, and it may be
 * committed. Doing a tile twice gives the same bytes. */
int tile_make(TileWork *work, Error *error);

/* tile_join makes the result of a cut image from its parts. Parts that are missing (an earlier join
 * of this image removed them, but the queue lost its commit) are made again from the source. */
int tile_join(TileWork *work, Error *error);

/* For both: how the store names the image, and what may be read. */
StoreImage tile_store_image(const TileWork *work);
ImageLimits tile_limits(const Config *config);

/* tile_remove_parts ends a join that was committed. */
void tile_remove_parts(const CachedJob *job, int64_t image, int tiles);

#endif
