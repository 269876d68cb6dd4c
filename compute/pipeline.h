/* compute/pipeline.h: a chain of operations, parsed and validated from text such as
 * "gaussian:sigma=1.4,sobel,invert": operations by commas, parameters by colons, name=value. A
 * single parameter's name may be left out ("gaussian:1.4"). Blanks around the separators are
 * ignored. The empty pipeline "" copies. */
#ifndef COMPUTE_PIPELINE_H
#define COMPUTE_PIPELINE_H

#include "compute/operation.h"

typedef struct Pipeline Pipeline;

/* ERROR_USAGE names the operation or parameter, its range, and the nearest valid name. Free with
 * pipeline_free. */
Pipeline *pipeline_parse(const char *text, Error *error);
void pipeline_free(Pipeline *pipeline);

/* The normal form: defaults written out, numbers in shortest form; two pipelines are equal when
 * these are. Owned by the pipeline. */
const char *pipeline_text(const Pipeline *pipeline);
int pipeline_length(const Pipeline *pipeline);
const Operation *pipeline_operation(const Pipeline *pipeline, int index);
const Arguments *pipeline_arguments(const Pipeline *pipeline, int index);

/* True when the chain begins with a luma operation or grayscale, so that a reader may give luma
 * alone. */
bool pipeline_wants_luma(const Pipeline *pipeline);

/* The format of the result rows for given source rows. Fails (ERROR_INPUT) where an operation
 * cannot take them. */
int pipeline_output(const Pipeline *pipeline, RowFormat in, RowFormat *out, Error *error);

/* Source rows needed above and below a tile, and whether the image may be cut at all. */
int pipeline_halo(const Pipeline *pipeline);
bool pipeline_may_cut(const Pipeline *pipeline);

#endif
