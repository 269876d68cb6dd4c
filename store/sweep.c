#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/beneath.h"
#include "store/file.h"
#include "store/store.h"

#define TEMPORARY_MARK ".tilecrew-"
#define TEMPORARY_END  ".tmp"

enum { HOST_NAME = 64, TEMPORARY_TAIL = 128, FOLDER_DEPTH = 200 };

static void file_host(char host[HOST_NAME + 1])
{
    if (gethostname(host, HOST_NAME) != 0)
        snprintf(host, HOST_NAME, "localhost");
    host[HOST_NAME] = '\0';
    for (char *at = host; *at != '\0'; at++)
        if (*at == '/')
            *at = '_';
}

void file_format_temporary(char name[NAME_MAX + 1], const char *leaf, unsigned number)
{
    char host[HOST_NAME + 1], tail[TEMPORARY_TAIL];
    size_t length = strlen(leaf), room;
    int tail_length;

    file_host(host);
    tail_length = snprintf(tail, sizeof tail, TEMPORARY_MARK "%s-%d-%u" TEMPORARY_END, host,
                           (int)getpid(), number);
    room = NAME_MAX - 1 - (size_t)tail_length;
    if (length > room) {
        length = room;
        while (length > 0 && ((unsigned char)leaf[length] & 0xC0) == 0x80)
            length--; /* never inside of a UTF-8 character: some file systems mind */
    }
    snprintf(name, NAME_MAX + 1, ".%.*s%s", (int)length, leaf, tail);
}

/* Whether no process `pid` works any more. One that nobody has waited for yet (a zombie: in a
 * container there may be no init that does) has ended all the same. */
static bool file_writer_is_gone(pid_t pid)
{
    char path[64], text[256];
    const char *state;
    ssize_t length;
    int file;

    if (kill(pid, 0) != 0)
        return errno == ESRCH;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    state = strrchr(text, ')'); /* "PID (NAME) STATE ...", and NAME may hold anything */
    return state != NULL && strncmp(state, ") Z", 3) == 0;
}

bool file_is_abandoned(const char *name)
{
    char host[HOST_NAME + 1], *end = NULL;
    const char *at = NULL;
    long pid;

    for (const char *mark = strstr(name, TEMPORARY_MARK); mark != NULL;
         mark = strstr(mark + 1, TEMPORARY_MARK))
        at = mark + strlen(TEMPORARY_MARK);
    file_host(host);
    if (name[0] != '.' || at == NULL || strncmp(at, host, strlen(host)) != 0 ||
        at[strlen(host)] != '-')
        return false;
    pid = strtol(at + strlen(host) + 1, &end, 10);
    if (pid <= 0 || *end != '-')
        return false;
    strtoul(end + 1, &end, 10);
    return strcmp(end, TEMPORARY_END) == 0 && file_writer_is_gone((pid_t)pid);
}

/* Removes files of the open directory `folder`, which it closes: all of them, or those abandoned,
 * and those of the folders below. */
static int64_t file_sweep_folder(int folder, bool all, int depth)
{
    DIR *directory = fdopendir(folder);
    const struct dirent *entry;
    int64_t removed = 0;

    if (directory == NULL) {
        close(folder);
        return 0;
    }
    while ((entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        struct stat status;
        int below;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (all || file_is_abandoned(name))
            removed += unlinkat(dirfd(directory), name, 0) == 0;
        if (entry->d_type == DT_UNKNOWN &&
            (fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
             !S_ISDIR(status.st_mode)))
            continue;
        if ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) || depth >= FOLDER_DEPTH)
            continue;
        below = openat(dirfd(directory), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            removed += file_sweep_folder(below, all, depth + 1);
    }
    closedir(directory);
    return removed;
}

static int64_t file_sweep_parts(int output, const char *job)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    int private = beneath_open(output, FILE_PRIVATE, flags);
    int parts = private < 0 ? -1 : beneath_open(private, job, flags);
    int64_t removed = 0;

    if (parts >= 0) {
        removed = file_sweep_folder(parts, true, 0);
        if (unlinkat(private, job, AT_REMOVEDIR) == 0)
            unlinkat(output, FILE_PRIVATE, AT_REMOVEDIR);
    }
    if (private >= 0)
        close(private);
    return removed;
}

void store_sweep_parts(const char *output, const char *job)
{
    int folder = open(output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return;
    file_sweep_parts(folder, job);
    close(folder);
}

int64_t store_sweep_file(const char *output, const char *job, Error *error)
{
    int folder = open(output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t removed = 0;

    if (folder < 0)
        return error_set_errno(error, ERROR_STORE, "cannot read %s", output);
    if (job != NULL)
        removed = file_sweep_parts(folder, job);
    return removed + file_sweep_folder(folder, false, 0); /* closes it */
}
