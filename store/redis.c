/* The redis store: every file is a blob of the job. A source is fetched whole before it is decoded
 * and a result is put whole, by one command, when it is finished; so what is seen is always
 * complete. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "queue/queue.h"
#include "store/store.h"

enum { BLOB_NAME = 64 };

typedef struct RedisStore {
    Store base;
    Queue *queue;
    char *job;
} RedisStore;

typedef struct RedisSource {
    ByteSource base;
    ByteSource *memory;
    void *bytes;
    char *name;
} RedisSource;

typedef struct RedisSink {
    ByteSink base;
    RedisStore *store;
    ByteSink *memory;
    void *bytes;
    size_t length;
    char name[BLOB_NAME];
} RedisSink;

static ssize_t redis_source_read(ByteSource *base, void *bytes, size_t length, Error *error)
{
    ByteSource *memory = ((RedisSource *)base)->memory;

    return memory->read(memory, bytes, length, error);
}

static void redis_source_close(ByteSource *base)
{
    RedisSource *source = (RedisSource *)base;

    source->memory->close(source->memory);
    free(source->bytes);
    free(source->name);
    free(source);
}

/* `called` is how messages call the source; `missing` says what it means that there is no such
 * blob.
 */
static ByteSource *redis_open(RedisStore *store, const char *name, const char *called,
                              const char *missing, Error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    RedisSource *source;

    if (queue_get_blob(store->queue, store->job, name, &bytes, &length, error) != 0)
        return NULL;
    if (bytes == NULL) {
        error_set(error, ERROR_INPUT, "%s (%s)", missing, name);
        return NULL;
    }
    source = memory_need(sizeof *source);
    source->name = memory_copy_text(called);
    source->bytes = bytes;
    source->memory = bytes_open_memory(bytes, length, source->name);
    source->base = (ByteSource){.read = redis_source_read,
                                .close = redis_source_close,
                                .size = length,
                                .name = source->name};
    return &source->base;
}

static int redis_sink_write(ByteSink *base, const void *bytes, size_t length, Error *error)
{
    RedisSink *sink = (RedisSink *)base;

    sink->base.written += length;
    return sink->memory->write(sink->memory, bytes, length, error);
}

static int redis_sink_finish(ByteSink *base, Error *error)
{
    RedisSink *sink = (RedisSink *)base;
    RedisStore *store = sink->store;
    int result = sink->memory->finish(sink->memory, error);

    if (result == 0)
        result =
            queue_put_blob(store->queue, store->job, sink->name, sink->bytes, sink->length, error);
    free(sink->bytes);
    free(sink);
    return result;
}

static void redis_sink_abandon(ByteSink *base)
{
    RedisSink *sink = (RedisSink *)base;

    sink->memory->abandon(sink->memory);
    free(sink);
}

static ByteSink *redis_create(RedisStore *store, const char *name)
{
    RedisSink *sink = memory_need(sizeof *sink);

    snprintf(sink->name, sizeof sink->name, "%s", name);
    sink->store = store;
    sink->memory = bytes_create_memory(&sink->bytes, &sink->length, sink->name);
    sink->base = (ByteSink){.write = redis_sink_write,
                            .finish = redis_sink_finish,
                            .abandon = redis_sink_abandon,
                            .name = sink->name};
    return &sink->base;
}

static ByteSource *redis_open_source(Store *base, const StoreImage *image, Error *error)
{
    char name[BLOB_NAME];

    snprintf(name, sizeof name, "source:%" PRId64, image->number);
    return redis_open((RedisStore *)base, name, image->path,
                      "its bytes are not in Redis any more: submit it again", error);
}

static ByteSink *redis_create_result(Store *base, const StoreImage *image, Error *error)
{
    char name[BLOB_NAME];

    (void)error;
    snprintf(name, sizeof name, "result:%" PRId64, image->number);
    return redis_create((RedisStore *)base, name);
}

static void redis_format_part(const StoreImage *image, int tile, char name[BLOB_NAME])
{
    snprintf(name, BLOB_NAME, "part:%" PRId64 ":%d", image->number, tile);
}

static ByteSink *redis_create_part(Store *base, const StoreImage *image, int tile, Error *error)
{
    char name[BLOB_NAME];

    (void)error;
    redis_format_part(image, tile, name);
    return redis_create((RedisStore *)base, name);
}

static ByteSource *redis_open_part(Store *base, const StoreImage *image, int tile, Error *error)
{
    char name[BLOB_NAME];

    redis_format_part(image, tile, name);
    return redis_open((RedisStore *)base, name, name, "one of its parts is missing", error);
}

/* What cannot be removed now goes with the job. */
static void redis_remove_parts(Store *base, const StoreImage *image, int tiles)
{
    RedisStore *store = (RedisStore *)base;
    char name[BLOB_NAME];
    Error error;

    for (int tile = 0; tile < tiles; tile++) {
        redis_format_part(image, tile, name);
        if (queue_delete_blob(store->queue, store->job, name, &error) != 0)
            return;
    }
}

/* All blobs of a cancelled job go with its last tile. */
static void redis_forget(Store *base)
{
    (void)base;
}

static void redis_close(Store *base)
{
    RedisStore *store = (RedisStore *)base;

    free(store->job);
    free(store);
}

Store *store_open_redis(Queue *queue, const char *job, Error *error)
{
    RedisStore *store = memory_need(sizeof *store);

    (void)error;
    store->base = (Store){.kind = "redis",
                          .open_source = redis_open_source,
                          .create_result = redis_create_result,
                          .create_part = redis_create_part,
                          .open_part = redis_open_part,
                          .remove_parts = redis_remove_parts,
                          .forget = redis_forget,
                          .close = redis_close};
    store->queue = queue;
    store->job = memory_copy_text(job);
    return &store->base;
}
