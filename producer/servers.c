#include "producer/servers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "producer/folder.h"
#include "producer/interrupt.h"

enum {
    ARGUMENTS_MOST = 48,
    REDIS_POLL_MS = 2,
    REDIS_START_MS = 10000,
    END_POLL_MS = 2,
    END_GRACE_MS = 2000, /* for a worker without tiles to leave */
    LOG_TAIL = 4096,
};

typedef enum ServerKind { SERVER_REDIS, SERVER_WORKER, SERVER_MONITOR, SERVER_COUNT } ServerKind;

typedef struct ServerProgram {
    const char *name;
    const char *missing; /* what to do when it is not found */
} ServerProgram;

static const ServerProgram programs[SERVER_COUNT] = {
    [SERVER_REDIS] = {"redis-server", "install it (Debian, Ubuntu: apt install redis-server)"},
    [SERVER_WORKER] = {"tilecrew-worker", "it belongs beside tilecrew: build or install it again"},
    [SERVER_MONITOR] = {"tilecrew-monitor",
                        "it belongs beside tilecrew: build or install it again"},
};

struct Servers {
    char *folder;
    int lock;
    char *socket;
    char *url;
    pid_t pid[SERVER_COUNT]; /* 0: not running */
    int status[SERVER_COUNT];
};

typedef struct ArgumentList {
    const char *items[ARGUMENTS_MOST];
    int count;
} ArgumentList;

static void add_argument(ArgumentList *list, const char *text)
{
    if (list->count + 1 < ARGUMENTS_MOST)
        list->items[list->count++] = text;
}

/* --- finding programs */

static char *find_beside_this(const char *name)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *path;

    if (length <= 0)
        return NULL;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    path = memory_format_text("%s/%s", self, name);
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *find_in_path(const char *name)
{
    const char *places = getenv("PATH");

    if (places == NULL)
        places = "/usr/local/bin:/usr/bin:/bin:/usr/sbin";
    while (*places != '\0') {
        int length = (int)strcspn(places, ":");
        char *path = memory_format_text("%.*s/%s", length, places, name);

        if (length > 0 && access(path, X_OK) == 0)
            return path;
        free(path);
        places += length + (places[length] == ':');
    }
    return NULL;
}

static char *servers_find(ServerKind kind, Error *error)
{
    const char *name = programs[kind].name;
    char *path = kind == SERVER_REDIS ? NULL : find_beside_this(name);

    if (path == NULL)
        path = find_in_path(name);
    if (path == NULL)
        error_set(error, ERROR_SYSTEM, "%s is not found: %s", name, programs[kind].missing);
    return path;
}

int servers_find_programs(Error *error)
{
    for (ServerKind kind = 0; kind < SERVER_COUNT; kind++) {
        char *path = servers_find(kind, error);

        if (path == NULL)
            return -1;
        free(path);
    }
    return 0;
}

/* --- starting one */

/* start_child becomes the program; it runs between fork and exec. */
static void start_child(const char *path, const ArgumentList *list, int log, pid_t parent)
{
    int nothing = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(path, (char *const *)(void *)list->items);
    _exit(127);
}

static char *servers_log(const Servers *servers, ServerKind kind)
{
    return memory_format_text("%s/%s.log", servers->folder, programs[kind].name);
}

/* servers_start runs the program; list->items[0] is filled in. */
static int servers_start(Servers *servers, ServerKind kind, ArgumentList *list, Error *error)
{
    char *path = servers_find(kind, error);
    char *log_path = servers_log(servers, kind);
    pid_t parent = getpid();
    int log = -1;
    pid_t pid = -1;

    if (path == NULL)
        goto out;
    log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) {
        error_set_errno(error, ERROR_SYSTEM, "cannot write '%s'", log_path);
        goto out;
    }
    list->items[0] = path;
    list->items[list->count] = NULL;
    pid = fork();
    if (pid == 0)
        start_child(path, list, log, parent);
    if (pid < 0) {
        error_set_errno(error, ERROR_SYSTEM, "cannot start %s", programs[kind].name);
        goto out;
    }
    setpgid(pid, pid); /* here too: whoever is first */
    servers->pid[kind] = pid;
out:
    if (log >= 0)
        close(log);
    free(log_path);
    free(path);
    return pid > 0 ? 0 : -1;
}

/* --- watching them */

