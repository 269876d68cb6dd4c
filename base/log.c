#include "base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

static struct {
    LogLevel level;
    bool json;
    char name[64];
} settings = {.level = LOG_LEVEL_INFO};

static const char *const level_name[] = {"debug", "info", "warning", "error", "quiet"};

void log_set_level(LogLevel level)
{
    settings.level = level;
}

void log_set_json(bool json)
{
    settings.json = json;
}

void log_set_name(const char *name)
{
    snprintf(settings.name, sizeof settings.name, "%s", name);
}

/* One write(2) a line, so that lines of several lanes never mix. */
static void log_emit(Text *line)
{
    text_add_string(line, "\n");
    fwrite(line->data, 1, line->length, stderr);
    fflush(stderr);
}

static void log_add_time(Text *line)
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    char stamp[32];

    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    text_add_format(line, "%s.%03dZ", stamp, (int)(now % 1000));
}

static void log_add_json_string(Text *line, const char *text)
{
    text_add_string(line, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            text_add_format(line, "\\%c", c);
        else if (c < 0x20)
            text_add_format(line, "\\u%04x", c);
        else
            text_add(line, text, 1);
    }
    text_add_string(line, "\"");
}

static void log_write_json(Text *line, LogLevel level, const char *event, const char *detail)
{
    text_add_string(line, "{\"time\":\"");
    log_add_time(line);
    text_add_format(line, "\",\"level\":\"%s\",\"event\":", level_name[level]);
    log_add_json_string(line, event);
    if (settings.name[0] != '\0') {
        text_add_string(line, ",\"who\":");
        log_add_json_string(line, settings.name);
    }
    text_add_string(line, ",\"detail\":");
    log_add_json_string(line, detail);
    text_add_string(line, "}");
}

static void log_write_text(Text *line, LogLevel level, const char *event, const char *detail)
{
    log_add_time(line);
    text_add_format(line, " %-7s %s%s%s %s", level_name[level], settings.name,
                    settings.name[0] != '\0' ? ": " : "", event, detail);
    for (size_t i = 0; i < line->length; i++)
        if (iscntrl((unsigned char)line->data[i]))
            line->data[i] = ' ';
}

void log_write(LogLevel level, const char *event, const char *format, ...)
{
    char detail[2048];
    Text line = {0};
    va_list arguments;

    if (level < settings.level)
        return;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    (settings.json ? log_write_json : log_write_text)(&line, level, event, detail);
    log_emit(&line);
    text_free(&line);
}
