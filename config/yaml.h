/* config/yaml.h: reads one configuration file into a Config. Private to the room. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stdio.h>

#include "config/config.h"

/* yaml_read sets every key that `file` holds. `path` is for messages, which all begin with
 * "PATH:LINE:COLUMN: ". On failure the keys read so far stay set. */
int yaml_read(FILE *file, const char *path, Config *config, Error *error);

#endif
