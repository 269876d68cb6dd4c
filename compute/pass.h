/* compute/pass.h: a stage's program on a device, and one launch of it. */
#ifndef COMPUTE_PASS_H
#define COMPUTE_PASS_H

#include "compute/chain.h"
#include "compute/window.h"

typedef struct PassProgram {
    cl_kernel kernel; /* the device's */
    cl_mem table;
    WorkUnit unit;
} PassProgram;

int pass_open(PassProgram *program, Device *device, const Stage *stage, Error *error);
void pass_close(PassProgram *program);

/* pass_is_ready: pass_open will not have to build. */
bool pass_is_ready(const Device *device, const Stage *stage);

/* pass_run makes the next `count` rows of `to`, at its end, from the same rows of `from`. */
int pass_run(const PassProgram *program, const Device *device, const Window *from, const Window *to,
             int64_t count, Error *error);

#endif
