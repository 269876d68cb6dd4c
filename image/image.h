/* image/image.h: JPEG and PNG in and out by rows, metadata, and joining encoded tiles.
 *
 * Rows are interleaved samples, top to bottom: grey, grey+alpha, RGB or RGBA (1, 2, 3, 4 channels),
 * 8 bits a sample in uint8_t or 16 bits in host-order uint16_t. Alpha is straight (not
 * premultiplied) on both sides.
 *
 * Same bytes, cut or not. What a writer emits for row r depends only on the image's geometry, the
 * options and the pixels, never on which tile the row belongs to: JPEG restarts every MCU row
 * (restart_in_rows = 1, standard Huffman tables) and PNG ends every strip of image_strip_rows()
 * rows on a zlib full flush, the strip's first row filtered without the row above. Therefore a
 * tile, whose first row is a multiple of image_strip_rows(), encoded alone, can be joined with its
 * neighbours by copying bytes (image_join). */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

typedef enum ImageKind { IMAGE_JPEG, IMAGE_PNG } ImageKind;

typedef struct ImageInfo {
    ImageKind kind;
    int64_t width;
    int64_t height;
    int channels; /* of the rows that a reader gives: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA; palettes
                     are expanded */
    int depth;    /* 8 or 16 bits a sample (PNG of 1, 2, 4 bits is expanded to 8) */
    bool progressive; /* progressive JPEG or interlaced PNG: the reader needs memory for the whole
                         image */
} ImageInfo;

typedef struct ImageLimits {
    int64_t max_pixels;
    int64_t max_side;
    int max_scans;
    int64_t max_coefficient_bytes;
    int64_t max_metadata_bytes;
} ImageLimits;

/* Everything carried from source to result that is not a pixel: EXIF, ICC profile, XMP, IPTC,
 * comments, density, PNG text and ancillary colour chunks. Opaque; owned by whoever got it;
 * image_metadata_free takes NULL. Writers convert between JPEG segments and PNG chunks where both
 * have a home for it (EXIF, ICC, XMP, comment, density) and drop an ICC profile whose colour space
 * no longer fits the channels. */
typedef struct ImageMetadata ImageMetadata;
void image_metadata_free(ImageMetadata *metadata);

/* image_probe reads only the header. Takes ownership of `source` and closes it, also on failure.
 * ERROR_INPUT messages say what the file is instead ("not a JPEG or PNG file", "claims 60000 x
 * 60000 pixels, over limits.max_pixels ..."). */
int image_probe(ByteSource *source, const ImageLimits *limits, ImageInfo *info, Error *error);

/* --- reading --- */
typedef struct ImageReader ImageReader;

typedef struct ImageReadOptions {
    bool luma; /* give 1 channel (2 with alpha): JPEG decodes only Y; colour PNG computes BT.601
                * luma, the formula of kernels/grayscale.cl */
    int64_t first_row; /* rows before it are passed over as cheaply as the codec allows */
} ImageReadOptions;

/* image_open_reader takes ownership of `source` (closed by image_close_reader, or at once on
 * failure). */
ImageReader *image_open_reader(ByteSource *source, const ImageLimits *limits,
                               const ImageReadOptions *options, Error *error);
const ImageInfo *
image_reader_info(const ImageReader *reader); /* channels as the rows will have them */

/* image_read_rows decodes the next `count` rows to `rows`, `stride` bytes apart. Truncated or
 * broken data is ERROR_INPUT and names what is wrong; grey filler rows are never made up. */
int image_read_rows(ImageReader *reader, void *rows, size_t stride, int64_t count, Error *error);

/* image_take_metadata returns what was found up to now (JPEG: all; PNG: chunks before IDAT). Never
 * NULL. */
ImageMetadata *image_take_metadata(ImageReader *reader);
void image_close_reader(ImageReader *reader);

/* --- writing --- */
typedef struct ImageWriter ImageWriter;

typedef struct ImageWriteOptions {
    int quality;   /* JPEG 1..100; 4:2:0 chroma */
    int png_level; /* 0..9: 0 stores, 1 to 3 look for runs only (fast, best on photographs), 4 and
                      up are zlib's levels */
    const ImageMetadata *metadata; /* borrowed until the writer is closed; NULL writes none */
    int64_t first_row;             /* the tile's first row; a multiple of image_strip_rows() */
    int64_t
        row_count; /* rows of this tile; the whole image when first_row is 0 and it equals height */
} ImageWriteOptions;

/* image_strip_rows is the height grid on which `info` may be cut when written: MCU rows for JPEG
 * (16), for PNG the fewest multiple of 16 rows that hold 1 MiB of samples. */
int64_t image_strip_rows(const ImageInfo *info);

/* image_open_writer writes into `sink`, which stays the caller's: after image_finish_writer the
 * caller calls sink->finish, after a failure sink->abandon. `info` describes the whole result
 * image, not the tile. A tile that is not the whole image is written as a part for image_join. JPEG
 * cannot hold alpha or 16 bits: with alpha the rows are flattened over white, 16 bits are rounded
 * to 8. */
ImageWriter *image_open_writer(ByteSink *sink, const ImageInfo *info,
                               const ImageWriteOptions *options, Error *error);
int image_write_rows(ImageWriter *writer, const void *rows, size_t stride, int64_t count,
                     Error *error);
int image_finish_writer(ImageWriter *writer,
                        Error *error);        /* all rows are in; flushes to the sink */
void image_close_writer(ImageWriter *writer); /* always; takes NULL */

/* --- joining --- */
/* image_join copies the parts of one image, in order, into `sink` as one file, without
 * recompressing a pixel. The parts stay the caller's to close; `sink` as for writers. The result
 * equals the bytes that one writer of the whole image makes. */
int image_join(ImageKind kind, ByteSource *const *parts, int count, ByteSink *sink, Error *error);

/* image_codec_versions: "libjpeg-turbo 2.1.5, libpng 1.6.39, zlib 1.2.13"; static. */
const char *image_codec_versions(void);

#endif
