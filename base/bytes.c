#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

typedef struct MemorySource {
    ByteSource base;
    const char *next;
    size_t left;
} MemorySource;

typedef struct MemorySink {
    ByteSink base;
    Text text;
    void **result;
    size_t *length;
} MemorySink;

static ssize_t memory_source_read(ByteSource *source, void *bytes, size_t length, Error *error)
{
    MemorySource *memory = (MemorySource *)source;
    size_t count = length < memory->left ? length : memory->left;

    (void)error;
    if (count > 0)
        memcpy(bytes, memory->next, count);
    memory->next += count;
    memory->left -= count;
    return (ssize_t)count;
}

static void memory_source_close(ByteSource *source)
{
    free(source);
}

ByteSource *bytes_open_memory(const void *bytes, size_t length, const char *name)
{
    MemorySource *memory = memory_need(sizeof *memory);

    memory->base = (ByteSource){memory_source_read, memory_source_close, length, name};
    memory->next = bytes;
    memory->left = length;
    return &memory->base;
}

static int memory_sink_write(ByteSink *sink, const void *bytes, size_t length, Error *error)
{
    (void)error;
    text_add(&((MemorySink *)sink)->text, bytes, length);
    sink->written += length;
    return 0;
}

static int memory_sink_finish(ByteSink *sink, Error *error)
{
    MemorySink *memory = (MemorySink *)sink;

    (void)error;
    *memory->length = memory->text.length;
    *memory->result = text_take(&memory->text);
    free(memory);
    return 0;
}

static void memory_sink_abandon(ByteSink *sink)
{
    text_free(&((MemorySink *)sink)->text);
    free(sink);
}

ByteSink *bytes_create_memory(void **result, size_t *length, const char *name)
{
    MemorySink *memory = memory_need(sizeof *memory);

    memory->base = (ByteSink){memory_sink_write, memory_sink_finish, memory_sink_abandon, 0, name};
    memory->result = result;
    memory->length = length;
    return &memory->base;
}
