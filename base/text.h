/* base/text.h: growable bytes and text. A Text starts as {0}; text_free releases it and makes it
 * {0} again. `data` is always followed by a NUL that `length` does not count (NULL while nothing
 * was added). */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

typedef struct Text {
    char *data;
    size_t length;
    size_t room;
} Text;

void text_add(Text *text, const void *bytes, size_t length);
void text_add_string(Text *text, const char *string);
void text_add_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(Text *text); /* length 0, the room stays */
void text_free(Text *text);
char *text_take(Text *text); /* gives the bytes away (never NULL; free()), leaving {0} */

/* text_distance is the Levenshtein distance of two short names (at most 63 bytes count);
 * text_nearest picks from `count` names the nearest to `wanted` within a third of its length plus
 * one, or NULL. For "did you mean". */
int text_distance(const char *a, const char *b);
const char *text_nearest(const char *wanted, const char *const *names, size_t count);

#endif
