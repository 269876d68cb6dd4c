/* queue/queue.h: the queue in Redis. Nobody else speaks Redis. docs/queue.md tells the keys and
 * scripts for people.
 *
 * Life of a tile: list `job:<id>:tiles` -> (refill) `ready` -> (claim: BRPOPLPUSH)
 * `processing:<worker>:<lane>` -> (commit: one Lua script) a bit in `job:<id>:done`. Being in a
 * processing list IS the claim. Other ways out of it: queue_fail (to `delayed` or `dead`),
 * queue_put_back (to `ready`, nothing counted), and queue_reclaim_lane when its owner died (to
 * `ready` with losses + 1, or `dead`). Every move is one command or one script, so a tile is always
 * in exactly one place: tiles + ready + processing + delayed + dead + done + dropped = total, for
 * each job.
 *
 * A Queue is one connection of one process: not thread-safe. Every call has a deadline
 * (QueueOptions.command_timeout_ms) and, after any error of kind ERROR_REDIS, has closed the
 * connection; the next call connects again by itself, so a caller that wants to outlive an outage
 * waits (clock_backoff_ms) and calls again. Calls that move tiles may have happened on the server
 * although the reply was lost: queue_adopt tells what the lane holds. NOSCRIPT is healed inside.
 * All text in structs that the queue fills is owned by the struct and freed by the function named
 * beside it. */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { QUEUE_JOB_ID = 16, QUEUE_WORKER_ID = 96, QUEUE_TASK_TEXT = 96, QUEUE_REASON = 400 };

typedef struct Queue Queue;

typedef struct QueueOptions {
    const char *url;           /* redis://[user[:password]@]host[:port][/db], unix:/path[?db=N];
                                  percent-encoding understood */
    const char *password_file; /* or NULL */
    const char *name;          /* the queue: [A-Za-z0-9_.-]{1,64} */
    int64_t connect_timeout_ms;
    int64_t command_timeout_ms; /* without a byte moving; a waiting call's own wait comes on top */
    int64_t ready_low,
        ready_batch; /* refill `ready` below / by about so many tiles; 0: 256, 1024 */
} QueueOptions;

/* queue_open connects and checks the server: Redis 6.2 or later, maxmemory-policy noeviction
 * (skipped with a warning when CONFIG is forbidden). The messages say what to do: "Redis at HOST
 * asks for a password: put it in ...". */
Queue *queue_open(const QueueOptions *options, Error *error);
void queue_close(Queue *queue);
const char *queue_display_url(const Queue *queue); /* without password */

/* ------------------------------------------------------------------ tasks */

/* A tile task; as text "job:image:tile:fails:losses". tile == tiles of the image means its join. */
typedef struct QueueTask {
    char job[QUEUE_JOB_ID];
    int64_t image;
    int tile;
    int fails;
    int losses;
} QueueTask;

int queue_format_task(const QueueTask *task, char text[QUEUE_TASK_TEXT]); /* returns the length */
int queue_parse_task(const char *text, size_t length, QueueTask *task, Error *error);

/* ------------------------------------------------------------------ jobs, for the producer */

typedef enum QueueJobState {
    JOB_SUBMITTING, /* tiles are still being added; workers already take them */
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_BLOCKED, /* a place is full or not writable; `reason` says which */
    JOB_CANCELLED,
    JOB_DONE, /* every tile committed, failed for good, or dropped */
} QueueJobState;
const char *queue_job_state_name(QueueJobState state);

typedef struct QueueJobSpec {
    const char *pipeline;     /* normal form */
    const char *store;        /* "file", "redis" */
    const char *const *roots; /* input roots; an image names one by index */
    int root_count;
    const char *output; /* output root */
    const char *format; /* keep, jpeg, png */
    int quality;
    int png_level;
    bool strip;
    int priority; /* 1..100, default 10: share of the refill next to other jobs */
    int max_fails;
    int max_losses;
    int64_t retry_first_ms;
    int64_t retry_most_ms;
    const char *owner;       /* user@host, for people */
    const char *fingerprint; /* the same for the same submission; or NULL */
    const char *producer;    /* queue_make_worker_id: who submits; NULL: anyone may */
} QueueJobSpec;

typedef struct QueueImage {
    int64_t number; /* 0, 1, ... in its job */
    int root;
    char *path;   /* relative to the root */
    char *result; /* relative to the output root */
    uint64_t bytes;
    int64_t width, height;
    int tiles;          /* 1, or how many it is cut into; a cut image gets one join more */
    int64_t tile_rows;  /* rows of a tile (the last may have fewer) */
    int64_t first_tile; /* its first bit in job:<id>:done; set by queue_add_images */
} QueueImage;
void queue_free_image(QueueImage *image);

