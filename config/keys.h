/* config/keys.h: the table of every key, and how a value becomes a field of Config. Private to the
 * room. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

typedef enum KeyType {
    KEY_TEXT,     /* char *; any text, NULL where the default is none */
    KEY_NAME,     /* char *; [A-Za-z0-9_.-]{1,64} */
    KEY_URL,      /* char *; of a Redis; never shown, as it may hold a password */
    KEY_CHOICE,   /* char *; one of `choices` */
    KEY_BOOL,     /* bool */
    KEY_INT,      /* int, units of a count */
    KEY_COUNT,    /* int64_t, units of a count */
    KEY_SIZE,     /* int64_t, bytes */
    KEY_DURATION, /* int64_t, milliseconds */
} KeyType;

enum { KEY_CHOICES = 5 };

typedef struct ConfigKey {
    const char *section; /* "worker" */
    const char *name;    /* "lanes" */
    KeyType type;
    size_t offset;        /* in Config */
    const char *standard; /* the default, as the file would say it; NULL: none */
    int64_t least;
    int64_t most;
    const char *choices[KEY_CHOICES];
    const char *comment; /* what it means, in one to three lines; wrapped when printed */
} ConfigKey;

extern const ConfigKey config_keys[];
extern const size_t config_key_count;

/* keys_find returns the key of that section and name, or NULL; `section` of `length` bytes. */
const ConfigKey *keys_find(const char *section, size_t length, const char *name);

/* keys_store sets the field of `key`; NULL stands for "none" and is right only where the default is
 * none. On failure the message begins "must be", for the caller to put the key before. */
int keys_store(const ConfigKey *key, Config *config, const char *text, Error *error);

/* keys_is_text says whether the field is a char * that Config owns. */
bool keys_is_text(const ConfigKey *key);

#endif
