/* base/log.h: what the programs say while they run, on stderr, one line an event.
 *
 * A line is an event word, then key=value pairs: log_info("tile committed", "job=%s tile=%d", job,
 * tile) prints `2026-01-31T12:00:00.123Z info  tile committed job=j7k2m9 tile=0`, or with
 * log_set_json one JSON object a line. Values that hold spaces are quoted by the caller with
 * "\"%s\"". Secrets never go here: print a URL only through queue_url_display. The settings are one
 * per process, made once in main. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

typedef enum LogLevel {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_QUIET
} LogLevel;

void log_set_level(LogLevel level); /* default: info */
void log_set_json(bool json);
void log_set_name(const char *name); /* put before the event, e.g. "lane 3"; copied */

void log_write(LogLevel level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(event, ...)   log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)    log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warning(event, ...) log_write(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_error(event, ...)   log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
