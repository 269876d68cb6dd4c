#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory_checked(void *pointer, size_t size)
{
    if (pointer == NULL && size > 0) {
        fprintf(stderr, "tilecrew: out of memory for %zu bytes\n", size);
        abort();
    }
    return pointer;
}

void *memory_need(size_t size)
{
    return memory_checked(calloc(1, size), size);
}

void *memory_resize(void *old, size_t size)
{
    return memory_checked(realloc(old, size), size);
}

char *memory_copy_text(const char *text)
{
    return text == NULL ? NULL : memory_checked(strdup(text), strlen(text) + 1);
}

char *memory_format_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    return memory_checked(text, strlen(format) + 1);
}

void *memory_try(size_t count, size_t size, const char *what, Error *error)
{
    void *pointer = calloc(count ? count : 1, size ? size : 1);

    if (pointer == NULL)
        error_set(error, ERROR_SYSTEM, "no memory for %s (%zu x %zu bytes)", what, count, size);
    return pointer;
}
