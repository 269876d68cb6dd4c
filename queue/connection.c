/* The bytes of all queued commands go out in one stretch while replies are read as they come, so
 * that neither side's buffer can fill up and stop both. A deadline counts from the last byte that
 * moved: big values on slow lines are no error, silence is.
 *
 * A script that the server has forgotten (NOSCRIPT: a restart, a failover, SCRIPT FLUSH) has not
 * run: it is loaded, and only those commands are sent again. */
#include "queue/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

static const char *const silent = "Redis at %s did not answer within %lld ms";

void queue_disconnect(Queue *queue)
{
    if (queue->transport != NULL)
        queue->transport->close(queue->transport);
    if (queue->reader != NULL)
        redisReaderFree(queue->reader);
    queue->transport = NULL;
    queue->reader = NULL;
    queue->introduced[0] = '\0';
    queue->collecting.settled = false;
}

void outbox_clear(Outbox *outbox)
{
    text_clear(&outbox->bytes);
    outbox->count = 0;
}

/* Waits until the socket has news or the deadline passes. */
static int connection_poll(Queue *queue, bool writing, int64_t deadline, int64_t patience,
                           Error *error)
{
    for (;;) {
        struct pollfd wanted = {queue->transport->descriptor, writing ? POLLIN | POLLOUT : POLLIN,
                                0};
        int64_t left = deadline - clock_monotonic_ms();
        int count = poll(&wanted, 1, left > 0 ? (int)left : 0);
        if (count > 0)
            return 0;
        if (count == 0)
            return error_set(error, ERROR_REDIS, silent, queue->address.display,
                             (long long)patience);
        if (errno != EINTR)
            return error_set_errno(error, ERROR_REDIS, "waiting for Redis at %s",
                                   queue->address.display);
    }
}

/* Takes what has arrived into the reader. Returns how many bytes, or -1. */
static ssize_t connection_receive(Queue *queue, Error *error)
{
    char bytes[65536];
    ssize_t count = queue->transport->read(queue->transport, bytes, sizeof bytes);

    if (count < 0)
        return error_set_errno(error, ERROR_REDIS, "lost the connection to Redis at %s",
                               queue->address.display);
    if (count > 0 && redisReaderFeed(queue->reader, bytes, (size_t)count) != REDIS_OK)
        return error_set(error, ERROR_REDIS, "no memory for the reply of Redis at %s",
                         queue->address.display);
    return count;
}

/* Gives the next reply that the reader holds: 1, none yet: 0, nonsense: -1. */
static int connection_next(Queue *queue, redisReply **reply, Error *error)
{
    void *next = NULL;

    if (redisReaderGetReply(queue->reader, &next) != REDIS_OK)
        return error_set(error, ERROR_REDIS, "%s does not talk like Redis: %s",
                         queue->address.display, queue->reader->errstr);
    *reply = next;
    return next != NULL;
}

static int connection_talk(Queue *queue, const char *bytes, size_t length, int64_t wait_ms,
                           redisReply **replies, int count, Error *error)
{
    int64_t patience = queue->command_timeout_ms + wait_ms;
    int64_t deadline = clock_monotonic_ms() + patience;
    size_t sent = 0;
    int got = 0;

    while (got < count) {
        ssize_t moved = 0;
        ssize_t wrote = 0;
        int next = connection_next(queue, &replies[got], error);
        if (next < 0)
            return -1;
        if (next > 0) {
            got++;
            continue;
        }
        if (sent < length)
            wrote = queue->transport->write(queue->transport, bytes + sent, length - sent);
        if (wrote < 0)
            return error_set_errno(error, ERROR_REDIS, "lost the connection to Redis at %s",
                                   queue->address.display);
        sent += (size_t)wrote;
        moved = connection_receive(queue, error);
        if (moved < 0)
            return -1;
        if (moved + wrote > 0)
            deadline = clock_monotonic_ms() + patience;
        if (moved == 0 && connection_poll(queue, sent < length, deadline, patience, error) != 0)
            return -1;
    }
    return 0;
}