/* last_line gives the last line of a file that says something, in `text`; "" when there is none. */
static void last_line(const char *path, char text[LOG_TAIL])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = file >= 0 ? lseek(file, 0, SEEK_END) : 0;
    ssize_t length = 0;
    const char *start;

    text[0] = '\0';
    if (file < 0)
        return;
    length = pread(file, text, LOG_TAIL - 1, size > LOG_TAIL - 1 ? size - (LOG_TAIL - 1) : 0);
    close(file);
    if (length < 0)
        length = 0;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
        length--;
    text[length] = '\0';
    start = strrchr(text, '\n');
    if (start != NULL)
        memmove(text, start + 1, strlen(start + 1) + 1);
}

static bool servers_reap(Servers *servers, ServerKind kind)
{
    if (servers->pid[kind] == 0)
        return true;
    if (waitpid(servers->pid[kind], &servers->status[kind], WNOHANG) != servers->pid[kind])
        return false;
    kill(-servers->pid[kind], SIGKILL); /* what it left behind in its group */
    servers->pid[kind] = 0;
    return true;
}

static int servers_fail(const Servers *servers, ServerKind kind, Error *error)
{
    static const ErrorKind kinds[] = {ERROR_CONFIG, ERROR_REDIS, ERROR_DEVICE};
    char *log = servers_log(servers, kind);
    char line[LOG_TAIL];
    int status = servers->status[kind];

    last_line(log, line);
    free(log);
    if (WIFSIGNALED(status))
        return error_set(error, ERROR_SYSTEM, "%s was killed by signal %d%s%s", programs[kind].name,
                         WTERMSIG(status), line[0] != '\0' ? ": " : "", line);
    if (kind != SERVER_REDIS && line[0] != '\0')
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (WEXITSTATUS(status) == error_exit_status(kinds[i]))
                return error_set(error, kinds[i], "%s", line); /* its own words */
    return error_set(error, ERROR_SYSTEM, "%s ended with status %d%s%s", programs[kind].name,
                     WEXITSTATUS(status), line[0] != '\0' ? ": " : "", line);
}

int servers_check(Servers *servers, Error *error)
{
    for (ServerKind kind = 0; kind < SERVER_COUNT; kind++)
        if (servers->pid[kind] != 0 && servers_reap(servers, kind))
            return servers_fail(servers, kind, error);
    return 0;
}

/* --- Redis */

/* servers_write_settings gives Redis its password by a file, as arguments can be seen by everybody:
 * the path of the file, free(). */
static char *servers_write_settings(const Servers *servers, const char *password_file, Error *error)
{
    char *path = memory_format_text("%s/redis.conf", servers->folder);
    int settings = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *from = fopen(password_file, "re");
    FILE *to = settings >= 0 ? fdopen(settings, "w") : NULL;
    bool written = false;
    int byte;

    if (from != NULL && to != NULL) {
        fputs("requirepass \"", to);
        while ((byte = fgetc(from)) != EOF && byte != '\n' && byte != '\r')
            fprintf(to, "\\x%02x", (unsigned)byte);
        fputs("\"\n", to);
        written = ferror(from) == 0;
    }
    if (to != NULL)
        written = fclose(to) == 0 && written;
    if (!written)
        error_set_errno(error, ERROR_CONFIG, "the password file %s", password_file);
    if (from != NULL)
        fclose(from);
    if (written)
        return path;
    free(path);
    return NULL;
}

static int servers_start_redis(Servers *servers, const char *password_file, Error *error)
{
    ArgumentList list = {.count = 1};
    char *file = NULL;
    int status;
    static const char *const settings[] = {
        "--port",       "0",  "--unixsocketperm",   "700",        "--save",      "",
        "--appendonly", "no", "--maxmemory-policy", "noeviction", "--maxmemory", "0",
        "--daemonize",  "no", "--loglevel",         "warning",    "--logfile",   "",
    };

    if (password_file != NULL) {
        file = servers_write_settings(servers, password_file, error);
        if (file == NULL)
            return -1;
        add_argument(&list, file);
    }
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        add_argument(&list, settings[i]);
    add_argument(&list, "--unixsocket");
    add_argument(&list, servers->socket);
    add_argument(&list, "--dir");
    add_argument(&list, servers->folder);
    status = servers_start(servers, SERVER_REDIS, &list, error);
    free(file);
    return status;
}

static bool can_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int socket_file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    connected =
        socket_file >= 0 && connect(socket_file, (struct sockaddr *)&address, sizeof address) == 0;
    if (socket_file >= 0)
        close(socket_file);
    return connected;
}

