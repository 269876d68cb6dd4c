/* producer/servers.h: the private crew of `tilecrew run`: a redis-server on a unix socket in a
 * folder of its own (mode 0700), a worker and a monitor, each in its own process group so that a
 * Ctrl-C on the terminal reaches `run` alone, and each killed by the kernel if `run` itself dies.
 *
 * Redis keeps nothing on disk: when `run` ends, what matters is in the output folder. */
#ifndef PRODUCER_SERVERS_H
#define PRODUCER_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/options.h"

typedef struct Servers Servers;

/* servers_find_programs says whether all three are there. */
int servers_find_programs(Error *error);

/* servers_open makes the folder and starts redis-server; ERROR_SYSTEM names what is missing. With a
 * `password_file` (of the configuration; or NULL) this Redis has that password too, so that worker
 * and monitor can read the same configuration. */
Servers *servers_open(const char *password_file, Error *error);

/* servers_start_crew waits until Redis answers and starts worker and monitor, which get
 * `config_file` (or NULL) and those options of `line` that are theirs. */
int servers_start_crew(Servers *servers, const char *config_file, const CommandLine *line,
                       Error *error);
const char *servers_url(const Servers *servers);    /* "unix:/..." */
const char *servers_socket(const Servers *servers); /* for redis-cli -s */

/* servers_check fails when one of them has ended by itself, with the last line of its log. */
int servers_check(Servers *servers, Error *error);

/* servers_ask_worker_to_end lets the lanes finish the tiles in hand; servers_worker_has_ended says
 * whether they have. */
void servers_ask_worker_to_end(Servers *servers);
bool servers_worker_has_ended(Servers *servers);

/* servers_close takes everything down and removes the folder. Takes NULL. */
void servers_close(Servers *servers);

#endif
