/* Prints the configuration file that config/keys.c describes: `make config/tilecrew.yaml`. */
#include "config/config.h"

int main(void)
{
    config_print_default();
    return 0;
}
