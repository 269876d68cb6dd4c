/* config/config.h: every setting of the three programs, from config/tilecrew.yaml.
 *
 * One table (config.c) states each key's name, type, range, default and comment; the loader,
 * `--check-config`, the shipped config/tilecrew.yaml and docs are all made from or checked against
 * it. Order of precedence: command line, then TILECREW_REDIS for redis.url, then the file
 * (`--config FILE`, else $TILECREW_CONFIG, else ./tilecrew.yaml, else
 * ~/.config/tilecrew/tilecrew.yaml, else /etc/tilecrew/tilecrew.yaml), then the defaults. Unknown
 * keys and bad values are errors: "FILE:LINE:COLUMN: unknown key 'worker.lanse'; did you mean
 * 'lanes'?". Sizes in the file may be written 256MiB, 1.5GB, 4096; durations 500ms, 1s, 10min, 4h;
 * counts 32M, 2G. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/options.h"

typedef struct Config {
    struct {
        char *url;   /* redis.url: redis://[user:pass@]host[:port][/db], unix:/path[?db=N],
                        redis-sentinel://host[:port],.../MASTER[/db] */
        char *queue; /* redis.queue: name of the queue, default "default"; [A-Za-z0-9_.-]{1,64} */
        char *password_file; /* redis.password_file: read instead of a password in the URL; may be
                                NULL */
        int64_t connect_timeout_ms; /* redis.connect_timeout, 5s */
        int64_t command_timeout_ms; /* redis.command_timeout, 10s */
        int64_t retry_first_ms;     /* redis.retry_first, 100ms: first wait before a reconnect */
        int64_t retry_most_ms;      /* redis.retry_most, 5s */
    } redis;
    struct {
        int lanes;    /* worker.lanes: 0 = one per core that this process may use */
        char *device; /* worker.device: "cpu", "gpu", "auto", or part of an OpenCL device's name */
        int64_t band_bytes; /* worker.band_bytes: rows kept in one band, 256KiB (fits L2) */
        int claim_ahead;    /* worker.claim_ahead: most tiles a lane claims at once, 64; 1 = never
                               ahead */
        int64_t claim_wait_ms;      /* worker.claim_wait: longest blocking claim, 1s */
        int64_t beat_ms;            /* worker.beat, 1s */
        int64_t tile_time_limit_ms; /* worker.tile_time_limit, 10min */
        int64_t lane_memory_limit;  /* worker.lane_memory_limit: bytes of growth after which a lane
                                       is replaced, 1GiB */
        int64_t lane_tile_limit; /* worker.lane_tile_limit: tiles after which a lane is replaced; 0
                                    = never */
        char *kernel_cache;      /* worker.kernel_cache: NULL = $XDG_CACHE_HOME/tilecrew or
                                    ~/.cache/tilecrew */
    } worker;
    struct {
        int64_t dead_after_ms; /* monitor.dead_after, 5s */
        int64_t sweep_ms;  /* monitor.sweep, 1s: how often fenced lists and delayed tiles are looked
                              at */
        int reclaim_batch; /* monitor.reclaim_batch, 256 tiles a script call */
        int64_t
            retry_blocked_ms;  /* monitor.retry_blocked, 30s: between two tries of blocked jobs */
        int min_workers;       /* monitor.min_workers, 2: with fewer a backup is woken; 0 = never */
        int64_t wake_after_ms; /* monitor.wake_after, 5s of too few */
        int64_t wake_timeout_ms;     /* monitor.wake_timeout, 15s for a backup to be live */
        int64_t stand_down_after_ms; /* monitor.stand_down_after, 30s of enough others */
        char *wake_command;          /* monitor.wake_command: a program, or NULL */
    } monitor;
    struct {
        int64_t tile_pixels;      /* job.tile_pixels: images above this are cut, 32M */
        int max_fails;            /* job.max_fails, 3 */
        int max_losses;           /* job.max_losses, 3 */
        int64_t retry_first_ms;   /* job.retry_first, 1s */
        int64_t retry_most_ms;    /* job.retry_most, 1min */
        int64_t ready_low;        /* job.ready_low: refill `ready` below this many tiles, 256 */
        int64_t ready_batch;      /* job.ready_batch: tiles moved at a refill, 1024 */
        int64_t keep_finished_ms; /* job.keep_finished: how long a finished job's keys stay, 24h */
    } job;
    struct {
        int64_t max_pixels; /* limits.max_pixels: larger images are refused, 2200M */
        int64_t max_side;   /* limits.max_side: widest or tallest, 1M (JPEG itself ends at 65500) */
        int64_t max_source_bytes;   /* limits.max_source_bytes: 4GiB */
        int max_scans;              /* limits.max_scans: of a progressive JPEG, 100 */
        int64_t max_coefficients;   /* limits.max_coefficient_bytes: memory for a progressive JPEG,
                                       1GiB */
        int64_t max_metadata_bytes; /* limits.max_metadata_bytes: carried over per image, 16MiB */
    } limits;
    struct {
        char *format;  /* output.format: keep, jpeg, png */
        int quality;   /* output.quality: 1..100, 90 */
        int png_level; /* output.png_level: 0..9, 3 */
        bool strip;    /* output.strip: drop metadata, false */
        bool sync;     /* output.sync: fsync results before they get their name, false */
    } output;
    struct {
        int64_t bytes_in_flight; /* store.bytes_in_flight: of the redis store, 256MiB */
    } store;
    struct {
        char *level;  /* log.level: debug, info, warning, error */
        char *format; /* log.format: text, json */
    } log;
} Config;

/* config_load fills `config` with defaults and then with the file `path` (NULL: search as above;
 * none found is no error). On failure nothing is allocated. config_free releases what config_load
 * made. */
int config_load(Config *config, const char *path, Error *error);
void config_free(Config *config);

/* config_set sets one dotted key from text, as the command line and tests do: config_set(c,
 * "output.quality", "85", e). */
int config_set(Config *config, const char *key, const char *value, Error *error);

/* config_apply_arguments sets every configuration key that the command line gave (OPTION_KEY of
 * base/options.h); call it after config_load. A bad value is an ERROR_USAGE that names the option.
 */
int config_apply_arguments(Config *config, const CommandLine *line, Error *error);

/* config_print_default writes the shipped tilecrew.yaml (every key, default and comment) to
 * standard output. */
void config_print_default(void);

/* config_parse_size / _duration read "256MiB" into bytes, "10min" into milliseconds. */
int config_parse_size(const char *text, int64_t *bytes, Error *error);
int config_parse_duration(const char *text, int64_t *milliseconds, Error *error);

#endif
