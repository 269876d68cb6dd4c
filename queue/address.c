#include "queue/address.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const char *const forms =
    "expected redis://[user[:password]@]host[:port][/db], unix:/path[?db=N] or "
    "redis-sentinel://[user[:password]@]host[:port][,host[:port]...]/MASTER[/db]";

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

    return at == NULL ? -1 : (int)(at - digits);
}

/* A malloc'ed copy with %XX decoded; NULL when an escape is broken or means NUL. */
static char *decode(const char *text, size_t length)
{
    Text out = {0};

    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            bool whole = length - i > 2;
            int high = whole ? hex_digit(text[i + 1]) : -1;
            int low = whole ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                text_free(&out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        text_add(&out, &c, 1);
    }
    return text_take(&out);
}

/* Digits only, up to `most`; -1 otherwise. An empty text is `missing`. */
static int parse_number(const char *text, size_t length, int most, int missing)
{
    int value = 0;

    if (length == 0)
        return missing;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        value = value * 10 + (text[i] - '0');
        if (value > most)
            return -1;
    }
    return value;
}

static int parse_unix(const char *rest, QueueAddress *address, Error *error)
{
    const char *query = strchr(rest, '?');
    size_t length = query == NULL ? strlen(rest) : (size_t)(query - rest);

    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
        length -= 2;
    }
    address->path = decode(rest, length);
    if (address->path == NULL || address->path[0] != '/')
        return error_set(error, ERROR_CONFIG,
                         "the path of a unix socket must be absolute: unix:/path[?db=N]");
    if (query != NULL) {
        address->db = -1;
        if (strncmp(query, "?db=", 4) == 0)
            address->db = parse_number(query + 4, strlen(query + 4), 65535, -1);
        if (address->db < 0)
            return error_set(error, ERROR_CONFIG, "after unix:%s only ?db=NUMBER may follow",
                             address->path);
    }
    address->display = address->db == 0
                           ? memory_format_text("unix:%s", address->path)
                           : memory_format_text("unix:%s?db=%d", address->path, address->db);
    return 0;
}

static int parse_login(const char *login, size_t length, QueueAddress *address, Error *error)
{
    const char *colon = memchr(login, ':', length);
    size_t user_length = colon == NULL ? length : (size_t)(colon - login);

    if (user_length > 0) {
        address->user = decode(login, user_length);
        if (address->user == NULL)
            return error_set(error, ERROR_CONFIG, "the user in the Redis URL has a broken %%XX");
    }
    if (colon != NULL) {
        address->password = decode(colon + 1, length - user_length - 1);
        if (address->password == NULL)
            return error_set(error, ERROR_CONFIG,
                             "the password in the Redis URL has a broken %%XX: write %% as %%25");
    }
    return 0;
}

/* Finds where the host ends; [v6] keeps its colons. */
static const char *host_end(const char *host, const char *end)
{
    const char *close = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *colon;

    if (close != NULL)
        return close + 1;
    colon = memchr(host, ':', (size_t)(end - host));
    return colon == NULL ? end : colon;
}

static int parse_host(const char *host, const char *end, int standard, QueueHost *at, Error *error)
{
    const char *stop = host_end(host, end);
    int port = standard;

    if (stop < end)
        port =
            *stop == ':' ? parse_number(stop + 1, (size_t)(end - stop - 1), 65535, standard) : -1;
    if (port <= 0)
        return error_set(error, ERROR_CONFIG, "the port in the Redis URL is not 1..65535; %s",
                         forms);
    snprintf(at->port, sizeof at->port, "%d", port);
    if (*host == '[' && stop[-1] == ']')
        at->name = decode(host + 1, (size_t)(stop - host - 2));
    else
        at->name =
            stop == host ? memory_copy_text("127.0.0.1") : decode(host, (size_t)(stop - host));
    if (at->name == NULL)
        return error_set(error, ERROR_CONFIG, "the host in the Redis URL has a broken %%XX");
    return 0;
}

/* Reads "user:password@" before `end` and moves *rest behind it. */
static int parse_authority(const char **rest, const char *end, QueueAddress *address, Error *error)
{
    const char *at = NULL;

    for (const char *c = *rest; c < end; c++)
        if (*c == '@')
            at = c;
    if (at == NULL)
        return 0;
    if (parse_login(*rest, (size_t)(at - *rest), address, error) != 0)
        return -1;
    *rest = at + 1;
    return 0;
}

