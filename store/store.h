/* store/store.h: where sources and results live, behind one small interface.
 *
 * A job names its store, its input roots and its output root; an image is (root, relative path).
 * Paths are relative, without "..", and are opened beneath their root (openat2 RESOLVE_BENEATH |
 * RESOLVE_NO_MAGICLINKS where the kernel has it), so that neither a task nor a symlink leads out of
 * it. Results appear whole or not at all. A part is the encoded result of one tile of a cut image,
 * kept until the join. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

typedef struct Store Store;

typedef struct StoreImage {
    const char *root; /* input root (file store: a directory, or the directory of a single file) */
    const char *path; /* of the source, relative to root */
    const char *result; /* of the result, relative to the output root */
    int64_t number;     /* image number in its job */
} StoreImage;

/* A store implements these. open_source: ERROR_INPUT when the source is gone or unreadable,
 * ERROR_STORE when it may come back. create_result, create_part: ERROR_FULL when the place is full
 * or not writable; ERROR_INPUT when this one name cannot be written. open_part: ERROR_INPUT when
 * there is no such part. Concurrent creates of one result by two workers are harmless: the last
 * finish wins, and both wrote the same bytes.
 *
 * Messages about a source do not name it (whoever reports them knows the image); messages of kind
 * ERROR_FULL name the place, for they stop the whole job. */
struct Store {
    const char *kind; /* "file", "redis", "s3" */
    /* May be set by the owner of the store: where the store notes the path of the file that it is
     * writing just now ("" when none), so that another process can remove it if this one dies. */
    char *temporary;
    size_t temporary_size;
    ByteSource *(*open_source)(Store *store, const StoreImage *image, Error *error);
    ByteSink *(*create_result)(Store *store, const StoreImage *image, Error *error);
    ByteSink *(*create_part)(Store *store, const StoreImage *image, int tile, Error *error);
    ByteSource *(*open_part)(Store *store, const StoreImage *image, int tile, Error *error);
    void (*remove_parts)(Store *store, const StoreImage *image,
                         int tiles); /* after the join was committed */
    void (*forget)(Store *store);    /* the job was cancelled: its parts go; those that are being
                                        written just now may stay, for their writers to forget */
    void (*close)(Store *store);
};

/* The file store: `output` is a directory that is made when missing. `job` names the place of parts
 * (OUTPUT/.tilecrew/JOB/IMAGE.TILE). sync: fsync before rename. */
Store *store_open_file(const char *output, const char *job, bool sync, Error *error);

/* A file that is being written is called `.NAME.tilecrew-HOST-PID-N.tmp`, beside its final name.
 * store_sweep_file removes such files beneath `output` whose process on this host is gone, and, if
 * `job` is not NULL, that job's parts; it may run at any time that the job does not. Returns how
 * many files it removed, or -1 when `output` cannot be read. Symbolic links are not followed. */
int64_t store_sweep_file(const char *output, const char *job, Error *error);

/* store_sweep_parts removes the parts of a job that will join no more; nothing where this machine
 * does not see them. */
void store_sweep_parts(const char *output, const char *job);

/* The redis store: bytes of sources, parts and results are blobs of the job in `queue`, which is
 * borrowed: `source:<image>`, `part:<image>:<tile>`, `result:<image>`. The producer puts sources
 * and takes results. */
struct Queue;
Store *store_open_redis(struct Queue *queue, const char *job, Error *error);

#endif
