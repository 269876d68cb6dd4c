#include "producer/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "producer/header.h"
#include "producer/names.h"

struct Planner {
    Walk *walk;
    PlannerOptions options;
    PlannerCounts counts;
    Names results;
};

Planner *planner_open(Walk *walk, const PlannerOptions *options)
{
    Planner *planner = memory_need(sizeof *planner);

    planner->walk = walk;
    planner->options = *options;
    return planner;
}

void planner_close(Planner *planner)
{
    if (planner == NULL)
        return;
    names_free(&planner->results);
    free(planner);
}

const PlannerCounts *planner_counts(const Planner *planner)
{
    return &planner->counts;
}

/* --- names */

bool plan_image_ending(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
    const char *point = strrchr(name, '.');

    for (size_t i = 0; point != NULL && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(point, endings[i]) == 0)
            return true;
    return false;
}

char *plan_result_name(const char *name, ImageKind source, ImageKind result)
{
    size_t length = strlen(name);

    if (source == result)
        return memory_copy_text(name);
    if (plan_image_ending(name))
        length = (size_t)(strrchr(name, '.') - name);
    return memory_format_text("%.*s%s", (int)length, name, result == IMAGE_JPEG ? ".jpg" : ".png");
}

static ImageKind plan_result_kind(ImageKind source, const char *format)
{
    if (strcmp(format, "jpeg") == 0)
        return IMAGE_JPEG;
    if (strcmp(format, "png") == 0)
        return IMAGE_PNG;
    return source;
}

/* --- cutting */

/* plan_result_info is what the writer of the result will be told; false when the pipeline refuses
 * the image, which then fails at the worker. */
static bool plan_result_info(const ImageInfo *info, const Pipeline *pipeline, const char *format,
                             ImageInfo *result)
{
    RowFormat in = {.channels = info->channels, .depth = info->depth};
    RowFormat out;
    Error ignored;

    if (pipeline_output(pipeline, in, &out, &ignored) != 0)
        return false;
    *result = *info;
    result->kind = plan_result_kind(info->kind, format);
    result->channels = out.channels;
    result->depth = out.depth;
    return true;
}

void plan_cut(const ImageInfo *info, const Pipeline *pipeline, const char *format,
              int64_t tile_pixels, QueueImage *image)
{
    int64_t pixels = info->width * info->height;
    int64_t strip, wanted, rows;
    ImageInfo result;

    image->width = info->width;
    image->height = info->height;
    image->tiles = 1;
    image->tile_rows = info->height;
    if (pixels <= tile_pixels || info->progressive || !pipeline_may_cut(pipeline) ||
        !plan_result_info(info, pipeline, format, &result))
        return;
    strip = image_strip_rows(&result);
    wanted = (pixels + tile_pixels - 1) / tile_pixels;
    rows = (info->height + wanted - 1) / wanted;
    rows = (rows + strip - 1) / strip * strip;
    if (rows >= info->height)
        return;
    image->tile_rows = rows;
    image->tiles = (int)((info->height + rows - 1) / rows);
}

/* --- one file */

static bool plan_begins_like_an_image(const char *path)
{
    static const unsigned char jpeg[] = {0xff, 0xd8, 0xff};
    static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char head[sizeof png];
    size_t length = 0;
    ssize_t got = 1;
    Error ignored;
    ByteSource *source = header_open(path, &ignored);

    if (source == NULL)
        return false;
    while (length < sizeof head && got > 0) {
        got = source->read(source, head + length, sizeof head - length, &ignored);
        length += got > 0 ? (size_t)got : 0;
    }
    source->close(source);
    return (length >= sizeof jpeg && memcmp(head, jpeg, sizeof jpeg) == 0) ||
           (length == sizeof png && memcmp(head, png, sizeof png) == 0);
}

static bool is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* plan_join puts `name` beneath the absolute folder `root`; free(). */
static char *plan_join(const char *root, const char *name)
{
    return memory_format_text("%s/%s", strcmp(root, "/") == 0 ? "" : root, name);
}

/* plan_is_beneath says whether the absolute `path` lies below the folder `root`. */
static bool plan_is_beneath(const char *path, const char *root)
{
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

    return strncmp(path, root, length) == 0 && path[length] == '/' && path[length + 1] != '\0';
}

/* plan_keeps_inputs sees to it that `result` replaces no source. An output folder inside an input
 * is left out of the walk, so only one above it can do harm. */
static int plan_keeps_inputs(const Planner *planner, const WalkFile *file, const char *root,
                             const char *result, Error *error)
{
    const char *output = planner->options.output;
    char *absolute = plan_join(output, result);
    char *source = plan_join(root, file->path);
    char *name = walk_name(planner->walk, file->root, file->name);
    int status = 0;

    if (strcmp(absolute, source) == 0 ||
        (walk_root_is_folder(planner->walk, file->root) && !plan_is_beneath(output, root) &&
         plan_is_beneath(absolute, root)))
        status = error_set(error, ERROR_USAGE,
                           "the result of '%s' would be '%s', among the inputs: choose another "
                           "output folder",
                           name, absolute);
    free(absolute);
    free(source);
    free(name);
    return status;
}

/* plan_claims_result sees to it that one source alone has this result. *twice: this very file was
 * given before. */
static int plan_claims_result(Planner *planner, const char *source, const char *result, bool *twice,
                              Error *error)
{
    const char *first = names_add(&planner->results, result, source);

    *twice = first != NULL && strcmp(first, source) == 0;
    if (first == NULL || *twice)
        return 0;
    return error_set(error, ERROR_USAGE,
                     "'%s' and '%s' would both become '%s': process them into different output "
                     "folders",
                     first, source, result);
}