/* Sends again, once, what failed only because its script was not loaded. */
static int connection_heal(Queue *queue, const Outbox *outbox, int64_t wait_ms, Replies *replies,
                           Error *error)
{
    for (int i = 0; i < replies->count; i++) {
        const redisReply *reply = replies->item[i];
        size_t end = i + 1 < outbox->count ? outbox->starts[i + 1] : outbox->bytes.length;
        if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, "NOSCRIPT", 8) != 0)
            continue;
        if (scripts_load_all(queue, error) != 0)
            return -1;
        freeReplyObject(replies->item[i]);
        replies->item[i] = NULL;
        if (connection_talk(queue, outbox->bytes.data + outbox->starts[i], end - outbox->starts[i],
                            wait_ms, &replies->item[i], 1, error) != 0)
            return -1;
    }
    return 0;
}

int queue_exchange(Queue *queue, int64_t wait_ms, Replies *replies, Error *error)
{
    Outbox outbox = queue->outbox;
    int status = -1;

    queue->outbox = (Outbox){0};
    *replies =
        (Replies){memory_need((size_t)(outbox.count + 1) * sizeof *replies->item), outbox.count};
    if (queue_connect(queue, error) != 0)
        goto out;
    if (connection_talk(queue, outbox.bytes.data, outbox.bytes.length, wait_ms, replies->item,
                        outbox.count, error) != 0)
        goto out;
    status = connection_heal(queue, &outbox, wait_ms, replies, error);
out:
    if (status != 0) {
        replies_free(replies);
        queue_disconnect(queue);
    }
    /* The room of the outbox is kept for the next commands (unless healing has made another). */
    free(queue->outbox.starts);
    text_free(&queue->outbox.bytes);
    outbox_clear(&outbox);
    queue->outbox = outbox;
    return status;
}

void replies_free(Replies *replies)
{
    for (int i = 0; i < replies->count; i++)
        if (replies->item[i] != NULL)
            freeReplyObject(replies->item[i]);
    free(replies->item);
    *replies = (Replies){0};
}

int queue_expect(Queue *queue, int64_t wait_ms, Replies *replies, Error *error)
{
    if (queue_exchange(queue, wait_ms, replies, error) != 0)
        return -1;
    for (int i = 0; i < replies->count; i++) {
        if (replies->item[i]->type != REDIS_REPLY_ERROR)
            continue;
        queue_refuse(queue, replies->item[i], error);
        replies_free(replies);
        return -1;
    }
    return 0;
}

redisReply *queue_ask(Queue *queue, int64_t wait_ms, Error *error)
{
    Replies replies;
    redisReply *reply;

    if (queue_expect(queue, wait_ms, &replies, error) != 0)
        return NULL;
    reply = replies.item[0];
    free(replies.item);
    return reply;
}

int queue_ask_number(Queue *queue, int64_t *number, Error *error)
{
    redisReply *reply = queue_ask(queue, 0, error);

    if (reply == NULL)
        return -1;
    *number = reply_number(reply);
    freeReplyObject(reply);
    return 0;
}

int queue_do(Queue *queue, Error *error)
{
    Replies replies;

    if (queue_expect(queue, 0, &replies, error) != 0)
        return -1;
    replies_free(&replies);
    return 0;
}

int64_t reply_number(const redisReply *reply)
{
    if (reply == NULL)
        return 0;
    if (reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return strtoll(reply_text(reply), NULL, 10);
}

const char *reply_text(const redisReply *reply)
{
    bool text =
        reply != NULL && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);

    return text ? reply->str : "";
}

const redisReply *reply_item(const redisReply *reply, size_t index)
{
    bool there = reply != NULL && reply->type == REDIS_REPLY_ARRAY && index < reply->elements;

    return there ? reply->element[index] : NULL;
}
