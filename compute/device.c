#include "compute/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "compute/compiler.h"
#include "compute/opencl.h"
#include "compute/program.h"

enum { PLATFORMS = 16, DEVICES = 64, GROUP_CPU = 16, GROUP_GPU = 64 };

/* All the devices of all platforms. */
typedef struct Found {
    cl_device_id id[DEVICES];
    cl_platform_id platform[DEVICES];
    int count;
} Found;

int opencl_fail(const Device *device, const char *what, cl_int code, Error *error)
{
    return error_set(error, ERROR_DEVICE, "%s on %s (%s): OpenCL error %d", what, device->name,
                     device->driver, code);
}

/* --- what there is --- */

static char *device_text(cl_device_id id, cl_device_info info)
{
    size_t length = 0;
    char *text;

    clGetDeviceInfo(id, info, 0, NULL, &length);
    text = memory_need(length + 1);
    clGetDeviceInfo(id, info, length, text, NULL);
    return text;
}

static char *platform_text(cl_platform_id id, cl_platform_info info)
{
    size_t length = 0;
    char *text;

    clGetPlatformInfo(id, info, 0, NULL, &length);
    text = memory_need(length + 1);
    clGetPlatformInfo(id, info, length, text, NULL);
    return text;
}

static void find_devices(Found *found)
{
    cl_platform_id platform[PLATFORMS];
    cl_uint platforms = 0;

    *found = (Found){0};
    if (clGetPlatformIDs(PLATFORMS, platform, &platforms) != CL_SUCCESS)
        return;
    if (platforms > PLATFORMS)
        platforms = PLATFORMS;
    for (cl_uint i = 0; i < platforms; i++) {
        cl_uint most = (cl_uint)(DEVICES - found->count), count = 0;

        if (most == 0 || clGetDeviceIDs(platform[i], CL_DEVICE_TYPE_ALL, most,
                                        found->id + found->count, &count) != CL_SUCCESS)
            continue;
        if (count > most)
            count = most;
        for (cl_uint k = 0; k < count; k++)
            found->platform[found->count++] = platform[i];
    }
}

static bool is_type(cl_device_id id, cl_device_type wanted)
{
    cl_device_type type = 0;

    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    return (type & wanted) != 0;
}

static int find_type(const Found *found, cl_device_type wanted)
{
    for (int i = 0; i < found->count; i++) {
        if (is_type(found->id[i], wanted))
            return i;
    }
    return -1;
}

static int find_name(const Found *found, const char *part)
{
    int index = -1;

    for (int i = 0; i < found->count && index < 0; i++) {
        char *name = device_text(found->id[i], CL_DEVICE_NAME);

        if (strcasestr(name, part) != NULL)
            index = i;
        free(name);
    }
    return index;
}

static int refuse_choice(const Found *found, const char *choose, Error *error)
{
    Text list = {0};

    if (found->count == 0)
        return error_set(error, ERROR_DEVICE,
                         "no OpenCL device on this machine; install pocl-opencl-icd (the CPU) or "
                         "the graphics card's OpenCL driver (nvidia-opencl-icd, "
                         "intel-opencl-icd, mesa-opencl-icd)");
    for (int i = 0; i < found->count; i++) {
        char *name = device_text(found->id[i], CL_DEVICE_NAME);

        text_add_format(&list, "%s'%s' (%s)", i == 0 ? "" : ", ", name,
                        is_type(found->id[i], CL_DEVICE_TYPE_GPU) ? "gpu" : "cpu");
        free(name);
    }
    error_set(error, ERROR_DEVICE, "no OpenCL device '%s'; there is %s", choose, list.data);
    text_free(&list);
    return -1;
}

