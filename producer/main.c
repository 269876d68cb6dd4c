/* tilecrew: the table of commands, and which one is meant. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "base/version.h"
#include "producer/commands.h"
#include "producer/report.h"
#include "producer/session.h"

#define DEFAULT_PRIORITY 10

/* --- options, in groups that commands share */

static const Option where_options[] = {
    OPTION_KEY(
        "redis", 'r', "URL", "redis.url",
        "Redis: redis://[user:password@]host[:port][/db], unix:/path, or redis-sentinel://..."),
    OPTION_KEY("queue", 0, "NAME", "redis.queue", "the queue's name"),
    OPTION_TEXT("config", 'c', "FILE", Settings, config, "the configuration file"), OPTION_END};

static const Option json_options[] = {OPTION_BOOL("json", 'j', Settings, json, "print JSON"),
                                      OPTION_END};

static const Option image_options[] = {
    OPTION_TEXT("ops", 'o', "OPS", Settings, ops,
                "the operations, such as gaussian:sigma=1.4,sobel; see 'tilecrew ops'"),
    OPTION_KEY("format", 0, "KIND", "output.format", "format of the results: keep, jpeg or png"),
    OPTION_KEY("quality", 0, "N", "output.quality", "JPEG quality, 1 to 100"),
    OPTION_KEY("png-level", 0, "N", "output.png_level", "PNG compression, 0 to 9"),
    OPTION_KEY("strip", 0, NULL, "output.strip", "leave out EXIF, ICC and other metadata"),
    OPTION_BOOL("force", 'f', Settings, force, "also do images that have their result already"),
    OPTION_KEY("tile-pixels", 0, "COUNT", "job.tile_pixels",
               "cut images of more pixels into tiles, such as 32M"),
    OPTION_BOOL("quiet", 'q', Settings, quiet, "no progress and no summary, only what failed"),
    OPTION_BOOL("json", 'j', Settings, json, "print the outcome as JSON"),
    OPTION_END};

static const Option run_options[] = {
    OPTION_KEY("lanes", 'l', "N", "worker.lanes", "images at a time; one per core if not given"),
    OPTION_KEY("device", 'd', "NAME", "worker.device",
               "OpenCL device: auto, cpu, gpu, or a part of a device's name"),
    OPTION_TEXT("config", 'c', "FILE", Settings, config, "the configuration file"),
    OPTION_BOOL("verbose", 'v', Settings, verbose,
                "say where the private Redis is, for redis-cli on the live queue"),
    OPTION_END};

static const Option submit_options[] = {
    OPTION_BOOL("wait", 'w', Settings, wait, "stay until the job is done"),
    OPTION_INT("priority", 'p', "N", Settings, priority, 1, 100,
               "share of the workers next to other jobs, 1 to 100 (default 10)"),
    OPTION_TEXT("store", 's', "STORE", Settings, store,
                "file: all workers see these folders (default); redis: this command carries "
                "the bytes, and stays until all are through"),
    OPTION_END};

static const Option watch_options[] = {
    OPTION_BOOL("quiet", 'q', Settings, quiet, "no progress, only the outcome"), OPTION_END};

static const Option dead_options[] = {
    OPTION_TEXT("reason", 0, "TEXT", Settings, reason, "only tiles whose reason has TEXT in it"),
    OPTION_END};

static const Option audit_options[] = {
    OPTION_BOOL("repair", 0, Settings, repair, "issue tiles again that are found nowhere"),
    OPTION_END};

static const Option workers_options[] = {
    OPTION_BOOL("wait", 0, Settings, wait, "drain: return when they have left"), OPTION_END};

static const Option doctor_options[] = {
    OPTION_KEY("device", 'd', "NAME", "worker.device",
               "OpenCL device: auto, cpu, gpu, or a part of a device's name"),
    OPTION_END};

static const Option config_options[] = {
    OPTION_BOOL("check", 0, Settings, check, "check the configuration in use instead"),
    OPTION_TEXT("config", 'c', "FILE", Settings, config, "the configuration file"), OPTION_END};

/* --- commands */

static const char inputs_text[] =
    "Inputs are image files and folders, which are walked whole; results keep their relative\n"
    "paths in OUT. Hidden files are passed over, symbolic links out of an input are refused.\n"
    "Images whose result is in OUT, newer than the image and made with the same settings, are\n"
    "not done again.\n\n"
    "Exit status: 0 all done, 1 some images failed, 64 wrong usage, 69 Redis out of reach,\n"
    "70 no usable OpenCL device, 71 the system refused something, 78 bad configuration,\n"
    "130 interrupted.";

