/* compute/opencl.h: what the files of this room share about an open device. */
#ifndef COMPUTE_OPENCL_H
#define COMPUTE_OPENCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <CL/cl.h>

#include "compute/device.h"

/* One program, built or loaded. `fresh` ones were built from source here and are not in the cache
 * directory yet. */
typedef struct Program {
    uint64_t key[2];
    cl_program program;
    bool fresh;
} Program;

typedef struct Kernel {
    uint64_t key[2]; /* of its program */
    char *name;
    cl_kernel kernel;
} Kernel;

struct Device {
    cl_device_id id;
    cl_context context;
    cl_command_queue queue; /* in order */
    bool gpu;
    int group;        /* work-items side by side in a work-group */
    char *cache_dir;  /* may be NULL */
    char *name;       /* CL_DEVICE_NAME */
    char *driver;     /* platform and version */
    char *version;    /* CL_DEVICE_VERSION, which says what code PoCL makes */
    Program *program; /* all that were needed so far */
    size_t program_count;
    Kernel *kernel;
    size_t kernel_count;
    struct Compiler *compiler; /* NULL: programs are built in this process */
};

/* opencl_fail sets ERROR_DEVICE: "WHAT on DEVICE: the OpenCL error's name". */
int opencl_fail(const Device *device, const char *what, cl_int code, Error *error);

/* device_open_plain is device_open without a compiler process. */
Device *device_open_plain(const DeviceOptions *options, Error *error);

#endif
