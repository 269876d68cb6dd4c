/* image/codec.h: what the files of this room share; private to image/.
 *
 * A reader and a writer begin with a common part, kept by image.c, and go on with what their codec
 * needs. image.c allocates `size` zeroed bytes, fills the common part, calls open, and always calls
 * close, also after an open that failed half-way; so close copes with any state and nothing else
 * has to clean up. */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include "image/image.h"
#include "image/metadata.h"

enum { IMAGE_STRIP_GRID = 16 }; /* the MCU height of 4:2:0; every cut is a multiple of it */

/* ImageInput buffers a ByteSource, so that codecs take bytes where they lie. The bytes not yet used
 * are buffer[start..end). */
typedef struct ImageInput {
    ByteSource *source;
    uint8_t *buffer;
    size_t start;
    size_t end;
} ImageInput;

int image_input_open(ImageInput *input, ByteSource *source, Error *error);
void image_input_close(ImageInput *input); /* and the source */
const char *image_input_name(const ImageInput *input);

/* image_input_fill adds bytes behind those not yet used: 1 when some came, 0 at the end of the
 * source or when the buffer is full, -1 with the source's error. */
int image_input_fill(ImageInput *input, Error *error);

/* image_input_take copies exactly `length` bytes; 0, or -1 (ERROR_INPUT "is truncated" at the end
 * of the source). */
int image_input_take(ImageInput *input, void *bytes, size_t length, Error *error);
int image_input_truncated(const ImageInput *input, Error *error);

typedef struct ImageDecoder {
    size_t size; /* of the reader */
    /* open reads the header, fills info and checks the limits; with `probe` no more than that. */
    int (*open)(ImageReader *reader, const ImageLimits *limits, const ImageReadOptions *options,
                bool probe, Error *error);
    int (*read)(ImageReader *reader, uint8_t *rows, size_t stride, int64_t count, Error *error);
    void (*close)(ImageReader *reader);
} ImageDecoder;

struct ImageReader {
    const ImageDecoder *decoder;
    ImageInfo info; /* as the rows are given */
    ImageInput input;
    ImageMetadata *metadata;
    int64_t next_row;
    bool failed;
};

typedef struct ImageEncoder {
    size_t size; /* of the writer */
    int (*open)(ImageWriter *writer, Error *error);
    int (*write)(ImageWriter *writer, const uint8_t *rows, size_t stride, int64_t count,
                 Error *error);
    int (*finish)(ImageWriter *writer, Error *error);
    void (*close)(ImageWriter *writer);
} ImageEncoder;

struct ImageWriter {
    const ImageEncoder *encoder;
    ByteSink *sink;
    ImageInfo info;
    ImageWriteOptions options;
    int64_t rows_written;
    bool failed;
};

extern const ImageDecoder image_jpeg_decoder;
extern const ImageDecoder image_png_decoder;
extern const ImageEncoder image_jpeg_encoder;
extern const ImageEncoder image_png_encoder;

bool image_writer_is_part(const ImageWriter *writer);

/* image_check_limits refuses sizes over limits.max_side and limits.max_pixels, and a source too
 * short for what its header claims: `least_bits` is a lower bound of the encoded pixels, which each
 * codec knows. image_check_memory refuses images that must be buffered whole, over
 * limits.max_coefficient_bytes. */
int image_check_limits(const ImageReader *reader, const ImageLimits *limits, double least_bits,
                       Error *error);
int image_check_memory(const ImageReader *reader, const ImageLimits *limits, double bytes,
                       Error *error);

/* image_luma_row makes 1 channel of 3, or 2 of 4, in place: the formula of kernels/grayscale.cl,
 * Y = (4899 R + 9617 G + 1868 B + 8192) >> 14, for 8 and for 16 bits. */
void image_luma_row(void *row, int64_t width, int channels, int depth);

static inline uint32_t image_get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void image_put_u32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

/* A part says where in the image it belongs, so that a join of the wrong parts is refused. */
typedef struct ImagePart {
    int64_t first_row;
    int64_t row_count;
} ImagePart;

int image_join_jpeg(ByteSource *const *parts, int count, ByteSink *sink, Error *error);
int image_join_png(ByteSource *const *parts, int count, ByteSink *sink, Error *error);

#endif
