/* queue/connection.h: inside the room: a connection, commands put into it, replies read out of it.
 *
 * Commands are queued with command_*; queue_exchange sends all of them at once and reads one reply
 * each. Before it sends, it connects if need be; after any failure it has closed the connection and
 * nothing is queued any more. Arguments of a command that was begun stay with the Queue until
 * command_end. */
#ifndef QUEUE_CONNECTION_H
#define QUEUE_CONNECTION_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/text.h"
#include "queue/address.h"
#include "queue/queue.h"
#include "queue/scripts.h"
#include "queue/transport.h"

/* Commands that wait to be sent: their bytes, and where each begins. */
typedef struct Outbox {
    Text bytes;
    size_t *starts;
    int count, room;
} Outbox;
void outbox_clear(Outbox *outbox); /* the room stays */

typedef struct ArgumentList {
    Text bytes;
    size_t *lengths;
    int count, room;
} ArgumentList;

struct Queue {
    QueueAddress address;
    char *prefix; /* "tc:{name}:" */
    int64_t connect_timeout_ms, command_timeout_ms;
    int64_t ready_low, ready_batch;
    bool anonymous;       /* does not introduce itself when it connects */
    int sentinel;         /* the one that answered last */
    Transport *transport; /* NULL: not connected */
    redisReader *reader;
    Outbox outbox;
    ArgumentList arguments;
    char sha[SCRIPT_COUNT][41];            /* "" until loaded once */
    char introduced[QUEUE_WORKER_ID + 32]; /* as whom this connection claims; see claim.c */
    struct {
        char job[QUEUE_JOB_ID];
        char producer[QUEUE_WORKER_ID];
        int64_t images, bits;
    } adding; /* what is known to be stored; see image.c */
    struct {
        char job[QUEUE_JOB_ID];
        char entry[64];
        bool settled; /* this connection has taken back what an earlier collector left */
    } collecting;     /* see blob.c */
};

/* A key of the queue, by value: use it as queue_key(queue, "job:%s", id).text. */
typedef struct Key {
    char text[288];
} Key;
Key queue_key(const Queue *queue, const char *format, ...) __attribute__((format(printf, 2, 3)));

void command_begin(Queue *queue, const char *name);
void command_add(Queue *queue, const void *bytes, size_t length);
void command_add_text(Queue *queue, const char *text);
void command_add_number(Queue *queue, int64_t number);
void command_end(Queue *queue);
/* command_put(queue, "LLEN", key) is a whole command of strings. */
#define command_put(queue, ...) command_put_list(queue, (const char *const[]){__VA_ARGS__, NULL})
void command_put_list(Queue *queue, const char *const *words);

typedef struct Replies {
    redisReply **item;
    int count;
} Replies;

/* queue_exchange sends what is queued and reads the replies; wait_ms: how long the commands
 * themselves may block beyond the deadline. Replies may be errors. queue_expect fails on the first
 * that is one. queue_ask is queue_expect for one command, whose reply it gives. On failure nothing
 * is left to free. */
int queue_exchange(Queue *queue, int64_t wait_ms, Replies *replies, Error *error);
int queue_expect(Queue *queue, int64_t wait_ms, Replies *replies, Error *error);
redisReply *queue_ask(Queue *queue, int64_t wait_ms, Error *error);
void replies_free(Replies *replies);

/* queue_ask_number is queue_ask for a command whose reply is one number. */
int queue_ask_number(Queue *queue, int64_t *number, Error *error);

/* queue_do is queue_ask for a command whose reply does not matter. */
int queue_do(Queue *queue, Error *error);

int queue_connect(Queue *queue, Error *error); /* nothing to do when connected */
void queue_disconnect(Queue *queue);

/* queue_refuse turns an error reply into an Error and returns -1. */
int queue_refuse(Queue *queue, const redisReply *reply, Error *error);

/* queue_make_nonce writes so many random letters and a NUL. */
void queue_make_nonce(char *text, int letters);

/* queue_list_job_ids gives two arrays: unfinished jobs and finished ones. */
redisReply *queue_list_job_ids(Queue *queue, Error *error);

/* What a reply says, forgiving about its type: 0, "" or NULL when it is something else. */
int64_t reply_number(const redisReply *reply);
const char *reply_text(const redisReply *reply);
const redisReply *reply_item(const redisReply *reply, size_t index);

#endif
