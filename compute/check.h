/* compute/check.h: the known answer of an operation, which Operation.check holds: FNV-1a 64 over
 * the result rows of the test pattern (an 8-bit RGB image, see check.c) with default arguments. */
#ifndef COMPUTE_CHECK_H
#define COMPUTE_CHECK_H

#include "compute/stream.h"

int check_operation(Device *device, const Operation *operation, uint64_t *hash, Error *error);

#endif
