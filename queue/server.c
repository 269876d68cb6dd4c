/* Opening a Queue: introducing oneself to the server, checking it, and telling its errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "queue/connection.h"
#include "queue/sentinel.h"

/* Before version 7 what a script ran into is told behind "ERR Error running script (...):
 * @user_script: LINE: -", of which the last "-" begins the true error. */
static const char *refusal_text(const char *text)
{
    const char *cause =
        strncmp(text, "ERR Error running script", 24) == 0 ? strstr(text, ": -") : NULL;

    return cause == NULL ? text : cause + 3;
}

int queue_refuse(Queue *queue, const redisReply *reply, Error *error)
{
    static const struct {
        const char *code;
        ErrorKind kind;
        const char *advice;
    } known[] = {
        {"OOM", ERROR_FULL, "is out of memory: raise its maxmemory, or wait until jobs finish"},
        {"MISCONF", ERROR_FULL, "cannot save to its disk and so takes no writes: see its log"},
        {"NOAUTH", ERROR_REDIS,
         "asks for a password: put it in a file named by redis.password_file, or in the URL "
         "(redis://:PASSWORD@HOST)"},
        {"WRONGPASS", ERROR_REDIS,
         "refuses the user or password: check redis.password_file and the URL"},
        {"NOPERM", ERROR_REDIS,
         "does not let this user do that: its ACL must allow the commands and keys of "
         "docs/queue.md"},
        {"LOADING", ERROR_REDIS, "is still loading its data: try again soon"},
        {"READONLY", ERROR_REDIS,
         "is a replica: name the primary, or let sentinels find it (redis-sentinel://)"},
        {"MASTERDOWN", ERROR_REDIS, "is a replica that has lost its primary"},
        {"BUSY", ERROR_REDIS,
         "is busy with somebody's script: SCRIPT KILL ends one that has written nothing"},
        {"UNBLOCKED", ERROR_REDIS, "has become a replica"},
        {"NOREPLICAS", ERROR_REDIS,
         "has fewer replicas than its min-replicas-to-write asks for, and so takes no writes"},
        {"MOVED", ERROR_REDIS, "is a cluster node that does not hold this queue's slot"},
        {"JOB", ERROR_USAGE, NULL},
        {"FENCED", ERROR_CANCELLED, NULL},
    };
    const char *text = refusal_text(reply->str);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].code);
        if (strncmp(text, known[i].code, length) != 0 || text[length] != ' ')
            continue;
        if (known[i].advice == NULL)
            return error_set(error, known[i].kind, "%s", text + length + 1);
        error_set(error, known[i].kind, "Redis at %s %s (%s)", queue->address.display,
                  known[i].advice, text);
        if (known[i].kind == ERROR_REDIS)
            queue_disconnect(queue);
        return -1;
    }
    error_set(error, ERROR_REDIS, "Redis at %s: %s", queue->address.display, text);
    queue_disconnect(queue);
    return -1;
}

/* A server whose disk is full answers PING with MISCONF: reading and much else goes on there. */
static int server_take_login(Queue *queue, const Replies *replies, Error *error)
{
    for (int i = 0; i < replies->count; i++) {
        const redisReply *reply = replies->item[i];
        if (queue->address.master != NULL && i == replies->count - 1)
            return sentinel_check_role(queue, reply, error);
        if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MISCONF ", 8) != 0)
            return queue_refuse(queue, reply, error);
    }
    return 0;
}

static int server_login(Queue *queue, Error *error)
{
    const char *user = queue->address.user;
    const char *password = queue->address.password;
    Replies replies;
    char db[16];
    int status;

    if (password != NULL && user != NULL)
        command_put(queue, "AUTH", user, password);
    else if (password != NULL)
        command_put(queue, "AUTH", password);
    snprintf(db, sizeof db, "%d", queue->address.db);
    if (queue->address.db != 0)
        command_put(queue, "SELECT", db);
    command_put(queue, "PING");
    if (queue->address.master != NULL)
        command_put(queue, "ROLE");
    if (queue_exchange(queue, 0, &replies, error) != 0)
        return -1;
    status = server_take_login(queue, &replies, error);
    replies_free(&replies);
    return status;
}

