/* tilecrew doctor: is everything there that a run or a worker on this machine needs? Each check is
 * one line; those that fail say what to do. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "compute/stream.h"
#include "image/image.h"
#include "producer/commands.h"
#include "producer/crew.h"
#include "producer/report.h"
#include "producer/servers.h"
#include "producer/session.h"

enum { DEVICE_WAIT_MS = 120000, DEVICE_ANSWER = 1400 };

/* The least room in an output folder that goes without a word. */
static const int64_t LITTLE_ROOM = 1000000000;

typedef enum Verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL } Verdict;
static const char *const verdict_names[] = {"ok", "warn", "FAIL"};

typedef struct Doctor {
    Session session;
    json_t *list; /* NULL: printed as they come */
    Verdict worst;
} Doctor;

static void doctor_say(Doctor *doctor, Verdict verdict, const char *check, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void doctor_say(Doctor *doctor, Verdict verdict, const char *check, const char *format, ...)
{
    char text[2048];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (verdict > doctor->worst)
        doctor->worst = verdict;
    if (doctor->list != NULL) {
        json_array_append_new(doctor->list,
                              json_pack("{s:s, s:s, s:o}", "check", check, "verdict",
                                        verdict_names[verdict], "message", report_text_json(text)));
        return;
    }
    printf("%-5s %-10s %s\n", verdict_names[verdict], check, text);
    fflush(stdout);
}

/* --- programs and codecs */

static void doctor_check_programs(Doctor *doctor)
{
    Error error;

    if (servers_find_programs(&error) == 0)
        doctor_say(doctor, VERDICT_OK, "programs",
                   "redis-server, tilecrew-worker and tilecrew-monitor are found");
    else
        doctor_say(doctor, VERDICT_FAIL, "programs", "%s", error.message);
}

/* --- the device, tried in a child: an OpenCL driver may crash, and must not be open at a fork */

/* device_check_all runs the known-answer tests of every operation. */
static int device_check_all(const Config *config, char answer[DEVICE_ANSWER], Error *error)
{
    DeviceOptions options = {config->worker.device, config->worker.kernel_cache};
    size_t count;
    const Operation *const *operations = operation_list(&count);
    Device *device = device_open(&options, error);
    int status = device == NULL ? -1 : 0;

    for (size_t i = 0; i < count && status == 0; i++) {
        Pipeline *pipeline = pipeline_parse(operations[i]->name, error);

        if (pipeline == NULL)
            continue; /* it has a parameter that must be given */
        status = stream_check(device, pipeline, error);
        pipeline_free(pipeline);
    }
    if (status == 0)
        snprintf(answer, DEVICE_ANSWER, "+%s (%s): %zu operations give the known answers",
                 device_name(device), device_driver(device), count);
    else
        snprintf(answer, DEVICE_ANSWER, "-%s", error->message);
    device_close(device);
    return status;
}

static void device_child(const Config *config, int pipe_end)
{
    char answer[DEVICE_ANSWER];
    Error error;

    device_check_all(config, answer, &error);
    if (write(pipe_end, answer, strlen(answer)) < 0)
        _exit(1);
    _exit(0);
}

/* read_answer reads the child's answer; "" when it gave none in time. */
static void read_answer(int pipe_end, char answer[DEVICE_ANSWER])
{
    struct pollfd waiting = {.fd = pipe_end, .events = POLLIN};
    ssize_t length = 0;

    if (poll(&waiting, 1, DEVICE_WAIT_MS) == 1)
        length = read(pipe_end, answer, DEVICE_ANSWER - 1);
    answer[length > 0 ? length : 0] = '\0';
}

static void doctor_check_device(Doctor *doctor)
{
    char answer[DEVICE_ANSWER];
    int ends[2];
    int status = 0;
    pid_t pid;

    if (pipe(ends) != 0 || (pid = fork()) < 0) {
        doctor_say(doctor, VERDICT_FAIL, "device", "cannot start a child: %s", strerror(errno));
        return;
    }
    if (pid == 0)
        device_child(&doctor->session.config, ends[1]);
    close(ends[1]);
    read_answer(ends[0], answer);
    close(ends[0]);
    if (answer[0] == '\0')
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (answer[0] == '+')
        doctor_say(doctor, VERDICT_OK, "device", "%s", answer + 1);
    else if (answer[0] == '-')
        doctor_say(doctor, VERDICT_FAIL, "device", "%s", answer + 1);
    else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        doctor_say(doctor, VERDICT_FAIL, "device",
                   "the OpenCL driver crashed (signal %d): update it, or choose another device "
                   "with --device",
                   WTERMSIG(status));
    else
        doctor_say(doctor, VERDICT_FAIL, "device", "no answer from the OpenCL driver in %d s",
                   DEVICE_WAIT_MS / 1000);
}

/* --- Redis and the workers at it */

static void doctor_check_workers(Doctor *doctor)
{
    QueueWorker *workers;
    size_t count, live = 0;
    char *mixed;
    Error error;

    if (queue_list_workers(doctor->session.queue, &workers, &count, &error) != 0) {
        doctor_say(doctor, VERDICT_FAIL, "workers", "%s", error.message);
        return;
    }
    for (size_t i = 0; i < count; i++)
        live += workers[i].state == WORKER_LIVE;
    mixed = crew_mixed_codecs(workers, count);
    if (mixed != NULL)
        doctor_say(doctor, VERDICT_WARN, "workers",
                   "they have different codecs, so results may differ in bytes: %s", mixed);
    else if (live == 0)
        doctor_say(doctor, VERDICT_WARN, "workers",
                   "none at this queue: start tilecrew-worker where Redis is reached");
    else
        doctor_say(doctor, VERDICT_OK, "workers", "%zu live, all with the same codecs", live);
    free(mixed);
    queue_free_workers(workers, count);
}

static void doctor_check_redis(Doctor *doctor)
{
    Error error;

    if (session_connect(&doctor->session, &error) != 0) {
        doctor_say(doctor, VERDICT_FAIL, "redis", "%s ('tilecrew run' needs none)", error.message);
        return;
    }
    doctor_say(doctor, VERDICT_OK, "redis", "%s answers, is 6.2 or later and does not evict",
               queue_display_url(doctor->session.queue));
    doctor_check_workers(doctor);
}

/* --- an output folder */

static void doctor_check_output(Doctor *doctor, const char *output)
{
    char *path = memory_format_text("%s/.tilecrew-doctor-XXXXXX", output);
    char room[REPORT_NUMBER];
    struct statvfs disk;
    int file = mkstemp(path);
    int64_t bytes;

    if (file < 0) {
        doctor_say(doctor, VERDICT_FAIL, "output", "cannot write into '%s': %s", output,
                   strerror(errno));
        goto out;
    }
    unlink(path);
    if (fstatvfs(file, &disk) != 0) {
        doctor_say(doctor, VERDICT_FAIL, "output", "'%s': %s", output, strerror(errno));
        goto out;
    }
    bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    doctor_say(doctor, bytes < LITTLE_ROOM ? VERDICT_WARN : VERDICT_OK, "output",
               "'%s' can be written; %s are free", output, report_bytes(room, bytes));
out:
    if (file >= 0)
        close(file);
    free(path);
}

int command_doctor(void *settings, const CommandLine *line, Error *error)
{
    Doctor doctor = {.worst = VERDICT_OK};

    if (session_open(&doctor.session, settings, line, error) != 0)
        return -1;
    if (doctor.session.settings->json)
        doctor.list = json_array();
    log_set_level(LOG_LEVEL_ERROR);
    doctor_say(&doctor, VERDICT_OK, "config", "the configuration is valid");
    doctor_check_programs(&doctor);
    doctor_say(&doctor, VERDICT_OK, "codecs", "%s", image_codec_versions());
    doctor_check_device(&doctor);
    if (line->operand_count > 0)
        doctor_check_output(&doctor, line->operands[0]);
    doctor_check_redis(&doctor);
    if (doctor.list != NULL)
        report_print_json(json_pack("{s:b, s:o}", "healthy", doctor.worst != VERDICT_FAIL, "checks",
                                    doctor.list));
    session_close(&doctor.session);
    return doctor.worst == VERDICT_FAIL ? EXIT_SOME_FAILED : 0;
}
