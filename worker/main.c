/* tilecrew-worker: claims tiles from a queue and makes them, one lane per core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/options.h"
#include "config/config.h"
#include "worker/cache.h"
#include "worker/supervisor.h"

typedef struct Settings {
    const char *config;
    bool check_config;
    bool standby;
} Settings;

static const Option options[] = {
    OPTION_TEXT("config", 'c', "FILE", Settings, config, "the configuration file"),
    OPTION_BOOL("check-config", 0, Settings, check_config,
                "check the configuration and the command line, then exit"),
    OPTION_KEY(
        "redis", 'r', "URL", "redis.url",
        "Redis: redis://[user:password@]host[:port][/db], unix:/path, or redis-sentinel://..."),
    OPTION_KEY("queue", 0, "NAME", "redis.queue", "the queue's name"),
    OPTION_KEY("lanes", 'l', "N", "worker.lanes",
               "how many tiles at a time; 0 is one for each core that this process may use"),
    OPTION_KEY("device", 'd', "DEVICE", "worker.device",
               "cpu, gpu, auto, or part of an OpenCL device's name"),
    OPTION_BOOL("standby", 0, Settings, standby,
                "stand by as a backup: do nothing until a monitor finds too few workers"),
    OPTION_KEY("kernel-cache", 0, "FOLDER", "worker.kernel_cache", "where built kernels are kept"),
    OPTION_KEY("tile-time-limit", 0, "TIME", "worker.tile_time_limit",
               "a lane whose tile takes longer is killed, such as 10min"),
    OPTION_KEY("log-level", 0, "LEVEL", "log.level", "debug, info, warning or error"),
    OPTION_KEY("log-format", 0, "FORMAT", "log.format", "text or json"),
    OPTION_END};

static const Command command = {
    .name = "tilecrew-worker",
    .synopsis = "[--redis URL] [--lanes N] [--standby] [--config FILE]",
    .summary = "work on the tiles of a queue",
    .text = "Start one on every machine that shall help; they may come and go at any time.\n"
            "SIGTERM or Ctrl-C finishes the tiles in hand and leaves; a second one puts them back.",
    .options = {options},
};

static void set_log(const Config *config)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", "quiet"};

    for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_QUIET; level++)
        if (strcmp(config->log.level, levels[level]) == 0)
            log_set_level((LogLevel)level);
    log_set_json(strcmp(config->log.format, "json") == 0);
}

/* A join has all parts of its image open at once. */
static void allow_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int work(const Config *config, bool standby, Error *error)
{
    char *cache;
    int result;

    set_log(config);
    cache = cache_folder(config);
    allow_many_files();
    result = supervisor_run(config, cache, standby, error);
    free(cache);
    return result;
}

int main(int argc, char **argv)
{
    Settings settings = {0};
    CommandLine line;
    Config config;
    Error error;
    int result = options_parse(&command, argc, argv, &settings, &line, &error);

    if (result > 0)
        return 0;
    if (result == 0) {
        result = config_load(&config, settings.config, &error);
        if (result == 0) {
            result = config_apply_arguments(&config, &line, &error);
            if (result == 0 && !settings.check_config)
                result = work(&config, settings.standby, &error);
            config_free(&config);
        }
        options_free(&line);
    }
    if (result != 0)
        fprintf(stderr, "tilecrew-worker: %s\n", error.message);
    return result == 0 ? 0 : error_exit_status(error.kind);
}