static const Command commands[] = {
    {.name = "tilecrew run",
     .synopsis = "--ops OPS IN... OUT",
     .summary = "process images on this machine, with no set-up",
     .text = inputs_text,
     .options = {image_options, run_options},
     .most_operands = OPTIONS_ANY,
     .run = command_run},
    {.name = "tilecrew submit",
     .synopsis = "--ops OPS IN... OUT",
     .summary = "make a job for the workers of a queue, and print its id",
     .text = inputs_text,
     .options = {image_options, submit_options, where_options},
     .most_operands = OPTIONS_ANY,
     .run = command_submit},
    {.name = "tilecrew watch",
     .synopsis = "[JOB]",
     .summary = "follow a job until it ends",
     .text = "Without JOB, the newest one that is not finished. --json prints an object a line.",
     .options = {watch_options, json_options, where_options},
     .most_operands = 1,
     .run = command_watch},
    {.name = "tilecrew status",
     .synopsis = "[JOB]",
     .summary = "show the jobs of a queue, or one job and its failures",
     .options = {json_options, where_options},
     .most_operands = 1,
     .run = command_status},
    {.name = "tilecrew cancel",
     .synopsis = "JOB",
     .summary = "drop what a job has not begun",
     .options = {json_options, where_options},
     .least_operands = 1,
     .most_operands = 1,
     .run = command_cancel},
    {.name = "tilecrew pause",
     .synopsis = "JOB",
     .summary = "hold a job back; tiles in work are finished",
     .options = {json_options, where_options},
     .least_operands = 1,
     .most_operands = 1,
     .run = command_pause},
    {.name = "tilecrew resume",
     .synopsis = "JOB",
     .summary = "go on with a paused or blocked job",
     .options = {json_options, where_options},
     .least_operands = 1,
     .most_operands = 1,
     .run = command_resume},
    {.name = "tilecrew dead",
     .synopsis = "list|retry|discard [JOB]",
     .summary = "list tiles that were given up, try them again, or drop them",
     .text = "Without JOB, those of all jobs.",
     .options = {dead_options, json_options, where_options},
     .least_operands = 1,
     .most_operands = 2,
     .run = command_dead},
    {.name = "tilecrew workers",
     .synopsis = "[drain [--wait] ID...]",
     .summary = "show the workers of a queue, or let some finish and leave",
     .text = "drain: the workers finish their tiles in hand and leave; nothing is done twice. A "
             "part of\n"
             "an ID will do if no other begins so. Start the new one first, and no time is lost.",
     .options = {workers_options, json_options, where_options},
     .most_operands = OPTIONS_ANY,
     .run = command_workers},
    {.name = "tilecrew ops",
     .synopsis = "[NAME]",
     .summary = "list the operations, or describe one",
     .options = {json_options},
     .most_operands = 1,
     .run = command_ops},
    {.name = "tilecrew audit",
     .synopsis = "[--repair] [JOB]",
     .summary = "prove that no tile is lost or doubled",
     .text = "Exit status 1 when a tile is missing or doubled.",
     .options = {audit_options, json_options, where_options},
     .most_operands = 1,
     .run = command_audit},
    {.name = "tilecrew doctor",
     .synopsis = "[OUT]",
     .summary = "check that this machine, Redis and an output folder are ready",
     .options = {doctor_options, json_options, where_options},
     .most_operands = 1,
     .run = command_doctor},
    {.name = "tilecrew config",
     .synopsis = "[--check]",
     .summary = "print the configuration file with every setting and its default",
     .options = {config_options},
     .run = command_config},
};
static const size_t command_count = sizeof commands / sizeof commands[0];

static void print_help(FILE *file)
{
    fprintf(file, "Usage: tilecrew COMMAND [OPTION...] [ARGUMENT...]\n"
                  "Process folders of images with all the machines you have.\n\n"
                  "Commands:\n");
    options_print_commands(commands, command_count, file);
    fprintf(file, "\nThe first thing to try:\n"
                  "  tilecrew run --ops gaussian:sigma=2,sobel PHOTOS OUT\n\n"
                  "'tilecrew COMMAND --help' tells more.\n");
}

static int say_error(const Error *error)
{
    char *message = report_visible(error->message);

    fprintf(stderr, "tilecrew: %s\n", message);
    free(message);
    return error_exit_status(error->kind);
}

static int do_command(const Command *command, int argc, char **argv)
{
    Settings settings = {.priority = DEFAULT_PRIORITY};
    CommandLine line;
    Error error;
    int status = options_parse(command, argc, argv, &settings, &line, &error);

    if (status != 0)
        return status > 0 ? 0 : say_error(&error);
    status = command->run(&settings, &line, &error);
    options_free(&line);
    if (status < 0)
        status = say_error(&error);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "tilecrew: cannot write to standard output\n");
        return status != 0 ? status : error_exit_status(ERROR_SYSTEM);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const Command *command;
    Error error;

    setlocale(LC_CTYPE, "");
    log_set_level(LOG_LEVEL_WARNING);
    log_set_name("tilecrew");
    if (word == NULL) {
        print_help(stderr);
        return error_exit_status(ERROR_USAGE);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        printf("tilecrew %s\n", TILECREW_VERSION);
        return 0;
    }
    command = options_find_command(commands, command_count, word, &error);
    if (command == NULL)
        return say_error(&error);
    return do_command(command, argc - 1, argv + 1);
}
