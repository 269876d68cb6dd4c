/* shim.c: LD_PRELOADed into the programs by the fault tests; the product knows nothing of it. It
 * ends a process by SIGKILL at one exact point of a tile's life.
 *
 *   FAULT_POINT   claim      before the request that claims is sent
 *                 claimed    after its reply brought a tile, before anything is done with it
 *                 kernel     while a kernel runs: so many microseconds after it was enqueued
 *                 rename     before a result gets its name
 *                 renamed    after it
 *                 commit     before the request that commits is sent
 *                 committed  after it was sent, before its reply is read
 *                 replied    after its reply came, before anything is done with it
 *                 send       before anything is sent to Redis
 *                 sent       after it
 *   FAULT_CLAIM, FAULT_COMMIT   SHA-1 of the two scripts: how a request is known
 *   FAULT_PLANS   a folder of files 0, 1, 2, ... "WHICH MICROSECONDS": a process takes the first
 * that is left when it comes to its point for the first time, and ends the WHICHth time that it
 * comes there; when none is left it lives. A fault that was injected leaves a file NUMBER.done. */
#include <CL/cl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PLANS_MOST = 4096, PATH = 512 };

typedef struct Plan {
    pid_t owner; /* a plan is not inherited: each lane takes its own */
    bool none;
    int number;
    long which, microseconds, seen;
} Plan;

static Plan plan;

static bool point_is(const char *name)
{
    const char *point = getenv("FAULT_POINT");

    return point != NULL && strcmp(point, name) == 0;
}

static void plan_path(char path[PATH], int number, const char *suffix)
{
    snprintf(path, PATH, "%s/%d%s", getenv("FAULT_PLANS"), number, suffix);
}

/* link(2) is what makes it one process's: it fails for all but the first. */
static void plan_take(void)
{
    char path[PATH], taken[PATH];

    plan = (Plan){.owner = getpid(), .none = true};
    for (int number = 0; number < PLANS_MOST; number++) {
        FILE *file;

        plan_path(path, number, "");
        plan_path(taken, number, ".taken");
        if (access(path, F_OK) != 0)
            return;
        if (link(path, taken) != 0)
            continue;
        file = fopen(taken, "r");
        plan.none = file == NULL || fscanf(file, "%ld %ld", &plan.which, &plan.microseconds) != 2;
        plan.number = number;
        if (file != NULL)
            fclose(file);
        return;
    }
}

static bool plan_is_due(void)
{
    if (plan.owner != getpid())
        plan_take();
    return !plan.none && ++plan.seen == plan.which;
}

static void plan_note_done(void)
{
    char path[PATH];

    plan_path(path, plan.number, ".done");
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

static void plan_end_here(void)
{
    plan_note_done();
    raise(SIGKILL);
}

static void plan_end_soon(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {.tv_nsec = plan.microseconds * 1000 + 1}};
    timer_t timer;

    plan_note_done();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &when, NULL) != 0)
        raise(SIGKILL);
}

/* ---------------------------------------------------------------- the queue */

static bool claim_sent, commit_sent;

static bool request_is(const void *bytes, size_t length, const char *which)
{
    const char *sha = getenv(which);

    return sha != NULL && memmem(bytes, length, sha, strlen(sha)) != NULL;
}

/* Tasks have colons in them; the reply that there is none has not. */
static bool has_task(const void *bytes, size_t length)
{
    return memchr(bytes, ':', length) != NULL;
}

ssize_t send(int descriptor, const void *bytes, size_t length, int flags)
{
    static ssize_t (*next)(int, const void *, size_t, int);
    const bool claims = request_is(bytes, length, "FAULT_CLAIM") ||
                        memmem(bytes, length, "BRPOPLPUSH", strlen("BRPOPLPUSH")) != NULL;
    const bool commits = request_is(bytes, length, "FAULT_COMMIT");
    ssize_t sent;

    if (next == NULL)
        next = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    if ((point_is("send") || (claims && point_is("claim")) || (commits && point_is("commit"))) &&
        plan_is_due())
        plan_end_here();
    sent = next(descriptor, bytes, length, flags);
    claim_sent = claims;
    commit_sent = commits;
    if ((point_is("sent") || (commits && point_is("committed"))) && sent == (ssize_t)length &&
        plan_is_due())
        plan_end_here();
    return sent;
}

ssize_t recv(int descriptor, void *bytes, size_t length, int flags)
{
    static ssize_t (*next)(int, void *, size_t, int);
    ssize_t got;

    if (next == NULL)
        next = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    got = next(descriptor, bytes, length, flags);
    if (got <= 0)
        return got;
    if (claim_sent && point_is("claimed") && has_task(bytes, (size_t)got) && plan_is_due())
        plan_end_here();
    if (commit_sent && point_is("replied") && plan_is_due())
        plan_end_here();
    claim_sent = commit_sent = false;
    return got;
}

/* ---------------------------------------------------------------- files and kernels */

int renameat(int from, const char *old_name, int to, const char *new_name)
{
    static int (*next)(int, const char *, int, const char *);
    int result;

    if (next == NULL)
        next = (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    if (point_is("rename") && plan_is_due())
        plan_end_here();
    result = next(from, old_name, to, new_name);
    if (point_is("renamed") && plan_is_due())
        plan_end_here();
    return result;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint waits, const cl_event *wait, cl_event *event)
{
    static cl_int (*next)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                          const size_t *, cl_uint, const cl_event *, cl_event *);

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    if (point_is("kernel") && plan_is_due())
        plan_end_soon();
    return next(queue, kernel, dimensions, offset, global, local, waits, wait, event);
}
