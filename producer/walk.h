/* producer/walk.h: the files under the inputs of a command line, in order.
 *
 * An input is a folder, walked recursively in the order of names, or a single file, whose root is
 * its folder. Hidden files and folders (".name") are passed over, and so is the output folder when
 * it lies inside an input. A symbolic link that leads to a place inside its root is followed, once;
 * one that leads out of the root or nowhere is refused. What is refused does not end the walk: it
 * is kept with its reason for the end. */
#ifndef PRODUCER_WALK_H
#define PRODUCER_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/error.h"

typedef struct Walk Walk;

typedef struct WalkFile {
    int root;         /* index into walk_roots */
    const char *path; /* relative to the root, without symbolic links */
    const char *name; /* as found, relative to the root: names the result */
    bool named;       /* given on the command line itself, not found in a folder */
    struct stat status;
} WalkFile;

typedef struct WalkRefusal {
    char *name; /* as a person would type it */
    char *reason;
} WalkRefusal;

/* walk_open looks at every input. ERROR_USAGE when one does not exist, or is the output folder.
 * `output` need not exist. */
Walk *walk_open(const char *const *inputs, int count, const char *output, Error *error);
void walk_close(Walk *walk); /* takes NULL */

/* walk_leave_out passes over the folder `output`, made since walk_open. */
void walk_leave_out(Walk *walk, const char *output);

/* walk_next gives the next regular file: 1, or 0 at the end. The texts live until the next call. */
int walk_next(Walk *walk, WalkFile *file);

const char *const *walk_roots(const Walk *walk, int *count); /* absolute, without symbolic links */
const char *walk_typed_root(const Walk *walk, int root);     /* "" for the current folder */
bool walk_root_is_folder(const Walk *walk, int root); /* an input itself, not the folder of one */

/* walk_name is how a person calls a file of the walk: the input as typed and the name behind it.
 * free(). */
char *walk_name(const Walk *walk, int root, const char *name);

/* walk_refuse adds to the refused; it takes `name` (malloc'ed) and copies the reason. */
void walk_refuse(Walk *walk, char *name, const char *reason);
const WalkRefusal *walk_refusals(const Walk *walk, size_t *count);
size_t walk_skipped(const Walk *walk); /* sockets, pipes and devices found in folders */

#endif
