/* Where the master is: the sentinels are asked in turn, first the one that answered last, each over
 * a connection of its own that is closed again. */
#include "queue/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LEAST_PATIENCE_MS = 200 };

/* A Queue that talks to one sentinel, for queue_close. All sentinels together get no more time than
 * a connection may take. */
static Queue *sentinel_open(const Queue *queue, const QueueHost *host)
{
    Queue *asker = memory_need(sizeof *asker);
    int64_t patience = queue->connect_timeout_ms / queue->address.sentinel_count;

    asker->connect_timeout_ms = patience > LEAST_PATIENCE_MS ? patience : LEAST_PATIENCE_MS;
    asker->command_timeout_ms = asker->connect_timeout_ms;
    asker->anonymous = true;
    asker->address.at = *host;
    asker->address.at.name = memory_copy_text(host->name);
    asker->address.display = memory_format_text("sentinel %s:%s", host->name, host->port);
    return asker;
}

/* A sentinel without a password refuses AUTH; what comes after it is answered all the same. */
static int sentinel_exchange(const Queue *queue, Queue *asker, Replies *replies, Error *error)
{
    const QueueAddress *address = &queue->address;

    if (address->password != NULL && address->user != NULL)
        command_put(asker, "AUTH", address->user, address->password);
    else if (address->password != NULL)
        command_put(asker, "AUTH", address->password);
    command_put(asker, "SENTINEL", "get-master-addr-by-name", address->master);
    return queue_exchange(asker, 0, replies, error);
}

static int sentinel_ask(const Queue *queue, const QueueHost *sentinel, QueueHost *master,
                        Error *error)
{
    Queue *asker = sentinel_open(queue, sentinel);
    const redisReply *answer;
    const char *port;
    Replies replies;
    int status = -1;

    if (sentinel_exchange(queue, asker, &replies, error) != 0)
        goto out;
    answer = replies.item[replies.count - 1];
    port = reply_text(reply_item(answer, 1));
    if (answer->type == REDIS_REPLY_ERROR)
        queue_refuse(asker, answer, error);
    else if (port[0] == '\0' || strlen(port) >= sizeof master->port)
        error_set(error, ERROR_REDIS, "%s knows no master called '%s'", asker->address.display,
                  queue->address.master);
    else
        status = 0;
    if (status == 0) {
        master->name = memory_copy_text(reply_text(reply_item(answer, 0)));
        snprintf(master->port, sizeof master->port, "%s", port);
    }
    replies_free(&replies);
out:
    queue_close(asker);
    return status;
}

int sentinel_find_master(Queue *queue, Error *error)
{
    QueueAddress *address = &queue->address;
    QueueHost master = {0};

    for (int i = 0; i < address->sentinel_count; i++) {
        int asked = (queue->sentinel + i) % address->sentinel_count;

        if (sentinel_ask(queue, &address->sentinels[asked], &master, error) != 0)
            continue;
        queue->sentinel = asked;
        free(address->at.name);
        address->at = master;
        return 0;
    }
    error->kind = ERROR_REDIS;
    return error_prefix(
        error, "no sentinel of %s tells where the master is; the last one: ", address->display);
}

int sentinel_check_role(Queue *queue, const redisReply *role, Error *error)
{
    const char *text = reply_text(reply_item(role, 0));

    if (role->type == REDIS_REPLY_ERROR || strcmp(text, "master") == 0)
        return 0; /* an ACL may forbid ROLE: a replica then refuses the first write */
    return error_set(error, ERROR_REDIS,
                     "Redis at %s:%s, where the sentinels of %s see the master, says that it is a "
                     "%s: waiting until they agree",
                     queue->address.at.name, queue->address.at.port, queue->address.display, text);
}
