/* Open addressing with linear probing, at most half full. */
#include "producer/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { FIRST_ROOM = 1024 };

struct NamesEntry {
    char *text; /* name, NUL, note, NUL; NULL: free */
    uint64_t hash;
};

/* FNV-1a, 64 bits. */
static uint64_t names_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

static struct NamesEntry *names_find(const Names *names, const char *name, uint64_t hash)
{
    size_t at = (size_t)hash & (names->room - 1);

    while (names->entries[at].text != NULL &&
           (names->entries[at].hash != hash || strcmp(names->entries[at].text, name) != 0))
        at = (at + 1) & (names->room - 1);
    return &names->entries[at];
}

static void names_grow(Names *names)
{
    Names larger = {.room = names->room == 0 ? FIRST_ROOM : names->room * 2};

    larger.entries = memory_need(larger.room * sizeof *larger.entries);
    larger.count = names->count;
    for (size_t i = 0; i < names->room; i++)
        if (names->entries[i].text != NULL)
            *names_find(&larger, names->entries[i].text, names->entries[i].hash) =
                names->entries[i];
    free(names->entries);
    *names = larger;
}

const char *names_add(Names *names, const char *name, const char *note)
{
    uint64_t hash = names_hash(name);
    struct NamesEntry *entry;
    size_t name_size = strlen(name) + 1;
    size_t note_size = strlen(note) + 1;

    if (names->count * 2 >= names->room)
        names_grow(names);
    entry = names_find(names, name, hash);
    if (entry->text != NULL)
        return entry->text + name_size;
    entry->hash = hash;
    entry->text = memory_need(name_size + note_size);
    memcpy(entry->text, name, name_size);
    memcpy(entry->text + name_size, note, note_size);
    names->count++;
    return NULL;
}

void names_free(Names *names)
{
    for (size_t i = 0; i < names->room; i++)
        free(names->entries[i].text);
    free(names->entries);
    *names = (Names){0};
}
