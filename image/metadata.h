/* image/metadata.h: ImageMetadata from the inside; private to image/.
 *
 * What was found is kept as it stood in the source, in order: JPEG segments without marker and
 * length, PNG chunks without length and CRC. A writer of the same format copies the items verbatim;
 * a writer of the other one asks for the MetadataView, which decodes what both formats can hold. */
#ifndef IMAGE_METADATA_H
#define IMAGE_METADATA_H

#include "base/text.h"
#include "image/image.h"

typedef struct MetadataItem {
    uint8_t type[4]; /* a PNG chunk's name; for JPEG type[0] is the marker's second byte */
    uint8_t *bytes;
    size_t length;
} MetadataItem;

typedef enum MetadataUnit { DENSITY_ASPECT, DENSITY_INCH, DENSITY_CENTIMETRE } MetadataUnit;

struct ImageMetadata {
    ImageKind kind; /* of the source */
    MetadataItem *items;
    size_t count;
    size_t bytes;     /* of all items */
    size_t max_bytes; /* limits.max_metadata_bytes; also bounds what a chunk may inflate to */
    bool has_density; /* JPEG: from the JFIF header */
    MetadataUnit density_unit;
    unsigned x_density;
    unsigned y_density;
    /* PNG: what a bKGD chunk was made for; plain_layout when that is no palette and not under 8
     * bits */
    bool plain_layout;
    bool source_colour;
    int source_depth;
};

typedef struct MetadataView {
    Text exif; /* a TIFF block */
    Text icc;
    Text xmp; /* a packet */
    Text comment;
    bool has_density;
    MetadataUnit density_unit;
    unsigned x_density;
    unsigned y_density;
} MetadataView;

ImageMetadata *metadata_create(ImageKind kind, int64_t max_bytes);

/* metadata_add copies an item, or is ERROR_INPUT over max_bytes; `name` is the source's. */
int metadata_add(ImageMetadata *metadata, const void *type, size_t type_length, const void *bytes,
                 size_t length, const char *name, Error *error);

/* metadata_icc_fits: does the profile's colour space (bytes 16..19 of its header) suit rows of
 * `channels`? */
bool metadata_icc_fits(const void *icc, size_t length, int channels);

void metadata_view_jpeg(const ImageMetadata *metadata, MetadataView *view);
void metadata_view_png(const ImageMetadata *metadata, MetadataView *view);
void metadata_view_free(MetadataView *view);

/* A writer's way to put one segment or chunk of `type` into its file. */
typedef int (*MetadataPut)(void *context, const uint8_t *type, const void *bytes, size_t length,
                           Error *error);

/* metadata_wants_segment: is this JPEG segment one that is carried over? */
bool metadata_wants_segment(int marker, const uint8_t *bytes, size_t length);
bool metadata_wants_chunk(const ImageMetadata *metadata, const uint8_t *type);

/* metadata_put_jpeg and metadata_put_png write what the format can hold for an image of `info`, in
 * the order that the format wants. Density in JPEG goes through metadata_jpeg_density, since it
 * stands in the JFIF header. */
int metadata_put_jpeg(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                      void *context, Error *error);
int metadata_put_png(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                     void *context, Error *error);
bool metadata_jpeg_density(const ImageMetadata *metadata, MetadataUnit *unit, unsigned *x,
                           unsigned *y);

#endif
