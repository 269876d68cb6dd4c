/* queue/address.h: where a Redis is and how to introduce oneself, from a URL:
 *   redis://[[user][:password]@]host[:port][/db]      host may be [::1]
 *   unix:/path[?db=N]   unix:///path[?db=N]   redis+unix:///path
 *   redis-sentinel://[[user][:password]@]host[:port][,host[:port]...]/MASTER[/db]
 * %XX is understood everywhere but in the numbers. With redis-sentinel the hosts are sentinels
 * (port 26379 unless named), which know where the Redis called MASTER is just now; user and
 * password are for both. */
#ifndef QUEUE_ADDRESS_H
#define QUEUE_ADDRESS_H

#include "base/error.h"

typedef struct QueueHost {
    char *name;
    char port[8];
} QueueHost;

typedef struct QueueAddress {
    char *path;   /* of a unix socket; NULL for TCP */
    QueueHost at; /* for TCP; with sentinels: what they said last, name NULL before */
    QueueHost *sentinels;
    int sentinel_count; /* 0: there are none */
    char *master;       /* as the sentinels call it */
    char *user;         /* NULL: the default user */
    char *password;     /* NULL: none */
    int db;
    char *display; /* the URL without its password, for messages */
} QueueAddress;

/* address_parse: on failure (ERROR_CONFIG) nothing is allocated, and the message does not repeat a
 * password. */
int address_parse(const char *url, QueueAddress *address, Error *error);
void address_free(QueueAddress *address);

#endif
