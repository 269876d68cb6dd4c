/* Every file in kernels/, read by the C compiler for the half that declares its operation; and the
 * list of them, which the build writes in order of name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compute/operation.h"
#include "compute/planning.h"

#define OP_DECLARE
#include "operation_files.inc"

#define DECLARED(name) &operation_##name,
static const Operation *const operations[] = {
#include "operations.inc"
};

const Operation *const *operation_list(size_t *count)
{
    *count = sizeof operations / sizeof operations[0];
    return operations;
}

const Operation *operation_find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i]->name, name) == 0)
            return operations[i];
    }
    return NULL;
}
