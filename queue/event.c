#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/connection.h"

/* The place just behind the newest event. */
static int event_begin(Queue *queue, char cursor[64], Error *error)
{
    redisReply *reply;
    const char *last;

    command_put(queue, "XREVRANGE", queue_key(queue, "events").text, "+", "-", "COUNT", "1");
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    last = reply_text(reply_item(reply_item(reply, 0), 0));
    snprintf(cursor, 64, "%s", last[0] == '\0' ? "0-0" : last);
    freeReplyObject(reply);
    return 0;
}

static void event_fill(QueueEvent *event, const redisReply *entry)
{
    const redisReply *fields = reply_item(entry, 1);

    *event = (QueueEvent){.at_ms = strtoll(reply_text(reply_item(entry, 0)), NULL, 10)};
    for (size_t i = 0; fields != NULL && i + 1 < fields->elements; i += 2) {
        const char *name = reply_text(fields->element[i]);
        const char *value = reply_text(fields->element[i + 1]);
        if (strcmp(name, "kind") == 0)
            snprintf(event->kind, sizeof event->kind, "%s", value);
        else if (strcmp(name, "job") == 0)
            snprintf(event->job, sizeof event->job, "%s", value);
        else if (strcmp(name, "detail") == 0)
            snprintf(event->detail, sizeof event->detail, "%s", value);
    }
}

int queue_wait_event(Queue *queue, char cursor[64], int64_t wait_ms, QueueEvent *event,
                     Error *error)
{
    redisReply *reply;
    const redisReply *entry;
    int found = 0;

    if (cursor[0] == '\0' && event_begin(queue, cursor, error) != 0)
        return -1;
    command_begin(queue, "XREAD");
    command_add_text(queue, "COUNT");
    command_add_text(queue, "1");
    if (wait_ms > 0) {
        command_add_text(queue, "BLOCK");
        command_add_number(queue, wait_ms);
    }
    command_add_text(queue, "STREAMS");
    command_add_text(queue, queue_key(queue, "events").text);
    command_add_text(queue, cursor);
    command_end(queue);
    reply = queue_ask(queue, wait_ms, error);
    if (reply == NULL)
        return -1;
    entry = reply_item(reply_item(reply_item(reply, 0), 1), 0);
    if (entry != NULL) {
        event_fill(event, entry);
        snprintf(cursor, 64, "%s", reply_text(reply_item(entry, 0)));
        found = 1;
    }
    freeReplyObject(reply);
    return found;
}
