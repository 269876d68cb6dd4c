#include "worker/cache.h"

#include <errno.h>
#include <ftw.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

static char *cache_wanted(const Config *config)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (config->worker.kernel_cache != NULL && config->worker.kernel_cache[0] != '\0')
        return memory_copy_text(config->worker.kernel_cache);
    if (cache != NULL && cache[0] == '/')
        return memory_format_text("%s/tilecrew", cache);
    if (home != NULL && home[0] == '/')
        return memory_format_text("%s/.cache/tilecrew", home);
    return NULL;
}

/* cache_make makes the folder and what is missing above it; false, with errno, when it is none that
 * can be written. */
static bool cache_make(const char *path)
{
    char *copy = memory_copy_text(path);
    bool made;

    for (char *at = copy + 1; *at != '\0'; at++)
        if (*at == '/') {
            *at = '\0';
            mkdir(copy, 0700);
            *at = '/';
        }
    made = mkdir(copy, 0700) == 0 || errno == EEXIST;
    free(copy);
    return made && access(path, W_OK | X_OK) == 0;
}

/* cache_spare: kernels are run as they are found, so nobody else may have made or may write it. */
static char *cache_spare(void)
{
    const char *place = getenv("TMPDIR");
    char *path = memory_format_text("%s/tilecrew-cache-%lu",
                                    place != NULL && place[0] == '/' ? place : "/tmp",
                                    (unsigned long)geteuid());
    struct stat status;

    mkdir(path, 0700);
    if (lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
        (status.st_mode & 022) == 0 && access(path, W_OK | X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *cache_folder(const Config *config)
{
    char *path = cache_wanted(config);
    const bool made = path != NULL && cache_make(path);
    const int reason = errno;
    char *spare;

    if (made)
        return path;
    spare = cache_spare();
    if (path != NULL)
        log_warning("kernel cache cannot be written", "path=%s error=\"%s\" instead=%s", path,
                    strerror(reason), spare != NULL ? spare : "none");
    free(path);
    return spare;
}

static int cache_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

void cache_discard(const char *folder)
{
    static const char *const ours[] = {"pocl", "*.kernel", "built-*"};
    enum { FOLDERS_OPEN = 16 };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        char *pattern = memory_format_text("%s/%s", folder, ours[i]);
        glob_t found = {0};

        if (glob(pattern, 0, NULL, &found) == 0)
            for (size_t j = 0; j < found.gl_pathc; j++)
                nftw(found.gl_pathv[j], cache_remove, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
        globfree(&found);
        free(pattern);
    }
}
