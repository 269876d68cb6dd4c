#include "producer/mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/store.h"

#define MARK_FOLDER ".tilecrew"
#define MARK_PREFIX "run-"

static char *mark_path(const char *output, const char *job)
{
    return memory_format_text("%s/" MARK_FOLDER "/" MARK_PREFIX "%s", output, job);
}

static void mark_sweep_job(const char *output, const char *job)
{
    char *path = mark_path(output, job);
    int mark = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    Error ignored;

    if (mark >= 0 && flock(mark, LOCK_EX | LOCK_NB) == 0) {
        store_sweep_file(output, job, &ignored);
        unlink(path);
    }
    if (mark >= 0)
        close(mark);
    free(path);
}

void mark_sweep(const char *output)
{
    char *path = memory_format_text("%s/" MARK_FOLDER, output);
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, MARK_PREFIX, strlen(MARK_PREFIX)) == 0)
            mark_sweep_job(output, entry->d_name + strlen(MARK_PREFIX));
    if (folder != NULL)
        closedir(folder);
    free(path);
}

int mark_make(const char *output, const char *job, int *mark, Error *error)
{
    char *path = mark_path(output, job);
    int status = 0;

    *mark = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*mark < 0)
        status = error_set_errno(error, ERROR_FULL, "cannot write '%s'", path);
    else
        flock(*mark, LOCK_EX | LOCK_NB); /* where there are no locks, the mark just stays unused */
    free(path);
    return status;
}

void mark_remove(const char *output, const char *job, int mark)
{
    char *path = mark_path(output, job);

    unlink(path);
    close(mark);
    free(path);
}
