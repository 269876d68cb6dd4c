/* worker/cache.h: the folder in which built kernels are kept. */
#ifndef WORKER_CACHE_H
#define WORKER_CACHE_H

#include "config/config.h"

/* cache_folder is worker.kernel_cache of the configuration, else $XDG_CACHE_HOME/tilecrew, else
 * ~/.cache/tilecrew. PoCL has no device without a folder to write into; so where that place cannot
 * be written, a private one below $TMPDIR or /tmp takes its stead, with a warning. Made if missing;
 * free(). NULL when there is no such folder at all. */
char *cache_folder(const Config *config);

/* cache_discard removes what is kept in the folder. A driver trusts what it finds in its own part
 * of it, and crashes where a full disk or a power cut left half a file. */
void cache_discard(const char *folder);

#endif
