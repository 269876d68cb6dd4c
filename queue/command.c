/* Commands are collected as arguments, formatted by hiredis, and queued. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/connection.h"

Key queue_key(const Queue *queue, const char *format, ...)
{
    Key key;
    va_list arguments;
    int length = snprintf(key.text, sizeof key.text, "%s", queue->prefix);

    va_start(arguments, format);
    vsnprintf(key.text + length, sizeof key.text - (size_t)length, format, arguments);
    va_end(arguments);
    return key;
}

void command_begin(Queue *queue, const char *name)
{
    text_clear(&queue->arguments.bytes);
    queue->arguments.count = 0;
    command_add_text(queue, name);
}

void command_add(Queue *queue, const void *bytes, size_t length)
{
    ArgumentList *list = &queue->arguments;

    if (list->count == list->room) {
        list->room = list->room == 0 ? 64 : 2 * list->room;
        list->lengths = memory_resize(list->lengths, (size_t)list->room * sizeof *list->lengths);
    }
    text_add(&list->bytes, bytes, length);
    list->lengths[list->count++] = length;
}

void command_add_text(Queue *queue, const char *text)
{
    command_add(queue, text, strlen(text));
}

void command_add_number(Queue *queue, int64_t number)
{
    char text[24];

    command_add(queue, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
}

static void outbox_add(Outbox *outbox, const char *bytes, size_t length)
{
    if (outbox->count == outbox->room) {
        outbox->room = outbox->room == 0 ? 64 : 2 * outbox->room;
        outbox->starts =
            memory_resize(outbox->starts, (size_t)outbox->room * sizeof *outbox->starts);
    }
    outbox->starts[outbox->count++] = outbox->bytes.length;
    text_add(&outbox->bytes, bytes, length);
}

void command_end(Queue *queue)
{
    ArgumentList *list = &queue->arguments;
    const char **argv = memory_need((size_t)list->count * sizeof *argv);
    const char *next = list->bytes.data;
    char *formatted = NULL;
    long long length; /* int in hiredis 0.14 */

    for (int i = 0; i < list->count; i++) {
        argv[i] = next;
        next += list->lengths[i];
    }
    length = redisFormatCommandArgv(&formatted, list->count, argv, list->lengths);
    if (length < 0) {
        fprintf(stderr, "tilecrew: out of memory for a command of %zu bytes\n", list->bytes.length);
        abort();
    }
    outbox_add(&queue->outbox, formatted, (size_t)length);
    redisFreeCommand(formatted);
    free(argv);
}

void command_put_list(Queue *queue, const char *const *words)
{
    command_begin(queue, *words);
    while (*++words != NULL)
        command_add_text(queue, *words);
    command_end(queue);
}
