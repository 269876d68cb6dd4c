/* queue/transport.h: a stream of bytes to Redis that never blocks. TCP and unix sockets here; TLS
 * is one more of these. */
#ifndef QUEUE_TRANSPORT_H
#define QUEUE_TRANSPORT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "queue/address.h"

typedef struct Transport Transport;
struct Transport {
    int descriptor;
    /* read and write give how many bytes they moved, 0 when poll(2) must come first, -1 with errno
     * when the connection is lost (the other side's end counts as ECONNRESET). */
    ssize_t (*read)(Transport *transport, void *bytes, size_t length);
    ssize_t (*write)(Transport *transport, const void *bytes, size_t length);
    void (*close)(Transport *transport);
};

/* transport_open connects to address->path or address->at within timeout_ms, or returns NULL with
 * an ERROR_REDIS that says what to do. */
Transport *transport_open(const QueueAddress *address, int64_t timeout_ms, Error *error);

#endif