int queue_connect(Queue *queue, Error *error)
{
    if (queue->transport != NULL)
        return 0;
    if (queue->address.master != NULL && sentinel_find_master(queue, error) != 0)
        return -1;
    queue->transport = transport_open(&queue->address, queue->connect_timeout_ms, error);
    if (queue->transport == NULL && queue->address.master != NULL)
        return error_prefix(error,
                            "the sentinels see the master at %s:%s: ", queue->address.at.name,
                            queue->address.at.port);
    if (queue->transport == NULL)
        return -1;
    queue->reader = redisReaderCreate();
    if (queue->reader == NULL) {
        queue_disconnect(queue);
        return error_set(error, ERROR_SYSTEM, "no memory for a connection to Redis");
    }
    if (queue->anonymous || server_login(queue, error) == 0)
        return 0;
    queue_disconnect(queue);
    return -1;
}

static int server_check_version(Queue *queue, const redisReply *info, Error *error)
{
    const char *field = strstr(reply_text(info), "redis_version:");
    int major = 0;
    int minor = 0;

    if (field == NULL || sscanf(field, "redis_version:%d.%d", &major, &minor) != 2) /* NOLINT */
        return error_set(error, ERROR_REDIS, "%s does not tell its Redis version",
                         queue->address.display);
    if (major > 6 || (major == 6 && minor >= 2))
        return 0;
    return error_set(error, ERROR_REDIS,
                     "Redis at %s is version %d.%d: tilecrew needs 6.2 or later",
                     queue->address.display, major, minor);
}

static int server_check_policy(Queue *queue, const redisReply *reply, Error *error)
{
    const char *policy = reply_text(reply_item(reply, 1));

    if (policy[0] == '\0') {
        log_warning("redis_policy_unknown",
                    "url=%s detail=\"cannot read maxmemory-policy; it must be noeviction\"",
                    queue->address.display);
        return 0;
    }
    if (strcmp(policy, "noeviction") == 0)
        return 0;
    return error_set(error, ERROR_REDIS,
                     "Redis at %s evicts keys when its memory is full (maxmemory-policy %s) and "
                     "would lose tiles: set maxmemory-policy noeviction",
                     queue->address.display, policy);
}

static int server_check(Queue *queue, Error *error)
{
    Replies replies;
    int status = -1;

    command_put(queue, "INFO", "server");
    command_put(queue, "CONFIG", "GET", "maxmemory-policy");
    if (queue_exchange(queue, 0, &replies, error) != 0)
        return -1;
    if (replies.item[0]->type == REDIS_REPLY_ERROR)
        queue_refuse(queue, replies.item[0], error);
    else if (server_check_version(queue, replies.item[0], error) == 0)
        status = server_check_policy(queue, replies.item[1], error);
    replies_free(&replies);
    return status;
}

static int check_name(const char *name, Error *error)
{
    size_t length = strlen(name);

    if (length >= 1 && length <= 64 &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length)
        return 0;
    return error_set(error, ERROR_CONFIG,
                     "'%.80s' is no name for a queue: use 1 to 64 of A-Z a-z 0-9 _ . -", name);
}

/* The first line of the file, without its end. */
static int read_password(const char *path, char **password, Error *error)
{
    char line[1024] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return error_set_errno(error, ERROR_CONFIG, "the password file %s", path);
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0')
        return error_set(error, ERROR_CONFIG, "the password file %s is empty", path);
    free(*password);
    *password = memory_copy_text(line);
    explicit_bzero(line, sizeof line);
    return 0;
}

Queue *queue_open(const QueueOptions *options, Error *error)
{
    Queue *queue;

    if (check_name(options->name, error) != 0)
        return NULL;
    queue = memory_need(sizeof *queue);
    queue->prefix = memory_format_text("tc:{%s}:", options->name);
    queue->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 5000;
    queue->command_timeout_ms =
        options->command_timeout_ms > 0 ? options->command_timeout_ms : 10000;
    queue->ready_low = options->ready_low > 0 ? options->ready_low : 256;
    queue->ready_batch = options->ready_batch > 0 ? options->ready_batch : 1024;
    if (address_parse(options->url, &queue->address, error) != 0)
        goto fail;
    if (options->password_file != NULL &&
        read_password(options->password_file, &queue->address.password, error) != 0)
        goto fail;
    if (server_check(queue, error) == 0)
        return queue;
fail:
    queue_close(queue);
    return NULL;
}

void queue_close(Queue *queue)
{
    if (queue == NULL)
        return;
    queue_disconnect(queue);
    address_free(&queue->address);
    free(queue->prefix);
    free(queue->outbox.starts);
    text_free(&queue->outbox.bytes);
    free(queue->arguments.lengths);
    text_free(&queue->arguments.bytes);
    free(queue);
}

const char *queue_display_url(const Queue *queue)
{
    return queue->address.display;
}
