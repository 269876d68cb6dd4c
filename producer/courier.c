#include "producer/courier.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/store.h"

enum { BLOB_NAME = 64, COLLECT_MOST = 64, SEND_PIECE = 1 << 20 };

/* What is kept of an image that is on its way; a free place has no result. */
typedef struct Parcel {
    char *result;
    int64_t weight;
} Parcel;

struct Courier {
    Queue *queue;
    const char *job;
    CourierOptions options;
    Store *store;
    Parcel *parcels; /* by image number */
    size_t room;
    int64_t left;
    int64_t weight; /* of all that are on their way */
    struct {
        int64_t number; /* of the image in hand; -1: none */
        bool failed, written;
    } hand;
};

Courier *courier_open(Queue *queue, const char *job, const CourierOptions *options, Error *error)
{
    Courier *courier = memory_need(sizeof *courier);

    courier->queue = queue;
    courier->job = job;
    courier->options = *options;
    courier->hand.number = -1;
    courier->store = store_open_file(options->output, job, options->sync, error);
    if (courier->store == NULL) {
        free(courier);
        return NULL;
    }
    return courier;
}

void courier_close(Courier *courier)
{
    if (courier == NULL)
        return;
    for (size_t i = 0; i < courier->room; i++)
        free(courier->parcels[i].result);
    free(courier->parcels);
    courier->store->close(courier->store);
    free(courier);
}

int64_t courier_left(const Courier *courier)
{
    return courier->left;
}

/* --- sending */

static bool courier_makes_png(const Courier *courier, const QueueImage *image)
{
    const char *point = strrchr(image->result, '.');

    if (strcmp(courier->options.format, "keep") != 0)
        return strcmp(courier->options.format, "png") == 0;
    return point != NULL && strcasecmp(point, ".png") == 0;
}

/* courier_weigh reckons source and result: a JPEG of quality 90 takes about half a byte a pixel, a
 * PNG of a photograph about two; neither is taken to shrink. The parts of a cut image are there
 * until they are joined. */
static int64_t courier_weigh(const Courier *courier, const QueueImage *image)
{
    int64_t pixels = image->width * image->height;
    int64_t source = (int64_t)image->bytes;
    int64_t result = courier_makes_png(courier, image) ? 2 * pixels : pixels / 2;

    if (result < source)
        result = source;
    return source + (image->tiles > 1 ? 2 * result : result);
}

bool courier_has_room(const Courier *courier, const QueueImage *image)
{
    return courier->left == 0 ||
           courier->weight + courier_weigh(courier, image) <= courier->options.bytes_in_flight;
}

static void courier_note(Courier *courier, const QueueImage *image)
{
    size_t number = (size_t)image->number;
    size_t room = courier->room == 0 ? 1024 : courier->room;

    while (number >= room)
        room *= 2;
    if (room > courier->room) {
        courier->parcels = memory_resize(courier->parcels, room * sizeof *courier->parcels);
        memset(courier->parcels + courier->room, 0,
               (room - courier->room) * sizeof *courier->parcels);
        courier->room = room;
    }
    courier->parcels[number] =
        (Parcel){memory_copy_text(image->result), courier_weigh(courier, image)};
    courier->weight += courier->parcels[number].weight;
    courier->left++;
}

/* courier_read reads a whole source; what cannot be read is left out. */
static void courier_read(Courier *courier, const QueueImage *image, Text *bytes)
{
    StoreImage where = {.root = courier->options.roots[image->root], .path = image->path};
    Error ignored;
    ByteSource *source = courier->store->open_source(courier->store, &where, &ignored);
    char *piece;
    ssize_t got;

    if (source == NULL)
        return;
    piece = memory_need(SEND_PIECE);
    while ((got = source->read(source, piece, SEND_PIECE, &ignored)) > 0)
        text_add(bytes, piece, (size_t)got);
    source->close(source);
    free(piece);
}

