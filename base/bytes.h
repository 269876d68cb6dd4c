/* base/bytes.h: where bytes come from and where they go, so that codecs know nothing of files,
 * Redis or S3.
 *
 * A ByteSource is read once from front to back. read() returns how many bytes it gave (1..length),
 * 0 at the end, -1 with an Error. close() releases it (never fails; may be called once, at any
 * point). A ByteSink is written from front to back; what was written becomes visible under its
 * final name only by finish(), whole or not at all. abandon() drops everything. Exactly one of the
 * two is called, once, and releases the sink. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct ByteSource ByteSource;
struct ByteSource {
    ssize_t (*read)(ByteSource *source, void *bytes, size_t length, Error *error);
    void (*close)(ByteSource *source);
    uint64_t size;    /* in bytes where known, else 0 */
    const char *name; /* for messages; lives as long as the source */
};

typedef struct ByteSink ByteSink;
struct ByteSink {
    int (*write)(ByteSink *sink, const void *bytes, size_t length, Error *error);
    int (*finish)(
        ByteSink *sink,
        Error *error); /* on failure nothing is visible; the sink is released all the same */
    void (*abandon)(ByteSink *sink);
    uint64_t written; /* bytes so far, kept by write() */
    const char *name;
};

/* Sources and sinks over memory. The source borrows `bytes`, and `name`. The memory sink's bytes go
 * to *result as a malloc'ed block by finish() and are freed by abandon(). Never NULL. */
ByteSource *bytes_open_memory(const void *bytes, size_t length, const char *name);
ByteSink *bytes_create_memory(void **result, size_t *length, const char *name);

#endif
