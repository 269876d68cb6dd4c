/* compute/point.h: a run of POINT operations and conversions, collected step by step and made into
 * one stage. A run starts as {0}. */
#ifndef COMPUTE_POINT_H
#define COMPUTE_POINT_H

#include "compute/chain.h"

typedef enum StepKind {
    STEP_CURVE,
    STEP_MATRIX,
    STEP_GREY, /* the first row of a matrix, to grey */
    STEP_CODE,
    STEP_PREMULTIPLY,
    STEP_STRAIGHTEN,
    STEP_NARROW,
} StepKind;

typedef struct Step {
    StepKind kind;
    const Operation *operation; /* of CODE */
    int32_t *table;             /* owned */
    int table_count;
} Step;

typedef struct PointRun {
    RowFormat in;
    Step *step;
    int count;
} PointRun;

/* point_add_plan takes the plan of a POINT operation, with its memory; it may fold it into the step
 * before. point_add_conversion adds one of the last three kinds. */
int point_add_plan(PointRun *run, const Operation *operation, Plan *plan, Error *error);
void point_add_conversion(PointRun *run, StepKind kind);

/* point_finish makes the stage that takes run->in to `out` (`depth` of straight rows) and empties
 * the run. */
int point_finish(PointRun *run, RowFormat out, int depth, Stage *stage, Error *error);
void point_free(PointRun *run);

#endif
