/* The join of a cut image: its parts are copied into one file. A join may come twice, when its
 * worker died or the queue lost its commit: before the commit all parts are still there and it is
 * simply done again; after it they may be gone, and are made again, which gives the same bytes. */
#include <stdlib.h>

#include "base/memory.h"
#include "worker/tile.h"

static ByteSource *join_open_part(TileWork *work, const StoreImage *where, int tile, Error *error)
{
    Store *store = work->job->store;
    ByteSource *part = store->open_part(store, where, tile, error);
    TileWork again = *work;

    if (part != NULL || error->kind != ERROR_INPUT)
        return part;
    again.tile = tile;
    if (tile_make(&again, error) != 0)
        return NULL;
    return store->open_part(store, where, tile, error);
}

/* The first part begins as the whole file will, so its first byte tells what that is. */
static int join_find_kind(TileWork *work, const StoreImage *where, ImageKind *kind, Error *error)
{
    ByteSource *part = join_open_part(work, where, 0, error);
    unsigned char first = 0;
    ssize_t count;

    if (part == NULL)
        return -1;
    count = part->read(part, &first, 1, error);
    part->close(part);
    if (count < 0)
        return -1;
    *kind = first == 0xFF ? IMAGE_JPEG : IMAGE_PNG; /* image_join refuses what is neither */
    return 0;
}

static int join_copy(TileWork *work, const StoreImage *where, ImageKind kind,
                     ByteSource *const *parts, Error *error)
{
    Store *store = work->job->store;
    ByteSink *sink = store->create_result(store, where, error);

    if (sink == NULL)
        return -1;
    if (image_join(kind, parts, work->image->tiles, sink, error) != 0) {
        sink->abandon(sink);
        return -1;
    }
    work->bytes = (int64_t)sink->written;
    return sink->finish(sink, error);
}

int tile_join(TileWork *work, Error *error)
{
    const StoreImage where = tile_store_image(work);
    const int tiles = work->image->tiles;
    ByteSource **parts = memory_try((size_t)tiles, sizeof *parts, "the parts of an image", error);
    ImageKind kind;
    int result = -1;

    if (parts == NULL)
        return -1;
    for (int tile = 0; tile < tiles; tile++) {
        parts[tile] = join_open_part(work, &where, tile, error);
        if (parts[tile] == NULL)
            goto out;
    }
    if (join_find_kind(work, &where, &kind, error) != 0)
        goto out;
    result = join_copy(work, &where, kind, parts, error);
out:
    for (int tile = 0; tile < tiles; tile++)
        if (parts[tile] != NULL)
            parts[tile]->close(parts[tile]);
    free(parts);
    return result;
}
