#include "producer/progress.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "producer/report.h"

enum { DRAW_MS = 100, PLAIN_MS = 10000, RATE_MS = 500, BAR_MOST = 30, BAR_LEAST = 8 };

/* How fast the newest rate replaces the old one, each RATE_MS: about five seconds. */
static const double RATE_WEIGHT = 0.1;

/* A longer time left is no forecast, but the sign of a rate that sinks to nothing: 100 days. */
static const double FORESIGHT_MS = 100 * 86400e3;

struct Progress {
    bool quiet;
    bool terminal;
    bool color;
    bool utf8;
    bool drawn; /* a bar stands on the last line */
    int64_t next_ms;
    int64_t rate_ms; /* when the rate was taken, and at what */
    int64_t rate_pixels;
    double rate; /* pixels a second; 0: not known yet */
};

Progress *progress_open(bool quiet)
{
    Progress *progress = memory_need(sizeof *progress);
    const char *term = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");

    progress->quiet = quiet;
    progress->terminal = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    progress->color = progress->terminal && (no_color == NULL || no_color[0] == '\0');
    progress->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    progress->next_ms = progress->terminal ? 0 : clock_monotonic_ms() + PLAIN_MS;
    return progress;
}

static void progress_clear(Progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}

void progress_close(Progress *progress)
{
    if (progress == NULL)
        return;
    progress_clear(progress);
    free(progress);
}

void progress_note(Progress *progress, const char *format, ...)
{
    va_list values;

    progress_clear(progress);
    if (progress->quiet)
        return;
    va_start(values, format);
    fputs("tilecrew: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

/* --- the rate: a moving average, so that a pause shows and a single large image does not jump */

static void progress_take_rate(Progress *progress, const QueueJob *job, int64_t now)
{
    int64_t passed = now - progress->rate_ms;
    double newest;

    if (progress->rate_ms == 0 || job->pixels_done < progress->rate_pixels) {
        progress->rate_ms = now;
        progress->rate_pixels = job->pixels_done;
        return;
    }
    if (passed < RATE_MS)
        return;
    newest = (double)(job->pixels_done - progress->rate_pixels) * 1000 / (double)passed;
    progress->rate =
        progress->rate == 0 ? newest : progress->rate + RATE_WEIGHT * (newest - progress->rate);
    progress->rate_ms = now;
    progress->rate_pixels = job->pixels_done;
}

/* --- the line */

static void progress_add_facts(const Progress *progress, const QueueJob *job, Text *line)
{
    char done[REPORT_NUMBER], all[REPORT_NUMBER], left[REPORT_NUMBER];

    text_add_format(line, "%s images  %s/%s MP", report_job_progress(left, job),
                    report_megapixels(done, job->pixels_done), report_megapixels(all, job->pixels));
    if (progress->rate > 0) {
        const double rest_ms = (double)(job->pixels - job->pixels_done) * 1000 / progress->rate;

        text_add_format(line, "  %.1f MP/s", progress->rate / 1e6);
        if (job->state != JOB_SUBMITTING && rest_ms > 0 && rest_ms < FORESIGHT_MS)
            text_add_format(line, "  %s left", report_duration(left, (int64_t)rest_ms));
    }
    if (job->state == JOB_PAUSED || job->state == JOB_BLOCKED)
        text_add_format(line, "  %s", queue_job_state_name(job->state));
}

static int progress_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

static void progress_add_bar(const Progress *progress, double percent, int width, Text *line)
{
    int full = (int)(percent * width / 100);

    text_add_string(line, progress->color ? "\033[32m" : "");
    for (int i = 0; i < width; i++) {
        if (i == full)
            text_add_string(line, progress->color ? "\033[2m" : "");
        text_add_string(line, progress->utf8 ? (i < full || progress->color ? "━" : "─")
                                             : (i < full ? "#" : "."));
    }
    text_add_string(line, progress->color ? "\033[0m" : "");
}

static void progress_draw(Progress *progress, const QueueJob *job)
{
    double percent = report_job_percent(job);
    Text facts = {0}, failed = {0}, line = {0};
    int columns = progress_columns() - 1;
    int room;

    progress_add_facts(progress, job, &facts);
    if (job->images_failed > 0)
        text_add_format(&failed, "  %" PRId64 " failed", job->images_failed);
    room = columns - (int)facts.length - (int)failed.length - 7; /* "100 % " and a blank */
    text_add_format(&line, "\r\033[K%3.0f %% ", percent);
    if (room >= BAR_LEAST) {
        progress_add_bar(progress, percent, room < BAR_MOST ? room : BAR_MOST, &line);
        text_add_string(&line, " ");
    }
    if (columns < 7 + (int)failed.length)
        text_clear(&failed);
    room = columns - 7 - (int)failed.length;
    text_add(&line, facts.data,
             (int)facts.length < room ? facts.length : (size_t)(room > 0 ? room : 0));
    if (failed.length > 0)
        text_add_format(&line, "%s%s%s", progress->color ? "\033[31m" : "", failed.data,
                        progress->color ? "\033[0m" : "");
    fwrite(line.data, 1, line.length, stderr);
    progress->drawn = true;
    text_free(&facts);
    text_free(&failed);
    text_free(&line);
}

static void progress_print(const Progress *progress, const QueueJob *job)
{
    Text facts = {0};

    progress_add_facts(progress, job, &facts);
    fprintf(stderr, "tilecrew: %s  %" PRId64 " failed\n", facts.data, job->images_failed);
    text_free(&facts);
}

void progress_show(Progress *progress, const QueueJob *job)
{
    int64_t now = clock_monotonic_ms();

    if (progress->quiet)
        return;
    progress_take_rate(progress, job, now);
    if (now < progress->next_ms)
        return;
    progress->next_ms = now + (progress->terminal ? DRAW_MS : PLAIN_MS);
    if (progress->terminal)
        progress_draw(progress, job);
    else
        progress_print(progress, job);
}
