/* config/units.h: numbers with units, as people write them in configuration files: 256MiB, 1.5GB,
 * 10min, 32M. Values are whole, non-negative and below 2^63; 1.5 is fine where the unit makes it
 * whole (1.5s is 1500 ms). */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct Unit {
    const char *name; /* as written behind the number; "" where a number may stand alone */
    int64_t scale;
} Unit;

/* Tables of units, ended by a NULL name, each from small to large. */
extern const Unit units_count[];    /* 1, k, M, G, T: powers of 1000 */
extern const Unit units_size[];     /* bytes: B, KiB, kB, MiB, MB, ... */
extern const Unit units_duration[]; /* milliseconds: ms, s, min, h, d; only 0 may stand alone */

/* units_parse reads all of `text`; 0, or -1 when it is no number with one of the units. */
int units_parse(const Unit *units, const char *text, int64_t *value);

/* units_format writes `value` with the largest unit that leaves a whole number: "256MiB", "10min".
 * Returns `buffer`. */
const char *units_format(const Unit *units, int64_t value, char *buffer, size_t size);

#endif