static int servers_wait_for_redis(Servers *servers, Error *error)
{
    int64_t until = clock_monotonic_ms() + REDIS_START_MS;

    while (!can_connect(servers->socket)) {
        if (servers_reap(servers, SERVER_REDIS))
            return servers_fail(servers, SERVER_REDIS, error);
        if (interrupt_count() > 0)
            return error_set(error, ERROR_CANCELLED, "interrupted");
        if (clock_monotonic_ms() > until)
            return error_set(error, ERROR_REDIS, "redis-server did not open its socket in %d s",
                             REDIS_START_MS / 1000);
        clock_sleep_ms(REDIS_POLL_MS);
    }
    return 0;
}

Servers *servers_open(const char *password_file, Error *error)
{
    Servers *servers = memory_need(sizeof *servers);

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    servers->folder = folder_make(&servers->lock, error);
    if (servers->folder == NULL) {
        free(servers);
        return NULL;
    }
    servers->socket = memory_format_text("%s/redis.sock", servers->folder);
    servers->url = memory_format_text("unix:%s", servers->socket);
    if (servers_start_redis(servers, password_file, error) != 0) {
        servers_close(servers);
        return NULL;
    }
    return servers;
}

const char *servers_url(const Servers *servers)
{
    return servers->url;
}

const char *servers_socket(const Servers *servers)
{
    return servers->socket;
}

/* --- worker and monitor */

static int servers_start_worker(Servers *servers, ServerKind kind, const char *config_file,
                                const CommandLine *line, Error *error)
{
    static const char *const passed[] = {"lanes", "device"};
    ArgumentList list = {.count = 1};
    char *texts[sizeof passed / sizeof passed[0]] = {NULL};
    int status;

    add_argument(&list, "--redis");
    add_argument(&list, servers->url);
    add_argument(&list, "--log-level");
    add_argument(&list, "warning");
    if (kind == SERVER_MONITOR) /* monitor.wake_command is not for a queue of one's own */
        add_argument(&list, "--min-workers=0");
    if (config_file != NULL) {
        add_argument(&list, "--config");
        add_argument(&list, config_file);
    }
    for (size_t i = 0; i < sizeof passed / sizeof passed[0] && kind == SERVER_WORKER; i++)
        for (int j = 0; j < line->setting_count; j++)
            if (strcmp(line->settings[j].option, passed[i]) == 0) {
                free(texts[i]);
                texts[i] = memory_format_text("--%s=%s", passed[i], line->settings[j].value);
            }
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (texts[i] != NULL)
            add_argument(&list, texts[i]);
    status = servers_start(servers, kind, &list, error);
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        free(texts[i]);
    return status;
}

int servers_start_crew(Servers *servers, const char *config_file, const CommandLine *line,
                       Error *error)
{
    if (servers_wait_for_redis(servers, error) != 0 ||
        servers_start_worker(servers, SERVER_WORKER, config_file, line, error) != 0)
        return -1;
    return servers_start_worker(servers, SERVER_MONITOR, config_file, line, error);
}

void servers_ask_worker_to_end(Servers *servers)
{
    if (servers->pid[SERVER_WORKER] != 0)
        kill(servers->pid[SERVER_WORKER], SIGTERM);
}

bool servers_worker_has_ended(Servers *servers)
{
    return servers_reap(servers, SERVER_WORKER);
}

/* --- taking down */

static void servers_kill(Servers *servers, ServerKind kind)
{
    if (servers->pid[kind] == 0)
        return;
    kill(-servers->pid[kind], SIGKILL);
    waitpid(servers->pid[kind], &servers->status[kind], 0);
    servers->pid[kind] = 0;
}

/* servers_wait_for_lanes waits for the worker's lanes, which the kernel ends with it and hands to
 * this process (a subreaper): after that nobody writes into the output folder any more. */
static void servers_wait_for_lanes(void)
{
    int64_t until = clock_monotonic_ms() + END_GRACE_MS;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_monotonic_ms() < until)
        if (pid == 0)
            clock_sleep_ms(END_POLL_MS);
}

void servers_close(Servers *servers)
{
    int64_t until = clock_monotonic_ms() + END_GRACE_MS;
    int asked = interrupt_count();

    if (servers == NULL)
        return;
    servers_ask_worker_to_end(servers);
    servers_kill(servers, SERVER_MONITOR);
    while (!servers_reap(servers, SERVER_WORKER) && clock_monotonic_ms() < until &&
           interrupt_count() == asked)
        clock_sleep_ms(END_POLL_MS);
    servers_kill(servers, SERVER_WORKER);
    servers_kill(servers, SERVER_REDIS);
    servers_wait_for_lanes();
    folder_remove(servers->folder, servers->lock);
    free(servers->socket);
    free(servers->url);
    free(servers);
}
