/* compute/compiler.h: a process that builds programs, so that the lane stays small: building takes
 * a compiler's memory (130 MB with PoCL), which is never given back.
 *
 * compiler_open forks it before the lane opens OpenCL, while a fork is safe; it waits, owning
 * nothing but a socket, and for a request forks a child that opens the device, runs the pipeline
 * over a small image, and so leaves the programs in the device's cache; the child ends when it had
 * nothing to do for a second. The waiting process ends when the lane closes the socket or dies. */
#ifndef COMPUTE_COMPILER_H
#define COMPUTE_COMPILER_H

#include "compute/device.h"
#include "compute/operation.h"

typedef struct Compiler Compiler;

Compiler *compiler_open(const DeviceOptions *options); /* NULL where that is not possible */
void compiler_close(Compiler *compiler);               /* takes NULL */

/* compiler_build returns when the programs are built, or cannot be: then the caller finds out why
 * by building them itself. Takes NULL. */
void compiler_build(Compiler *compiler, const char *pipeline, RowFormat format);

#endif
