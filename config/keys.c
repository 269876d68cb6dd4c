/* The table of every key. To add a setting: a field in config.h, a row here, then
 * `make config/tilecrew.yaml`. */
#include "config/keys.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/units.h"

#define AT(field) offsetof(Config, field)
#define KIB       (INT64_C(1) << 10)
#define MIB       (INT64_C(1) << 20)
#define TIB       (INT64_C(1) << 40)
#define SECOND    INT64_C(1000)
#define MINUTE    (60 * SECOND)
#define DAY       (24 * 60 * MINUTE)

/* clang-format off */
const ConfigKey config_keys[] = {
    {"redis", "url", KEY_URL, AT(redis.url), "redis://127.0.0.1:6379/0", 0, 0, {NULL},
     "Where the queue lives: redis://[user:password@]host[:port][/db], "
     "unix:/path/to/socket[?db=N], or redis-sentinel://[user:password@]host[:port],.../MASTER[/db], "
     "whose hosts are sentinels. The variable TILECREW_REDIS and --redis come before it."},
    {"redis", "queue", KEY_NAME, AT(redis.queue), "default", 0, 0, {NULL},
     "Name of the queue: letters, digits, '_', '.', '-'. Several queues can share one Redis."},
    {"redis", "password_file", KEY_TEXT, AT(redis.password_file), NULL, 0, 0, {NULL},
     "File with the password alone, instead of a password in the URL. It must not be open to "
     "everyone (chmod 600)."},
    {"redis", "connect_timeout", KEY_DURATION, AT(redis.connect_timeout_ms), "5s", 10, 10 * MINUTE, {NULL},
     "Longest wait for a connection."},
    {"redis", "command_timeout", KEY_DURATION, AT(redis.command_timeout_ms), "10s", 10, 10 * MINUTE, {NULL},
     "Longest wait for an answer; after it the connection is thrown away and made anew."},
    {"redis", "retry_first", KEY_DURATION, AT(redis.retry_first_ms), "100ms", 1, 10 * MINUTE, {NULL},
     "First wait before connecting again; doubled each time, with jitter."},
    {"redis", "retry_most", KEY_DURATION, AT(redis.retry_most_ms), "5s", 1, 10 * MINUTE, {NULL},
     "Longest wait before connecting again."},

    {"worker", "lanes", KEY_INT, AT(worker.lanes), "0", 0, 1024, {NULL},
     "Processes that work on tiles side by side; 0 is one per core that the worker may use."},
    {"worker", "device", KEY_TEXT, AT(worker.device), "auto", 0, 0, {NULL},
     "OpenCL device: auto, cpu, gpu, or a part of a device's name."},
    {"worker", "band_bytes", KEY_SIZE, AT(worker.band_bytes), "256KiB", 4 * KIB, 1024 * MIB, {NULL},
     "Rows kept in one band; about half of a core's second-level cache is fastest."},
    {"worker", "claim_ahead", KEY_INT, AT(worker.claim_ahead), "64", 1, 1024, {NULL},
     "Most tiles that a lane claims at once when tiles are quick; 1 claims one by one."},
    {"worker", "claim_wait", KEY_DURATION, AT(worker.claim_wait_ms), "1s", 10, MINUTE, {NULL},
     "Longest wait for a tile before the lane looks up again."},
    {"worker", "beat", KEY_DURATION, AT(worker.beat_ms), "1s", 10, MINUTE, {NULL},
     "How often the worker says that it lives."},
    {"worker", "tile_time_limit", KEY_DURATION, AT(worker.tile_time_limit_ms), "10min", SECOND, 7 * DAY, {NULL},
     "A lane that works longer than this on one tile is stopped, and the tile tried again."},
    {"worker", "lane_memory_limit", KEY_SIZE, AT(worker.lane_memory_limit), "1GiB", 16 * MIB, TIB, {NULL},
     "A lane that has grown by this much is replaced after its tile."},
    {"worker", "lane_tile_limit", KEY_COUNT, AT(worker.lane_tile_limit), "0", 0, 1000000000000, {NULL},
     "A lane is replaced after this many tiles; 0 is never."},
    {"worker", "kernel_cache", KEY_TEXT, AT(worker.kernel_cache), NULL, 0, 0, {NULL},
     "Folder for compiled kernels; none is $XDG_CACHE_HOME/tilecrew, else ~/.cache/tilecrew."},

    {"monitor", "dead_after", KEY_DURATION, AT(monitor.dead_after_ms), "5s", 50, 60 * MINUTE, {NULL},
     "A worker whose beat stood still for this long is taken for dead, and its tiles go to others."},
    {"monitor", "sweep", KEY_DURATION, AT(monitor.sweep_ms), "1s", 10, MINUTE, {NULL},
     "How often retries that are due and dead workers' lists are looked at."},
    {"monitor", "reclaim_batch", KEY_INT, AT(monitor.reclaim_batch), "256", 1, 10000, {NULL},
     "Tiles moved by one call of a script, so that Redis never stalls on a large list."},
    {"monitor", "retry_blocked", KEY_DURATION, AT(monitor.retry_blocked_ms), "30s", 100, DAY, {NULL},
     "How often a job is tried again whose output, or Redis, is full or not writable."},
    {"monitor", "min_workers", KEY_INT, AT(monitor.min_workers), "2", 0, 10000, {NULL},
     "A backup worker is woken when fewer than this are alive for wake_after, or at once when none "
     "is, whether there is work or not; 0 wakes nobody."},
    {"monitor", "wake_after", KEY_DURATION, AT(monitor.wake_after_ms), "5s", 0, DAY, {NULL},
     "How long there must be too few workers; so long a restart may take."},
    {"monitor", "wake_timeout", KEY_DURATION, AT(monitor.wake_timeout_ms), "15s", 100, DAY, {NULL},
     "A backup worker that was woken and is not live after this has failed, and the next one is woken."},
    {"monitor", "stand_down_after", KEY_DURATION, AT(monitor.stand_down_after_ms), "30s", 0, 30 * DAY, {NULL},
     "A woken backup worker stands by again when there are min_workers without it for this long."},
    {"monitor", "wake_command", KEY_TEXT, AT(monitor.wake_command), NULL, 0, 0, {NULL},
     "Program, by its path, that is run when workers are missing and no worker stands by: it gets "
     "the event as JSON on standard input, and may start a machine. It is killed after wake_timeout."},

    {"job", "tile_pixels", KEY_COUNT, AT(job.tile_pixels), "32M", 4096, 100000000000, {NULL},
     "Images of more pixels are cut into tiles, which several lanes work on at once."},
    {"job", "max_fails", KEY_INT, AT(job.max_fails), "3", 1, 100, {NULL},
     "Attempts at a tile that fails by itself (a store that refuses) before it is given up."},
    {"job", "max_losses", KEY_INT, AT(job.max_losses), "3", 1, 100, {NULL},
     "Lanes or workers that may die with a tile in hand before it is given up."},
    {"job", "retry_first", KEY_DURATION, AT(job.retry_first_ms), "1s", 1, DAY, {NULL},
     "First wait before a failed tile is tried again; doubled each time, with jitter."},
    {"job", "retry_most", KEY_DURATION, AT(job.retry_most_ms), "1min", 1, DAY, {NULL},
     "Longest wait before a failed tile is tried again."},
    {"job", "ready_low", KEY_COUNT, AT(job.ready_low), "256", 1, 1000000, {NULL},
     "The list of tiles to claim is filled up when it holds fewer than this."},
    {"job", "ready_batch", KEY_COUNT, AT(job.ready_batch), "1024", 1, 1000000, {NULL},
     "Tiles moved to that list at a time, taken in turn from the jobs."},
    {"job", "keep_finished", KEY_DURATION, AT(job.keep_finished_ms), "24h", 0, 3650 * DAY, {NULL},
     "How long the keys of a finished job stay in Redis."},

    {"limits", "max_pixels", KEY_COUNT, AT(limits.max_pixels), "2200M", 1, 1000000000000, {NULL},
     "Images of more pixels are refused."},
    {"limits", "max_side", KEY_COUNT, AT(limits.max_side), "1M", 1, INT_MAX, {NULL},
     "Images wider or taller than this are refused. JPEG itself ends at 65500."},
    {"limits", "max_source_bytes", KEY_SIZE, AT(limits.max_source_bytes), "4GiB", 1, 1024 * TIB, {NULL},
     "Larger files are refused."},
    {"limits", "max_scans", KEY_INT, AT(limits.max_scans), "100", 1, 10000, {NULL},
     "Progressive JPEGs of more scans are refused: each scan costs a pass over the image."},
    {"limits", "max_coefficient_bytes", KEY_SIZE, AT(limits.max_coefficients), "1GiB", MIB, TIB, {NULL},
     "Memory for one progressive JPEG, which cannot be streamed; larger ones are refused."},
    {"limits", "max_metadata_bytes", KEY_SIZE, AT(limits.max_metadata_bytes), "16MiB", 0, 1024 * MIB, {NULL},
     "EXIF, ICC and other metadata carried over for one image; more is refused."},

    {"output", "format", KEY_CHOICE, AT(output.format), "keep", 0, 0, {"keep", "jpeg", "png"},
     "Format of the results: keep the source's, jpeg, or png."},
    {"output", "quality", KEY_INT, AT(output.quality), "90", 1, 100, {NULL},
     "JPEG quality, 1 to 100."},
    {"output", "png_level", KEY_INT, AT(output.png_level), "3", 0, 9, {NULL},
     "PNG compression, from 0 (none, fast) to 9 (small, slow)."},
    {"output", "strip", KEY_BOOL, AT(output.strip), "false", 0, 0, {NULL},
     "Leave EXIF, ICC and other metadata out of the results."},
    {"output", "sync", KEY_BOOL, AT(output.sync), "false", 0, 0, {NULL},
     "Wait until the disk has each result (fsync) before it gets its name."},

    {"store", "bytes_in_flight", KEY_SIZE, AT(store.bytes_in_flight), "256MiB", MIB, TIB, {NULL},
     "The redis store keeps at most this much in Redis; the producer waits rather than fill it."},

    {"log", "level", KEY_CHOICE, AT(log.level), "info", 0, 0, {"debug", "info", "warning", "error"},
     "What is logged: debug, info, warning or error, and what is worse."},
    {"log", "format", KEY_CHOICE, AT(log.format), "text", 0, 0, {"text", "json"},
     "text, or json: one object a line."},
};
/* clang-format on */
const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

