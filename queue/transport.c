#include "queue/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

static ssize_t socket_read(Transport *transport, void *bytes, size_t length)
{
    ssize_t count = recv(transport->descriptor, bytes, length, 0);

    if (count > 0)
        return count;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (count == 0)
        errno = ECONNRESET;
    return -1;
}

static ssize_t socket_write(Transport *transport, const void *bytes, size_t length)
{
    ssize_t count = send(transport->descriptor, bytes, length, MSG_NOSIGNAL);

    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return count;
}

static void socket_close(Transport *transport)
{
    close(transport->descriptor);
    free(transport);
}

static Transport *socket_wrap(int descriptor)
{
    Transport *transport = memory_need(sizeof *transport);

    *transport = (Transport){descriptor, socket_read, socket_write, socket_close};
    return transport;
}

/* Waits for a connect(2) in progress. Returns 0, or -1 with errno. */
static int socket_await(int descriptor, int64_t deadline)
{
    int failure = 0;
    socklen_t size = sizeof failure;

    for (;;) {
        struct pollfd wanted = {descriptor, POLLOUT, 0};
        int64_t left = deadline - clock_monotonic_ms();
        int count = poll(&wanted, 1, left > 0 ? (int)left : 0);
        if (count > 0)
            break;
        if (count == 0)
            errno = ETIMEDOUT;
        if (count == 0 || errno != EINTR)
            return -1;
    }
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
        return -1;
    errno = failure;
    return failure == 0 ? 0 : -1;
}

/* A connected, non-blocking socket, or -1 with errno. */
static int socket_connect(int family, const struct sockaddr *address, socklen_t size,
                          int64_t deadline)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failure;

    if (descriptor < 0)
        return -1;
    if (connect(descriptor, address, size) == 0 ||
        (errno == EINPROGRESS && socket_await(descriptor, deadline) == 0))
        return descriptor;
    failure = errno;
    close(descriptor);
    errno = failure;
    return -1;
}

/* Notice a dead peer while a claim waits, and do not delay small commands. */
static void socket_tune(int descriptor)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10}, {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        setsockopt(descriptor, options[i].level, options[i].name, &options[i].value,
                   sizeof options[i].value);
}

static int connect_unix(const QueueAddress *address, int64_t deadline, Error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int descriptor;

    if (strlen(address->path) >= sizeof name.sun_path)
        return error_set(error, ERROR_CONFIG, "the path of the unix socket %s is longer than %zu",
                         address->path, sizeof name.sun_path - 1);
    memcpy(name.sun_path, address->path, strlen(address->path));
    descriptor = socket_connect(AF_UNIX, (const struct sockaddr *)&name, sizeof name, deadline);
    if (descriptor < 0)
        return error_set_errno(error, ERROR_REDIS,
                               "cannot reach Redis at %s (is it running, and may this user use "
                               "the socket?)",
                               address->display);
    return descriptor;
}

static int connect_tcp(const QueueAddress *address, int64_t deadline, Error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int descriptor = -1;
    int code = getaddrinfo(address->at.name, address->at.port, &hints, &found);

    if (code != 0)
        return error_set(error, ERROR_REDIS, "cannot find the Redis host of %s: %s",
                         address->display,
                         code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
    for (struct addrinfo *at = found; at != NULL && descriptor < 0; at = at->ai_next)
        descriptor = socket_connect(at->ai_family, at->ai_addr, at->ai_addrlen, deadline);
    if (descriptor < 0)
        error_set_errno(error, ERROR_REDIS,
                        "cannot reach Redis at %s (is it running, and is its port open to this "
                        "machine?)",
                        address->display);
    else
        socket_tune(descriptor);
    freeaddrinfo(found);
    return descriptor;
}

Transport *transport_open(const QueueAddress *address, int64_t timeout_ms, Error *error)
{
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    int descriptor = (address->path != NULL ? connect_unix : connect_tcp)(address, deadline, error);

    return descriptor < 0 ? NULL : socket_wrap(descriptor);
}
