/* base/error.h: how a function says what went wrong.
 *
 * A function that can fail returns 0 (or a pointer) on success and -1 (or NULL) on failure, and
 * takes an `Error *error` as its last parameter. On failure it has filled the error in exactly
 * once: the kind says what the caller may do about it, the message names the thing (file, key,
 * operation, device) and what to do, as one line without a trailing full stop or newline. On
 * success the error is untouched. `error` is never NULL. An Error owns no memory. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

typedef enum ErrorKind {
    ERROR_NONE = 0,
    ERROR_USAGE,  /* the command line or a pipeline is wrong; exit status 64 */
    ERROR_CONFIG, /* the configuration is wrong; exit status 78 */
    ERROR_INPUT,  /* this image cannot be processed, now or ever; the tile fails without a retry */
    ERROR_STORE,  /* a source or a result cannot be read or written just now; worth a retry */
    ERROR_FULL,  /* no room (disk, quota, Redis memory) or not writable: stops the job, not the tile
                  */
    ERROR_REDIS, /* Redis is out of reach or answered with an error; exit status 69 */
    ERROR_DEVICE,    /* the OpenCL device or a program build failed, or computes wrongly */
    ERROR_CANCELLED, /* asked to stop */
    ERROR_SYSTEM,    /* anything else the operating system refused */
} ErrorKind;

typedef struct Error {
    ErrorKind kind;
    char message[1024];
} Error;

/* error_set fills `error` and returns -1, so that callers can write `return error_set(...)`. */
int error_set(Error *error, ErrorKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* error_set_errno is error_set with ": " and the text of the current errno behind the message. */
int error_set_errno(Error *error, ErrorKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* error_prefix puts a context ("photos/a.jpg: ") before the message; returns -1. */
int error_prefix(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error_exit_status maps a kind to the process's exit status (sysexits.h: 64 usage, 69 Redis, 70
 * device, 71 system, 78 config). */
int error_exit_status(ErrorKind kind);

#endif