const ConfigKey *keys_find(const char *section, size_t length, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const ConfigKey *key = &config_keys[i];
        if (strlen(key->section) == length && strncmp(key->section, section, length) == 0 &&
            strcmp(key->name, name) == 0)
            return key;
    }
    return NULL;
}

bool keys_is_text(const ConfigKey *key)
{
    return key->type <= KEY_CHOICE;
}

/* --- texts */

static int store_choice(const ConfigKey *key, const char *text, Error *error)
{
    const char *nearest;
    Text list = {0};
    size_t count = 0;

    for (; count < KEY_CHOICES && key->choices[count] != NULL; count++) {
        if (strcmp(key->choices[count], text) == 0) {
            text_free(&list);
            return 0;
        }
        text_add_format(&list, "%s%s", count > 0 ? ", " : "", key->choices[count]);
    }
    nearest = text_nearest(text, key->choices, count);
    error_set(error, ERROR_CONFIG, "must be one of %s, not '%s'%s%s%s", list.data, text,
              nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "'?" : "");
    text_free(&list);
    return -1;
}

static int store_check_name(const char *text, Error *error)
{
    size_t length = strlen(text);

    if (length < 1 || length > 64 ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != length)
        return error_set(error, ERROR_CONFIG,
                         "must be 1 to 64 letters, digits, '_', '.' or '-', not '%s'", text);
    return 0;
}

