#include "producer/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { HEADER_PIECE = 8192 };

typedef struct HeaderSource {
    ByteSource base;
    int file;
    size_t next, end; /* of what the piece holds */
    char piece[HEADER_PIECE];
} HeaderSource;

static ssize_t header_read(ByteSource *base, void *bytes, size_t length, Error *error)
{
    HeaderSource *source = (HeaderSource *)base;

    if (source->next == source->end) {
        ssize_t got;

        do {
            got = read(source->file, source->piece, sizeof source->piece);
        } while (got < 0 && errno == EINTR);
        if (got < 0)
            return error_set_errno(error, ERROR_STORE, "cannot read");
        source->next = 0;
        source->end = (size_t)got;
    }
    if (length > source->end - source->next)
        length = source->end - source->next;
    memcpy(bytes, source->piece + source->next, length);
    source->next += length;
    return (ssize_t)length;
}

static void header_close(ByteSource *base)
{
    close(((HeaderSource *)base)->file);
    free(base);
}

ByteSource *header_open(const char *path, Error *error)
{
    HeaderSource *source;
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        error_set_errno(error, ERROR_INPUT, "cannot be read");
        if (file >= 0)
            close(file);
        return NULL;
    }
    posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
    source = memory_need(sizeof *source);
    source->base = (ByteSource){header_read, header_close, (uint64_t)status.st_size, path};
    source->file = file;
    return &source->base;
}
