/* compute/device.h: one OpenCL device, opened by one lane, with its built programs. Not
 * thread-safe, and must not be opened before a fork (an OpenCL runtime with threads does not
 * survive one). */
#ifndef COMPUTE_DEVICE_H
#define COMPUTE_DEVICE_H

#include <stdbool.h>

#include "base/error.h"

typedef struct Device Device;

typedef struct DeviceOptions {
    const char *choose;    /* "cpu", "gpu", "auto" or part of a device's name; NULL is "auto" */
    const char *cache_dir; /* where built kernels are kept (made if missing); NULL: none beyond the
                              driver's own */
} DeviceOptions;

/* On a CPU through PoCL the device is the single-threaded `basic` one: one lane, one core. There
 * the first call of a process also forks a small process that builds programs (compute/compiler.h).
 * ERROR_DEVICE lists the devices that there are. */
Device *device_open(const DeviceOptions *options, Error *error);
void device_close(Device *device);
const char *device_name(const Device *device);   /* "cpu-haswell-AMD EPYC" */
const char *device_driver(const Device *device); /* "Portable Computing Language 3.1" */
bool device_is_gpu(const Device *device);

#endif