static int store_check_url(const char *text, Error *error)
{
    static const char *const schemes[] = {"redis://", "unix:", "redis+unix:", "redis-sentinel://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return 0;
    return error_set(error, ERROR_CONFIG,
                     "must be redis://[user:password@]host[:port][/db], unix:/path[?db=N] or "
                     "redis-sentinel://host[:port],.../MASTER");
}

static int store_text(const ConfigKey *key, char **target, const char *text, Error *error)
{
    char *copy;

    if (key->type == KEY_NAME && store_check_name(text, error) != 0)
        return -1;
    if (key->type == KEY_URL && store_check_url(text, error) != 0)
        return -1;
    if (key->type == KEY_CHOICE && store_choice(key, text, error) != 0)
        return -1;
    if (key->type == KEY_TEXT && key->standard != NULL && text[0] == '\0')
        return error_set(error, ERROR_CONFIG, "must be a text, not empty");
    copy = text[0] == '\0' ? NULL : memory_copy_text(text);
    free(*target);
    *target = copy;
    return 0;
}

/* --- truth and numbers */

static int store_bool(bool *target, const char *text, Error *error)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return error_set(error, ERROR_CONFIG, "must be true or false, not '%s'", text);
    *target = text[0] == 't';
    return 0;
}

static int store_number(const ConfigKey *key, void *target, const char *text, Error *error)
{
    static const struct {
        const Unit *units;
        const char *what;
    } kinds[] = {
        [KEY_INT] = {units_count, "a whole number"},
        [KEY_COUNT] = {units_count, "a whole number (500, 32M, 2G)"},
        [KEY_SIZE] = {units_size, "a size (4096, 256KiB, 1.5GB)"},
        [KEY_DURATION] = {units_duration, "a duration with its unit (500ms, 1s, 10min, 4h)"},
    };
    const Unit *units = kinds[key->type].units;
    char least[32];
    char most[32];
    int64_t value;

    if (units_parse(units, text, &value) != 0 || value < key->least || value > key->most)
        return error_set(error, ERROR_CONFIG, "must be %s from %s to %s, not '%s'",
                         kinds[key->type].what,
                         units_format(units, key->least, least, sizeof least),
                         units_format(units, key->most, most, sizeof most), text);
    if (key->type == KEY_INT)
        *(int *)target = (int)value;
    else
        *(int64_t *)target = value;
    return 0;
}

int keys_store(const ConfigKey *key, Config *config, const char *text, Error *error)
{
    void *target = (char *)config + key->offset;

    if (text == NULL && (!keys_is_text(key) || key->standard != NULL))
        return error_set(error, ERROR_CONFIG, "must have a value; the default is %s",
                         key->standard);
    if (keys_is_text(key))
        return store_text(key, target, text != NULL ? text : "", error);
    if (key->type == KEY_BOOL)
        return store_bool(target, text, error);
    return store_number(key, target, text, error);
}
