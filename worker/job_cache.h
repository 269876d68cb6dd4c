/* worker/job_cache.h: what a lane keeps of the jobs whose tiles it works on: the job's record, its
 * pipeline with built kernels, its stream with buffers, its store. The few used last are kept. */
#ifndef WORKER_JOB_CACHE_H
#define WORKER_JOB_CACHE_H

#include "compute/stream.h"
#include "config/config.h"
#include "queue/queue.h"
#include "store/store.h"

typedef struct CachedJob {
    QueueJob record;
    Pipeline *pipeline;
    int halo; /* of the pipeline, for any format of rows */
    Stream *stream;
    Store *store;
    unsigned formats; /* of rows whose kernels are built: a bit each */
    int64_t used;     /* when, in uses of the cache */
} CachedJob;

typedef struct JobCacheOptions {
    const Config *config;
    const char *cache_dir; /* of built kernels, or NULL */
    char *temporary;       /* for Store.temporary */
    size_t temporary_size;
} JobCacheOptions;

typedef struct JobCache JobCache;

/* The cache borrows everything it is given. */
JobCache *job_cache_open(const JobCacheOptions *options, Queue *queue, Device *device);
void job_cache_close(JobCache *cache);

/* job_cache_get returns the job, made ready on first use: its operations pass their known-answer
 * test. Valid until the next call. On failure nothing is kept. */
CachedJob *job_cache_get(JobCache *cache, const char *id, Error *error);

/* job_cache_begin is stream_begin on the job's stream. Kernels that were never built on this
 * machine are built by one lane (in job_cache_get as well), while the others wait for what it
 * leaves in the kernel cache. */
int job_cache_begin(JobCache *cache, CachedJob *job, const Frame *frame, Error *error);

/* job_cache_find returns the job if it is there, else NULL. */
CachedJob *job_cache_find(JobCache *cache, const char *id);

#endif
