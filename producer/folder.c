#include "producer/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

#define FOLDER_PREFIX "tilecrew-run-"
#define FOLDER_LOCK   "lock"

/* Seconds in which a folder may not have its lock yet. */
enum { FOLDER_YOUNG = 10 };

/* What stands behind the place in a socket's path. */
enum { SOCKET_TAIL = sizeof "/" FOLDER_PREFIX "XXXXXX/redis.sock" };

static bool is_fit(const char *place)
{
    return place != NULL && place[0] == '/' &&
           strlen(place) + SOCKET_TAIL <= sizeof(((struct sockaddr_un *)NULL)->sun_path) &&
           access(place, W_OK | X_OK) == 0;
}

static const char *folder_place(void)
{
    const char *places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR")};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (is_fit(places[i]))
            return places[i];
    return "/tmp";
}

/* folder_empty removes the files of the folder and then itself. */
static void folder_empty(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    rmdir(path);
}

/* folder_remove_abandoned removes `path` if it is this user's and nobody holds its lock. */
static void folder_remove_abandoned(const char *path)
{
    char *lock_path = memory_format_text("%s/" FOLDER_LOCK, path);
    int lock = open(lock_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (lock >= 0 && lstat(path, &status) == 0 && S_ISDIR(status.st_mode) &&
        status.st_uid == geteuid() && status.st_mtime + FOLDER_YOUNG < time(NULL) &&
        flock(lock, LOCK_EX | LOCK_NB) == 0)
        folder_empty(path);
    if (lock >= 0)
        close(lock);
    free(lock_path);
}

static void folder_sweep(const char *place)
{
    DIR *folder = opendir(place);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) == 0) {
            char *path = memory_format_text("%s/%s", place, entry->d_name);

            folder_remove_abandoned(path);
            free(path);
        }
    if (folder != NULL)
        closedir(folder);
}

char *folder_make(int *lock, Error *error)
{
    const char *place = folder_place();
    char *path = memory_format_text("%s/" FOLDER_PREFIX "XXXXXX", place);
    char *lock_path;

    folder_sweep(place);
    if (mkdtemp(path) == NULL) {
        error_set_errno(error, ERROR_SYSTEM, "cannot make a private folder in '%s'", place);
        free(path);
        return NULL;
    }
    lock_path = memory_format_text("%s/" FOLDER_LOCK, path);
    *lock = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    free(lock_path);
    if (*lock < 0 || flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        error_set_errno(error, ERROR_SYSTEM, "cannot lock the private folder '%s'", path);
        folder_remove(path, *lock);
        return NULL;
    }
    return path;
}

void folder_remove(char *path, int lock)
{
    folder_empty(path);
    if (lock >= 0)
        close(lock);
    free(path);
}
