#include "queue/scripts.h"

#include <stdlib.h>
#include <string.h>

#include "queue/connection.h"

/* core.lua is what every script needs; settle.lua keeps a job's counters; fair.lua fills `ready`.
 */
enum { WITH_SETTLE = 1, WITH_REFILL = 2 };

extern const char queue_script_core[], queue_script_settle[], queue_script_fair[];

#define SCRIPTS(X)                                                                                 \
    X(SCRIPT_ADD, add, WITH_SETTLE | WITH_REFILL)                                                  \
    X(SCRIPT_BEAT, beat, 0)                                                                        \
    X(SCRIPT_CANCEL, cancel, WITH_SETTLE)                                                          \
    X(SCRIPT_CLAIM, claim, WITH_SETTLE | WITH_REFILL)                                              \
    X(SCRIPT_COLLECT, collect, 0)                                                                  \
    X(SCRIPT_COMMIT, commit, WITH_SETTLE | WITH_REFILL)                                            \
    X(SCRIPT_CREATE, create, 0)                                                                    \
    X(SCRIPT_DEAD, dead, WITH_SETTLE)                                                              \
    X(SCRIPT_ENROL, enrol, 0)                                                                      \
    X(SCRIPT_EXPIRE, expire, 0)                                                                    \
    X(SCRIPT_FAIL, fail, WITH_SETTLE)                                                              \
    X(SCRIPT_JOBS, jobs, 0)                                                                        \
    X(SCRIPT_LEAD, lead, 0)                                                                        \
    X(SCRIPT_LEAVE, leave, WITH_SETTLE)                                                            \
    X(SCRIPT_MARK, mark, 0)                                                                        \
    X(SCRIPT_PROMOTE, promote, WITH_SETTLE)                                                        \
    X(SCRIPT_PUT_BACK, put_back, WITH_SETTLE)                                                      \
    X(SCRIPT_RECLAIM, reclaim, WITH_SETTLE)                                                        \
    X(SCRIPT_REFILL, refill, WITH_SETTLE | WITH_REFILL)                                            \
    X(SCRIPT_REISSUE, reissue, WITH_SETTLE)                                                        \
    X(SCRIPT_STATE, state, WITH_SETTLE)                                                            \
    X(SCRIPT_TEND, tend, 0)                                                                        \
    X(SCRIPT_TELL, tell, 0)                                                                        \
    X(SCRIPT_WAKE, wake, 0)

#define DECLARE(script, name, parts) extern const char queue_script_##name[];
SCRIPTS(DECLARE)

#define ENTRY(script, name, parts) [script] = {queue_script_##name, parts},
static const struct {
    const char *text;
    unsigned parts;
} scripts[SCRIPT_COUNT] = {SCRIPTS(ENTRY)};

static int script_load(Queue *queue, Script script, Error *error)
{
    Text text = {0};
    redisReply *reply;

    text_add_string(&text, queue_script_core);
    if (scripts[script].parts & WITH_SETTLE)
        text_add_string(&text, queue_script_settle);
    if (scripts[script].parts & WITH_REFILL)
        text_add_string(&text, queue_script_fair);
    text_add_string(&text, scripts[script].text);
    command_put(queue, "SCRIPT", "LOAD", text.data);
    text_free(&text);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    strncpy(queue->sha[script], reply_text(reply), sizeof queue->sha[script] - 1);
    freeReplyObject(reply);
    return 0;
}

int scripts_load_all(Queue *queue, Error *error)
{
    for (int i = 0; i < SCRIPT_COUNT; i++)
        if (queue->sha[i][0] != '\0' && script_load(queue, (Script)i, error) != 0)
            return -1;
    return 0;
}

/* Loads a script for the first time while other commands may be queued already. */
static int script_load_first(Queue *queue, Script script, Error *error)
{
    Outbox queued = queue->outbox;
    int status;

    queue->outbox = (Outbox){0};
    status = script_load(queue, script, error);
    free(queue->outbox.starts);
    text_free(&queue->outbox.bytes);
    queue->outbox = queued;
    if (status != 0)
        outbox_clear(&queue->outbox);
    return status;
}

int script_begin(Queue *queue, Script script, Error *error)
{
    if (queue->sha[script][0] == '\0' && script_load_first(queue, script, error) != 0)
        return -1;
    command_begin(queue, "EVALSHA");
    command_add_text(queue, queue->sha[script]);
    command_add_text(queue, "1");
    command_add_text(queue, queue_key(queue, "ready").text);
    return 0;
}
