/* A folder of JPEGs through libvips as its manual advises for throughput: one thread a process,
 * sequential access, no operation cache; processes take files from one shared counter.
 *     build/bench/vips_folder {copy|gaussian} PROCESSES OUT FILE... */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vips/vips.h>

static int process(const char *operation, const char *source, const char *result)
{
    VipsImage *image = vips_image_new_from_file(source, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    VipsImage *out = NULL;
    int outcome = -1;

    if (image == NULL)
        return -1;
    if (strcmp(operation, "gaussian") == 0)
        outcome = vips_gaussblur(image, &out, 1.4, NULL);
    else
        outcome = vips_copy(image, &out, NULL);
    if (outcome == 0)
        outcome =
            vips_jpegsave(out, result, "Q", 90, "subsample_mode", VIPS_FOREIGN_SUBSAMPLE_ON, NULL);
    if (out != NULL)
        g_object_unref(out);
    g_object_unref(image);
    return outcome;
}

static int work(atomic_int *next, const char *operation, const char *out, char **files, int count)
{
    char result[4096];

    vips_concurrency_set(1);
    vips_cache_set_max(0);
    for (int at = atomic_fetch_add(next, 1); at < count; at = atomic_fetch_add(next, 1)) {
        const char *slash = strrchr(files[at], '/');
        snprintf(result, sizeof result, "%s/%s", out, slash != NULL ? slash + 1 : files[at]);
        if (process(operation, files[at], result) < 0) {
            fprintf(stderr, "vips_folder: %s: %s\n", files[at], vips_error_buffer());
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    int processes = argc > 4 ? (int)strtol(argv[2], NULL, 10) : 0;
    atomic_int *next;
    int failed = 0;

    if (processes < 1) {
        fprintf(stderr, "usage: vips_folder {copy|gaussian} PROCESSES OUT FILE...\n");
        return 64;
    }
    next = mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED)
        return 1;
    mkdir(argv[3], 0777);
    for (int i = 0; i < processes; i++) {
        if (fork() == 0) { /* before VIPS_INIT: libvips has threads, which a fork would lose */
            if (VIPS_INIT(argv[0]) != 0)
                _exit(1);
            _exit(work(next, argv[1], argv[3], argv + 4, argc - 4));
        }
    }
    for (int i = 0; i < processes; i++) {
        int status;
        if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            failed = 1;
    }
    return failed;
}
