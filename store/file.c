/* The file store. Sources are read through a large buffer, so that codecs may ask for a few bytes
 * at a time; the kernel is told to read ahead. Results are written under a temporary name beside
 * the final one and renamed when they are complete, which also works across a network file system.
 *
 * Roots are opened once and kept; a root that has been replaced since (a file system mounted again,
 * an output folder moved away) is opened again when something beneath it is not found. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/beneath.h"
#include "store/file.h"
#include "store/store.h"

enum {
    READ_BUFFER = 128 << 10,
    WRITE_BUFFER = 256 << 10,
    READ_AHEAD = 8 << 20, /* asked for at once; the kernel's own read-ahead does the rest */
    TEMPORARY_ATTEMPTS = 1000,
};

typedef struct FileStore {
    Store base;
    char *output;
    char *job;
    bool sync;
    int output_fd; /* -1 when it must be opened again */
    char *root;    /* the input root opened last, or NULL */
    int root_fd;
    unsigned created; /* temporary names given out */
} FileStore;

typedef struct FileSource {
    ByteSource base;
    int fd;
    size_t next, end; /* of what the buffer holds */
    char buffer[READ_BUFFER];
} FileSource;

typedef struct FileSink {
    ByteSink base;
    FileStore *store;
    int fd;
    int directory;
    char temporary[NAME_MAX + 1];
    char *path; /* of the result beneath the output root */
    size_t held;
    char buffer[WRITE_BUFFER];
} FileSink;

/* ---------------------------------------------------------------- messages */

/* What an errno means for a result; anything else may pass by itself (ERROR_STORE). */
typedef struct WriteFault {
    int code;
    ErrorKind kind;
    const char *advice;
} WriteFault;

static const WriteFault write_faults[] = {
    {ENOSPC, ERROR_FULL, "make room there"},
    {EDQUOT, ERROR_FULL, "make room there or raise the quota"},
    {EFBIG, ERROR_FULL, "raise the limit on file sizes"},
    {EROFS, ERROR_FULL, "make it writable"},
    {EACCES, ERROR_FULL, "give the worker's user the right to write there"},
    {EPERM, ERROR_FULL, "give the worker's user the right to write there"},
    {EISDIR, ERROR_INPUT, "a folder has the name of the result: move it away"},
    {ENOTDIR, ERROR_INPUT, "a file has the name of the result's folder: move it away"},
    {ENAMETOOLONG, ERROR_INPUT, "shorten the name of the source"},
    {EXDEV, ERROR_INPUT, "a symbolic link leads out of the output folder"},
    {ELOOP, ERROR_INPUT, "symbolic links in the output folder go round in a circle"},
};

static int file_write_error(const FileStore *store, const char *path, Error *error)
{
    const char *reason = strerror(errno);

    for (size_t i = 0; i < sizeof write_faults / sizeof *write_faults; i++) {
        const WriteFault *fault = &write_faults[i];

        if (fault->code == errno && fault->kind == ERROR_FULL)
            return error_set(error, ERROR_FULL, "cannot write %s/%s: %s; %s", store->output, path,
                             reason, fault->advice);
        if (fault->code == errno)
            return error_set(error, fault->kind, "cannot write %s/%s: %s", store->output, path,
                             fault->advice);
    }
    return error_set(error, ERROR_STORE, "cannot write %s/%s: %s", store->output, path, reason);
}

static int file_read_error(Error *error)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return error_set(error, ERROR_INPUT, "vanished since it was submitted");
    case EACCES:
    case EPERM:
        return error_set(error, ERROR_INPUT,
                         "may not be read by the worker: give its user the right to");
    case EXDEV:
        return error_set(error, ERROR_INPUT, "a symbolic link leads out of the input folder");
    case ELOOP:
        return error_set(error, ERROR_INPUT, "its symbolic links go round in a circle");
    case ENAMETOOLONG:
        return error_set(error, ERROR_INPUT, "its name is too long");
    default:
        return error_set_errno(error, ERROR_STORE, "cannot be read");
    }
}

/* ---------------------------------------------------------------- sources */

