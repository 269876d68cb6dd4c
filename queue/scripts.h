/* queue/scripts.h: the Lua scripts of queue/scripts/, each made of the parts that it names in
 * scripts.c. Every script gets one key, `ready`, from which it derives the others: they share the
 * hash tag, so they live in the same slot. */
#ifndef QUEUE_SCRIPTS_H
#define QUEUE_SCRIPTS_H

#include "base/error.h"
#include "queue/queue.h"

typedef enum Script {
    SCRIPT_ADD,
    SCRIPT_BEAT,
    SCRIPT_CANCEL,
    SCRIPT_CLAIM,
    SCRIPT_COLLECT,
    SCRIPT_COMMIT,
    SCRIPT_CREATE,
    SCRIPT_DEAD,
    SCRIPT_ENROL,
    SCRIPT_EXPIRE,
    SCRIPT_FAIL,
    SCRIPT_JOBS,
    SCRIPT_LEAD,
    SCRIPT_LEAVE,
    SCRIPT_MARK,
    SCRIPT_PROMOTE,
    SCRIPT_PUT_BACK,
    SCRIPT_RECLAIM,
    SCRIPT_REFILL,
    SCRIPT_REISSUE,
    SCRIPT_STATE,
    SCRIPT_TEND,
    SCRIPT_TELL,
    SCRIPT_WAKE,
    SCRIPT_COUNT
} Script;

/* script_begin begins a command that runs the script; its arguments follow by command_add*, then
 * command_end. Fails (ERROR_REDIS) when the script cannot be loaded. */
int script_begin(Queue *queue, Script script, Error *error);

/* scripts_load_all loads again every script that this Queue has used. */
int scripts_load_all(Queue *queue, Error *error);

#endif
