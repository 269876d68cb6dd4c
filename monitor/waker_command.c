/* The command waker: monitor.wake_command gets one JSON object on standard input and does what the
 * operator likes, such as starting a machine. It runs in a process group of its own, one at a time,
 * and is killed after wake_timeout; what it prints goes to the monitor's standard error. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "monitor/waker.h"

typedef struct CommandWaker {
    Waker waker;
    const Config *config;
    Queue *queue;
    pid_t pid; /* 0: does not run */
    int64_t started_ms;
} CommandWaker;

static char *command_describe(const CommandWaker *command, const WakeCall *call)
{
    const Config *config = command->config;
    json_t *event =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:I}", "event", "wake", "queue",
                  config->redis.queue, "redis", queue_display_url(command->queue), "monitor",
                  call->monitor, "alive", call->alive, "min_workers", config->monitor.min_workers,
                  "wake_timeout_ms", (json_int_t)config->monitor.wake_timeout_ms);
    char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;
    char *line = text != NULL ? memory_format_text("%s\n", text) : NULL;

    json_decref(event);
    free(text);
    return line;
}

/* The monitor blocks the signals that end it, and ignores SIGPIPE: the command shall not. */
static int command_spawn(CommandWaker *command, int input)
{
    char *const argv[] = {command->config->monitor.wake_command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int failure;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    failure = posix_spawn(&command->pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* The object is far smaller than what a pipe holds, so writing it first never waits. */
static int command_start(CommandWaker *command, const char *line, Error *error)
{
    const char *program = command->config->monitor.wake_command;
    const size_t length = strlen(line);
    int ends[2];
    int failure;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set_errno(error, ERROR_SYSTEM, "cannot make a pipe for %s", program);
    failure = fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0 ? errno : 0;
    if (failure == 0 && write(ends[1], line, length) != (ssize_t)length)
        failure = errno;
    if (failure == 0)
        failure = command_spawn(command, ends[0]);
    close(ends[0]);
    close(ends[1]);
    if (failure == 0)
        return 0;
    command->pid = 0;
    errno = failure;
    return error_set_errno(error, ERROR_SYSTEM, "monitor.wake_command: cannot run %s", program);
}

static int command_wake(Waker *waker, const WakeCall *call, Error *error)
{
    CommandWaker *command = (CommandWaker *)waker;
    char *line;
    int result;

    if (command->pid != 0)
        return error_set(error, ERROR_SYSTEM, "monitor.wake_command still runs (pid %d)",
                         (int)command->pid);
    line = command_describe(command, call);
    if (line == NULL)
        return error_set(error, ERROR_SYSTEM, "monitor.wake_command: the event is no JSON");
    command->started_ms = clock_monotonic_ms();
    result = command_start(command, line, error);
    free(line);
    if (result == 0)
        log_info("wake command runs", "program=\"%s\" pid=%d",
                 command->config->monitor.wake_command, (int)command->pid);
    return result;
}

static int command_judge(const CommandWaker *command, int status, Error *error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return error_set(error, ERROR_SYSTEM, "%s ended with status %d",
                         command->config->monitor.wake_command, WEXITSTATUS(status));
    return error_set(error, ERROR_SYSTEM, "%s was killed by SIG%s",
                     command->config->monitor.wake_command, sigabbrev_np(WTERMSIG(status)));
}

static int command_tend(Waker *waker, Error *error)
{
    CommandWaker *command = (CommandWaker *)waker;
    int status;

    if (command->pid == 0)
        return 0;
    if (waitpid(command->pid, &status, WNOHANG) == command->pid) {
        command->pid = 0;
        return command_judge(command, status, error);
    }
    if (clock_monotonic_ms() - command->started_ms >= command->config->monitor.wake_timeout_ms)
        kill(-command->pid, SIGKILL);
    return 0;
}

static void command_close(Waker *waker)
{
    CommandWaker *command = (CommandWaker *)waker;

    if (command->pid != 0) {
        kill(-command->pid, SIGKILL);
        waitpid(command->pid, NULL, 0);
    }
    free(command);
}

Waker *waker_open_command(const Config *config, Queue *queue)
{
    CommandWaker *command;

    if (config->monitor.wake_command == NULL)
        return NULL;
    command = memory_need(sizeof *command);
    *command = (CommandWaker){.waker = {"command", command_wake, command_tend, command_close},
                              .config = config,
                              .queue = queue};
    return &command->waker;
}