/* plan_is_done says whether the result is there, complete (they appear whole), and newer than its
 * source and the settings. */
static bool plan_is_done(const Planner *planner, const WalkFile *file, const char *result)
{
    char *path = plan_join(planner->options.output, result);
    struct stat status;
    bool there = !planner->options.force && stat(path, &status) == 0 && S_ISREG(status.st_mode);

    free(path);
    return there && !is_before(status.st_mtim, file->status.st_mtim) &&
           !is_before(status.st_mtim, planner->options.since);
}

/* plan_probe reads the header into `image`, or leaves it at 0 x 0. */
static char *plan_probe(const Planner *planner, const WalkFile *file, const char *path,
                        QueueImage *image)
{
    const PlannerOptions *options = &planner->options;
    ImageInfo info;
    Error ignored;
    ByteSource *source = header_open(path, &ignored);

    if (source == NULL || image_probe(source, &options->limits, &info, &ignored) != 0)
        return memory_copy_text(file->name);
    plan_cut(&info, options->pipeline, options->format, options->tile_pixels, image);
    return plan_result_name(file->name, info.kind, plan_result_kind(info.kind, options->format));
}

/* plan_refuses turns away what no worker should try. */
static bool plan_refuses(Planner *planner, const WalkFile *file, const char *path)
{
    char reason[128];

    if (file->status.st_size > planner->options.max_source_bytes)
        snprintf(reason, sizeof reason, "%lld bytes, over limits.max_source_bytes (%lld)",
                 (long long)file->status.st_size, (long long)planner->options.max_source_bytes);
    else if (planner->options.must_open && access(path, R_OK) != 0)
        snprintf(reason, sizeof reason, "cannot be read: %s", strerror(errno));
    else
        return false;
    walk_refuse(planner->walk, walk_name(planner->walk, file->root, file->name), reason);
    return true;
}

/* plan_make makes the image of the file at `path` under `root`: 1, 0 when its result is there, or
 * -1. */
static int plan_make(Planner *planner, const WalkFile *file, const char *root, const char *path,
                     QueueImage *image, Error *error)
{
    bool twice = false;
    int status;

    *image = (QueueImage){.root = file->root,
                          .path = memory_copy_text(file->path),
                          .bytes = (uint64_t)file->status.st_size,
                          .tiles = 1};
    image->result = plan_probe(planner, file, path, image);
    status = plan_keeps_inputs(planner, file, root, image->result, error);
    if (status == 0)
        status = plan_claims_result(planner, path, image->result, &twice, error);
    if (status == 0 && !twice) {
        if (!plan_is_done(planner, file, image->result))
            return 1;
        planner->counts.done++;
    }
    queue_free_image(image);
    return status;
}

/* plan_file is plan_make for what is an image at all. */
static int plan_file(Planner *planner, const WalkFile *file, QueueImage *image, Error *error)
{
    int root_count;
    const char *root = walk_roots(planner->walk, &root_count)[file->root];
    char *path = plan_join(root, file->path);
    int status = 0;

    if (!file->named && !plan_image_ending(file->name) && !plan_begins_like_an_image(path))
        planner->counts.skipped++;
    else if (!plan_refuses(planner, file, path))
        status = plan_make(planner, file, root, path, image, error);
    free(path);
    return status;
}

/* --- batches */

static int compare_images(const void *a, const void *b)
{
    const QueueImage *one = a, *other = b;
    int64_t pixels = one->width * one->height, others = other->width * other->height;

    if (pixels != others)
        return pixels < others ? 1 : -1;
    return one->number < other->number ? -1 : one->number > other->number;
}

static void plan_count(Planner *planner, const QueueImage *image)
{
    planner->counts.images++;
    planner->counts.bytes += (int64_t)image->bytes;
    planner->counts.pixels += image->width * image->height;
}

static void plan_number(Planner *planner, QueueImage *images, size_t count)
{
    if (count > 0)
        qsort(images, count, sizeof *images, compare_images);
    for (size_t i = 0; i < count; i++) {
        images[i].number = planner->counts.images;
        plan_count(planner, &images[i]);
    }
}

void planner_know(Planner *planner, const QueueImage *image)
{
    int root_count;
    const char *const *roots = walk_roots(planner->walk, &root_count);
    char *source;

    plan_count(planner, image);
    if (image->root < 0 || image->root >= root_count)
        return;
    source = plan_join(roots[image->root], image->path);
    names_add(&planner->results, image->result, source);
    free(source);
}

int planner_take(Planner *planner, size_t most, int64_t limit_ms, QueueImage **images,
                 size_t *count, bool *more, Error *error)
{
    int64_t until = clock_monotonic_ms() + limit_ms;
    QueueImage *found = NULL;
    size_t room = 0, used = 0;
    WalkFile file;
    int status = 0;

    *more = true;
    do {
        if (walk_next(planner->walk, &file) == 0) {
            *more = false;
            break;
        }
        if (used == room) {
            room = room == 0 ? 64 : room * 2;
            found = memory_resize(found, room * sizeof *found);
        }
        status = plan_file(planner, &file, &found[used], error);
        if (status < 0)
            break;
        if (status > 0) {
            found[used].number = (int64_t)used;
            used++;
        }
    } while (used < most && clock_monotonic_ms() < until);
    if (status < 0) {
        while (used > 0)
            queue_free_image(&found[--used]);
        free(found);
        return -1;
    }
    plan_number(planner, found, used);
    *images = found;
    *count = used;
    return 0;
}