/* choose_device returns an index into `found`, or -1. */
static int choose_device(const Found *found, const char *choose, Error *error)
{
    int index;

    if (strcmp(choose, "cpu") == 0) {
        index = find_type(found, CL_DEVICE_TYPE_CPU);
    } else if (strcmp(choose, "gpu") == 0) {
        index = find_type(found, CL_DEVICE_TYPE_GPU);
    } else if (strcmp(choose, "auto") == 0) {
        index = find_type(found, CL_DEVICE_TYPE_GPU);
        if (index < 0)
            index = find_type(found, CL_DEVICE_TYPE_ALL);
    } else {
        index = find_name(found, choose);
    }
    return index >= 0 ? index : refuse_choice(found, choose, error);
}

/* --- opening --- */

/* make_directories makes `path` and what is missing above it. A failure is found out when something
 * cannot be written there, which is no error: a cache may be missing. */
static void make_directories(const char *path)
{
    char *copy = memory_copy_text(path);

    for (char *at = copy + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        mkdir(copy, 0700);
        *at = '/';
    }
    mkdir(copy, 0700);
    free(copy);
}

/* PoCL reads these when the platform is opened: one lane computes in its own thread, and keeps what
 * the driver builds beside what we keep. */
static void prepare_environment(const char *cache_dir)
{
    char *pocl;

    setenv("POCL_DEVICES", "basic", 0);
    if (cache_dir == NULL)
        return;
    pocl = memory_format_text("%s/pocl", cache_dir);
    make_directories(pocl);
    setenv("POCL_CACHE_DIR", pocl, 0);
    free(pocl);
}

static void describe(Device *device, cl_platform_id platform)
{
    char *name = platform_text(platform, CL_PLATFORM_NAME);
    char *version = device_text(device->id, CL_DRIVER_VERSION);

    device->name = device_text(device->id, CL_DEVICE_NAME);
    device->version = device_text(device->id, CL_DEVICE_VERSION);
    device->driver = memory_format_text("%s %s", name, version);
    device->gpu = is_type(device->id, CL_DEVICE_TYPE_GPU);
    device->group = device->gpu ? GROUP_GPU : GROUP_CPU;
    free(name);
    free(version);
}

static int open_queue(Device *device, Error *error)
{
    cl_int code;

    device->context = clCreateContext(NULL, 1, &device->id, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return opencl_fail(device, "no context", code, error);
    device->queue = clCreateCommandQueue(device->context, device->id, 0, &code);
    if (code != CL_SUCCESS)
        return opencl_fail(device, "no queue", code, error);
    return 0;
}

Device *device_open_plain(const DeviceOptions *options, Error *error)
{
    const char *choose = options->choose == NULL ? "auto" : options->choose;
    Device *device;
    Found found;
    int index;

    prepare_environment(options->cache_dir);
    find_devices(&found);
    index = choose_device(&found, choose, error);
    if (index < 0)
        return NULL;
    device = memory_need(sizeof *device);
    device->id = found.id[index];
    device->cache_dir = memory_copy_text(options->cache_dir);
    describe(device, found.platform[index]);
    if (open_queue(device, error) != 0) {
        device_close(device);
        return NULL;
    }
    return device;
}

Device *device_open(const DeviceOptions *options, Error *error)
{
    static bool opened; /* of this process: from then on it cannot fork a compiler */
    Compiler *compiler = opened ? NULL : compiler_open(options);
    Device *device;

    opened = true;
    device = device_open_plain(options, error);
    if (device == NULL || device->gpu) { /* a GPU's driver compiles elsewhere */
        compiler_close(compiler);
        return device;
    }
    device->compiler = compiler;
    return device;
}

void device_close(Device *device)
{
    if (device == NULL)
        return;
    compiler_close(device->compiler);
    if (device->queue != NULL)
        clFinish(device->queue);
    program_free_all(device);
    if (device->queue != NULL)
        clReleaseCommandQueue(device->queue);
    if (device->context != NULL)
        clReleaseContext(device->context);
    free(device->cache_dir);
    free(device->name);
    free(device->driver);
    free(device->version);
    free(device);
}

const char *device_name(const Device *device)
{
    return device->name;
}

const char *device_driver(const Device *device)
{
    return device->driver;
}

bool device_is_gpu(const Device *device)
{
    return device->gpu;
}
