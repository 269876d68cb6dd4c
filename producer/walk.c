/* The folders being walked are a stack of levels, each with its sorted entries. A folder reached
 * through a symbolic link is entered unless it is on the stack already (a loop) or that very link
 * was followed before; so the walk ends, whatever the links. */
#include "producer/walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "producer/names.h"

typedef struct Root {
    char *typed; /* as on the command line, without trailing slashes; for files "" or the folder */
    bool folder;
} Root;

/* An input: a folder to walk, or a file of a root. */
typedef struct Input {
    int root;
    char *path; /* of a file, relative to the root; NULL: the root itself */
    char *name;
} Input;

typedef struct Level {
    char *path; /* relative to the root, resolved; "" for the root itself */
    char *name; /* relative to the root, as found */
    dev_t device;
    ino_t inode;
    char **entries;
    size_t count;
    size_t next;
} Level;

struct Walk {
    char **roots; /* absolute */
    Root *root;
    int root_count;
    Input *inputs;
    int input_count;
    int input; /* the next to begin */
    bool output_exists;
    struct stat output;
    Level *levels;
    size_t depth;
    int current; /* root of the levels */
    Names followed;
    WalkRefusal *refusals;
    size_t refusal_count;
    size_t skipped;
    char *path; /* of the file given last */
    char *name;
};

/* --- names */

static char *walk_join(const char *folder, const char *entry)
{
    size_t length = strlen(folder);

    if (length == 0)
        return memory_copy_text(entry);
    return memory_format_text("%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", entry);
}

static char *walk_absolute(const Walk *walk, int root, const char *path)
{
    return path[0] == '\0' ? memory_copy_text(walk->roots[root])
                           : walk_join(walk->roots[root], path);
}

char *walk_name(const Walk *walk, int root, const char *name)
{
    return walk_join(walk->root[root].typed, name);
}

void walk_refuse(Walk *walk, char *name, const char *reason)
{
    walk->refusals =
        memory_resize(walk->refusals, (walk->refusal_count + 1) * sizeof *walk->refusals);
    walk->refusals[walk->refusal_count++] = (WalkRefusal){name, memory_copy_text(reason)};
}

const WalkRefusal *walk_refusals(const Walk *walk, size_t *count)
{
    *count = walk->refusal_count;
    return walk->refusals;
}

size_t walk_skipped(const Walk *walk)
{
    return walk->skipped;
}

const char *const *walk_roots(const Walk *walk, int *count)
{
    *count = walk->root_count;
    return (const char *const *)walk->roots;
}

const char *walk_typed_root(const Walk *walk, int root)
{
    return walk->root[root].typed;
}

bool walk_root_is_folder(const Walk *walk, int root)
{
    return walk->root[root].folder;
}

/* --- inputs and roots */

/* walk_add_root returns the index of the root, which files of one folder share. Takes `absolute`
 * and `typed`. */
static int walk_add_root(Walk *walk, char *absolute, char *typed, bool folder)
{
    int last = walk->root_count - 1;

    if (last >= 0 && !folder && !walk->root[last].folder &&
        strcmp(walk->roots[last], absolute) == 0) {
        free(absolute);
        free(typed);
        return last;
    }
    walk->roots = memory_resize(walk->roots, (size_t)(walk->root_count + 1) * sizeof *walk->roots);
    walk->root = memory_resize(walk->root, (size_t)(walk->root_count + 1) * sizeof *walk->root);
    walk->roots[walk->root_count] = absolute;
    walk->root[walk->root_count] = (Root){.typed = typed, .folder = folder};
    return walk->root_count++;
}

static void walk_add_file(Walk *walk, Input *input, const char *typed, char *absolute)
{
    char *slash = strrchr(absolute, '/');
    const char *typed_slash = strrchr(typed, '/');
    char *typed_folder = memory_copy_text(typed);

    typed_folder[typed_slash == NULL ? 0 : typed_slash - typed + (typed_slash == typed)] = '\0';
    input->path = memory_copy_text(slash + 1);
    input->name = memory_copy_text(typed_slash == NULL ? typed : typed_slash + 1);
    slash[slash == absolute ? 1 : 0] = '\0';
    input->root = walk_add_root(walk, absolute, typed_folder, false);
}

