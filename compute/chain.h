/* compute/chain.h: a pipeline made into stages for one row format. Knows nothing of OpenCL.
 *
 * A stage is one pass with its program text. Every STENCIL operation gives the passes of its plan;
 * a run of POINT operations, and the conversions below, gives one stage whose kernel is written
 * here, so that its rows are loaded and stored once.
 *
 * Conversions, which the chain puts where AlphaRule (operation.h) asks for them; integer division
 * truncates, and max is 255 or 65535:
 *   premultiply  16-bit c = 257 c of 8 bits; p = (c a + max / 2) / max with a of the source's
 * depth; alpha becomes 16 bits (times 257). Hence p = 0 where a = 0. straighten   c = min(65535,
 * (65535 p + a / 2) / a), 0 where a = 0; then, for a source of 8 bits, narrow. narrow       16 bits
 * to 8, to nearest: (255 c + 32767) / 65535, alpha too. Opaque pixels come through premultiply and
 * straighten unchanged; so does every alpha. */
#ifndef COMPUTE_CHAIN_H
#define COMPUTE_CHAIN_H

#include "base/text.h"
#include "compute/pipeline.h"

typedef struct Stage {
    Pass pass;    /* its table is owned by the stage */
    int depth;    /* DEPTH of the program */
    char *source; /* program text, without the prelude; owned by the stage */
} Stage;

typedef struct Chain {
    Stage *stage;
    int count;
    int halo; /* source rows needed above and below: the stages' together */
    RowFormat in, out;
} Chain;

/* On failure `chain` holds nothing. */
int chain_build(Chain *chain, const Pipeline *pipeline, RowFormat in, Error *error);
void chain_free(Chain *chain);

int sample_size(SampleType type);         /* bytes */
const char *sample_name(SampleType type); /* in OpenCL: "uchar", ... */
SampleType sample_of_depth(int depth);    /* SAMPLE_U8 or SAMPLE_U16 */

#endif
