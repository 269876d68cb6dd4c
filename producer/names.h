/* producer/names.h: a set of names, each with a note, for finding two inputs that would write one
 * result. Copies what it is given. */
#ifndef PRODUCER_NAMES_H
#define PRODUCER_NAMES_H

#include <stddef.h>

typedef struct Names {
    struct NamesEntry *entries;
    size_t room; /* a power of two, or 0 */
    size_t count;
} Names;

/* names_add puts `name` into the set. Returns NULL when it is new, else the note it came with
 * first. */
const char *names_add(Names *names, const char *name, const char *note);
void names_free(Names *names); /* leaves {0} */

#endif
