#include "compute/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "compute/opencl.h"
#include "compute/stream.h"

enum { COMPILER_SOCKET = 3, COMPILER_TEXT = 66000, COMPILER_PATIENCE_MS = 1000, SAMPLE_SIDE = 64 };

struct Compiler {
    pid_t process;
    int socket;
};

typedef struct Request {
    RowFormat format;
    char pipeline[COMPILER_TEXT];
} Request;

/* --- the process that compiles --- */

/* run_sample sends a black image through the pipeline, which builds and keeps its programs. */
static int run_sample(Device *device, const Request *request, Error *error)
{
    Frame frame = {SAMPLE_SIDE, SAMPLE_SIDE, request->format, 0, SAMPLE_SIDE};
    Pipeline *pipeline = pipeline_parse(request->pipeline, error);
    Stream *stream = pipeline == NULL ? NULL : stream_open(device, pipeline, 0, 0, error);
    int result = stream == NULL ? -1 : stream_begin(stream, &frame, error);

    while (result == 0 && !stream_is_done(stream)) {
        StreamRows in = stream_input(stream);

        for (int64_t row = 0; row < in.count; row++)
            memset((char *)in.data + (size_t)row * in.stride, 0,
                   (size_t)(SAMPLE_SIDE * request->format.channels * request->format.depth / 8));
        result = stream_push(stream, in.count, error);
        if (result == 0)
            stream_pop(stream, stream_output(stream).count);
    }
    stream_close(stream);
    pipeline_free(pipeline);
    return result;
}

/* receive: false when the lane is gone. */
static bool receive(Request *request)
{
    ssize_t got;

    do
        got = recv(COMPILER_SOCKET, request, sizeof *request, 0);
    while (got < 0 && errno == EINTR);
    return got > 0;
}

static bool reply(void)
{
    char nothing = 0;

    return send(COMPILER_SOCKET, &nothing, 1, MSG_NOSIGNAL) == 1;
}

/* build_alone lets one process at a time build for this cache directory: lanes that start together
 * on a new machine want the same programs, and the second finds those of the first. */
static int build_alone(Device *device, const Request *request, Error *error)
{
    char *path =
        device->cache_dir == NULL ? NULL : memory_format_text("%s/lock", device->cache_dir);
    int lock = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int result;

    free(path);
    while (lock >= 0 && flock(lock, LOCK_EX) != 0 && errno == EINTR)
        continue;
    result = run_sample(device, request, error);
    if (lock >= 0)
        close(lock);
    return result;
}

/* compile serves this request and those that follow at once: a compiler's first program takes most
 * of a second, the next ones a fraction of it. Every request that it took was answered when it ends
 * with status 0. */
_Noreturn static void compile(const DeviceOptions *options, Request *request)
{
    struct pollfd more = {.fd = COMPILER_SOCKET, .events = POLLIN};
    Error error;
    Device *device = device_open_plain(options, &error);
    bool going = device != NULL;

    if (!going)
        _exit(1);
    while (going) {
        if (build_alone(device, request, &error) != 0)
            log_debug("kernels not built ahead", "reason=\"%s\"", error.message);
        going = reply() && poll(&more, 1, COMPILER_PATIENCE_MS) > 0 && receive(request);
    }
    device_close(device);
    _exit(0);
}

/* --- the process that waits --- */

/* shed gives up all that came from the lane: its files (a connection must not stay open because of
 * us), its signals' handlers; Ctrl-C is the lane's to handle, which then closes our socket. */
static void shed(int socket)
{
    int null = open("/dev/null", O_RDWR);

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (int descriptor = 0; descriptor < COMPILER_SOCKET && null >= 0; descriptor++)
        dup2(null, descriptor);
    dup2(socket, COMPILER_SOCKET);
    closefrom(COMPILER_SOCKET + 1);
    prctl(PR_SET_NAME, "tilecrew-build");
}

/* run_child: true when every request that the child took was answered. */
static bool run_child(const DeviceOptions *options, Request *request)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        compile(options, request);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return child > 0 && status == 0;
}

_Noreturn static void wait_for_requests(const DeviceOptions *options)
{
    static Request request;
    bool going = receive(&request);

    while (going)
        going = (run_child(options, &request) || reply()) && receive(&request);
    _exit(0);
}

/* --- the lane --- */

Compiler *compiler_open(const DeviceOptions *options)
{
    int pair[2];
    Compiler *compiler;
    pid_t process;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return NULL;
    process = fork();
    if (process == 0) {
        shed(pair[1]);
        wait_for_requests(options);
    }
    close(pair[1]);
    if (process < 0) {
        close(pair[0]);
        return NULL;
    }
    compiler = memory_need(sizeof *compiler);
    compiler->process = process;
    compiler->socket = pair[0];
    return compiler;
}

void compiler_close(Compiler *compiler)
{
    if (compiler == NULL)
        return;
    close(compiler->socket);
    while (waitpid(compiler->process, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(compiler);
}

void compiler_build(Compiler *compiler, const char *pipeline, RowFormat format)
{
    Request *request;
    size_t length = strlen(pipeline) + 1;
    char answer;

    if (compiler == NULL || length > sizeof request->pipeline)
        return;
    request = memory_need(sizeof *request);
    request->format = format;
    memcpy(request->pipeline, pipeline, length);
    if (send(compiler->socket, request, offsetof(Request, pipeline) + length, MSG_NOSIGNAL) > 0) {
        while (recv(compiler->socket, &answer, 1, 0) < 0 && errno == EINTR)
            continue;
    }
    free(request);
}
