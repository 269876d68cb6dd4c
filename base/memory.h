/* base/memory.h: allocation whose failure cannot be overlooked.
 *
 * memory_need and its kin are for small things whose size does not come from input (structs,
 * names): they never return NULL; when memory is gone they say so and abort, which in a lane costs
 * one attempt of one tile. memory_try is for anything whose size comes from an image, a file or the
 * network: it fails with an Error. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

#include "base/error.h"

void *memory_need(size_t size);              /* zeroed; free with free() */
void *memory_resize(void *old, size_t size); /* like realloc; never NULL for size > 0 */
char *memory_copy_text(const char *text);    /* NULL stays NULL */
char *memory_format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory_try returns count * size zeroed bytes, or NULL with an ERROR_SYSTEM that names `what`. */
void *memory_try(size_t count, size_t size, const char *what, Error *error);

#endif
