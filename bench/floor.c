/* bench/floor.c: the least a folder of JPEGs can cost through libjpeg-turbo: decode each file to
 * RGB (--grey: to luma), encode the same pixels at 4:2:0 quality 90, in memory, nothing else. N
 * processes take files from one shared counter, whole images at a time, as most programs do. What
 * tilecrew and its peers are measured against. build/bench/floor [--grey] PROCESSES FILE... */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>

enum { QUALITY = 90, MOST_PROCESSES = 1024 };

typedef struct Shared {
    atomic_int next;
    atomic_llong pixels;
    atomic_llong bytes;
} Shared;

static void die(const char *what, const char *name)
{
    fprintf(stderr, "floor: %s: %s\n", name, what);
    exit(1);
}

static void *need(void *block)
{
    if (block == NULL)
        die("out of memory", "malloc");
    return block;
}

static unsigned char *read_file(const char *name, size_t *length)
{
    struct stat status;
    unsigned char *bytes;
    size_t got = 0;
    int file = open(name, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &status) < 0)
        die(strerror(errno), name);
    *length = (size_t)status.st_size;
    bytes = need(malloc(*length + 1));
    while (got < *length) {
        ssize_t count = read(file, bytes + got, *length - got);
        if (count <= 0)
            die("cannot be read to its end", name);
        got += (size_t)count;
    }
    close(file);
    return bytes;
}

/* libjpeg's own error handler prints the reason and exits: all that a measurement needs. */
static unsigned char *decode(const unsigned char *bytes, size_t length, bool grey,
                             JDIMENSION *width, JDIMENSION *height)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *pixels;
    size_t stride;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, bytes, length);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&jpeg);
    *width = jpeg.output_width;
    *height = jpeg.output_height;
    stride = (size_t)*width * (grey ? 1 : 3);
    pixels = need(malloc(stride * *height));
    while (jpeg.output_scanline < *height) {
        JSAMPROW row = pixels + stride * jpeg.output_scanline;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return pixels;
}

static size_t encode(unsigned char *pixels, bool grey, JDIMENSION width, JDIMENSION height)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *result = NULL;
    unsigned long length = 0;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &result, &length);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = grey ? 1 : 3;
    jpeg.in_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg); /* YCbCr 4:2:0, standard Huffman tables */
    jpeg_set_quality(&jpeg, QUALITY, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < height) {
        JSAMPROW row = pixels + (size_t)width * (grey ? 1 : 3) * jpeg.next_scanline;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(result);
    return length;
}

static void work(Shared *shared, char **files, int count, bool grey)
{
    for (int at = atomic_fetch_add(&shared->next, 1); at < count;
         at = atomic_fetch_add(&shared->next, 1)) {
        size_t length;
        JDIMENSION width;
        JDIMENSION height;
        unsigned char *bytes = read_file(files[at], &length);
        unsigned char *pixels = decode(bytes, length, grey, &width, &height);

        atomic_fetch_add(&shared->bytes, (long long)encode(pixels, grey, width, height));
        atomic_fetch_add(&shared->pixels, (long long)width * height);
        free(pixels);
        free(bytes);
    }
}

static bool all_ended_well(int processes)
{
    bool well = true;

    for (int i = 0; i < processes; i++) {
        int status;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            well = false;
    }
    return well;
}

int main(int argc, char **argv)
{
    bool grey = argc > 1 && strcmp(argv[1], "--grey") == 0;
    char **files = argv + 2 + grey;
    int count = argc - 2 - grey;
    int processes = count > 0 ? (int)strtol(argv[1 + grey], NULL, 10) : 0;
    Shared *shared;

    if (processes < 1 || processes > MOST_PROCESSES) {
        fprintf(stderr, "usage: floor [--grey] PROCESSES FILE...\n");
        return 64;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die(strerror(errno), "mmap");
    for (int i = 0; i < processes; i++) {
        pid_t child = fork();
        if (child < 0)
            die(strerror(errno), "fork");
        if (child == 0) {
            work(shared, files, count, grey);
            _exit(0);
        }
    }
    if (!all_ended_well(processes))
        return 1;
    printf("{\"images\": %d, \"pixels\": %lld, \"bytes\": %lld}\n", count, shared->pixels,
           shared->bytes);
    return 0;
}
