/* producer/session.h: what every command of `tilecrew` starts from: its options, the configuration
 * and the queue. */
#ifndef PRODUCER_SESSION_H
#define PRODUCER_SESSION_H

#include <stdbool.h>

#include "base/options.h"
#include "config/config.h"
#include "queue/queue.h"

/* The options of all commands; each command's tables name those that it takes. */
typedef struct Settings {
    const char *config;
    const char *ops;
    const char *store;
    const char *reason; /* a part of it */
    int priority;
    bool json;
    bool force;
    bool wait;
    bool repair;
    bool quiet;
    bool verbose;
    bool check;
} Settings;

typedef struct Session {
    const Settings *settings;
    const CommandLine *line;
    Config config;
    Queue *queue; /* NULL before session_connect */
} Session;

/* session_open loads the configuration and puts the command line over it. session_close is called
 * once for each session_open that did not fail. */
int session_open(Session *session, const Settings *settings, const CommandLine *line, Error *error);
int session_connect(Session *session, Error *error);
void session_close(Session *session);

/* session_start is both in one. */
int session_start(Session *session, const Settings *settings, const CommandLine *line,
                  Error *error);

/* session_find_job gives in `id` the job that the command is about: operand `index`, or else the
 * newest that is not finished, or else the newest. ERROR_USAGE when there is none. */
int session_find_job(Session *session, int index, char id[QUEUE_JOB_ID], Error *error);

#endif
