/* Metadata in JPEG segments. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/metadata.h"

enum {
    MARKER_APP1 = 0xe1,
    MARKER_APP2 = 0xe2,
    MARKER_APP13 = 0xed,
    MARKER_COM = 0xfe,
    SEGMENT_MOST = 65533,
    ICC_HEAD = 14, /* "ICC_PROFILE", NUL, number from 1, how many */
};

/* The segments that are carried, by marker and the NUL-terminated name they begin with (COM has
 * none). Others are of the encoding (JFIF, Adobe), or point into the file as it was (MPF). */
typedef enum SegmentKind {
    SEGMENT_OTHER,
    SEGMENT_EXIF,
    SEGMENT_XMP,
    SEGMENT_XMP_EXTENSION,
    SEGMENT_ICC,
    SEGMENT_IPTC,
    SEGMENT_COMMENT
} SegmentKind;

static const struct {
    SegmentKind kind;
    int marker;
    const char *name;
    size_t length;
} segments[] = {
    {SEGMENT_EXIF, MARKER_APP1, "Exif\0", 6},
    {SEGMENT_XMP, MARKER_APP1, "http://ns.adobe.com/xap/1.0/", 29},
    {SEGMENT_XMP_EXTENSION, MARKER_APP1, "http://ns.adobe.com/xmp/extension/", 35},
    {SEGMENT_ICC, MARKER_APP2, "ICC_PROFILE", 12},
    {SEGMENT_IPTC, MARKER_APP13, "Photoshop 3.0", 14},
    {SEGMENT_COMMENT, MARKER_COM, "", 0},
};

static SegmentKind classify(int marker, const uint8_t *bytes, size_t length, size_t *head)
{
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        if (segments[i].marker == marker && length >= segments[i].length &&
            memcmp(bytes, segments[i].name, segments[i].length) == 0) {
            *head = segments[i].length;
            return segments[i].kind;
        }
    }
    *head = 0;
    return SEGMENT_OTHER;
}

bool metadata_wants_segment(int marker, const uint8_t *bytes, size_t length)
{
    size_t head;

    return classify(marker, bytes, length, &head) != SEGMENT_OTHER;
}

/* --- reading --- */

/* A profile is cut into numbered segments; with one missing or a second set of them it is no
 * profile, and `icc` stays empty. */
static void assemble_icc(const ImageMetadata *metadata, Text *icc)
{
    const MetadataItem *pieces[256] = {0};
    unsigned total = 0;

    for (size_t i = 0; i < metadata->count; i++) {
        const MetadataItem *item = &metadata->items[i];
        size_t head;

        if (classify(item->type[0], item->bytes, item->length, &head) != SEGMENT_ICC)
            continue;
        if (item->length < ICC_HEAD || pieces[item->bytes[12]] != NULL ||
            (total != 0 && item->bytes[13] != total))
            return;
        total = item->bytes[13];
        pieces[item->bytes[12]] = item;
    }
    for (unsigned i = 1; i <= total; i++)
        if (pieces[i] == NULL)
            return;
    for (unsigned i = 1; i <= total; i++)
        text_add(icc, pieces[i]->bytes + ICC_HEAD, pieces[i]->length - ICC_HEAD);
}

void metadata_view_jpeg(const ImageMetadata *metadata, MetadataView *view)
{
    Text *const homes[] = {[SEGMENT_EXIF] = &view->exif,
                           [SEGMENT_XMP] = &view->xmp,
                           [SEGMENT_COMMENT] = &view->comment};

    for (size_t i = 0; i < metadata->count; i++) {
        const MetadataItem *item = &metadata->items[i];
        size_t head;
        SegmentKind kind = classify(item->type[0], item->bytes, item->length, &head);

        if (homes[kind] != NULL && homes[kind]->length == 0) /* the first of each */
            text_add(homes[kind], item->bytes + head, item->length - head);
    }
    assemble_icc(metadata, &view->icc);
    view->has_density = metadata->has_density;
    view->density_unit = metadata->density_unit;
    view->x_density = metadata->x_density;
    view->y_density = metadata->y_density;
}

bool metadata_jpeg_density(const ImageMetadata *metadata, MetadataUnit *unit, unsigned *x,
                           unsigned *y)
{
    MetadataView view = {0};
    bool has;

    if (metadata->kind == IMAGE_JPEG)
        metadata_view_jpeg(metadata, &view);
    else
        metadata_view_png(metadata, &view);
    has = view.has_density;
    *unit = view.density_unit;
    *x = view.x_density;
    *y = view.y_density;
    metadata_view_free(&view);
    return has;
}

/* --- writing --- */

static int put_as_found(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                        void *context, Error *error)
{
    Text icc = {0};
    bool icc_fits;
    int result = 0;

    assemble_icc(metadata, &icc);
    icc_fits = metadata_icc_fits(icc.data, icc.length, info->channels);
    text_free(&icc);
    for (size_t i = 0; i < metadata->count && result == 0; i++) {
        const MetadataItem *item = &metadata->items[i];
        size_t head;

        if (classify(item->type[0], item->bytes, item->length, &head) != SEGMENT_ICC || icc_fits)
            result = put(context, item->type, item->bytes, item->length, error);
    }
    return result;
}

/* What does not fit into one segment is left out: JPEG has no home for it. */
static int put_named(SegmentKind kind, const Text *text, MetadataPut put, void *context,
                     Error *error)
{
    uint8_t segment[SEGMENT_MOST];
    size_t i = 0;
    uint8_t marker;

    while (segments[i].kind != kind)
        i++;
    marker = (uint8_t)segments[i].marker;
    if (text->length == 0 || text->length > sizeof segment - segments[i].length)
        return 0;
    if (segments[i].length > 0)
        memcpy(segment, segments[i].name, segments[i].length);
    memcpy(segment + segments[i].length, text->data, text->length);
    return put(context, &marker, segment, segments[i].length + text->length, error);
}

static int put_icc(const Text *icc, MetadataPut put, void *context, Error *error)
{
    enum { PIECE = SEGMENT_MOST - ICC_HEAD };
    const uint8_t marker = MARKER_APP2;
    const size_t total = (icc->length + PIECE - 1) / PIECE;
    uint8_t segment[SEGMENT_MOST] = "ICC_PROFILE";

    if (total > 255)
        return 0;
    for (size_t i = 0; i < total; i++) {
        size_t length = i + 1 < total ? PIECE : icc->length - i * PIECE;

        segment[12] = (uint8_t)(i + 1);
        segment[13] = (uint8_t)total;
        memcpy(segment + ICC_HEAD, icc->data + i * PIECE, length);
        if (put(context, &marker, segment, ICC_HEAD + length, error) != 0)
            return -1;
    }
    return 0;
}

int metadata_put_jpeg(const ImageMetadata *metadata, const ImageInfo *info, MetadataPut put,
                      void *context, Error *error)
{
    MetadataView view = {0};
    int result = -1;

    if (metadata->kind == IMAGE_JPEG)
        return put_as_found(metadata, info, put, context, error);
    metadata_view_png(metadata, &view);
    if (put_named(SEGMENT_EXIF, &view.exif, put, context, error) != 0 ||
        put_named(SEGMENT_XMP, &view.xmp, put, context, error) != 0)
        goto out;
    if (metadata_icc_fits(view.icc.data, view.icc.length, info->channels) &&
        put_icc(&view.icc, put, context, error) != 0)
        goto out;
    result = put_named(SEGMENT_COMMENT, &view.comment, put, context, error);
out:
    metadata_view_free(&view);
    return result;
}
