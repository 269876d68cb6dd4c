#include "compute/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#define PROGRAM_MAGIC "tilecrew kernel 1\n"
enum { PROGRAM_LARGEST = 64 << 20 };

typedef struct Header {
    char magic[sizeof PROGRAM_MAGIC];
    uint64_t length;
    uint64_t checksum;
} Header;

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

/* Two hashes of 64 bits from different starts: what two programs of one key would need to share. */
static void make_key(const Device *device, const char *source, const char *options, uint64_t key[2])
{
    static const uint64_t start[2] = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x9ae16a3b2f90404f)};

    for (int i = 0; i < 2; i++) {
        key[i] = hash_text(start[i], source);
        key[i] = hash_text(key[i], options);
        key[i] = hash_text(key[i], device->name);
        key[i] = hash_text(key[i], device->driver);
        key[i] = hash_text(key[i], device->version);
    }
}

static char *cache_path(const Device *device, const uint64_t key[2])
{
    return memory_format_text("%s/%016llx%016llx.kernel", device->cache_dir,
                              (unsigned long long)key[0], (unsigned long long)key[1]);
}

/* --- the cache directory --- */

/* Machine code is run as it is found, so only files that nobody else can write are taken. */
static bool is_ours(int file, uint64_t *size)
{
    struct stat status;

    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & 022) != 0)
        return false;
    *size = (uint64_t)status.st_size;
    return *size > sizeof(Header) && *size < PROGRAM_LARGEST;
}

