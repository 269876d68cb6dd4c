/* clock.c: LD_PRELOADed by the fault tests: moves the wall clock of a program by as many seconds as
 * stand in the file FAULT_CLOCK, eight bytes that the test may change at any moment. The monotonic
 * clock, which nobody can set on a real machine either, stays as it is. (libfaketime would do, but
 * Redis's allocator and it wait for each other forever.) */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void clock_open(void)
{
    const char *path = getenv("FAULT_CLOCK");
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *memory = MAP_FAILED;

    if (descriptor >= 0) {
        memory = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, descriptor, 0);
        close(descriptor);
    }
    if (memory != MAP_FAILED)
        offset = memory;
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    const int result = (int)syscall(SYS_clock_gettime, which, now);

    if (result == 0 && offset != NULL &&
        (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;

    clock_gettime(CLOCK_REALTIME, &exact);
    if (now != NULL)
        *now = exact.tv_sec;
    return exact.tv_sec;
}