/* Reads what there is, up to `length`: -1 with an Error, 0 at the end. */
static ssize_t file_read_some(int fd, void *bytes, size_t length, Error *error)
{
    ssize_t count;

    do {
        count = read(fd, bytes, length);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? file_read_error(error) : count;
}

static ssize_t file_source_read(ByteSource *base, void *bytes, size_t length, Error *error)
{
    FileSource *source = (FileSource *)base;
    size_t count = source->end - source->next;

    if (count == 0) {
        ssize_t got;

        if (length >= READ_BUFFER)
            return file_read_some(source->fd, bytes, length, error);
        got = file_read_some(source->fd, source->buffer, READ_BUFFER, error);
        if (got <= 0)
            return got;
        source->next = 0;
        source->end = count = (size_t)got;
    }
    if (count > length)
        count = length;
    memcpy(bytes, source->buffer + source->next, count);
    source->next += count;
    return (ssize_t)count;
}

static void file_source_close(ByteSource *base)
{
    FileSource *source = (FileSource *)base;

    close(source->fd);
    free((char *)source->base.name);
    free(source);
}

/* Takes over `fd`. */
static ByteSource *file_make_source(int fd, const char *name, Error *error)
{
    FileSource *source = NULL;
    struct stat status;

    if (fstat(fd, &status) != 0) {
        file_read_error(error);
        goto fail;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, ERROR_INPUT, "is not a regular file any more");
        goto fail;
    }
    source = malloc(sizeof *source); /* not zeroed: most of it is the buffer */
    if (source == NULL) {
        error_set(error, ERROR_STORE, "no memory to read it");
        goto fail;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    posix_fadvise(fd, 0, READ_AHEAD, POSIX_FADV_WILLNEED);
    source->base = (ByteSource){.read = file_source_read,
                                .close = file_source_close,
                                .size = (uint64_t)status.st_size,
                                .name = memory_copy_text(name)};
    source->fd = fd;
    source->next = source->end = 0;
    return &source->base;
fail:
    close(fd);
    return NULL;
}

static void file_forget_root(FileStore *store)
{
    if (store->root_fd >= 0)
        close(store->root_fd);
    store->root_fd = -1;
    free(store->root);
    store->root = NULL;
}

static int file_use_root(FileStore *store, const char *root, Error *error)
{
    if (store->root != NULL && strcmp(store->root, root) == 0)
        return 0;
    file_forget_root(store);
    store->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0)
        return error_set_errno(error, ERROR_STORE,
                               "the input folder %s cannot be opened on this machine", root);
    store->root = memory_copy_text(root);
    return 0;
}

static ByteSource *file_open_source(Store *base, const StoreImage *image, Error *error)
{
    FileStore *store = (FileStore *)base;
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    int fd = -1;

    for (int attempt = 0; attempt < 2 && fd < 0; attempt++) {
        if (file_use_root(store, image->root, error) != 0)
            return NULL;
        fd = beneath_open(store->root_fd, image->path, flags);
        if (fd >= 0 || (errno != ENOENT && errno != ESTALE))
            break;
        file_forget_root(store);
        errno = ENOENT;
    }
    if (fd < 0) {
        file_read_error(error);
        return NULL;
    }
    return file_make_source(fd, image->path, error);
}

/* ---------------------------------------------------------------- results */

static int file_flush(FileSink *sink, const char *bytes, size_t length, Error *error)
{
    while (length > 0) {
        ssize_t count = write(sink->fd, bytes, length);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return file_write_error(sink->store, sink->path, error);
        bytes += count;
        length -= (size_t)count;
    }
    return 0;
}

static int file_sink_write(ByteSink *base, const void *bytes, size_t length, Error *error)
{
    FileSink *sink = (FileSink *)base;

    sink->base.written += length;
    if (sink->held + length > WRITE_BUFFER) {
        if (file_flush(sink, sink->buffer, sink->held, error) != 0)
            return -1;
        sink->held = 0;
    }
    if (length >= WRITE_BUFFER)
        return file_flush(sink, bytes, length, error);
    memcpy(sink->buffer + sink->held, bytes, length);
    sink->held += length;
    return 0;
}

static void file_note_temporary(const FileSink *sink)
{
    const FileStore *store = sink->store;
    const char *slash = strrchr(sink->path, '/');
    const int folder = slash == NULL ? 0 : (int)(slash - sink->path) + 1;

    if (store->base.temporary == NULL)
        return;
    if (snprintf(store->base.temporary, store->base.temporary_size, "%s/%.*s%s", store->output,
                 folder, sink->path, sink->temporary) >= (int)store->base.temporary_size)
        store->base.temporary[0] = '\0'; /* too long to note: left to store_sweep_file */
}

