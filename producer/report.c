#include "producer/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

enum { NAME_BATCH = 256 };

/* --- numbers */

const char *report_bytes(char text[REPORT_NUMBER], int64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes / 1000;
    size_t unit = 0;

    if (bytes < 1000) {
        snprintf(text, REPORT_NUMBER, "%" PRId64 " B", bytes);
        return text;
    }
    for (; value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        value /= 1000;
    snprintf(text, REPORT_NUMBER, "%.1f %s", value, units[unit]);
    return text;
}

const char *report_duration(char text[REPORT_NUMBER], int64_t ms)
{
    int64_t seconds = ms / 1000;

    if (ms < 0)
        ms = seconds = 0;
    if (ms < 10000)
        snprintf(text, REPORT_NUMBER, "%.1f s", (double)ms / 1000);
    else if (seconds < 60)
        snprintf(text, REPORT_NUMBER, "%d s", (int)seconds);
    else if (seconds < 3600)
        snprintf(text, REPORT_NUMBER, "%d min %02d s", (int)(seconds / 60), (int)(seconds % 60));
    else if (seconds < 48 * 3600)
        snprintf(text, REPORT_NUMBER, "%d h %02d min", (int)(seconds / 3600),
                 (int)(seconds / 60 % 60));
    else
        snprintf(text, REPORT_NUMBER, "%" PRId64 " days", seconds / 86400);
    return text;
}

const char *report_age(char text[REPORT_NUMBER], int64_t at_ms)
{
    if (at_ms == 0) {
        snprintf(text, REPORT_NUMBER, "-");
        return text;
    }
    return report_duration(text, clock_wall_ms() - at_ms);
}

const char *report_megapixels(char text[REPORT_NUMBER], int64_t pixels)
{
    double millions = (double)pixels / 1e6;

    snprintf(text, REPORT_NUMBER, millions < 0.1 && pixels > 0 ? "%.3f" : "%.1f", millions);
    return text;
}

/* --- text from outside */

char *report_visible(const char *text)
{
    Text visible = {0};

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte == 0x7f)
            text_add_format(&visible, "\\x%02x", byte);
        else
            text_add(&visible, text, 1);
    }
    return text_take(&visible);
}

/* utf8_length is the length of the character at `text` (1 to 4), or 0 when it is none. */
static size_t utf8_length(const char *text)
{
    size_t most = strnlen(text, 4);

    for (size_t length = 1; length <= most; length++) {
        json_t *character = json_stringn(text, length);

        json_decref(character);
        if (character != NULL)
            return length;
    }
    return 0;
}

json_t *report_text_json(const char *text)
{
    Text clean = {0};
    json_t *value;

    if (text == NULL)
        return json_null();
    value = json_string(text);
    if (value != NULL)
        return value;
    while (*text != '\0') {
        size_t length = utf8_length(text);

        if (length > 0)
            text_add(&clean, text, length);
        else
            text_add_string(&clean, "\xef\xbf\xbd");
        text += length > 0 ? length : 1;
    }
    value = json_string(clean.data);
    text_free(&clean);
    return value;
}

/* --- tables */

void table_begin(Table *table, const char *const *headings, size_t columns)
{
    *table = (Table){.columns = columns};
    for (size_t i = 0; i < columns; i++)
        table_add(table, "%s", headings[i]);
}

void table_add(Table *table, const char *format, ...)
{
    va_list values;
    char *visible;
    char *cell;

    va_start(values, format);
    if (vasprintf(&cell, format, values) < 0)
        cell = memory_copy_text("");
    va_end(values);
    visible = report_visible(cell);
    free(cell);
    table->cells = memory_resize(table->cells, (table->count + 1) * sizeof *table->cells);
    table->cells[table->count++] = visible;
}