/* queue_create_job makes the job in state submitting and returns its new id. queue_add_images
 * stores images and pushes their tiles, pipelined, in calls of any number; it gives `number` (in
 * order from 0) and `first_tile`. After an ERROR_REDIS the same call with the same array may be
 * made again: what was stored already is not stored twice. queue_seal_job says that all are in. */
int queue_create_job(Queue *queue, const QueueJobSpec *spec, char id[QUEUE_JOB_ID], Error *error);
int queue_add_images(Queue *queue, const char *job, QueueImage *images, size_t count, Error *error);
int queue_seal_job(Queue *queue, const char *job, Error *error);

/* A job that is being submitted, or whose bytes somebody carries, belongs to one producer, who
 * tends it each second; each queue_add_images does, too. queue_take_job makes `to` the producer if
 * it still is `from`, and queue_tend_job is that with one's own name for both: *ours false: the job
 * is somebody else's or gone. The Queue then adds images as that producer, and the queue refuses
 * those of any other. */
int queue_take_job(Queue *queue, const char *job, const char *from, const char *to, bool *ours,
                   Error *error);
int queue_tend_job(Queue *queue, const char *job, const char *producer, bool *ours, Error *error);

typedef struct QueueJob {
    char id[QUEUE_JOB_ID];
    QueueJobState state;
    char *pipeline, *store, *output, *format, *owner, *reason;
    char **roots;
    int root_count;
    int quality, png_level, priority, max_fails, max_losses;
    bool strip;
    int64_t retry_first_ms, retry_most_ms;
    int64_t images, tiles,
        left; /* left: tiles neither done nor failed nor dropped; tiles counts joins that are due */
    int64_t images_done, images_failed, pixels_done, pixels, bytes_done;
    int64_t created_ms, started_ms, finished_ms; /* wall clock of Redis; 0 = not yet */
    int64_t waiting, fenced, retried; /* tiles in its list; late commits refused; retries */
    bool sealed;                      /* all images are in */
    char *fingerprint, *producer;     /* "": unknown */
    int64_t tended_ms;                /* wall clock of Redis when the producer gave a sign last */
    int64_t silent_ms;                /* since then, by the clock of Redis alone */
} QueueJob;
int queue_read_job(Queue *queue, const char *job, QueueJob *out,
                   Error *error); /* ERROR_USAGE: no such job */
void queue_free_job(QueueJob *job);
int queue_list_jobs(Queue *queue, QueueJob **jobs, size_t *count,
                    Error *error); /* newest first; free each, then free() */

/* cancel drops what is not claimed; what is claimed finishes or is dropped at commit. All are
 * idempotent. */
int queue_cancel_job(Queue *queue, const char *job, Error *error);
int queue_pause_job(Queue *queue, const char *job, Error *error);
int queue_resume_job(Queue *queue, const char *job, Error *error);
int queue_block_job(Queue *queue, const char *job, const char *reason, Error *error);

/* A tile given up, by a filter that {0} leaves open. queue_list_dead gives at most `most`. */
typedef struct QueueDead {
    QueueTask task;
    char *path;
    char *reason;
    char *worker;
    int64_t at_ms;
} QueueDead;
typedef struct QueueDeadFilter {
    const char *job;    /* NULL: of all jobs */
    const char *reason; /* a text that the reason has in it; NULL: any */
} QueueDeadFilter;
int queue_list_dead(Queue *queue, const QueueDeadFilter *filter, size_t most, QueueDead **dead,
                    size_t *count, Error *error);
void queue_free_dead(QueueDead *dead, size_t count);
int queue_retry_dead(Queue *queue, const QueueDeadFilter *filter, int64_t *moved,
                     Error *error); /* counts start again at 0 */
int queue_discard_dead(Queue *queue, const QueueDeadFilter *filter, int64_t *dropped, Error *error);

/* queue_wait_event blocks up to wait_ms for news in the queue (a tile failed, a job finished, ...).
 * Returns 1 with an event, 0 when none came. `cursor` starts as "$"-like {0} and remembers the
 * place. */
typedef struct QueueEvent {
    char kind[32]; /* job_submitted, job_done, job_cancelled, tile_dead, worker_joined, worker_left,
                      worker_fenced, ... */
    char job[QUEUE_JOB_ID];
    char detail[QUEUE_REASON];
    int64_t at_ms;
} QueueEvent;
int queue_wait_event(Queue *queue, char cursor[64], int64_t wait_ms, QueueEvent *event,
                     Error *error);

/* ------------------------------------------------------------------ workers */

typedef enum QueueWorkerState {
    WORKER_STANDBY,
    WORKER_LIVE,
    WORKER_DRAINING,
    WORKER_FENCED
} QueueWorkerState;
const char *queue_worker_state_name(QueueWorkerState state);

