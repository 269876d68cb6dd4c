/* store/beneath.h: opening files and directories beneath a root, whatever their path says.
 *
 * A path is relative and without ".."; symbolic links are followed as long as they stay beneath the
 * root. Functions return -1 with errno: EXDEV when the path leads out of the root. */
#ifndef STORE_BENEATH_H
#define STORE_BENEATH_H

/* beneath_open opens an existing file or directory; `flags` as for open(2), O_CLOEXEC is added. */
int beneath_open(int root, const char *path, int flags);

/* beneath_open_directory opens the directory `path` ("" is the root itself), making it and its
 * parents where they are missing. `flags` may be O_PATH or O_RDONLY. */
int beneath_open_directory(int root, const char *path, int flags);

#endif
