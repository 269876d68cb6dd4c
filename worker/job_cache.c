#include "worker/job_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/version.h"

enum { CACHED_JOBS = 4 };

struct JobCache {
    JobCacheOptions options;
    Queue *queue;
    Device *device;
    int64_t uses;
    CachedJob jobs[CACHED_JOBS]; /* used 0: empty */
};

JobCache *job_cache_open(const JobCacheOptions *options, Queue *queue, Device *device)
{
    JobCache *cache = memory_need(sizeof *cache);

    cache->options = *options;
    cache->queue = queue;
    cache->device = device;
    return cache;
}

static void job_cache_drop(CachedJob *job)
{
    if (job->store != NULL)
        job->store->close(job->store);
    if (job->stream != NULL)
        stream_close(job->stream);
    if (job->pipeline != NULL)
        pipeline_free(job->pipeline);
    queue_free_job(&job->record);
    *job = (CachedJob){0};
}

void job_cache_close(JobCache *cache)
{
    if (cache == NULL)
        return;
    for (int i = 0; i < CACHED_JOBS; i++)
        if (cache->jobs[i].used != 0)
            job_cache_drop(&cache->jobs[i]);
    free(cache);
}

/* ---------------------------------------------------------------- building, once per machine */

/* What is built is marked by an empty file built-<FNV-1a of all it depends on> in the cache. While
 * the mark is missing, one process builds, holding the lock, and the others wait. Without a cache,
 * or when it cannot be written, everybody builds, which costs only time. */
typedef struct Building {
    char mark[PATH_MAX];
    int lock; /* -1: none is held */
} Building;

static void job_begin_building(const JobCache *cache, const CachedJob *job, const char *format,
                               Building *building)
{
    const char *parts[] = {pipeline_text(job->pipeline), format, device_name(cache->device),
                           device_driver(cache->device), TILECREW_VERSION};
    uint64_t hash = UINT64_C(14695981039346656037);
    char path[PATH_MAX];

    building->lock = -1;
    if (cache->options.cache_dir == NULL)
        return;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const char *at = parts[i]; at == parts[i] || at[-1] != '\0'; at++)
            hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    snprintf(building->mark, sizeof building->mark, "%s/built-%016" PRIx64,
             cache->options.cache_dir, hash);
    if (access(building->mark, F_OK) == 0)
        return;
    snprintf(path, sizeof path, "%s/build.lock", cache->options.cache_dir);
    building->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (building->lock >= 0)
        while (flock(building->lock, LOCK_EX) != 0 && errno == EINTR)
            continue;
}

static void job_end_building(const Building *building, bool built)
{
    int mark;

    if (building->lock < 0)
        return;
    mark = built ? open(building->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (mark >= 0)
        close(mark);
    close(building->lock); /* which gives the lock back */
}

static int job_build(const JobCache *cache, CachedJob *job, Error *error)
{
    const int64_t band = cache->options.config->worker.band_bytes;
    Building building;
    int result;

    job_begin_building(cache, job, "check", &building);
    result = stream_check(cache->device, job->pipeline, error);
    job_end_building(&building, result == 0);
    if (result == 0)
        job->stream = stream_open(cache->device, job->pipeline, band, 0, error);
    return job->stream == NULL ? -1 : 0;
}

int job_cache_begin(JobCache *cache, CachedJob *job, const Frame *frame, Error *error)
{
    const unsigned bit = 1U << (2 * frame->format.channels + (frame->format.depth == 16));
    Building building;
    char format[32];
    int result;

    if ((job->formats & bit) != 0)
        return stream_begin(job->stream, frame, error);
    snprintf(format, sizeof format, "%d channels, %d bits", frame->format.channels,
             frame->format.depth);
    job_begin_building(cache, job, format, &building);
    result = stream_begin(job->stream, frame, error);
    job_end_building(&building, result == 0);
    job->formats |= result == 0 ? bit : 0;
    return result;
}

/* ---------------------------------------------------------------- jobs */

static int job_open_store(const JobCache *cache, CachedJob *job, Error *error)
{
    const QueueJob *record = &job->record;

    if (strcmp(record->store, "file") == 0)
        job->store =
            store_open_file(record->output, record->id, cache->options.config->output.sync, error);
    else if (strcmp(record->store, "redis") == 0)
        job->store = store_open_redis(cache->queue, record->id, error);
    else
        return error_set(error, ERROR_USAGE, "this worker knows no store '%s'", record->store);
    if (job->store == NULL)
        return -1;
    job->store->temporary = cache->options.temporary;
    job->store->temporary_size = cache->options.temporary_size;
    return 0;
}

static int job_make_ready(const JobCache *cache, CachedJob *job, const char *id, Error *error)
{
    const int64_t started = clock_monotonic_ms();

    if (queue_read_job(cache->queue, id, &job->record, error) != 0)
        return -1;
    job->pipeline = pipeline_parse(job->record.pipeline, error);
    if (job->pipeline == NULL || job_open_store(cache, job, error) != 0 ||
        job_build(cache, job, error) != 0) {
        job_cache_drop(job);
        return -1;
    }
    job->halo = pipeline_halo(job->pipeline);
    log_debug("job ready", "job=%s pipeline=\"%s\" ms=%" PRId64, id, pipeline_text(job->pipeline),
              clock_monotonic_ms() - started);
    return 0;
}

CachedJob *job_cache_find(JobCache *cache, const char *id)
{
    for (int i = 0; i < CACHED_JOBS; i++) {
        CachedJob *job = &cache->jobs[i];

        if (job->used != 0 && strcmp(job->record.id, id) == 0)
            return job;
    }
    return NULL;
}

CachedJob *job_cache_get(JobCache *cache, const char *id, Error *error)
{
    CachedJob *job = job_cache_find(cache, id);

    if (job == NULL) {
        job = &cache->jobs[0];
        for (int i = 1; i < CACHED_JOBS; i++)
            if (cache->jobs[i].used < job->used)
                job = &cache->jobs[i];
        if (job->used != 0)
            job_cache_drop(job);
        if (job_make_ready(cache, job, id, error) != 0)
            return NULL;
    }
    job->used = ++cache->uses;
    return job;
}