static void file_sink_release(FileSink *sink)
{
    if (sink->fd >= 0)
        close(sink->fd);
    close(sink->directory);
    if (sink->store->base.temporary != NULL)
        sink->store->base.temporary[0] = '\0';
    free(sink->path);
    free(sink);
}

static void file_sink_abandon(ByteSink *base)
{
    FileSink *sink = (FileSink *)base;

    unlinkat(sink->directory, sink->temporary, 0);
    file_sink_release(sink);
}

/* close() is part of writing: a network file system may tell only there that it is full. */
static int file_complete(FileSink *sink, Error *error)
{
    const char *slash = strrchr(sink->path, '/');
    const char *leaf = slash == NULL ? sink->path : slash + 1;
    int fd = sink->fd;

    if (file_flush(sink, sink->buffer, sink->held, error) != 0)
        return -1;
    if (sink->store->sync && fsync(fd) != 0)
        return file_write_error(sink->store, sink->path, error);
    sink->fd = -1;
    if (close(fd) != 0 || renameat(sink->directory, sink->temporary, sink->directory, leaf) != 0)
        return file_write_error(sink->store, sink->path, error);
    /* Some file systems cannot sync a directory (EINVAL); they order renames by themselves. */
    if (sink->store->sync && fsync(sink->directory) != 0 && errno != EINVAL)
        return file_write_error(sink->store, sink->path, error);
    return 0;
}

static int file_sink_finish(ByteSink *base, Error *error)
{
    FileSink *sink = (FileSink *)base;

    if (file_complete(sink, error) != 0) {
        file_sink_abandon(base);
        return -1;
    }
    file_sink_release(sink);
    return 0;
}

/* file_make_folder makes `path` and its parents, as `mkdir -p` does. */
static int file_make_folder(const char *path)
{
    char *copy = memory_copy_text(path);
    int result = 0;

    for (char *at = copy + 1; result == 0; at++) {
        char ended_by = *at;

        if (ended_by != '/' && ended_by != '\0')
            continue;
        *at = '\0';
        result = mkdir(copy, 0777) == 0 || errno == EEXIST || errno == EISDIR ? 0 : -1;
        *at = ended_by;
        if (ended_by == '\0')
            break;
    }
    free(copy);
    return result;
}

