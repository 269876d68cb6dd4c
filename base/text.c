#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void text_reserve(Text *text, size_t more)
{
    size_t need = text->length + more + 1;

    if (need <= text->room)
        return;
    text->room = need > 2 * text->room ? need : 2 * text->room;
    text->data = memory_resize(text->data, text->room);
}

void text_add(Text *text, const void *bytes, size_t length)
{
    text_reserve(text, length);
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_add_string(Text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_add_format(Text *text, const char *format, ...)
{
    va_list arguments;
    va_list again;
    int length;

    va_start(arguments, format);
    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        text_reserve(text, (size_t)length);
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_clear(Text *text)
{
    text->length = 0;
    if (text->data != NULL)
        text->data[0] = '\0';
}

void text_free(Text *text)
{
    free(text->data);
    *text = (Text){0};
}

char *text_take(Text *text)
{
    char *data;

    text_add(text, "", 0);
    data = text->data;
    *text = (Text){0};
    return data;
}

int text_distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    int row[MOST + 1];
    int width = (int)strnlen(b, MOST);
    int height = (int)strnlen(a, MOST);

    for (int j = 0; j <= width; j++)
        row[j] = j;
    for (int i = 1; i <= height; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= width; j++) {
            int above = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[width];
}

const char *text_nearest(const char *wanted, const char *const *names, size_t count)
{
    int limit = (int)strlen(wanted) / 3 + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        int distance = text_distance(wanted, names[i]);
        if (distance <= limit) {
            limit = distance - 1;
            nearest = names[i];
        }
    }
    return nearest;
}
