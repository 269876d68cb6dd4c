/* compute/operation.h: what an operation file in kernels/ declares, and what the host makes of it.
 *
 * One operation is one file kernels/NAME.cl, read twice: by the C compiler with OP_DECLARE defined
 * (the half that declares `const Operation operation_NAME` by the OPERATION macro) and by the
 * OpenCL compiler without it (the half with the kernels, after compute/prelude.cl). The build finds
 * the files by itself; adding an operation touches one.
 *
 * From declaration to pixels: pipeline.c parses text into operations with arguments; each
 * operation's plan() says, for given arguments and incoming row format, which passes to run;
 * stream.c runs the passes of the whole chain over bands of rows. A pass is one kernel launch that
 * makes output rows from input rows around them.
 *
 * Exactness: kernels compute in integers; weights and tables come from plan(), in double rounded
 * once to fixed point. */
#ifndef COMPUTE_OPERATION_H
#define COMPUTE_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum OperationClass {
    POINT,    /* each pixel by itself; neighbouring POINT operations are fused into one pass */
    STENCIL,  /* a pixel from the rows and columns around it */
    REDUCE,   /* statistics of the whole image, then a table */
    GEOMETRY, /* moves pixels */
    WHOLE,    /* needs the whole image at once; never cut */
} OperationClass;

typedef enum ParameterType {
    PARAMETER_INT,
    PARAMETER_FLOAT,
    PARAMETER_CHOICE, /* one of `choices` ("a|b|c"); value = index */
    PARAMETER_LIST, /* numbers separated by spaces or '/' : convolve:matrix=0/-1/0/-1/5/-1/0/-1/0 */
} ParameterType;

typedef struct Parameter {
    const char *name;
    ParameterType type;
    double minimum;
    double maximum;
    double standard; /* the default */
    const char *choices;
    const char *standard_text; /* default of a LIST */
    const char *help;
} Parameter;

#define INT_PARAMETER(name, low, high, standard, help)                                             \
    {                                                                                              \
        name, PARAMETER_INT, low, high, standard, NULL, NULL, help                                 \
    }
#define FLOAT_PARAMETER(name, low, high, standard, help)                                           \
    {                                                                                              \
        name, PARAMETER_FLOAT, low, high, standard, NULL, NULL, help                               \
    }
#define CHOICE_PARAMETER(name, choices, standard, help)                                            \
    {                                                                                              \
        name, PARAMETER_CHOICE, 0, 0, standard, choices, NULL, help                                \
    }
#define LIST_PARAMETER(name, low, high, standard, help)                                            \
    {                                                                                              \
        name, PARAMETER_LIST, low, high, 0, NULL, standard, help                                   \
    }

enum {
    OPERATION_PARAMETERS = 8,
    OPERATION_LIST = 256,
    OPERATION_PASSES = 6,
    OPERATION_TABLE = 65536 * 4
};

/* The values of one operation in a pipeline, in the order of its parameters. */
typedef struct Arguments {
    double value[OPERATION_PARAMETERS];
    const double *list; /* of the one LIST parameter an operation may have */
    int list_count;
} Arguments;

/* Rows between operations: 8 or 16 bits, channels as in image/image.h; premultiplied says that
 * colour is multiplied by alpha. The stream premultiplies (to 16 bits) before an operation whose
 * `alpha` is ALPHA_MIX and divides again behind the last of them; plan() of such an operation sees
 * depth 16 then. */
typedef struct RowFormat {
    int channels;
    int depth;
    bool premultiplied;
} RowFormat;

typedef enum AlphaRule {
    ALPHA_KEEP, /* colour only is changed; alpha passes through (POINT) */
    ALPHA_MIX,  /* neighbours are mixed: works on premultiplied rows, alpha is a channel like the
                   others (blurs) */
    ALPHA_EDGE, /* reads premultiplied colour, writes straight colour, and alpha of the pixel itself
                   (edges) */
} AlphaRule;

typedef enum SampleType { SAMPLE_U8, SAMPLE_U16, SAMPLE_S16, SAMPLE_U32, SAMPLE_S32 } SampleType;
typedef enum Border {
    BORDER_REFLECT_101,
    BORDER_REPLICATE
} Border; /* dcb|abcd|cba and aaa|abcd|ddd */
typedef enum WorkUnit {
    UNIT_SAMPLES,
    UNIT_PIXELS
} WorkUnit; /* a work-item makes 16 samples, or 16 pixels */

typedef struct Pass {
    const char *kernel; /* name of the kernel function in the operation's file */
    char defines[256];  /* build options that specialise it, e.g. "-DRADIUS=4"; CHANNELS, DEPTH,
                           IN_T, OUT_T are set */
    WorkUnit unit;
    Border border;
    int halo_x; /* pixels needed left and right of a pixel */
    int halo_y; /* rows needed above and below a row */
    int in_channels, out_channels;
    SampleType in, out;
    int32_t *table; /* numbers the kernel reads as `table`; malloc'ed by plan(), owned by the plan;
                       may be NULL */
    int table_count;
} Pass;

/* How a POINT operation is expressed, so that neighbours can be fused without loss:
 * CURVE: one table of 2^depth entries for all colour channels; adjacent curves fold into one table.
 * MATRIX: out = (m * in + offset) per pixel in Q14 fixed point (16384 is 1), rounded half up,
 * clamped; grey comes in as r = g = b. CODE: a POINT_FUNCTION (compute/prelude.cl) in the
 * operation's file; its numbers are pass[0].table (the rest of the pass is not used). Alpha is
 * never touched, and colour is straight. */
typedef enum PointForm { POINT_NONE, POINT_CURVE, POINT_MATRIX, POINT_CODE } PointForm;

typedef struct Plan {
    RowFormat out;
    /* POINT */
    PointForm form;
    uint16_t *curve;    /* CURVE: 1 << depth entries, malloc'ed, owned by the plan */
    int32_t matrix[12]; /* MATRIX: rows R, G, B of (r, g, b, offset), Q14; offset in Q14 levels of 8
                         * bits (the stream scales it for 16); a grey result uses row 0 alone
                         * (out.channels 1 or 2) */
    /* STENCIL and others */
    int pass_count;
    Pass pass[OPERATION_PASSES];
} Plan;

typedef struct Operation Operation;
struct Operation {
    const char *name;
    const char *source; /* the .cl file's text, for OpenCL; filled by OPERATION */
    OperationClass class;
    AlphaRule alpha;
    bool luma; /* works on grey: the stream puts `grayscale` before it when colour comes in, and a
                * reader may decode luma alone when it is first */
    const char *help; /* one line */
    const char
        *definition;    /* the exact formula, border, rounding: the page of `tilecrew ops NAME` */
    const char *oracle; /* what it is held against, e.g. "cv2.GaussianBlur(src, (0, 0), sigma)" */
    int tolerance;      /* largest difference from the oracle in levels of 8 bits */
    Parameter parameter[OPERATION_PARAMETERS + 1]; /* ends with a NULL name */
    int (*plan)(const Arguments *arguments, RowFormat in, Plan *plan,
                Error *error); /* `plan` comes zeroed, with
                                * plan->out = in */
    uint64_t check; /* known answer: FNV-1a 64 of the result on the test pattern with default
                       arguments (check.c) */
};

#define OPERATION(id, ...)                                                                         \
    extern const char operation_source_##id[];                                                     \
    const Operation operation_##id = {.name = #id, .source = operation_source_##id, __VA_ARGS__};

const Operation *const *operation_list(size_t *count); /* sorted by name */
const Operation *operation_find(const char *name);     /* NULL if there is none */

#endif
