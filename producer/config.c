/* tilecrew config: the configuration file with every key, its default and a comment; or a check of
 * the one in use. */
#include <stdio.h>

#include "producer/commands.h"
#include "producer/session.h"

int command_config(void *settings, const CommandLine *line, Error *error)
{
    const Settings *options = settings;
    Session session;

    if (!options->check) {
        config_print_default();
        return 0;
    }
    if (session_open(&session, settings, line, error) != 0)
        return -1;
    session_close(&session);
    printf("the configuration is valid\n");
    return 0;
}
