#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/codec.h"

enum { INPUT_SIZE = 64 * 1024 };

int image_input_open(ImageInput *input, ByteSource *source, Error *error)
{
    *input = (ImageInput){.source = source};
    input->buffer = malloc(INPUT_SIZE);
    if (input->buffer == NULL)
        return error_set(error, ERROR_SYSTEM, "no memory to read %s", image_input_name(input));
    return 0;
}

void image_input_close(ImageInput *input)
{
    if (input->source != NULL)
        input->source->close(input->source);
    free(input->buffer);
    *input = (ImageInput){0};
}

const char *image_input_name(const ImageInput *input)
{
    return input->source->name != NULL ? input->source->name : "image";
}

int image_input_fill(ImageInput *input, Error *error)
{
    ssize_t got;

    if (input->start > 0) {
        memmove(input->buffer, input->buffer + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
    }
    if (input->end == INPUT_SIZE)
        return 0;
    got = input->source->read(input->source, input->buffer + input->end, INPUT_SIZE - input->end,
                              error);
    if (got < 0)
        return -1;
    input->end += (size_t)got;
    return got > 0;
}

int image_input_truncated(const ImageInput *input, Error *error)
{
    return error_set(error, ERROR_INPUT, "%s: truncated: the file ends before the image does",
                     image_input_name(input));
}

int image_input_take(ImageInput *input, void *bytes, size_t length, Error *error)
{
    uint8_t *to = bytes;

    while (length > 0) {
        size_t count = input->end - input->start;

        if (count == 0) {
            int filled = image_input_fill(input, error);

            if (filled <= 0)
                return filled < 0 ? -1 : image_input_truncated(input, error);
            continue;
        }
        if (count > length)
            count = length;
        memcpy(to, input->buffer + input->start, count);
        to += count;
        input->start += count;
        length -= count;
    }
    return 0;
}
