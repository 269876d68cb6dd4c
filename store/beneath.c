/* openat2 does all of it in the kernel (Linux 5.6). Where it is missing or forbidden by a sandbox,
 * the path is opened with O_PATH, which has no effect on what it names; where that led is read back
 * from /proc and compared with the root; only then the file is opened for use. Both ways are free
 * of races with somebody who exchanges directories for links meanwhile. */
#include "store/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A rename or mount anywhere on the machine while the kernel resolves makes it give EAGAIN. */
enum { RESOLVE_ATTEMPTS = 64, DESCRIPTOR_PATH = 32 };

static bool beneath_is_plain(const char *path)
{
    const char *part = path;

    if (path[0] == '\0' || path[0] == '/')
        return false;
    while (part != NULL) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
        part = strchr(part, '/');
        if (part != NULL)
            part++;
    }
    return true;
}

static int beneath_open_kernel(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    long fd = -1;

    for (int attempt = 0; attempt < RESOLVE_ATTEMPTS; attempt++) {
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return (int)fd;
}

static ssize_t beneath_where(int fd, char where[PATH_MAX])
{
    char link[DESCRIPTOR_PATH];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, where, PATH_MAX - 1);
    if (length >= 0)
        where[length] = '\0';
    return length;
}

static int beneath_open_checked(int root, const char *path, int flags)
{
    char root_path[PATH_MAX], path_path[PATH_MAX], link[DESCRIPTOR_PATH];
    int fd = -1, place, saved;
    ssize_t length;

    place = openat(root, path, O_PATH | O_CLOEXEC);
    if (place < 0)
        return -1;
    length = beneath_where(root, root_path);
    if (length < 0 || beneath_where(place, path_path) < 0)
        goto out;
    if (length == 1) /* the root is "/" itself */
        length = 0;
    if (strncmp(root_path, path_path, (size_t)length) != 0 ||
        (path_path[length] != '/' && path_path[length] != '\0')) {
        errno = EXDEV;
        goto out;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", place);
    fd = open(link, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
out:
    saved = errno;
    close(place);
    errno = saved;
    return fd;
}

int beneath_open(int root, const char *path, int flags)
{
    int fd;

    if (!beneath_is_plain(path)) {
        errno = EXDEV;
        return -1;
    }
    fd = beneath_open_kernel(root, path, flags);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = beneath_open_checked(root, path, flags);
    return fd;
}

int beneath_open_directory(int root, const char *path, int flags)
{
    const char *leaf = strrchr(path, '/');
    char parent_path[PATH_MAX];
    int fd, parent, saved;

    if (path[0] == '\0')
        return openat(root, ".", flags | O_DIRECTORY | O_CLOEXEC);
    fd = beneath_open(root, path, flags | O_DIRECTORY);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (strlen(path) >= sizeof parent_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(parent_path, sizeof parent_path, "%.*s", leaf == NULL ? 0 : (int)(leaf - path), path);
    parent = beneath_open_directory(root, parent_path, O_PATH);
    if (parent < 0)
        return -1;
    /* Another lane may make it at the same time: the one that comes second just opens it. */
    fd = mkdirat(parent, leaf == NULL ? path : leaf + 1, 0777) == 0 || errno == EEXIST
             ? beneath_open(root, path, flags | O_DIRECTORY)
             : -1;
    saved = errno;
    close(parent);
    errno = saved;
    return fd;
}
