/* producer/folder.h: the private folder of a `tilecrew run`, mode 0700, in XDG_RUNTIME_DIR, else
 * TMPDIR, else /tmp. Its owner holds a lock in it; folders whose owner was killed before it could
 * remove them are found by their free lock and removed by the next run. */
#ifndef PRODUCER_FOLDER_H
#define PRODUCER_FOLDER_H

#include "base/error.h"

/* folder_make returns the path, short enough for a unix socket in it; *lock is the lock's file. */
char *folder_make(int *lock, Error *error);

/* folder_remove removes the folder with the files in it and frees `path`. */
void folder_remove(char *path, int lock);

#endif
