/* producer/plan.h: from the files of a walk to the images of a job: which files are images, which
 * have their result already, what each result is called and how an image is cut.
 *
 * Only headers are read. A file with the name of an image that cannot be read as one still becomes
 * an image of the job, of 0 x 0 pixels: it fails at the worker with its reason, where `status`
 * shows it, and the rest is done. Other files are images if they begin like one; if not they are
 * counted and left. */
#ifndef PRODUCER_PLAN_H
#define PRODUCER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "compute/pipeline.h"
#include "image/image.h"
#include "producer/walk.h"
#include "queue/queue.h"

typedef struct PlannerOptions {
    const char *output; /* absolute, without symbolic links */
    const Pipeline *pipeline;
    const char *format; /* keep, jpeg, png */
    int64_t tile_pixels;
    int64_t max_source_bytes;
    ImageLimits limits;
    bool must_open;        /* a file that cannot be opened here is refused here */
    bool force;            /* results that are there do not count */
    struct timespec since; /* nor do those older than this: made with other settings */
} PlannerOptions;

typedef struct PlannerCounts {
    int64_t images;  /* given out */
    int64_t done;    /* had their result already */
    int64_t skipped; /* other files */
    int64_t bytes, pixels;
} PlannerCounts;

typedef struct Planner Planner;

/* planner_open borrows everything. */
Planner *planner_open(Walk *walk, const PlannerOptions *options);
void planner_close(Planner *planner); /* takes NULL */
const PlannerCounts *planner_counts(const Planner *planner);

/* planner_know tells of an image that the job has already, in the order of numbers, before the
 * first planner_take: it is counted and not given again. */
void planner_know(Planner *planner, const QueueImage *image);

/* planner_take gives the next images in *images (free each with queue_free_image, and the array),
 * largest first, numbered on from the last call: until `most` are found, `limit_ms` have passed, or
 * the walk ends. *count may be 0 before that. *more false: it has ended. ERROR_USAGE when two
 * sources would give one result, or a result would lie among the sources. */
int planner_take(Planner *planner, size_t most, int64_t limit_ms, QueueImage **images,
                 size_t *count, bool *more, Error *error);

/* plan_cut decides from the image alone into how many tiles of how many rows it is cut. */
void plan_cut(const ImageInfo *info, const Pipeline *pipeline, const char *format,
              int64_t tile_pixels, QueueImage *image);

/* plan_result_name is the name of the result: `name` with the ending that the kind of the result
 * asks for where that differs from the source's. free(). */
char *plan_result_name(const char *name, ImageKind source, ImageKind result);

/* plan_image_ending says whether a file's name ends as an image's (.jpg .jpeg .jpe .jfif .png). */
bool plan_image_ending(const char *name);

#endif
