/* compute/program.h: programs built for a device, and kept in its cache directory.
 *
 * A file of the cache is CACHE_DIR/KEY.kernel: a line of magic, a checksum, then the driver's
 * binary; the key is a hash of the source, the options, and the device's and driver's names. Files
 * are written under another name and renamed. A file that is broken, or that others may have
 * written, is ignored and made again; where the directory cannot be written, nothing is kept. */
#ifndef COMPUTE_PROGRAM_H
#define COMPUTE_PROGRAM_H

#include "compute/opencl.h"

/* program_kernel returns the kernel `name` of the program (owned by the device), loaded, or built.
 */
cl_kernel program_kernel(Device *device, const char *source, const char *options, const char *name,
                         Error *error);

/* program_is_ready: in memory or in the cache directory, so that program_kernel will not build. */
bool program_is_ready(const Device *device, const char *source, const char *options);

/* program_keep writes the programs that were built here to the cache directory. Called when each of
 * their kernels has run: a driver makes the machine code at a kernel's first run. */
void program_keep(Device *device);

void program_free_all(Device *device);

#endif