static int walk_add_input(Walk *walk, const char *typed, Error *error)
{
    Input *input = &walk->inputs[walk->input_count];
    char *absolute = realpath(typed, NULL);
    struct stat status;
    char *trimmed;
    size_t length;

    if (absolute == NULL || stat(absolute, &status) != 0) {
        free(absolute);
        return error_set_errno(error, ERROR_USAGE, "input '%s'", typed);
    }
    walk->input_count++;
    if (!S_ISDIR(status.st_mode)) {
        walk_add_file(walk, input, typed, absolute);
        return 0;
    }
    trimmed = memory_copy_text(typed);
    for (length = strlen(trimmed); length > 1 && trimmed[length - 1] == '/'; length--)
        trimmed[length - 1] = '\0';
    input->root = walk_add_root(walk, absolute, trimmed, true);
    if (walk->output_exists && status.st_dev == walk->output.st_dev &&
        status.st_ino == walk->output.st_ino)
        return error_set(error, ERROR_USAGE,
                         "'%s' is both input and output: choose another output folder", typed);
    return 0;
}

void walk_leave_out(Walk *walk, const char *output)
{
    walk->output_exists = stat(output, &walk->output) == 0;
}

Walk *walk_open(const char *const *inputs, int count, const char *output, Error *error)
{
    Walk *walk = memory_need(sizeof *walk);

    walk->inputs = memory_need((size_t)count * sizeof *walk->inputs + 1);
    walk_leave_out(walk, output);
    for (int i = 0; i < count; i++)
        if (walk_add_input(walk, inputs[i], error) != 0) {
            walk_close(walk);
            return NULL;
        }
    return walk;
}

/* --- the stack of folders */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int level_read(Level *level, DIR *folder)
{
    size_t room = 0;
    const struct dirent *entry;

    for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0) {
        if (entry->d_name[0] == '.')
            continue;
        if (level->count == room) {
            room = room == 0 ? 64 : room * 2;
            level->entries = memory_resize(level->entries, room * sizeof *level->entries);
        }
        level->entries[level->count++] = memory_copy_text(entry->d_name);
    }
    if (errno != 0)
        return -1;
    if (level->count > 0)
        qsort(level->entries, level->count, sizeof *level->entries, compare_entries);
    return 0;
}

static void level_free(Level *level)
{
    for (size_t i = 0; i < level->count; i++)
        free(level->entries[i]);
    free(level->entries);
    free(level->path);
    free(level->name);
}

static bool walk_is_above(const Walk *walk, const struct stat *status)
{
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->levels[i].device == status->st_dev && walk->levels[i].inode == status->st_ino)
            return true;
    return false;
}

/* walk_enter puts the folder on the stack. Takes `path` and `name`. */
static void walk_enter(Walk *walk, int root, char *path, char *name, const struct stat *status)
{
    Level level = {.path = path, .name = name};
    char *absolute = walk_absolute(walk, root, path);
    char reason[256];
    DIR *folder;

    level.device = status->st_dev;
    level.inode = status->st_ino;
    if (walk->output_exists && level.device == walk->output.st_dev &&
        level.inode == walk->output.st_ino)
        goto leave;
    folder = opendir(absolute);
    if (folder == NULL || level_read(&level, folder) != 0) {
        snprintf(reason, sizeof reason, "cannot read this folder: %s", strerror(errno));
        walk_refuse(walk, walk_name(walk, root, name), reason);
    }
    if (folder != NULL)
        closedir(folder);
    walk->levels = memory_resize(walk->levels, (walk->depth + 1) * sizeof *walk->levels);
    walk->levels[walk->depth++] = level;
    walk->current = root;
    free(absolute);
    return;
leave:
    level_free(&level);
    free(absolute);
}

/* walk_resolve turns a symbolic link at `absolute` into the path under the root that it leads to;
 * NULL when it was refused. */
static char *walk_resolve(Walk *walk, int root, const char *absolute, const char *name)
{
    size_t length = strlen(walk->roots[root]);
    char *target = realpath(absolute, NULL);
    char *path = NULL;
    char reason[PATH_MAX + 64];

    if (target == NULL) {
        snprintf(reason, sizeof reason, "a symbolic link that leads nowhere: %s", strerror(errno));
        walk_refuse(walk, walk_name(walk, root, name), reason);
        return NULL;
    }
    if (length == 1) /* the root is "/" */
        length = 0;
    if (strncmp(target, walk->roots[root], length) == 0 && target[length] == '/')
        path = memory_copy_text(target + length + 1);
    else if (strcmp(target, walk->roots[root]) == 0)
        path = memory_copy_text("");
    if (path == NULL) {
        snprintf(reason, sizeof reason,
                 "a symbolic link out of the input folder, to %s: not followed", target);
        walk_refuse(walk, walk_name(walk, root, name), reason);
    }
    free(target);
    return path;
}

