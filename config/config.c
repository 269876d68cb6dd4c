#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/units.h"
#include "config/yaml.h"

/* --- rules that hold between keys, and outside the file */

/* In each pair the first may not be more than the second. */
static const struct {
    const char *less;
    size_t less_offset;
    const char *more;
    size_t more_offset;
} ordered[] = {
    {"redis.retry_first", offsetof(Config, redis.retry_first_ms), "redis.retry_most",
     offsetof(Config, redis.retry_most_ms)},
    {"job.retry_first", offsetof(Config, job.retry_first_ms), "job.retry_most",
     offsetof(Config, job.retry_most_ms)},
    {"worker.beat", offsetof(Config, worker.beat_ms), "monitor.dead_after",
     offsetof(Config, monitor.dead_after_ms)},
};

static int config_check_order(const Config *config, Error *error)
{
    for (size_t i = 0; i < sizeof ordered / sizeof ordered[0]; i++) {
        int64_t less = *(const int64_t *)((const char *)config + ordered[i].less_offset);
        int64_t more = *(const int64_t *)((const char *)config + ordered[i].more_offset);
        char less_text[32];
        char more_text[32];

        if (less > more)
            return error_set(
                error, ERROR_CONFIG, "'%s' (%s) must not be more than '%s' (%s)", ordered[i].less,
                units_format(units_duration, less, less_text, sizeof less_text), ordered[i].more,
                units_format(units_duration, more, more_text, sizeof more_text));
    }
    return 0;
}

static int config_check_password_file(const Config *config, Error *error)
{
    const char *path = config->redis.password_file;
    struct stat status;

    if (path == NULL)
        return 0;
    if (stat(path, &status) != 0)
        return error_set_errno(error, ERROR_CONFIG, "'redis.password_file' '%s' cannot be read",
                               path);
    if ((status.st_mode & S_IRWXO) != 0)
        return error_set(error, ERROR_CONFIG,
                         "'redis.password_file' '%s' is open to everyone (mode %04o); do: chmod "
                         "o-rwx '%s'",
                         path, (unsigned)status.st_mode & 07777, path);
    return 0;
}

static int config_check(const Config *config, Error *error)
{
    return config_check_order(config, error) != 0 ? -1 : config_check_password_file(config, error);
}

/* --- finding and loading the file */

static int config_read_file(Config *config, FILE *file, const char *path, Error *error)
{
    int result = yaml_read(file, path, config, error);

    fclose(file);
    if (result == 0 && config_check(config, error) != 0)
        result = error_prefix(error, "%s: ", path);
    return result;
}

/* The file that was asked for has to be there. */
static int config_read_named(Config *config, const char *path, Error *error)
{
    FILE *file = fopen(path, "re");
    struct stat status;

    if (file != NULL && fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        file = NULL;
        errno = EISDIR;
    }
    if (file == NULL)
        return error_set_errno(error, ERROR_CONFIG, "configuration file '%s' cannot be read", path);
    return config_read_file(config, file, path, error);
}

/* Of the places where a file may be, the first that has one counts. `path` is freed. Returns 1 when
 * there is none here. */
static int config_try_place(Config *config, char *path, Error *error)
{
    FILE *file = fopen(path, "re");
    int result = 1;

    if (file != NULL)
        result = config_read_file(config, file, path, error);
    else if (errno != ENOENT && errno != ENOTDIR)
        result =
            error_set_errno(error, ERROR_CONFIG, "configuration file '%s' cannot be read", path);
    free(path);
    return result;
}

static int config_read_places(Config *config, Error *error)
{
    const char *home = getenv("HOME");
    int result = config_try_place(config, memory_copy_text("tilecrew.yaml"), error);

    if (result == 1 && home != NULL && home[0] == '/')
        result = config_try_place(
            config, memory_format_text("%s/.config/tilecrew/tilecrew.yaml", home), error);
    if (result == 1)
        result = config_try_place(config, memory_copy_text("/etc/tilecrew/tilecrew.yaml"), error);
    return result < 0 ? -1 : 0;
}

static int config_read_environment(Config *config, Error *error)
{
    const char *url = getenv("TILECREW_REDIS");

    if (url == NULL || url[0] == '\0' || config_set(config, "redis.url", url, error) == 0)
        return 0;
    return error_prefix(error, "environment variable TILECREW_REDIS: ");
}

static void config_set_defaults(Config *config)
{
    Error error = {0};

    *config = (Config){0};
    for (size_t i = 0; i < config_key_count; i++)
        if (keys_store(&config_keys[i], config, config_keys[i].standard, &error) != 0) {
            /* A mistake in the table, which the unit tests would have shown. */
            fprintf(stderr, "tilecrew: default of %s.%s %s\n", config_keys[i].section,
                    config_keys[i].name, error.message);
            abort();
        }
}

