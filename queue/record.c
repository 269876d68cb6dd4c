#include "queue/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void record_add_path(Text *record, const char *path)
{
    text_add_string(record, "\t");
    for (const char *c = path; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '%')
            text_add_format(record, "%%%02X", (unsigned char)*c);
        else
            text_add(record, c, 1);
    }
}

void record_write(const QueueImage *image, Text *record)
{
    text_clear(record);
    text_add_format(record, "%lld %d %lld %lld %lld %llu %d", (long long)image->first_tile,
                    image->tiles, (long long)image->tile_rows, (long long)image->width,
                    (long long)image->height, (unsigned long long)image->bytes, image->root);
    record_add_path(record, image->path);
    record_add_path(record, image->result);
}

static char *record_take_path(const char *text, size_t length)
{
    char *path = memory_need(length + 1);
    size_t out = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned byte = 0;
        if (text[i] == '%' && length - i > 2 &&
            sscanf(text + i + 1, "%2X", &byte) == 1) { /* NOLINT(cert-err34-c): two digits */
            path[out++] = (char)byte;
            i += 2;
        } else {
            path[out++] = text[i];
        }
    }
    return path;
}

int record_read(const char *record, QueueImage *image, Error *error)
{
    long long number[6];
    unsigned long long bytes;
    const char *path = strchr(record, '\t');
    const char *result = path == NULL ? NULL : strchr(path + 1, '\t');

    *image = (QueueImage){0};
    if (result == NULL ||
        sscanf(record, "%lld %lld %lld %lld %lld %llu %lld", /* NOLINT */
               &number[0], &number[1], &number[2], &number[3], &number[4], &bytes, &number[5]) != 7)
        return error_set(error, ERROR_REDIS, "the image record '%.200s' is damaged", record);
    image->first_tile = number[0];
    image->tiles = (int)number[1];
    image->tile_rows = number[2];
    image->width = number[3];
    image->height = number[4];
    image->bytes = bytes;
    image->root = (int)number[5];
    image->path = record_take_path(path + 1, (size_t)(result - path - 1));
    image->result = record_take_path(result + 1, strlen(result + 1));
    return 0;
}

void queue_free_image(QueueImage *image)
{
    free(image->path);
    free(image->result);
    image->path = NULL;
    image->result = NULL;
}
