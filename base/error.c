#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(Error *error, ErrorKind kind, const char *format, ...)
{
    va_list arguments;

    error->kind = kind;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return -1;
}

int error_set_errno(Error *error, ErrorKind kind, const char *format, ...)
{
    int number = errno;
    char text[sizeof error->message / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(error, kind, "%s: %s", text, strerror(number));
}

int error_prefix(Error *error, const char *format, ...)
{
    char whole[sizeof error->message];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(whole, sizeof whole, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof whole)
        snprintf(whole + length, sizeof whole - (size_t)length, "%s", error->message);
    memcpy(error->message, whole, sizeof whole);
    return -1;
}

int error_exit_status(ErrorKind kind)
{
    static const int status[] = {
        [ERROR_NONE] = 0,        [ERROR_USAGE] = 64,  [ERROR_CONFIG] = 78, [ERROR_INPUT] = 1,
        [ERROR_STORE] = 1,       [ERROR_FULL] = 1,    [ERROR_REDIS] = 69,  [ERROR_DEVICE] = 70,
        [ERROR_CANCELLED] = 130, [ERROR_SYSTEM] = 71,
    };

    return status[kind];
}
