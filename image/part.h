/* image/part.h: what a part (a tile encoded alone) says of itself, so that image_join refuses parts
 * of other images, missing ones and a wrong order; private to image/. In JPEG it is an APP15
 * segment, in PNG a private chunk; the join leaves both out. */
#ifndef IMAGE_PART_H
#define IMAGE_PART_H

#include <string.h>

#include "image/codec.h"

enum { IMAGE_PART_MARKER = 0xef, IMAGE_PART_SEGMENT = 8 + 16 };

#define IMAGE_PART_MAGIC "tilecrew"

static inline void image_put_u64(uint8_t *bytes, uint64_t value)
{
    image_put_u32(bytes, (uint32_t)(value >> 32));
    image_put_u32(bytes + 4, (uint32_t)value);
}

static inline uint64_t image_get_u64(const uint8_t *bytes)
{
    return (uint64_t)image_get_u32(bytes) << 32 | image_get_u32(bytes + 4);
}

static inline void image_part_pack(uint8_t bytes[IMAGE_PART_SEGMENT], ImagePart part)
{
    memcpy(bytes, IMAGE_PART_MAGIC, 8);
    image_put_u64(bytes + 8, (uint64_t)part.first_row);
    image_put_u64(bytes + 16, (uint64_t)part.row_count);
}

static inline ImagePart image_part_unpack(const uint8_t bytes[IMAGE_PART_SEGMENT])
{
    return (ImagePart){(int64_t)image_get_u64(bytes + 8), (int64_t)image_get_u64(bytes + 16)};
}

#endif