/* text_columns is the width of UTF-8 text on a terminal, as far as one column a character is. */
static int text_columns(const char *text)
{
    int columns = 0;

    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static int table_width(const Table *table, size_t column)
{
    bool number = table->cells[column][0] == '>';
    int widest = text_columns(table->cells[column]) - number;

    for (size_t i = column + table->columns; i < table->count; i += table->columns)
        if (text_columns(table->cells[i]) > widest)
            widest = text_columns(table->cells[i]);
    return widest;
}

static void table_print_cell(const Table *table, size_t index, int width, FILE *file)
{
    size_t column = index % table->columns;
    bool number = table->cells[column][0] == '>';
    const char *text = table->cells[index] + (index < table->columns && number);
    int blanks = width - text_columns(text);

    if (number)
        fprintf(file, "%*s%s", blanks, "", text);
    else if (column + 1 < table->columns)
        fprintf(file, "%s%*s", text, blanks, "");
    else
        fprintf(file, "%s", text);
    fputs(column + 1 < table->columns ? "  " : "\n", file);
}

void table_print(Table *table, FILE *file)
{
    int *widths = memory_need(table->columns * sizeof *widths + 1);

    if (table->columns == 0)
        goto out;
    for (size_t i = 0; i < table->columns; i++)
        widths[i] = table_width(table, i);
    for (size_t i = 0; i < table->count; i++)
        table_print_cell(table, i, widths[i % table->columns], file);
out:
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(widths);
    *table = (Table){0};
}

/* --- jobs */

static bool is_same_image(const QueueDead *a, const QueueDead *b)
{
    return a->task.image == b->task.image && strcmp(a->task.job, b->task.job) == 0;
}

static int compare_dead(const void *a, const void *b)
{
    const QueueDead *one = *(const QueueDead *const *)a, *other = *(const QueueDead *const *)b;
    int order = strcmp(one->path == NULL ? "" : one->path, other->path == NULL ? "" : other->path);

    if (order == 0)
        order = (one->task.image > other->task.image) - (one->task.image < other->task.image);
    return order != 0 ? order : one->task.tile - other->task.tile;
}

/* begins_with_path says whether the reason begins with the path, in which the queue makes blanks of
 * control characters. */
static bool begins_with_path(const char *reason, const char *path)
{
    for (; *path != '\0'; reason++, path++)
        if (*reason != *path && (*reason != ' ' || (unsigned char)*path >= 0x20))
            return false;
    return *reason == ':';
}

const char *report_reason(const QueueDead *dead)
{
    const char *reason = dead->reason != NULL ? dead->reason : "no reason was given";

    if (dead->path == NULL || dead->path[0] == '\0' || !begins_with_path(reason, dead->path))
        return reason;
    reason += strlen(dead->path) + 1;
    return reason + strspn(reason, " ");
}

/* report_name_failure puts the root before the path, and takes the path off the reason, where it
 * would not be found any more. */
static void report_name_failure(QueueDead *dead, const char *root)
{
    char *reason = memory_copy_text(report_reason(dead));
    size_t length = strlen(root);
    bool bare = length == 0 || root[length - 1] == '/';
    char *path = memory_format_text("%s%s%s", root, bare ? "" : "/", dead->path);

    free(dead->reason);
    free(dead->path);
    dead->reason = reason;
    dead->path = path;
}

void report_name_failures(Queue *queue, const char *const *roots, int root_count, QueueDead *dead,
                          size_t count)
{
    QueueImage images[NAME_BATCH];
    QueueJobState states[NAME_BATCH];
    QueueTask tasks[NAME_BATCH];
    Error ignored;

    for (size_t first = 0; first < count; first += NAME_BATCH) {
        size_t batch = count - first < NAME_BATCH ? count - first : NAME_BATCH;

        for (size_t i = 0; i < batch; i++)
            tasks[i] = dead[first + i].task;
        if (queue_read_images(queue, tasks, (int)batch, images, states, &ignored) != 0)
            return;
        for (size_t i = 0; i < batch; i++) {
            if (images[i].path != NULL && dead[first + i].path != NULL &&
                images[i].root < root_count)
                report_name_failure(&dead[first + i], roots[images[i].root]);
            queue_free_image(&images[i]);
        }
    }
}

void report_print_failure(const char *path, const char *reason)
{
    char *visible_path = report_visible(path);
    char *visible_reason = report_visible(reason);

    fprintf(stderr, "tilecrew: %s: %s\n", visible_path, visible_reason);
    free(visible_path);
    free(visible_reason);
}

size_t report_failures(const QueueDead *dead, size_t count)
{
    const QueueDead **sorted = memory_need(count * sizeof *sorted + 1);
    size_t images = 0;

    for (size_t i = 0; i < count; i++)
        sorted[i] = &dead[i];
    if (count > 0)
        qsort(sorted, count, sizeof *sorted, compare_dead);
    for (size_t i = 0; i < count; i++) {
        const char *path = sorted[i]->path != NULL ? sorted[i]->path : "(its record is gone)";

        if (i > 0 && is_same_image(sorted[i], sorted[i - 1]))
            continue;
        images++;
        report_print_failure(path, report_reason(sorted[i]));
    }
    free(sorted);
    return images;
}

double report_job_percent(const QueueJob *job)
{
    int64_t ended = job->images_done + job->images_failed;

    if (job->images == 0 || ended >= job->images)
        return job->state == JOB_SUBMITTING ? 0 : 100;
    if (job->pixels > 0)
        return 100.0 * (double)job->pixels_done / (double)job->pixels;
    return 100.0 * (double)ended / (double)job->images;
}

const char *report_job_progress(char text[REPORT_NUMBER], const QueueJob *job)
{
    snprintf(text, REPORT_NUMBER, "%" PRId64 "/%" PRId64, job->images_done + job->images_failed,
             job->images);
    return text;
}

bool report_job_is_stuck(const QueueJob *job)
{
    return !job->sealed && job->state != JOB_CANCELLED && job->state != JOB_DONE &&
           job->producer != NULL && job->producer[0] != '\0' && job->silent_ms > REPORT_GONE_MS;
}

json_t *report_job_json(const QueueJob *job)
{
    json_t *roots = json_array();
    json_t *value;

    for (int i = 0; i < job->root_count; i++)
        json_array_append_new(roots, report_text_json(job->roots[i]));
    value = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:i, s:i, s:b, s:i, s:o, s:o}", "id",
                      job->id, "state", queue_job_state_name(job->state), "pipeline", job->pipeline,
                      "store", job->store, "roots", roots, "output", report_text_json(job->output),
                      "format", job->format, "quality", job->quality, "png_level", job->png_level,
                      "strip", job->strip, "priority", job->priority, "owner",
                      report_text_json(job->owner == NULL ? "" : job->owner), "reason",
                      report_text_json(job->reason == NULL ? "" : job->reason));
    json_object_update_new(
        value,
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "images",
                  (json_int_t)job->images, "images_done", (json_int_t)job->images_done,
                  "images_failed", (json_int_t)job->images_failed, "tiles", (json_int_t)job->tiles,
                  "tiles_left", (json_int_t)job->left, "tiles_waiting", (json_int_t)job->waiting,
                  "pixels", (json_int_t)job->pixels, "pixels_done", (json_int_t)job->pixels_done,
                  "bytes_written", (json_int_t)job->bytes_done, "retried", (json_int_t)job->retried,
                  "fenced", (json_int_t)job->fenced));
    json_object_set_new(value, "producer_gone", json_boolean(report_job_is_stuck(job)));
    json_object_update_new(
        value, json_pack("{s:I, s:I, s:I}", "created_ms", (json_int_t)job->created_ms, "started_ms",
                         (json_int_t)job->started_ms, "finished_ms", (json_int_t)job->finished_ms));
    return value;
}

json_t *report_dead_json(const QueueDead *dead, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:i, s:i, s:i, s:o, s:o, s:s*, s:I}", "job",
                            dead[i].task.job, "image", (json_int_t)dead[i].task.image, "tile",
                            dead[i].task.tile, "fails", dead[i].task.fails, "losses",
                            dead[i].task.losses, "path", report_text_json(dead[i].path), "reason",
                            report_text_json(report_reason(&dead[i])), "worker", dead[i].worker,
                            "at_ms", (json_int_t)dead[i].at_ms));
    return list;
}

void report_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
}