typedef struct QueueWorker {
    char id[QUEUE_WORKER_ID]; /* host-pid-nonce, new at every start; queue_make_worker_id */
    char *host, *device, *codecs, *version;
    int64_t pid;
    int lanes;
    QueueWorkerState state;
    bool backup; /* started with --standby: stands by until a monitor wakes it */
    int64_t beat;
    double cpu;                                     /* percent of the machine, over the last beat */
    int64_t memory;                                 /* resident bytes of supervisor and lanes */
    int64_t tiles, pixels;                          /* since start */
    double tiles_per_second, megapixels_per_second; /* over the last beats */
    int64_t started_ms, seen_ms;                    /* wall clock of Redis */
} QueueWorker;
void queue_make_worker_id(char id[QUEUE_WORKER_ID]);
int queue_enrol_worker(Queue *queue, const QueueWorker *worker, Error *error);
/* queue_beat bumps the beat and writes the device and rates; *state is what the queue thinks of the
 * worker: a supervisor that reads WORKER_FENCED must discard its work and enrol anew, one that
 * reads WORKER_DRAINING finishes and leaves. */
int queue_beat(Queue *queue, const QueueWorker *worker, QueueWorkerState *state, Error *error);
int queue_leave(Queue *queue, const char *worker,
                Error *error); /* all lanes ended; puts back what is left */
int queue_drain_worker(Queue *queue, const char *worker, Error *error);
int queue_list_workers(Queue *queue, QueueWorker **workers, size_t *count, Error *error);
void queue_free_workers(QueueWorker *workers, size_t count);

/* ------------------------------------------------------------------ lanes */

/* queue_claim takes up to `most` tiles for a lane: what is there at once, by a script that refills
 * `ready` when it is low; when there is nothing, one by BRPOPLPUSH waiting up to wait_ms (0: do not
 * wait), and the others pipelined behind it without waiting. *count may be 0. Fails with
 * ERROR_CANCELLED when the worker is fenced or not enrolled. */
int queue_claim(Queue *queue, const char *worker, int lane, int most, int64_t wait_ms,
                QueueTask *tasks, int *count, Error *error);

/* queue_adopt reads the lane's own processing list: what it holds, whatever replies were lost. */
int queue_adopt(Queue *queue, const char *worker, int lane, QueueTask *tasks, int most, int *count,
                Error *error);

/* queue_read_images fetches the image record of each task, pipelined, and the state of its job (so
 * that a cancelled job's tile is dropped before work). images[i].path is NULL when the record is
 * gone or damaged, which is the trouble of this image alone. */
int queue_read_images(Queue *queue, const QueueTask *tasks, int count, QueueImage *images,
                      QueueJobState *states, Error *error);

typedef enum QueueCommit {
    COMMIT_DONE,      /* the bit was set by this call */
    COMMIT_JOIN,      /* done, and it was the image's last tile: its join is in `ready` now */
    COMMIT_FENCED,    /* the claim had been taken away: nothing changed */
    COMMIT_DUPLICATE, /* the tile was done before: the claim is gone, nothing else changed */
    COMMIT_DROPPED,   /* the job was cancelled */
} QueueCommit;

typedef struct QueueResult {
    QueueTask task;
    int64_t pixels;      /* made by this tile, for the rates */
    int64_t bytes;       /* written */
    QueueCommit outcome; /* filled */
} QueueResult;

/* queue_commit ends tiles, one script call for all of them; refills `ready` on the way when it runs
 * low. */
int queue_commit(Queue *queue, const char *worker, int lane, QueueResult *results, int count,
                 Error *error);

/* queue_commit_and_claim is queue_commit and then queue_claim without waiting, in one round trip.
 */
int queue_commit_and_claim(Queue *queue, const char *worker, int lane, QueueResult *results,
                           int result_count, int most, QueueTask *tasks, int *count, Error *error);

/* queue_fail ends an attempt. permanent: to `dead` at once; else fails + 1 and to `delayed`, or
 * `dead` at max_fails. */
int queue_fail(Queue *queue, const char *worker, int lane, const QueueTask *task,
               const char *reason, bool permanent, Error *error);
/* queue_put_back: to the front of `ready`, or of the job's own list while it is paused or blocked.
 */
int queue_put_back(Queue *queue, const char *worker, int lane, const QueueTask *tasks, int count,
                   Error *error);

/* ------------------------------------------------------------------ reclaiming: supervisors and
 * monitors */

/* queue_reclaim_lane moves up to `most` claims of a dead lane back to `ready` with losses + 1 (or
 * to `dead` at max_losses with `reason`); *moved 0 means the list is empty. */