/* walk_follows says whether the folder behind a symbolic link is to be entered. */
static bool walk_follows(Walk *walk, const struct stat *link, const struct stat *target)
{
    char id[64];

    if (walk_is_above(walk, target))
        return false;
    snprintf(id, sizeof id, "%ju:%ju", (uintmax_t)link->st_dev, (uintmax_t)link->st_ino);
    return names_add(&walk->followed, id, "") == NULL;
}

/* walk_look takes the entry of the top level: true when it is a file and now in `file`. */
static bool walk_look(Walk *walk, const char *entry, WalkFile *file)
{
    const Level *level = &walk->levels[walk->depth - 1];
    int root = walk->current;
    char *path = walk_join(level->path, entry);
    char *name = walk_join(level->name, entry);
    char *absolute = walk_absolute(walk, root, path);
    struct stat status;
    struct stat link;
    bool found = false;
    bool linked;

    if (lstat(absolute, &link) != 0) {
        if (errno != ENOENT) /* else it vanished since the folder was read */
            walk_refuse(walk, walk_name(walk, root, name), strerror(errno));
        goto out;
    }
    linked = S_ISLNK(link.st_mode);
    if (linked) {
        free(path);
        path = walk_resolve(walk, root, absolute, name);
        if (path == NULL || stat(absolute, &status) != 0)
            goto out;
    } else {
        status = link;
    }
    if (S_ISDIR(status.st_mode)) {
        if (!linked || walk_follows(walk, &link, &status)) {
            walk_enter(walk, root, path, name, &status);
            path = name = NULL;
        }
    } else if (S_ISREG(status.st_mode)) {
        walk->path = path;
        walk->name = name;
        *file = (WalkFile){root, path, name, false, status};
        path = name = NULL;
        found = true;
    } else {
        walk->skipped++;
    }
out:
    free(path);
    free(name);
    free(absolute);
    return found;
}

/* walk_begin starts the next input: true when it is a file and now in `file`. */
static bool walk_begin(Walk *walk, WalkFile *file)
{
    Input *input = &walk->inputs[walk->input++];
    char *absolute = walk_absolute(walk, input->root, input->path == NULL ? "" : input->path);
    struct stat status;
    int result = stat(absolute, &status);

    free(absolute);
    if (input->path == NULL) {
        if (result == 0)
            walk_enter(walk, input->root, memory_copy_text(""), memory_copy_text(""), &status);
        return false;
    }
    if (result != 0 || !S_ISREG(status.st_mode)) {
        walk_refuse(walk, walk_name(walk, input->root, input->name),
                    result != 0 ? strerror(errno) : "not a regular file");
        return false;
    }
    *file = (WalkFile){input->root, input->path, input->name, true, status};
    return true;
}

int walk_next(Walk *walk, WalkFile *file)
{
    free(walk->path);
    free(walk->name);
    walk->path = walk->name = NULL;
    for (;;) {
        Level *level;

        while (walk->depth == 0) {
            if (walk->input == walk->input_count)
                return 0;
            if (walk_begin(walk, file))
                return 1;
        }
        level = &walk->levels[walk->depth - 1];
        if (level->next == level->count) {
            level_free(level);
            walk->depth--;
        } else if (walk_look(walk, level->entries[level->next++], file)) {
            return 1;
        }
    }
}

void walk_close(Walk *walk)
{
    if (walk == NULL)
        return;
    while (walk->depth > 0)
        level_free(&walk->levels[--walk->depth]);
    for (int i = 0; i < walk->input_count; i++) {
        free(walk->inputs[i].path);
        free(walk->inputs[i].name);
    }
    for (int i = 0; i < walk->root_count; i++) {
        free(walk->roots[i]);
        free(walk->root[i].typed);
    }
    for (size_t i = 0; i < walk->refusal_count; i++) {
        free(walk->refusals[i].name);
        free(walk->refusals[i].reason);
    }
    names_free(&walk->followed);
    free(walk->refusals);
    free(walk->levels);
    free(walk->inputs);
    free(walk->roots);
    free(walk->root);
    free(walk->path);
    free(walk->name);
    free(walk);
}
