/* The proof: each tile of a job has one bit in a picture of the job; every place where it is found
 * adds to it. A tile found nowhere is missing, one found twice is doubled. A join counts from the
 * moment at which all tiles of its image are done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "queue/connection.h"
#include "queue/record.h"
#include "queue/snapshot.h"

enum { PAGE = 1000 };

/* Where the images of a job have their bits, and how often each bit's tile was found. */
typedef struct Picture {
    int64_t images, bits;
    int64_t *first;
    int *tiles;
    unsigned char *found;
    bool damaged; /* some records cannot be read: what the counters should say is not known */
} Picture;

static void picture_free(Picture *picture)
{
    free(picture->first);
    free(picture->tiles);
    free(picture->found);
    *picture = (Picture){0};
}

/* Records never change once they are there, so they may be read outside of the transaction. */
static int picture_read_page(Queue *queue, const char *job, int64_t from, Picture *picture,
                             Error *error)
{
    int64_t end = from + PAGE < picture->images ? from + PAGE : picture->images;
    redisReply *reply;

    command_begin(queue, "HMGET");
    command_add_text(queue, queue_key(queue, "job:%s:images", job).text);
    for (int64_t i = from; i < end; i++)
        command_add_number(queue, i);
    command_end(queue);
    reply = queue_ask(queue, 0, error);
    if (reply == NULL)
        return -1;
    for (int64_t i = from; i < end; i++) {
        QueueImage image;
        Error damage;
        if (record_read(reply_text(reply_item(reply, (size_t)(i - from))), &image, &damage) != 0) {
            picture->damaged = true;
            continue;
        }
        if (image.first_tile + image.tiles <= picture->bits) {
            picture->first[i] = image.first_tile;
            picture->tiles[i] = image.tiles;
        } else {
            picture->damaged = true;
        }
        queue_free_image(&image);
    }
    freeReplyObject(reply);
    return 0;
}

static int picture_open(Queue *queue, const SnapshotJob *job, Picture *picture, Error *error)
{
    *picture = (Picture){.images = reply_number(reply_item(job->fields, FIELD_IMAGES)),
                         .bits = reply_number(reply_item(job->fields, FIELD_BITS))};
    picture->first = memory_try((size_t)picture->images, sizeof *picture->first, "an audit", error);
    picture->tiles = memory_try((size_t)picture->images, sizeof *picture->tiles, "an audit", error);
    picture->found = memory_try((size_t)picture->bits + 1, 1, "an audit", error);
    if (picture->first == NULL || picture->tiles == NULL || picture->found == NULL)
        goto fail;
    for (int64_t from = 0; from < picture->images; from += PAGE)
        if (picture_read_page(queue, job->id, from, picture, error) != 0)
            goto fail;
    return 0;
fail:
    picture_free(picture);
    return -1;
}

static void picture_mark(Picture *picture, int64_t bit)
{
    if (bit >= 0 && bit < picture->bits && picture->found[bit] < 255)
        picture->found[bit]++;
}

/* Marks the job's tasks of a list; returns how many there are. */
static int64_t mark_list(Picture *picture, const char *job, const redisReply *list)
{
    int64_t count = 0;

    for (size_t i = 0; i < list->elements; i++) {
        QueueTask task;
        Error damage;
        if (queue_parse_task(list->element[i]->str, (size_t)list->element[i]->len, &task,
                             &damage) != 0 ||
            strcmp(task.job, job) != 0)
            continue;
        count++;
        if (task.image < picture->images && task.tile <= picture->tiles[task.image])
            picture_mark(picture, picture->first[task.image] + task.tile);
    }
    return count;
}

