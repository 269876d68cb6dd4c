#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "queue/queue.h"

int queue_format_task(const QueueTask *task, char text[QUEUE_TASK_TEXT])
{
    return snprintf(text, QUEUE_TASK_TEXT, "%s:%lld:%d:%d:%d", task->job, (long long)task->image,
                    task->tile, task->fails, task->losses);
}

/* ":N" in the one way in which it is written, for a claim is removed by its text. Returns what
 * follows, or NULL. */
static const char *parse_part(const char *text, const char *end, int64_t most, int64_t *value)
{
    const char *digits = text + 1;
    const char *at = digits;

    *value = 0;
    if (text >= end || *text != ':')
        return NULL;
    for (; at < end && isdigit((unsigned char)*at); at++) {
        if (*value > (most - (*at - '0')) / 10)
            return NULL;
        *value = *value * 10 + (*at - '0');
    }
    if (at == digits || (*digits == '0' && at - digits > 1))
        return NULL;
    return at;
}

int queue_parse_task(const char *text, size_t length, QueueTask *task, Error *error)
{
    static const int64_t most[4] = {1000000000000000, INT_MAX, INT_MAX, INT_MAX};
    const char *end = text + length;
    const char *at = memchr(text, ':', length);
    size_t name = at == NULL ? 0 : (size_t)(at - text);
    int64_t part[4] = {0};

    for (size_t i = 0; i < name; i++)
        if (!isalnum((unsigned char)text[i]))
            at = NULL;
    if (name == 0 || name >= sizeof task->job)
        at = NULL;
    for (int i = 0; i < 4 && at != NULL; i++)
        at = parse_part(at, end, most[i], &part[i]);
    if (at != end)
        return error_set(error, ERROR_REDIS, "'%.*s' is no task (job:image:tile:fails:losses)",
                         length < 100 ? (int)length : 100, text);
    *task = (QueueTask){
        .image = part[0], .tile = (int)part[1], .fails = (int)part[2], .losses = (int)part[3]};
    memcpy(task->job, text, name);
    return 0;
}