static int file_open_output(FileStore *store)
{
    if (store->output_fd >= 0)
        return 0;
    store->output_fd = open(store->output, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (store->output_fd < 0 && errno == ENOENT && file_make_folder(store->output) == 0)
        store->output_fd = open(store->output, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return store->output_fd < 0 ? -1 : 0;
}

/* Opens the sink's temporary file in its open folder, under a name that nobody has. */
static int file_open_temporary(FileSink *sink, const char *leaf)
{
    for (int attempt = 0; attempt < TEMPORARY_ATTEMPTS; attempt++) {
        file_format_temporary(sink->temporary, leaf, sink->store->created++);
        sink->fd = openat(sink->directory, sink->temporary,
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (sink->fd >= 0 || errno != EEXIST)
            break;
    }
    return sink->fd < 0 ? -1 : 0;
}

/* Opens the sink's folder, made where it is missing, and its temporary file; -1 with errno. */
static int file_open_sink(FileSink *sink, const char *path)
{
    FileStore *store = sink->store;
    const char *slash = strrchr(path, '/');
    const char *leaf = slash == NULL ? path : slash + 1;
    char folder[PATH_MAX];
    int saved;

    if (strlen(path) >= sizeof folder || strlen(leaf) > NAME_MAX || leaf[0] == '\0') {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 0 : (int)(slash - path), path);
    if (file_open_output(store) != 0)
        return -1;
    sink->directory =
        beneath_open_directory(store->output_fd, folder, store->sync ? O_RDONLY : O_PATH);
    if (sink->directory < 0)
        return -1;
    if (file_open_temporary(sink, leaf) == 0)
        return 0;
    saved = errno;
    close(sink->directory);
    errno = saved;
    return -1;
}

static ByteSink *file_create(FileStore *store, const char *path, Error *error)
{
    FileSink *sink = malloc(sizeof *sink); /* not zeroed: most of it is the buffer */
    int result;

    if (sink == NULL) {
        error_set(error, ERROR_STORE, "no memory to write %s/%s", store->output, path);
        return NULL;
    }
    sink->store = store;
    sink->held = 0;
    result = file_open_sink(sink, path);
    if (result != 0 && (errno == ENOENT || errno == ESTALE)) { /* the output folder was replaced */
        if (store->output_fd >= 0)
            close(store->output_fd);
        store->output_fd = -1;
        result = file_open_sink(sink, path);
    }
    if (result != 0) {
        file_write_error(store, path, error);
        free(sink);
        return NULL;
    }
    sink->path = memory_copy_text(path);
    sink->base = (ByteSink){.write = file_sink_write,
                            .finish = file_sink_finish,
                            .abandon = file_sink_abandon,
                            .name = sink->path};
    file_note_temporary(sink);
    return &sink->base;
}

static ByteSink *file_create_result(Store *base, const StoreImage *image, Error *error)
{
    return file_create((FileStore *)base, image->result, error);
}

/* ---------------------------------------------------------------- parts */

static void file_format_part(const FileStore *store, const StoreImage *image, int tile,
                             char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, FILE_PRIVATE "/%s/%" PRId64 ".%d", store->job, image->number, tile);
}

static ByteSink *file_create_part(Store *base, const StoreImage *image, int tile, Error *error)
{
    char path[PATH_MAX];

    file_format_part((FileStore *)base, image, tile, path);
    return file_create((FileStore *)base, path, error);
}

static ByteSource *file_open_part(Store *base, const StoreImage *image, int tile, Error *error)
{
    FileStore *store = (FileStore *)base;
    char path[PATH_MAX];
    int fd = -1;

    file_format_part(store, image, tile, path);
    if (file_open_output(store) == 0)
        fd = beneath_open(store->output_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0)
        return file_make_source(fd, path, error);
    if (errno == ENOENT)
        error_set(error, ERROR_INPUT, "its part %s/%s is missing", store->output, path);
    else
        error_set_errno(error, ERROR_STORE, "cannot read %s/%s", store->output, path);
    return NULL;
}

/* What cannot be removed is left: it harms nobody, and store_sweep_file comes later. */
static void file_remove_parts(Store *base, const StoreImage *image, int tiles)
{
    FileStore *store = (FileStore *)base;
    char path[PATH_MAX];
    int folder;

    if (file_open_output(store) != 0)
        return;
    snprintf(path, sizeof path, FILE_PRIVATE "/%s", store->job);
    folder = beneath_open(store->output_fd, path, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return;
    for (int tile = 0; tile < tiles; tile++) {
        snprintf(path, sizeof path, "%" PRId64 ".%d", image->number, tile);
        unlinkat(folder, path, 0);
    }
    close(folder);
    folder = beneath_open(store->output_fd, FILE_PRIVATE, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return;
    /* Both go with the last part: until then they are not empty. */
    if (unlinkat(folder, store->job, AT_REMOVEDIR) == 0)
        unlinkat(store->output_fd, FILE_PRIVATE, AT_REMOVEDIR);
    close(folder);
}

static void file_forget(Store *base)
{
    const FileStore *store = (FileStore *)base;

    store_sweep_parts(store->output, store->job);
}

/* ---------------------------------------------------------------- the store */

static void file_close(Store *base)
{
    FileStore *store = (FileStore *)base;

    file_forget_root(store);
    if (store->output_fd >= 0)
        close(store->output_fd);
    free(store->output);
    free(store->job);
    free(store);
}

Store *store_open_file(const char *output, const char *job, bool sync, Error *error)
{
    FileStore *store = memory_need(sizeof *store);

    store->base = (Store){.kind = "file",
                          .open_source = file_open_source,
                          .create_result = file_create_result,
                          .create_part = file_create_part,
                          .open_part = file_open_part,
                          .remove_parts = file_remove_parts,
                          .forget = file_forget,
                          .close = file_close};
    store->output = memory_copy_text(output);
    store->job = memory_copy_text(job);
    store->sync = sync;
    store->output_fd = store->root_fd = -1;
    if (file_open_output(store) != 0) {
        error_set_errno(error, errno == EIO || errno == ESTALE ? ERROR_STORE : ERROR_FULL,
                        "cannot open the output folder %s", output);
        file_close(&store->base);
        return NULL;
    }
    return &store->base;
}
