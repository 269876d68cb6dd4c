#include "config/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const Unit units_count[] = {{"", 1},           {"k", 1000},          {"K", 1000}, {"M", 1000000},
                            {"G", 1000000000}, {"T", 1000000000000}, {NULL, 0}};
const Unit units_size[] = {{"", 1},
                           {"B", 1},
                           {"kB", 1000},
                           {"KB", 1000},
                           {"MB", 1000000},
                           {"GB", 1000000000},
                           {"TB", 1000000000000},
                           {"KiB", INT64_C(1) << 10},
                           {"MiB", INT64_C(1) << 20},
                           {"GiB", INT64_C(1) << 30},
                           {"TiB", INT64_C(1) << 40},
                           {NULL, 0}};
const Unit units_duration[] = {{"ms", 1},      {"s", 1000},     {"min", 60000},
                               {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const Unit *unit_find(const Unit *units, const char *name)
{
    for (; units->name != NULL; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* Reads digits into *value, which it continues from; false when they do not fit. */
static bool digits_read(const char **text, int64_t *value)
{
    for (; isdigit((unsigned char)**text); (*text)++)
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, **text - '0', value))
            return false;
    return true;
}

int units_parse(const Unit *units, const char *text, int64_t *value)
{
    const Unit *unit;
    int64_t digits = 0; /* all of them, those behind the point too */
    int64_t divisor = 1;
    int64_t scaled;

    if (!isdigit((unsigned char)*text) || !digits_read(&text, &digits))
        return -1;
    if (*text == '.') {
        const char *point = text++;
        if (!isdigit((unsigned char)*text) || !digits_read(&text, &digits) || text - point > 10)
            return -1;
        for (const char *digit = point + 1; digit < text; digit++)
            divisor *= 10;
    }
    text += strspn(text, " ");
    unit = unit_find(units, text);
    if (unit == NULL && (*text != '\0' || digits != 0))
        return -1;
    if (__builtin_mul_overflow(digits, unit == NULL ? 1 : unit->scale, &scaled) ||
        scaled % divisor != 0)
        return -1;
    *value = scaled / divisor;
    return 0;
}

const char *units_format(const Unit *units, int64_t value, char *buffer, size_t size)
{
    const Unit *best = unit_find(units, "");

    for (const Unit *unit = units; unit->name != NULL; unit++)
        if (value % unit->scale == 0 && value >= unit->scale &&
            (best == NULL || unit->scale > best->scale))
            best = unit;
    snprintf(buffer, size, "%" PRId64 "%s", best == NULL ? value : value / best->scale,
             best == NULL ? "" : best->name);
    return buffer;
}
