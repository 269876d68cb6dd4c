/* tilecrew-monitor: keeps a queue going whatever dies. One loop: a sweep, then sleep until the next
 * one or a signal. An outage of Redis is waited out, never a reason to exit. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "config/config.h"
#include "monitor/sweep.h"
#include "queue/queue.h"

typedef struct Settings {
    const char *config;
    bool check_config;
} Settings;

static const Option options[] = {
    OPTION_TEXT("config", 'c', "FILE", Settings, config, "the configuration file"),
    OPTION_BOOL("check-config", 0, Settings, check_config,
                "check the configuration and the command line, then exit"),
    OPTION_KEY(
        "redis", 'r', "URL", "redis.url",
        "Redis: redis://[user:password@]host[:port][/db], unix:/path, or redis-sentinel://..."),
    OPTION_KEY("queue", 0, "NAME", "redis.queue", "the queue's name"),
    OPTION_KEY("dead-after", 0, "TIME", "monitor.dead_after",
               "silence after which a worker is fenced, such as 5s"),
    OPTION_KEY("sweep", 0, "TIME", "monitor.sweep", "time between two sweeps, such as 1s"),
    OPTION_KEY("min-workers", 0, "N", "monitor.min_workers",
               "wake a backup worker when fewer are alive; 0 wakes nobody"),
    OPTION_KEY("log-level", 0, "LEVEL", "log.level", "debug, info, warning or error"),
    OPTION_KEY("log-format", 0, "FORMAT", "log.format", "text or json"),
    OPTION_END};

static const Command command = {
    .name = "tilecrew-monitor",
    .synopsis = "[--redis URL] [--config FILE]",
    .summary = "fence silent workers, move their tiles back, and keep the queue going",
    .text = "Run one or several on a queue, on any machine; several do not disturb each other.\n"
            "Without one a queue works as long as no worker dies and no tile needs a retry.\n"
            "SIGTERM and SIGINT end it at once; nothing is lost by that.",
    .options = {options},
};

/* Signals stay blocked and are fetched between two sweeps, so that none comes at a bad moment. */
static void block_signals(sigset_t *ending)
{
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    sigprocmask(SIG_BLOCK, ending, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* rest waits that long, or until asked to end: true. */
static bool rest(const sigset_t *ending, int64_t milliseconds)
{
    struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    int number;

    do {
        number = sigtimedwait(ending, NULL, &span);
    } while (number < 0 && errno == EINTR);
    if (number > 0)
        log_info("monitor ends", "signal=%s", number == SIGTERM ? "TERM" : "INT");
    return number > 0;
}

typedef struct Outage {
    int attempt;
    char message[sizeof((Error){0}).message]; /* the last one said */
} Outage;

/* outage_wait_ms says what is wrong, once, and how long to wait before the next attempt. */
static int64_t outage_wait_ms(Outage *outage, const Config *config, const Error *error)
{
    if (strcmp(outage->message, error->message) != 0)
        log_error("cannot watch the queue", "error=\"%s\" then=\"trying again until it works\"",
                  error->message);
    snprintf(outage->message, sizeof outage->message, "%s", error->message);
    return clock_backoff_ms(outage->attempt++, config->redis.retry_first_ms,
                            config->redis.retry_most_ms);
}

static void outage_end(Outage *outage)
{
    if (outage->attempt > 0)
        log_info("watching the queue again", "attempts=%d", outage->attempt);
    *outage = (Outage){0};
}

/* open_queue waits for Redis: NULL with error->kind ERROR_CANCELLED when asked to end meanwhile. */
static Queue *open_queue(const Config *config, const sigset_t *ending, Outage *outage, Error *error)
{
    QueueOptions where = {
        .url = config->redis.url,
        .password_file = config->redis.password_file,
        .name = config->redis.queue,
        .connect_timeout_ms = config->redis.connect_timeout_ms,
        .command_timeout_ms = config->redis.command_timeout_ms,
    };
    Queue *queue;

    while ((queue = queue_open(&where, error)) == NULL && error->kind == ERROR_REDIS)
        if (rest(ending, outage_wait_ms(outage, config, error))) {
            error_set(error, ERROR_CANCELLED, "asked to end");
            return NULL;
        }
    return queue;
}

static int watch_queue(const Config *config, Error *error)
{
    Outage outage = {0};
    sigset_t ending;
    Sweep sweep;
    Queue *queue;
    int64_t wait_ms;

    block_signals(&ending);
    queue = open_queue(config, &ending, &outage, error);
    if (queue == NULL)
        return error->kind == ERROR_CANCELLED ? 0 : -1;
    log_info("monitor watches", "redis=%s queue=%s dead_after_ms=%lld", queue_display_url(queue),
             config->redis.queue, (long long)config->monitor.dead_after_ms);
    sweep_begin(&sweep, queue, config);
    do {
        if (sweep_once(&sweep, error) < 0) {
            wait_ms = outage_wait_ms(&outage, config, error);
        } else {
            outage_end(&outage);
            wait_ms = config->monitor.sweep_ms;
        }
    } while (!rest(&ending, wait_ms));
    sweep_end(&sweep);
    queue_close(queue);
    return 0;
}

static void apply_log_settings(const Config *config)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    log_set_name("monitor");
    log_set_json(strcmp(config->log.format, "json") == 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(config->log.level, names[i]) == 0)
            log_set_level((LogLevel)i);
}

static int run(const Settings *settings, const CommandLine *line, Error *error)
{
    Config config;
    int outcome;

    if (config_load(&config, settings->config, error) < 0)
        return -1;
    outcome = config_apply_arguments(&config, line, error);
    if (outcome == 0 && !settings->check_config) {
        apply_log_settings(&config);
        outcome = watch_queue(&config, error);
    }
    config_free(&config);
    return outcome;
}

int main(int argc, char **argv)
{
    Settings settings = {0};
    CommandLine line = {0};
    Error error = {0};
    int done = options_parse(&command, argc, argv, &settings, &line, &error);

    if (done > 0)
        return 0;
    if (done == 0) {
        done = run(&settings, &line, &error);
        options_free(&line);
    }
    if (done < 0)
        fprintf(stderr, "tilecrew-monitor: %s\n", error.message);
    return done < 0 ? error_exit_status(error.kind) : 0;
}
