/* store/file.h: names that the file store's writer (file.c) and its sweeper (sweep.c) agree on. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <limits.h>
#include <stdbool.h>

/* The store's own folder beneath the output root: parts live in FILE_PRIVATE/JOB. */
#define FILE_PRIVATE ".tilecrew"

/* file_format_temporary makes this process's `number`th temporary name beside `leaf`:
 * ".LEAF.tilecrew-HOST-PID-NUMBER.tmp", LEAF shortened where the whole would be too long. */
void file_format_temporary(char name[NAME_MAX + 1], const char *leaf, unsigned number);

/* file_is_abandoned says whether `name` is such a name, made on this host by a process that is
 * gone. */
bool file_is_abandoned(const char *name);

#endif
