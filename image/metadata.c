#include "image/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

ImageMetadata *metadata_create(ImageKind kind, int64_t max_bytes)
{
    ImageMetadata *metadata = memory_need(sizeof *metadata);

    metadata->kind = kind;
    metadata->max_bytes = max_bytes > 0 ? (size_t)max_bytes : 0;
    return metadata;
}

void image_metadata_free(ImageMetadata *metadata)
{
    if (metadata == NULL)
        return;
    for (size_t i = 0; i < metadata->count; i++)
        free(metadata->items[i].bytes);
    free(metadata->items);
    free(metadata);
}

int metadata_add(ImageMetadata *metadata, const void *type, size_t type_length, const void *bytes,
                 size_t length, const char *name, Error *error)
{
    MetadataItem item = {.length = length};

    if (length + sizeof item > metadata->max_bytes - metadata->bytes)
        return error_set(error, ERROR_INPUT,
                         "%s: more metadata than limits.max_metadata_bytes (%zu) allows; raise it "
                         "or strip the file",
                         name, metadata->max_bytes);
    item.bytes = memory_try(1, length, "metadata", error);
    if (item.bytes == NULL)
        return -1;
    memcpy(item.type, type, type_length);
    if (length > 0)
        memcpy(item.bytes, bytes, length);
    if ((metadata->count & (metadata->count - 1)) == 0) /* 0 or a power of two: it is full */
        metadata->items = memory_resize(
            metadata->items, (metadata->count == 0 ? 1 : 2 * metadata->count) * sizeof item);
    metadata->items[metadata->count++] = item;
    metadata->bytes += length + sizeof item; /* empty ones are not free either */
    return 0;
}

bool metadata_icc_fits(const void *icc, size_t length, int channels)
{
    enum { COLOUR_SPACE = 16, HEADER = 128 };

    return length >= HEADER &&
           memcmp((const char *)icc + COLOUR_SPACE, channels >= 3 ? "RGB " : "GRAY", 4) == 0;
}

void metadata_view_free(MetadataView *view)
{
    text_free(&view->exif);
    text_free(&view->icc);
    text_free(&view->xmp);
    text_free(&view->comment);
}