static bool bit_of(const redisReply *bitmap, int64_t bit)
{
    return bitmap->type == REDIS_REPLY_STRING && bit / 8 < (int64_t)bitmap->len &&
           ((unsigned char)bitmap->str[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static int64_t mark_bits(Picture *picture, const redisReply *bitmap)
{
    int64_t count = 0;

    for (int64_t bit = 0; bit < picture->bits; bit++) {
        if (!bit_of(bitmap, bit))
            continue;
        count++;
        picture_mark(picture, bit);
    }
    return count;
}

static bool join_is_due(const Picture *picture, int64_t image, const redisReply *done)
{
    bool due = picture->tiles[image] > 1;

    for (int tile = 0; tile < picture->tiles[image] && due; tile++)
        due = bit_of(done, picture->first[image] + tile);
    return due;
}

/* Counts what is missing or doubled; missing tasks are written into `texts`, one a line. */
static void count_wrong(const Picture *picture, const SnapshotJob *job, QueueAudit *row,
                        Text *texts)
{
    for (int64_t image = 0; image < picture->images; image++) {
        int count = picture->tiles[image] + join_is_due(picture, image, job->done);
        for (int tile = 0; tile < count; tile++) {
            int found = picture->found[picture->first[image] + tile];
            row->doubled += found > 1;
            row->missing += found == 0;
            if (found == 0)
                text_add_format(texts, "%s:%lld:%d:0:0\n", job->id, (long long)image, tile);
        }
    }
}

/* What a repair needs: missing tasks, one a line, and how far each counter is off. */
typedef struct Findings {
    Text missing;
    int64_t off[FIELD_COUNTERS];
} Findings;

/* What the job's counters should say, by FIELD_. */
static void count_right(const Picture *picture, const SnapshotJob *job, const QueueAudit *row,
                        int64_t right[FIELD_COUNTERS])
{
    memset(right, 0, FIELD_COUNTERS * sizeof *right);
    for (int64_t image = 0; image < picture->images; image++) {
        int tiles = picture->tiles[image];
        int64_t last = picture->first[image] + (tiles > 1 ? tiles : 0);
        right[FIELD_TILES] += tiles + join_is_due(picture, image, job->done);
        right[FIELD_IMAGES_DONE] += tiles > 0 && bit_of(job->done, last);
    }
    right[FIELD_DEAD] = row->dead;
    right[FIELD_DROPPED] = row->dropped;
    right[FIELD_LEFT] = right[FIELD_TILES] - row->done - row->dead - row->dropped;
}

static int audit_job(Queue *queue, const Snapshot *snapshot, const SnapshotJob *job,
                     QueueAudit *row, Findings *findings, Error *error)
{
    int64_t right[FIELD_COUNTERS];
    Picture picture;

    if (picture_open(queue, job, &picture, error) != 0)
        return -1;
    *row = (QueueAudit){.total = reply_number(reply_item(job->fields, FIELD_TILES))};
    snprintf(row->job, sizeof row->job, "%s", job->id);
    row->listed = mark_list(&picture, job->id, job->tiles);
    row->ready = mark_list(&picture, job->id, snapshot->ready);
    row->delayed = mark_list(&picture, job->id, snapshot->delayed);
    row->dead = mark_list(&picture, job->id, snapshot->dead);
    for (size_t i = 0; i < snapshot->claims_count; i++)
        row->processing += mark_list(&picture, job->id, snapshot->processing[i]);
    row->done = mark_bits(&picture, job->done);
    row->dropped = mark_bits(&picture, job->dropped);
    count_wrong(&picture, job, row, &findings->missing);
    count_right(&picture, job, row, right);
    for (int i = 0; i < FIELD_COUNTERS && !picture.damaged; i++) {
        findings->off[i] = right[i] - reply_number(reply_item(job->fields, (size_t)i));
        row->miscounted += findings->off[i] != 0;
    }
    picture_free(&picture);
    return 0;
}

/* One page of missing tasks from *text on; moves *text behind it. *issued -1: another audit was
 * faster. */
static int reissue_page(Queue *queue, const char *job, const char **text, int64_t repairs,
                        const int64_t off[FIELD_COUNTERS], int64_t *issued, Error *error)
{
    int64_t number;

    if (script_begin(queue, SCRIPT_REISSUE, error) != 0)
        return -1;
    command_add_text(queue, job);
    command_add_number(queue, repairs);
    for (int i = 0; i < FIELD_COUNTERS; i++)
        command_add_number(queue, off[i]);
    for (int i = 0; i < PAGE && **text != '\0'; i++) {
        size_t length = strcspn(*text, "\n");
        command_add(queue, *text, length);
        *text += length + 1;
    }
    command_end(queue);
    if (queue_ask_number(queue, &number, error) != 0)
        return -1;
    *issued = number;
    return 0;
}

/* The counters are made right by the first page, by what they are off: meanwhile the queue may have
 * moved on, and they with it. */
static int repair_job(Queue *queue, const SnapshotJob *job, const Findings *findings,
                      int64_t *repaired, Error *error)
{
    static const int64_t nothing[FIELD_COUNTERS] = {0};
    int64_t repairs = reply_number(reply_item(job->fields, FIELD_REPAIRS));
    const int64_t *off = findings->off;
    const char *text = findings->missing.length > 0 ? findings->missing.data : "";
    int64_t issued;

    do {
        if (reissue_page(queue, job->id, &text, repairs++, off, &issued, error) != 0)
            return -1;
        *repaired += issued > 0 ? issued : 0;
        off = nothing;
    } while (*text != '\0' && issued >= 0);
    return 0;
}

/* Claims of workers that are not in the books will be ended by nobody. */
static int repair_orphans(Queue *queue, const Snapshot *snapshot, int64_t *repaired, Error *error)
{
    for (size_t i = 0; i < snapshot->claims_count; i++) {
        char worker[QUEUE_WORKER_ID];
        int lane;
        int moved = 0;
        if (snapshot->processing[i]->elements == 0 ||
            snapshot_has_worker(queue, snapshot, snapshot->claims[i], worker, &lane))
            continue;
        do {
            if (queue_reclaim_lane(queue, worker, lane, "its worker is unknown", PAGE, &moved,
                                   error) != 0)
                return -1;
            *repaired += moved;
        } while (moved > 0);
    }
    return 0;
}

static int audit_jobs(Queue *queue, const Snapshot *snapshot, bool repair, QueueAudit *rows,
                      size_t *count, int64_t *repaired, Error *error)
{
    for (size_t i = 0; i < snapshot->job_count; i++) {
        const SnapshotJob *job = &snapshot->jobs[i];
        Findings findings = {0};
        int status;
        if (reply_text(reply_item(job->fields, FIELD_STATE))[0] == '\0')
            continue; /* removed meanwhile */
        status = audit_job(queue, snapshot, job, &rows[*count], &findings, error);
        if (status == 0 && repair && (rows[*count].missing > 0 || rows[*count].miscounted > 0))
            status = repair_job(queue, job, &findings, repaired, error);
        text_free(&findings.missing);
        if (status != 0)
            return -1;
        ++*count;
    }
    return repair ? repair_orphans(queue, snapshot, repaired, error) : 0;
}

int queue_audit(Queue *queue, const char *job, bool repair, QueueAudit **rows, size_t *count,
                int64_t *repaired, Error *error)
{
    Snapshot snapshot;
    int64_t moved = 0;
    int status;

    *count = 0;
    *repaired = 0;
    if (snapshot_take(queue, job, &snapshot, error) != 0)
        return -1;
    *rows = memory_need((snapshot.job_count + 1) * sizeof **rows);
    status = audit_jobs(queue, &snapshot, repair, *rows, count, repaired, error);
    snapshot_free(&snapshot);
    if (status == 0 && job != NULL && *count == 0)
        status = error_set(error, ERROR_USAGE, "there is no job %s", job);
    if (status == 0 && *repaired > 0)
        status = queue_refill(queue, queue->ready_low, queue->ready_batch, &moved, error);
    if (status != 0) {
        free(*rows);
        *rows = NULL;
    }
    return status;
}
