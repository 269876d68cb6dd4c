/* producer/commands.h: the commands of `tilecrew`, one file each. Each does the whole of its work
 * and returns the exit status, or -1 with an Error that main prints. */
#ifndef PRODUCER_COMMANDS_H
#define PRODUCER_COMMANDS_H

#include "base/options.h"

/* Exit statuses besides those of error_exit_status. */
enum { EXIT_SOME_FAILED = 1, EXIT_INTERRUPTED = 130 };

int command_run(void *settings, const CommandLine *line, Error *error);
int command_submit(void *settings, const CommandLine *line, Error *error);
int command_watch(void *settings, const CommandLine *line, Error *error);
int command_status(void *settings, const CommandLine *line, Error *error);
int command_cancel(void *settings, const CommandLine *line, Error *error);
int command_pause(void *settings, const CommandLine *line, Error *error);
int command_resume(void *settings, const CommandLine *line, Error *error);
int command_dead(void *settings, const CommandLine *line, Error *error);
int command_workers(void *settings, const CommandLine *line, Error *error);
int command_ops(void *settings, const CommandLine *line, Error *error);
int command_audit(void *settings, const CommandLine *line, Error *error);
int command_doctor(void *settings, const CommandLine *line, Error *error);
int command_config(void *settings, const CommandLine *line, Error *error);

#endif
