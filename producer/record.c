#include "producer/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

#define RECORD_FOLDER ".tilecrew"
#define RECORD_FILE   RECORD_FOLDER "/settings"

/* make_folders is `mkdir -p`. */
static int make_folders(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            *at = '/';
            return -1;
        }
        *at = '/';
    }
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

char *record_open_output(const char *typed, Error *error)
{
    char *path = memory_copy_text(typed);
    char *absolute = NULL;
    struct stat status;

    if (typed[0] == '\0')
        error_set(error, ERROR_USAGE, "the name of the output folder is empty");
    else if (stat(typed, &status) == 0 && !S_ISDIR(status.st_mode))
        error_set(error, ERROR_USAGE, "the output '%s' is a file: name a folder", typed);
    else if (make_folders(path) != 0)
        error_set_errno(error, ERROR_FULL, "cannot make the output folder '%s'", typed);
    else if (access(typed, W_OK | X_OK) != 0)
        error_set_errno(error, ERROR_FULL, "cannot write into the output folder '%s'", typed);
    else if ((absolute = realpath(typed, NULL)) == NULL)
        error_set_errno(error, ERROR_FULL, "output folder '%s'", typed);
    free(path);
    return absolute;
}

static char *record_format(const RecordSettings *settings)
{
    Text text = {0};

    text_add_format(&text, "# The settings that the results in this folder were made with.\n");
    text_add_format(&text, "pipeline %s\nformat %s\nquality %d\npng_level %d\nstrip %s\n",
                    settings->pipeline, settings->format, settings->quality, settings->png_level,
                    settings->strip ? "true" : "false");
    return text_take(&text);
}

/* record_is reads the record and says whether it is `wanted`. */
static bool record_is(const char *path, const char *wanted, bool *there)
{
    size_t size = strlen(wanted);
    char *bytes = memory_need(size + 2);
    FILE *file = fopen(path, "re");
    bool same = false;

    *there = file != NULL;
    if (file != NULL) {
        same = fread(bytes, 1, size + 1, file) == size && memcmp(bytes, wanted, size) == 0;
        fclose(file);
    }
    free(bytes);
    return same;
}

static int record_write(const char *path, const char *text, Error *error)
{
    char *temporary = memory_format_text("%s.%d.tmp", path, (int)getpid());
    FILE *file = fopen(temporary, "we");
    int status = -1;

    if (file != NULL) {
        bool written = fputs(text, file) >= 0;

        written = fclose(file) == 0 && written;
        if (written && rename(temporary, path) == 0)
            status = 0;
    }
    if (status != 0) {
        error_set_errno(error, ERROR_FULL, "cannot write '%s'", path);
        unlink(temporary);
    }
    free(temporary);
    return status;
}

int record_settings(const char *output, const RecordSettings *settings, struct timespec *since,
                    RecordState *state, Error *error)
{
    char *folder = memory_format_text("%s/" RECORD_FOLDER, output);
    char *path = memory_format_text("%s/" RECORD_FILE, output);
    char *wanted = record_format(settings);
    struct stat status;
    bool there;
    int result = -1;

    *state = RECORD_KEPT;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        error_set_errno(error, ERROR_FULL, "cannot write into the output folder '%s'", output);
        goto out;
    }
    if (!record_is(path, wanted, &there)) {
        *state = there ? RECORD_CHANGED : RECORD_NEW;
        if (record_write(path, wanted, error) != 0)
            goto out;
    }
    if (stat(path, &status) != 0) {
        error_set_errno(error, ERROR_FULL, "cannot read '%s'", path);
        goto out;
    }
    *since = status.st_mtim;
    result = 0;
out:
    free(folder);
    free(path);
    free(wanted);
    return result;
}

void record_remove(const char *output)
{
    char *folder = memory_format_text("%s/" RECORD_FOLDER, output);
    char *path = memory_format_text("%s/" RECORD_FILE, output);

    unlink(path);
    rmdir(folder);
    free(folder);
    free(path);
}
