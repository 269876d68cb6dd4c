/* producer/record.h: with which settings the results in an output folder were made.
 *
 * OUT/.tilecrew/settings holds the pipeline in its normal form and everything else that changes a
 * result's bytes. A result counts as done when it is newer than its source and than this record;
 * so writing a changed record makes all older results stale. */
#ifndef PRODUCER_RECORD_H
#define PRODUCER_RECORD_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

typedef struct RecordSettings {
    const char *pipeline; /* normal form */
    const char *format;
    int quality;
    int png_level;
    bool strip;
} RecordSettings;

/* record_open_output makes the output folder if it is missing, and gives its absolute path
 * (free()). ERROR_USAGE when it is a file, ERROR_FULL when it cannot be made or written. */
char *record_open_output(const char *typed, Error *error);

typedef enum RecordState {
    RECORD_KEPT,
    RECORD_CHANGED, /* there was one with other settings */
    RECORD_NEW,
} RecordState;

/* record_settings brings the record up to date. *since is its time. */
int record_settings(const char *output, const RecordSettings *settings, struct timespec *since,
                    RecordState *state, Error *error);

/* record_remove takes away a RECORD_NEW to which no result came. */
void record_remove(const char *output);

#endif
