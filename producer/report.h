/* producer/report.h: numbers, tables and jobs as a person wants them, and as JSON. */
#ifndef PRODUCER_REPORT_H
#define PRODUCER_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "queue/queue.h"

/* Texts of numbers are written into the caller's buffer, which is returned. */
enum { REPORT_NUMBER = 32 };
const char *report_bytes(char text[REPORT_NUMBER], int64_t bytes); /* "57.9 MB" */
const char *report_duration(char text[REPORT_NUMBER], int64_t ms); /* "3.4 s", "2 h 05 min" */
const char *report_age(char text[REPORT_NUMBER], int64_t at_ms);   /* since a wall clock time */
const char *report_megapixels(char text[REPORT_NUMBER], int64_t pixels); /* "220.1" */

/* report_visible makes text from outside (names of files, reasons) fit for one line of a terminal:
 * control characters become \xNN. free(). */
char *report_visible(const char *text);

/* report_text_json is a JSON string of any bytes; what is not UTF-8 becomes U+FFFD. NULL is null.
 */
json_t *report_text_json(const char *text);

/* A table of aligned columns. Starts as {0}; the first row is the heading, whose names beginning
 * with '>' make a column of numbers, aligned to the right. */
typedef struct Table {
    char **cells;
    size_t count;
    size_t columns;
} Table;
void table_begin(Table *table, const char *const *headings, size_t columns);
void table_add(Table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(Table *table, FILE *file); /* and frees it */

/* report_failures prints "tilecrew: PATH: REASON" on standard error for each image, once however
 * many of its tiles failed; returns how many images there were. report_print_failure prints one. */
size_t report_failures(const QueueDead *dead, size_t count);
void report_print_failure(const char *path, const char *reason);

/* report_reason is the reason of a failure without the file's name before it, which stands beside
 * it anyway. */
const char *report_reason(const QueueDead *dead);

/* report_name_failures puts its root before the path of each, from `roots` (by index, as in the
 * job), so that files of several inputs are told apart. What cannot be read keeps its path. */
void report_name_failures(Queue *queue, const char *const *roots, int root_count, QueueDead *dead,
                          size_t count);

json_t *report_job_json(const QueueJob *job);
/* report_job_is_stuck: not all images are in, and the producer has given no sign of life for long.
 */
enum { REPORT_GONE_MS = 10000 };
bool report_job_is_stuck(const QueueJob *job);
json_t *report_dead_json(const QueueDead *dead, size_t count);
void report_print_json(json_t *value); /* to standard output, indented; releases it */

/* "12/39": images that are done or failed, of all. */
const char *report_job_progress(char text[REPORT_NUMBER], const QueueJob *job);
double report_job_percent(const QueueJob *job);

#endif