int courier_send(Courier *courier, const QueueImage *image, Error *error)
{
    char name[BLOB_NAME];
    Text bytes = {0};
    int status;

    courier_read(courier, image, &bytes);
    snprintf(name, sizeof name, "source:%" PRId64, image->number);
    status = queue_put_blob(courier->queue, courier->job, name, bytes.length > 0 ? bytes.data : "",
                            bytes.length, error);
    text_free(&bytes);
    if (status == 0)
        courier_note(courier, image);
    return status;
}

/* --- collecting */

static int courier_write(Courier *courier, int64_t number, const void *bytes, size_t length,
                         Error *error)
{
    StoreImage where = {.result = courier->parcels[number].result, .number = number};
    ByteSink *sink = courier->store->create_result(courier->store, &where, error);

    if (sink == NULL)
        return -1;
    if (sink->write(sink, bytes, length, error) != 0) {
        sink->abandon(sink);
        return -1;
    }
    return sink->finish(sink, error);
}

static void courier_forget(Courier *courier, int64_t number)
{
    Parcel *parcel = &courier->parcels[number];

    courier->weight -= parcel->weight;
    courier->left--;
    free(parcel->result);
    *parcel = (Parcel){0};
}

static int courier_fetch(Courier *courier, int64_t number, const char *name, Error *error)
{
    void *bytes = NULL;
    size_t length = 0;
    int status = queue_get_blob(courier->queue, courier->job, name, &bytes, &length, error);

    if (status == 0 && bytes == NULL)
        status = error_set(error, ERROR_STORE,
                           "the result of '%s' is gone from Redis: run the same command again",
                           courier->parcels[number].result);
    if (status == 0)
        status = courier_write(courier, number, bytes, length, error);
    free(bytes);
    return status;
}

/* Ends with the image in hand: its result is written, then both of its blobs go at one moment. */
static int courier_take(Courier *courier, Error *error)
{
    const int64_t number = courier->hand.number;
    const bool known = (size_t)number < courier->room && courier->parcels[number].result != NULL;
    char result[BLOB_NAME], source[BLOB_NAME];

    snprintf(result, sizeof result, "result:%" PRId64, number);
    snprintf(source, sizeof source, "source:%" PRId64, number);
    if (known && !courier->hand.failed && !courier->hand.written) {
        if (courier_fetch(courier, number, result, error) != 0)
            return -1;
        courier->hand.written = true;
    }
    if (queue_delete_blobs(courier->queue, courier->job, result, source, error) != 0)
        return -1;
    if (known)
        courier_forget(courier, number);
    courier->hand.number = -1;
    return 0;
}

int courier_collect(Courier *courier, int64_t wait_ms, Error *error)
{
    int collected = 0;

    while (courier->left > 0 && collected < COLLECT_MOST) {
        if (courier->hand.number < 0) {
            courier->hand.written = false;
            if (queue_next_finished(courier->queue, courier->job, collected == 0 ? wait_ms : 0,
                                    &courier->hand.number, &courier->hand.failed, error) != 0) {
                courier->hand.number = -1;
                return -1;
            }
        }
        if (courier->hand.number < 0)
            break;
        if (courier_take(courier, error) != 0) /* told twice: what is there again is deleted */
            return -1;
        collected++;
    }
    return collected;
}

/* --- after another courier */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool courier_has_blob(char *const *names, size_t count, const char *kind, int64_t number)
{
    char name[BLOB_NAME];
    const char *key = name;

    snprintf(name, sizeof name, "%s:%" PRId64, kind, number);
    return count > 0 && bsearch(&key, names, count, sizeof *names, compare_names) != NULL;
}

int courier_expect(Courier *courier, const QueueImage *images, size_t count, Error *error)
{
    char **names;
    size_t blobs;

    if (queue_list_blobs(courier->queue, courier->job, &names, &blobs, error) != 0)
        return -1;
    if (blobs > 0)
        qsort(names, blobs, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        if (courier_has_blob(names, blobs, "source", images[i].number) ||
            courier_has_blob(names, blobs, "result", images[i].number))
            courier_note(courier, &images[i]);
    for (size_t i = 0; i < blobs; i++)
        free(names[i]);
    free(names);
    return 0;
}
