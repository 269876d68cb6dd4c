/* image/png.h: the PNG chunks that png_write.c makes and join_png.c puts together; private to
 * image/.
 *
 * A file of this room is: signature, IHDR, metadata, one IDAT for each strip (raw deflate that ends
 * on a byte boundary and refers to nothing before the strip; the first begins with the zlib
 * header), an IDAT that holds only the zlib stream's adler32, IEND. So each strip's chunk is final
 * once the strip is, whatever comes before and after it.
 *
 * A part is the same without the last two chunks; instead a PNG_PART chunk ends it: an ImagePart
 * and the adler32 of the part's own rows. Only part 0 has metadata. */
#ifndef IMAGE_PNG_H
#define IMAGE_PNG_H

#include "image/codec.h"
#include "image/part.h"

#define PNG_SIGNATURE_BYTES "\x89PNG\r\n\x1a\n"
#define PNG_PART            "tcPT"

enum { PNG_SIGNATURE_SIZE = 8, PNG_HEADER_SIZE = 13, PNG_PART_SIZE = IMAGE_PART_SEGMENT + 4 };

/* image_png_put_chunk writes length, type, bytes and CRC. */
int image_png_put_chunk(ByteSink *sink, const void *type, const void *bytes, size_t length,
                        Error *error);

/* image_png_put_end writes the adler32's IDAT and IEND. */
int image_png_put_end(ByteSink *sink, uint32_t adler, Error *error);

#endif
