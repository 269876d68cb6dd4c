/* queue/address.h: where a Redis is and how to introduce oneself, from a URL:
 *   redis://[[user][:password]@]host[:port][/db]      host may be [::1]
 *   unix:/path[?db=N]   unix:///path[?db=N]   redis+unix:///path
 * %XX is understood everywhere but in the numbers. */
#ifndef QUEUE_ADDRESS_H
#define QUEUE_ADDRESS_H

#include "base/error.h"

typedef struct QueueAddress {
    char *path; /* of a unix socket; NULL for TCP */
    char *host;
    char port[8];
    char *user;     /* NULL: the default user */
    char *password; /* NULL: none */
    int db;
    char *display; /* the URL without its password, for messages */
} QueueAddress;

/* address_parse: on failure (ERROR_CONFIG) nothing is allocated, and the message does not repeat a
 * password. */
int address_parse(const char *url, QueueAddress *address, Error *error);
void address_free(QueueAddress *address);

#endif