static void show_begin(const QueueAddress *address, const char *scheme, Text *display)
{
    text_add_format(display, "%s%s%s", scheme, address->user != NULL ? address->user : "",
                    address->user != NULL ? "@" : "");
}

static void show_host(const QueueHost *host, Text *display)
{
    bool v6 = strchr(host->name, ':') != NULL;

    text_add_format(display, "%s%s%s:%s", v6 ? "[" : "", host->name, v6 ? "]" : "", host->port);
}

static int parse_tcp(const char *rest, QueueAddress *address, Error *error)
{
    const char *end = rest + strcspn(rest, "/?#");
    Text display = {0};

    if (parse_authority(&rest, end, address, error) != 0 ||
        parse_host(rest, end, 6379, &address->at, error) != 0)
        return -1;
    if (*end == '/')
        address->db = parse_number(end + 1, strlen(end + 1), 65535, 0);
    if (address->db < 0 || (*end != '\0' && *end != '/'))
        return error_set(error, ERROR_CONFIG,
                         "behind host and port of the Redis URL only /DB may follow; %s", forms);
    show_begin(address, "redis://", &display);
    show_host(&address->at, &display);
    text_add_format(&display, "/%d", address->db);
    address->display = text_take(&display);
    return 0;
}

/* "/MASTER[/db]" */
static int parse_master(const char *path, QueueAddress *address, Error *error)
{
    size_t length = *path == '/' ? strcspn(path + 1, "/?#") : 0;
    const char *end = path + 1 + length;

    if (length > 0)
        address->master = decode(path + 1, length);
    if (address->master == NULL)
        return error_set(error, ERROR_CONFIG,
                         "the Redis URL does not say what the sentinels call the master; %s",
                         forms);
    if (*end == '/')
        address->db = parse_number(end + 1, strlen(end + 1), 65535, 0);
    if (address->db < 0 || (*end != '\0' && *end != '/'))
        return error_set(error, ERROR_CONFIG,
                         "behind the master's name in the Redis URL only /DB may follow; %s",
                         forms);
    return 0;
}

static int parse_sentinel(const char *rest, QueueAddress *address, Error *error)
{
    const char *path = rest + strcspn(rest, "/?#");
    Text display = {0};

    if (parse_authority(&rest, path, address, error) != 0)
        return -1;
    for (const char *end = rest; rest <= path; rest = end + 1) {
        int count = address->sentinel_count++;

        end = memchr(rest, ',', (size_t)(path - rest));
        if (end == NULL)
            end = path;
        address->sentinels =
            memory_resize(address->sentinels, (size_t)(count + 1) * sizeof *address->sentinels);
        address->sentinels[count] = (QueueHost){0};
        if (parse_host(rest, end, 26379, &address->sentinels[count], error) != 0)
            return -1;
    }
    if (parse_master(path, address, error) != 0)
        return -1;
    show_begin(address, "redis-sentinel://", &display);
    for (int i = 0; i < address->sentinel_count; i++) {
        text_add_string(&display, i > 0 ? "," : "");
        show_host(&address->sentinels[i], &display);
    }
    text_add_format(&display, "/%s/%d", address->master, address->db);
    address->display = text_take(&display);
    return 0;
}

int address_parse(const char *url, QueueAddress *address, Error *error)
{
    static const struct {
        const char *scheme;
        int (*parse)(const char *rest, QueueAddress *address, Error *error);
    } schemes[] = {
        {"redis://", parse_tcp},
        {"redis-sentinel://", parse_sentinel},
        {"unix:", parse_unix},
        {"redis+unix:", parse_unix},
    };

    *address = (QueueAddress){0};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i].scheme);
        if (strncmp(url, schemes[i].scheme, length) != 0)
            continue;
        if (schemes[i].parse(url + length, address, error) == 0)
            return 0;
        address_free(address);
        return -1;
    }
    return error_set(error, ERROR_CONFIG, "the Redis URL has an unknown scheme; %s", forms);
}

/* Passwords do not stay behind in freed memory. */
static void forget(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void address_free(QueueAddress *address)
{
    free(address->path);
    free(address->at.name);
    for (int i = 0; i < address->sentinel_count; i++)
        free(address->sentinels[i].name);
    free(address->sentinels);
    free(address->master);
    free(address->user);
    forget(address->password);
    free(address->display);
    *address = (QueueAddress){0};
}
