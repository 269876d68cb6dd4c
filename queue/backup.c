/* Between monitors, and between them and backup workers: the lead, the wake lists, and events. */
#include <stdio.h>
#include <string.h>

#include "queue/connection.h"

static int lead_ask(Queue *queue, QueueLead *lead, const char *verb, int64_t lease_ms,
                    const char *stale, Error *error)
{
    redisReply *reply;

    if (script_begin(queue, SCRIPT_LEAD, error) != 0)
        return -1;
    command_add_text(queue, lead->token);
    command_add_text(queue, verb);
    command_add_number(queue, lease_ms);
    command_add_text(queue, stale);
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    snprintf(lead->value, sizeof lead->value, "%s", reply_text(reply_item(reply, 0)));
    lead->taken = reply_number(reply_item(reply, 1)) != 0;
    freeReplyObject(reply);
    return 0;
}

bool queue_leads(const QueueLead *lead)
{
    size_t length = strlen(lead->token);

    return length > 0 && strncmp(lead->value, lead->token, length) == 0 &&
           lead->value[length] == ' ';
}

int queue_seek_lead(Queue *queue, QueueLead *lead, int64_t lease_ms, bool stale, Error *error)
{
    char seen[sizeof lead->value];

    snprintf(seen, sizeof seen, "%s", stale ? lead->value : "");
    return lead_ask(queue, lead, "lead", lease_ms, seen, error);
}

int queue_resign_lead(Queue *queue, QueueLead *lead, Error *error)
{
    return lead_ask(queue, lead, "resign", 0, "", error);
}

/* ------------------------------------------------------------------ the wake lists */

static const char *const words[] = {
    [WORD_WAKE] = "wake",
    [WORD_STAND_DOWN] = "stand_down",
};

int queue_send_word(Queue *queue, const char *worker, QueueWord word, int64_t good_ms, bool *sent,
                    Error *error)
{
    int64_t number;

    if (script_begin(queue, SCRIPT_WAKE, error) != 0)
        return -1;
    command_add_text(queue, worker);
    command_add_text(queue, words[word]);
    command_add_number(queue, good_ms);
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *sent = number != 0;
    return 0;
}

int queue_hear_word(Queue *queue, const char *worker, int64_t wait_ms, QueueWord *word,
                    Error *error)
{
    char seconds[32];
    redisReply *reply;
    const char *text;

    if (wait_ms > 0) {
        snprintf(seconds, sizeof seconds, "%lld.%03lld", (long long)(wait_ms / 1000),
                 (long long)(wait_ms % 1000));
        command_put(queue, "BLPOP", queue_key(queue, "wake:%s", worker).text, seconds);
    } else {
        command_put(queue, "LPOP", queue_key(queue, "wake:%s", worker).text);
    }
    reply = queue_ask(queue, wait_ms, error);
    if (reply == NULL)
        return -1;
    text = wait_ms > 0 ? reply_text(reply_item(reply, 1)) : reply_text(reply);
    *word = WORD_NONE;
    for (int i = WORD_WAKE; i <= WORD_STAND_DOWN; i++)
        if (strcmp(text, words[i]) == 0)
            *word = (QueueWord)i;
    freeReplyObject(reply);
    return 0;
}

/* ------------------------------------------------------------------ events */

int queue_tell(Queue *queue, const char *kind, const char *detail, Error *error)
{
    if (script_begin(queue, SCRIPT_TELL, error) != 0)
        return -1;
    command_add_text(queue, kind);
    command_add_text(queue, detail);
    command_end(queue);
    return queue_do(queue, error);
}