int queue_reclaim_lane(Queue *queue, const char *worker, int lane, const char *reason, int most,
                       int *moved, Error *error);
/* queue_fence_worker marks the worker fenced if its beat still is `beat`; *fenced says whether. */
int queue_fence_worker(Queue *queue, const char *worker, int64_t beat, bool *fenced, Error *error);
/* queue_forget_worker removes a fenced worker's record once its lists stayed empty. */
int queue_forget_worker(Queue *queue, const char *worker, Error *error);
int queue_promote_delayed(Queue *queue, int most, int *moved,
                          Error *error); /* those whose time has come */
int queue_refill(Queue *queue, int64_t low, int64_t batch, int64_t *moved, Error *error);
int queue_expire_jobs(Queue *queue, int64_t keep_ms, int *removed,
                      Error *error); /* finished longer ago than that */

typedef struct QueueDepths {
    int64_t ready, processing, delayed, dead, jobs, workers_live, workers_standby;
} QueueDepths;
int queue_read_depths(Queue *queue, QueueDepths *depths, Error *error);

/* ------------------------------------------------------------------ monitors and backup workers */

/* The lead among monitors: the key `monitor`, "TOKEN COUNT". The holder renews it at each sweep, by
 * which COUNT grows; who sees it unchanged for a lease on its own clock may take it. */
typedef struct QueueLead {
    char token[QUEUE_WORKER_ID];      /* this monitor: queue_make_worker_id */
    char value[QUEUE_WORKER_ID + 24]; /* of the key, as last read; "": nobody leads */
    bool taken;                       /* by the last call, from nobody or another */
} QueueLead;
bool queue_leads(const QueueLead *lead); /* whether `value` is of this monitor */
/* queue_seek_lead renews the lead, or takes it when it is free; stale: also when it still is
 * `value`. queue_resign_lead gives it up. */
int queue_seek_lead(Queue *queue, QueueLead *lead, int64_t lease_ms, bool stale, Error *error);
int queue_resign_lead(Queue *queue, QueueLead *lead, Error *error);

/* A monitor's word to a backup worker, in the list `wake:<worker>`. */
typedef enum QueueWord { WORD_NONE, WORD_WAKE, WORD_STAND_DOWN } QueueWord;
/* queue_send_word: good for good_ms, in place of an earlier word; *sent false: there is no such
 * backup worker that stands by (WORD_WAKE) or is live (WORD_STAND_DOWN). */
int queue_send_word(Queue *queue, const char *worker, QueueWord word, int64_t good_ms, bool *sent,
                    Error *error);
/* queue_hear_word waits up to wait_ms (0: not at all) for a word. */
int queue_hear_word(Queue *queue, const char *worker, int64_t wait_ms, QueueWord *word,
                    Error *error);

/* queue_tell adds an event to the stream. */
int queue_tell(Queue *queue, const char *kind, const char *detail, Error *error);

/* ------------------------------------------------------------------ audit */

typedef struct QueueAudit {
    char job[QUEUE_JOB_ID];
    int64_t total, listed, ready, processing, delayed, dead, done, dropped;
    int64_t missing, doubled; /* tiles found nowhere; found in more than one place */
    int64_t miscounted;       /* counters of the job that disagree with its lists and bitmaps */
} QueueAudit;
/* queue_audit proves conservation for every job (or one) from one consistent snapshot: an array of
 * *count rows, free(). repair: tiles found nowhere are issued again (*repaired counts them), and
 * counters are corrected. */
int queue_audit(Queue *queue, const char *job, bool repair, QueueAudit **rows, size_t *count,
                int64_t *repaired, Error *error);

/* ------------------------------------------------------------------ blobs, for the redis store */

/* Named bytes of a job; they go with the job. *bytes is malloc'ed; NULL and 0 when there is none.
 */
int queue_put_blob(Queue *queue, const char *job, const char *name, const void *bytes,
                   size_t length, Error *error);
int queue_get_blob(Queue *queue, const char *job, const char *name, void **bytes, size_t *length,
                   Error *error);
int queue_delete_blob(Queue *queue, const char *job, const char *name, Error *error);
/* queue_delete_blobs deletes two at one moment; queue_list_blobs gives all names: an array of
 * *count, free each and the array. */
int queue_delete_blobs(Queue *queue, const char *job, const char *one, const char *other,
                       Error *error);
int queue_list_blobs(Queue *queue, const char *job, char ***names, size_t *count, Error *error);

/* Images of a job whose last tile was committed or given up, in that order, for a collector; waits
 * up to wait_ms. Only jobs with store "redis" keep this list. *image -1: none yet. */
int queue_next_finished(Queue *queue, const char *job, int64_t wait_ms, int64_t *image,
                        bool *failed, Error *error);

#endif