int config_load(Config *config, const char *path, Error *error)
{
    const char *named = path != NULL ? path : getenv("TILECREW_CONFIG");
    int result;

    config_set_defaults(config);
    if (named != NULL && named[0] != '\0')
        result = config_read_named(config, named, error);
    else
        result = config_read_places(config, error);
    if (result == 0)
        result = config_read_environment(config, error);
    if (result != 0)
        config_free(config);
    return result;
}

void config_free(Config *config)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (keys_is_text(&config_keys[i]))
            free(*(char **)((char *)config + config_keys[i].offset));
    *config = (Config){0};
}

/* --- single keys */

static int config_fail_unknown(const char *name, Error *error)
{
    const char *nearest = NULL;
    char full[128];
    int least = (int)strlen(name) / 3 + 2;

    for (size_t i = 0; i < config_key_count; i++) {
        snprintf(full, sizeof full, "%s.%s", config_keys[i].section, config_keys[i].name);
        if (text_distance(name, full) < least) {
            least = text_distance(name, full);
            error_set(error, ERROR_CONFIG, "unknown key '%s'; did you mean '%s'?", name, full);
            nearest = config_keys[i].name;
        }
    }
    if (nearest == NULL)
        error_set(error, ERROR_CONFIG, "unknown key '%s'; config/tilecrew.yaml lists all", name);
    return -1;
}

/* Says only what the value must be, for a caller who knows how the user called the key. */
static int config_store(Config *config, const char *name, const char *value, Error *error)
{
    const char *point = strchr(name, '.');
    const ConfigKey *key =
        point == NULL ? NULL : keys_find(name, (size_t)(point - name), point + 1);

    return key == NULL ? config_fail_unknown(name, error) : keys_store(key, config, value, error);
}

int config_set(Config *config, const char *key, const char *value, Error *error)
{
    if (config_store(config, key, value, error) == 0)
        return 0;
    return strncmp(error->message, "must", 4) == 0 ? error_prefix(error, "'%s' ", key) : -1;
}

int config_apply_arguments(Config *config, const CommandLine *line, Error *error)
{
    for (int i = 0; i < line->setting_count; i++) {
        const OptionSetting *setting = &line->settings[i];
        if (config_store(config, setting->key, setting->value, error) != 0) {
            error->kind = ERROR_USAGE;
            return error_prefix(error, "option '--%s' ", setting->option);
        }
    }
    if (config_check(config, error) == 0)
        return 0;
    error->kind = ERROR_USAGE;
    return -1;
}

/* --- the shipped file */

/* print_comment writes `text` as comment lines, broken at spaces before `width`. */
static void print_comment(const char *text)
{
    enum { WIDTH = 96 };
    int column = 0;

    for (; *text != '\0'; text += strspn(text, " ")) {
        int length = (int)strcspn(text, " ");
        if (column == 0 || column + 1 + length > WIDTH)
            column = printf("%s  #", column == 0 ? "" : "\n") - (column != 0);
        column += printf(" %.*s", length, text);
        text += length;
    }
    putchar('\n');
}

void config_print_default(void)
{
    const char *section = "";

    printf("# Every setting of tilecrew, with its default. What is left out keeps its default.\n"
           "# Looked for as --config FILE, $TILECREW_CONFIG, ./tilecrew.yaml,\n"
           "# ~/.config/tilecrew/tilecrew.yaml and /etc/tilecrew/tilecrew.yaml; the first counts.\n"
           "# Sizes: 4096, 256KiB, 1.5GB. Durations: 500ms, 1s, 10min, 4h, 7d. Counts: 500, 32M, "
           "2G.\n");
    for (size_t i = 0; i < config_key_count; i++) {
        const ConfigKey *key = &config_keys[i];
        if (strcmp(section, key->section) != 0)
            printf("\n%s:\n", key->section);
        section = key->section;
        print_comment(key->comment);
        printf("  %s: %s\n", key->name, key->standard != NULL ? key->standard : "null");
    }
}

int config_parse_size(const char *text, int64_t *bytes, Error *error)
{
    if (units_parse(units_size, text, bytes) == 0)
        return 0;
    return error_set(error, ERROR_USAGE, "'%s' is not a size; write 4096, 256KiB or 1.5GB", text);
}

int config_parse_duration(const char *text, int64_t *milliseconds, Error *error)
{
    if (units_parse(units_duration, text, milliseconds) == 0)
        return 0;
    return error_set(error, ERROR_USAGE, "'%s' is not a duration; write 500ms, 1s, 10min, 4h or 7d",
                     text);
}