static bool read_all(int file, void *bytes, size_t length)
{
    char *at = bytes;

    while (length > 0) {
        ssize_t got = read(file, at, length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

/* read_cached returns the binary (free()), or NULL where there is none to be trusted. */
static void *read_cached(const Device *device, const uint64_t key[2], size_t *length)
{
    char *path = cache_path(device, key);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    void *binary = NULL;
    Header header;
    uint64_t size;
    bool good;

    free(path);
    if (file < 0)
        return NULL;
    good = is_ours(file, &size) && read_all(file, &header, sizeof header) &&
           memcmp(header.magic, PROGRAM_MAGIC, sizeof header.magic) == 0 &&
           header.length == size - sizeof header;
    if (good) {
        *length = (size_t)header.length;
        binary = memory_need(*length);
        good = read_all(file, binary, *length) &&
               hash_bytes(key[0], binary, *length) == header.checksum;
    }
    close(file);
    if (good)
        return binary;
    free(binary);
    return NULL;
}

static void write_cached(const Device *device, const uint64_t key[2], const void *binary,
                         size_t length)
{
    char *path = cache_path(device, key);
    char *temporary = memory_format_text("%s.%ld", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    Header header = {.magic = PROGRAM_MAGIC, .length = length};
    bool good = file != NULL;

    header.checksum = hash_bytes(key[0], binary, length);
    if (good) {
        good = fwrite(&header, sizeof header, 1, file) == 1 && fwrite(binary, length, 1, file) == 1;
        good = fclose(file) == 0 && good && rename(temporary, path) == 0;
    }
    if (!good) {
        log_debug("kernel not kept", "path=%s reason=\"%s\"", path, strerror(errno));
        unlink(temporary);
    }
    free(temporary);
    free(path);
}

/* --- programs --- */

static Program *find_program(const Device *device, const uint64_t key[2])
{
    for (size_t i = 0; i < device->program_count; i++) {
        if (memcmp(device->program[i].key, key, sizeof device->program[i].key) == 0)
            return &device->program[i];
    }
    return NULL;
}

static Program *add_program(Device *device, const uint64_t key[2], cl_program program, bool fresh)
{
    Program *added;

    device->program =
        memory_resize(device->program, (device->program_count + 1) * sizeof *device->program);
    added = &device->program[device->program_count++];
    *added = (Program){.key = {key[0], key[1]}, .program = program, .fresh = fresh};
    return added;
}

/* load_program: NULL where the cache has no program that the driver takes. */
static Program *load_program(Device *device, const uint64_t key[2], const char *options)
{
    size_t length = 0;
    const unsigned char *binary;
    cl_program program;
    cl_int code, taken;

    if (device->cache_dir == NULL || (binary = read_cached(device, key, &length)) == NULL)
        return NULL;
    program =
        clCreateProgramWithBinary(device->context, 1, &device->id, &length, &binary, &taken, &code);
    free((void *)binary);
    if (code != CL_SUCCESS)
        return NULL;
    if (taken == CL_SUCCESS &&
        clBuildProgram(program, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return add_program(device, key, program, false);
    clReleaseProgram(program);
    return NULL;
}

/* fail_build names the first line of the compiler's log that says "error". */
static void fail_build(const Device *device, cl_program program, const char *kernel, cl_int code,
                       Error *error)
{
    char log[4096] = "";
    const char *line;

    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
    line = strstr(log, "error");
    if (line == NULL)
        line = log;
    error_set(error, ERROR_DEVICE, "kernel '%s' does not build on %s (%s): OpenCL error %d: %.*s",
              kernel, device->name, device->driver, code, (int)strcspn(line, "\n"), line);
}

static Program *build_program(Device *device, const uint64_t key[2], const char *source,
                              const char *options, const char *kernel, Error *error)
{
    cl_int code;
    cl_program program = clCreateProgramWithSource(device->context, 1, &source, NULL, &code);

    if (code != CL_SUCCESS) {
        opencl_fail(device, "a program cannot be made", code, error);
        return NULL;
    }
    code = clBuildProgram(program, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS)
        return add_program(device, key, program, true);
    fail_build(device, program, kernel, code, error);
    clReleaseProgram(program);
    return NULL;
}

cl_kernel program_kernel(Device *device, const char *source, const char *options, const char *name,
                         Error *error)
{
    uint64_t key[2];
    Program *program;
    Kernel *kernel;
    cl_kernel made;
    cl_int code;

    make_key(device, source, options, key);
    for (size_t i = 0; i < device->kernel_count; i++) {
        kernel = &device->kernel[i];
        if (memcmp(kernel->key, key, sizeof key) == 0 && strcmp(kernel->name, name) == 0)
            return kernel->kernel;
    }
    program = find_program(device, key);
    if (program == NULL)
        program = load_program(device, key, options);
    if (program == NULL)
        program = build_program(device, key, source, options, name, error);
    if (program == NULL)
        return NULL;
    made = clCreateKernel(program->program, name, &code);
    if (code != CL_SUCCESS) {
        error_set(error, ERROR_DEVICE, "no kernel '%s' in its program on %s: OpenCL error %d", name,
                  device->name, code);
        return NULL;
    }
    device->kernel = memory_resize(device->kernel, (device->kernel_count + 1) * sizeof *kernel);
    kernel = &device->kernel[device->kernel_count++];
    *kernel = (Kernel){.key = {key[0], key[1]}, .name = memory_copy_text(name), .kernel = made};
    return made;
}

bool program_is_ready(const Device *device, const char *source, const char *options)
{
    uint64_t key[2];
    size_t length;
    void *binary;

    make_key(device, source, options, key);
    if (find_program(device, key) != NULL)
        return true;
    if (device->cache_dir == NULL)
        return false;
    binary = read_cached(device, key, &length);
    free(binary);
    return binary != NULL;
}

static void keep_one(Device *device, const Program *program)
{
    size_t length = 0;
    unsigned char *binary;

    if (clGetProgramInfo(program->program, CL_PROGRAM_BINARY_SIZES, sizeof length, &length, NULL) !=
            CL_SUCCESS ||
        length == 0 || length >= PROGRAM_LARGEST)
        return;
    binary = memory_need(length);
    if (clGetProgramInfo(program->program, CL_PROGRAM_BINARIES, sizeof(unsigned char *), &binary,
                         NULL) == CL_SUCCESS)
        write_cached(device, program->key, binary, length);
    free(binary);
}

void program_keep(Device *device)
{
    for (size_t i = 0; i < device->program_count; i++) {
        if (device->program[i].fresh && device->cache_dir != NULL)
            keep_one(device, &device->program[i]);
        device->program[i].fresh = false;
    }
}

void program_free_all(Device *device)
{
    for (size_t i = 0; i < device->kernel_count; i++) {
        clReleaseKernel(device->kernel[i].kernel);
        free(device->kernel[i].name);
    }
    for (size_t i = 0; i < device->program_count; i++)
        clReleaseProgram(device->program[i].program);
    free(device->kernel);
    free(device->program);
}
