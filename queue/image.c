/* Adding images. A chunk is one script call, which does nothing unless its first image is the next
 * one of the job; so a chunk may be sent twice. Numbers and bits are given here, in order; after a
 * lost reply `adding` knows what was stored for certain, and the server knows the rest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "queue/connection.h"
#include "queue/record.h"

enum { CHUNK_IMAGES = 200, CHUNK_TILES = 2000, CHUNKS_AHEAD = 32 };

static int image_bits(const QueueImage *image)
{
    return image->tiles > 1 ? image->tiles + 1 : 1;
}

/* What the job holds just now: images and bits. */
static int images_ask(Queue *queue, const char *job, int64_t *images, int64_t *bits, Error *error)
{
    redisReply *reply;

    command_put(queue, "HMGET", queue_key(queue, "job:%s", job).text, "images", "bits");
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    if (reply_text(reply_item(reply, 0))[0] == '\0') {
        freeReplyObject(reply);
        return error_set(error, ERROR_USAGE, "there is no job %s", job);
    }
    *images = reply_number(reply_item(reply, 0));
    *bits = reply_number(reply_item(reply, 1));
    freeReplyObject(reply);
    return 0;
}

/* Queues one chunk beginning with images[at]; returns where the next begins, or 0 on failure. */
static size_t images_put_chunk(Queue *queue, const char *job, const QueueImage *images, size_t at,
                               size_t count, Error *error)
{
    size_t end = at + CHUNK_IMAGES < count ? at + CHUNK_IMAGES : count;
    Text record = {0};
    int tiles = 0;

    if (script_begin(queue, SCRIPT_ADD, error) != 0)
        return 0;
    command_add_text(queue, job);
    command_add_number(queue, images[at].number);
    command_add_number(queue, queue->ready_low);
    command_add_number(queue, queue->ready_batch);
    command_add_text(queue, queue->adding.producer);
    for (; at < end && tiles < CHUNK_TILES; at++) {
        record_write(&images[at], &record);
        command_add(queue, record.data, record.length);
        command_add_number(queue, images[at].tiles);
        command_add_number(queue, images[at].width * images[at].height);
        tiles += images[at].tiles;
    }
    command_end(queue);
    text_free(&record);
    return at;
}

/* Sends some chunks from images[*at] on and moves *at behind what is stored. */
static int images_send(Queue *queue, const char *job, const QueueImage *images, size_t *at,
                       size_t count, Error *error)
{
    Replies replies;
    size_t end = *at;
    int64_t stored;

    for (int chunk = 0; chunk < CHUNKS_AHEAD && end < count; chunk++) {
        end = images_put_chunk(queue, job, images, end, count, error);
        if (end == 0)
            return -1;
    }
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    stored = reply_number(reply_item(replies.item[replies.count - 1], 0));
    replies_free(&replies);
    if (stored != images[0].number + (int64_t)end)
        return error_set(error, ERROR_REDIS,
                         "job %s holds %lld images where %lld were sent: does something else add "
                         "to it?",
                         job, (long long)stored, (long long)(images[0].number + (int64_t)end));
    *at = end;
    return 0;
}

static int images_check(const QueueImage *images, size_t count, Error *error)
{
    for (size_t i = 0; i < count; i++)
        if (images[i].tiles < 1 || images[i].path == NULL || images[i].result == NULL)
            return error_set(error, ERROR_USAGE, "image %zu of a submission has no %s", i,
                             images[i].tiles < 1 ? "tiles" : "path or result");
    return 0;
}

/* Where this call begins: behind all earlier calls, of which `adding` knows. */
static int images_begin(Queue *queue, const char *job, size_t count, size_t *at, Error *error)
{
    int64_t stored = 0;
    int64_t bits = 0;

    if (images_ask(queue, job, &stored, &bits, error) != 0)
        return -1;
    if (strcmp(queue->adding.job, job) != 0) {
        snprintf(queue->adding.job, sizeof queue->adding.job, "%s", job);
        queue->adding.images = stored;
        queue->adding.bits = bits;
    }
    *at = (size_t)(stored - queue->adding.images); /* a call whose reply was lost stored these */
    if (stored >= queue->adding.images && *at <= count)
        return 0;
    if (stored < queue->adding.images)
        return error_set(error, ERROR_STORE,
                         "Redis at %s has lost the last %lld images that it was given for job %s "
                         "(it came back without its newest writes): the same command again goes on "
                         "with the job",
                         queue->address.display, (long long)(queue->adding.images - stored), job);
    return error_set(error, ERROR_USAGE, "something else adds images to job %s", job);
}

int queue_add_images(Queue *queue, const char *job, QueueImage *images, size_t count, Error *error)
{
    int64_t bits;
    size_t at;

    if (count == 0)
        return 0;
    if (images_check(images, count, error) != 0 || images_begin(queue, job, count, &at, error) != 0)
        return -1;
    bits = queue->adding.bits;
    for (size_t i = 0; i < count; i++) {
        images[i].number = queue->adding.images + (int64_t)i;
        images[i].first_tile = bits;
        bits += image_bits(&images[i]);
    }
    while (at < count)
        if (images_send(queue, job, images, &at, count, error) != 0)
            return -1;
    queue->adding.images += (int64_t)count;
    queue->adding.bits = bits;
    return 0;
}

static QueueJobState state_of(const redisReply *reply)
{
    for (int state = JOB_SUBMITTING; state <= JOB_DONE; state++)
        if (strcmp(reply_text(reply), queue_job_state_name((QueueJobState)state)) == 0)
            return (QueueJobState)state;
    return JOB_CANCELLED; /* a job that is gone wants nothing done */
}

int queue_read_images(Queue *queue, const QueueTask *tasks, int count, QueueImage *images,
                      QueueJobState *states, Error *error)
{
    Replies replies;
    Error damage;

    if (count == 0)
        return 0;
    memset(images, 0, (size_t)count * sizeof *images);
    for (int i = 0; i < count; i++) {
        command_begin(queue, "HGET");
        command_add_text(queue, queue_key(queue, "job:%s:images", tasks[i].job).text);
        command_add_number(queue, tasks[i].image);
        command_end(queue);
        command_put(queue, "HGET", queue_key(queue, "job:%s", tasks[i].job).text, "state");
    }
    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    for (int i = 0; i < count; i++) {
        const redisReply *record = replies.item[2 * i];
        if (record->type == REDIS_REPLY_STRING &&
            record_read(record->str, &images[i], &damage) != 0)
            log_warning("image record damaged", "job=%s image=%" PRId64, tasks[i].job,
                        tasks[i].image);
        images[i].number = tasks[i].image;
        states[i] = state_of(replies.item[2 * i + 1]);
    }
    replies_free(&replies);
    return 0;
}
