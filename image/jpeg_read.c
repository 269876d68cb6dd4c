/* Reading JPEG with libjpeg-turbo, row by row.
 *
 * A JPEG whose scans each hold all components once (baseline) streams: memory is some rows. One
 * with several scans (progressive, or components apart) needs every coefficient in memory; its
 * scans are absorbed one by one in open, which counts them.
 *
 * To begin at first_row, entropy decoding cannot be avoided but the rest can: jpeg_skip_scanlines.
 * Fancy upsampling looks at the rows above and below. libjpeg-turbo 2.1.5 was found exact right
 * behind the skipped rows; so as not to depend on it in every version, SKIP_MARGIN rows are decoded
 * and dropped before first_row, at the cost of some rows a tile. */
#include <jerror.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"
#include "image/jpeg.h"

enum { SKIP_MARGIN = 32, ROWS_AT_ONCE = 64 };

typedef struct JpegReader {
    ImageReader base;
    struct jpeg_decompress_struct cinfo;
    JpegErrors errors;
    struct jpeg_source_mgr source;
    bool luma_here; /* libjpeg gives RGB; luma is computed from it */
    uint8_t *wide;  /* one RGB row for that */
    bool scanned[MAX_COMPONENTS];
} JpegReader;

typedef struct OpenStep {
    JpegReader *reader;
    const ImageLimits *limits;
    const ImageReadOptions *options;
    bool probe;
} OpenStep;

typedef struct ReadStep {
    JpegReader *reader;
    uint8_t *rows;
    size_t stride;
    int64_t count;
} ReadStep;

static void fail(JpegReader *reader, const char *text)
{
    error_set(reader->errors.error, ERROR_INPUT, "%s: %s", reader->errors.name, text);
    image_jpeg_escape(&reader->errors);
}

/* --- bytes --- */

static JpegReader *reader_of(j_decompress_ptr cinfo)
{
    return cinfo->client_data;
}

static void init_source(j_decompress_ptr cinfo)
{
    JpegReader *reader = reader_of(cinfo);

    reader->source.next_input_byte = reader->base.input.buffer + reader->base.input.start;
    reader->source.bytes_in_buffer = reader->base.input.end - reader->base.input.start;
}

static boolean fill_input_buffer(j_decompress_ptr cinfo)
{
    JpegReader *reader = reader_of(cinfo);
    ImageInput *input = &reader->base.input;
    int filled;

    input->start = input->end; /* libjpeg asks only when it has used everything */
    filled = image_input_fill(input, reader->errors.error);
    if (filled == 0)
        image_input_truncated(input, reader->errors.error);
    if (filled <= 0)
        image_jpeg_escape(&reader->errors);
    init_source(cinfo);
    return TRUE;
}

static void skip_input_data(j_decompress_ptr cinfo, long count)
{
    struct jpeg_source_mgr *source = cinfo->src;

    while (count > (long)source->bytes_in_buffer) {
        count -= (long)source->bytes_in_buffer;
        fill_input_buffer(cinfo);
    }
    if (count > 0) {
        source->next_input_byte += count;
        source->bytes_in_buffer -= (size_t)count;
    }
}

static void term_source(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static uint8_t next_byte(j_decompress_ptr cinfo)
{
    struct jpeg_source_mgr *source = cinfo->src;

    if (source->bytes_in_buffer == 0)
        fill_input_buffer(cinfo);
    source->bytes_in_buffer--;
    return *source->next_input_byte++;
}

/* --- metadata: libjpeg's own saving of markers has no bound on the sum, so it is done here --- */

static boolean take_segment(j_decompress_ptr cinfo)
{
    JpegReader *reader = reader_of(cinfo);
    const uint8_t marker = (uint8_t)cinfo->unread_marker;
    uint8_t bytes[65533];
    size_t length = (size_t)next_byte(cinfo) << 8;

    length |= next_byte(cinfo);
    if (length < 2)
        fail(reader, "broken JPEG: a marker segment with a bad length");
    length -= 2;
    for (size_t i = 0; i < length;) {
        size_t count = cinfo->src->bytes_in_buffer;

        if (count == 0)
            fill_input_buffer(cinfo);
        else {
            count = count < length - i ? count : length - i;
            memcpy(bytes + i, cinfo->src->next_input_byte, count);
            skip_input_data(cinfo, (long)count);
            i += count;
        }
    }
    if (metadata_wants_segment(marker, bytes, length) &&
        metadata_add(reader->base.metadata, &marker, 1, bytes, length, reader->errors.name,
                     reader->errors.error) != 0)
        image_jpeg_escape(&reader->errors);
    return TRUE;
}

static void take_density(JpegReader *reader)
{
    ImageMetadata *metadata = reader->base.metadata;

    metadata->has_density = reader->cinfo.saw_JFIF_marker && reader->cinfo.X_density > 0 &&
                            reader->cinfo.Y_density > 0 && reader->cinfo.density_unit <= 2;
    metadata->density_unit = (MetadataUnit)reader->cinfo.density_unit;
    metadata->x_density = reader->cinfo.X_density;
    metadata->y_density = reader->cinfo.Y_density;
}

/* --- the header --- */

static void check_kind(JpegReader *reader)
{
    const struct jpeg_decompress_struct *cinfo = &reader->cinfo;

    if (cinfo->arith_code)
        fail(reader, "an arithmetic-coded JPEG; tilecrew reads Huffman-coded ones");
    if (cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK)
        fail(reader, "a CMYK JPEG; tilecrew reads grey, YCbCr and RGB: convert it to RGB first");
    if (cinfo->jpeg_color_space != JCS_GRAYSCALE && cinfo->jpeg_color_space != JCS_YCbCr &&
        cinfo->jpeg_color_space != JCS_RGB)
        fail(reader, "a JPEG of unknown colour space; tilecrew reads grey, YCbCr and RGB");
}

static double count_blocks(const struct jpeg_decompress_struct *cinfo)
{
    double blocks = 0;

    for (int i = 0; i < cinfo->num_components; i++)
        blocks +=
            (double)cinfo->comp_info[i].width_in_blocks * cinfo->comp_info[i].height_in_blocks;
    return blocks;
}

/* The shortest Huffman code has one bit: a block of a sequential JPEG has at least two codes (DC
 * and end of block), one of a progressive JPEG a DC code in its first scan. */
static void check_header(const OpenStep *step)
{
    JpegReader *reader = step->reader;
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    ImageInfo *info = &reader->base.info;
    const double blocks = count_blocks(cinfo);

    info->kind = IMAGE_JPEG;
    info->width = cinfo->image_width;
    info->height = cinfo->image_height;
    info->depth = 8;
    info->progressive = jpeg_has_multiple_scans(cinfo);
    info->channels = cinfo->jpeg_color_space == JCS_GRAYSCALE || step->options->luma ? 1 : 3;
    if (image_check_limits(&reader->base, step->limits, blocks * (cinfo->progressive_mode ? 1 : 2),
                           reader->errors.error) != 0 ||
        (info->progressive &&
         image_check_memory(&reader->base, step->limits, blocks * DCTSIZE2 * sizeof(JCOEF),
                            reader->errors.error) != 0))
        image_jpeg_escape(&reader->errors);
}

/* --- several scans --- */

static void note_scan(JpegReader *reader, int scans, const ImageLimits *limits)
{
    const struct jpeg_decompress_struct *cinfo = &reader->cinfo;

    if (scans > limits->max_scans) {
        error_set(reader->errors.error, ERROR_INPUT,
                  "%s: a progressive JPEG of more than limits.max_scans (%d) scans",
                  reader->errors.name, limits->max_scans);
        image_jpeg_escape(&reader->errors);
    }
    for (int i = 0; i < cinfo->comps_in_scan; i++)
        reader->scanned[cinfo->cur_comp_info[i]->component_index] = true;
}

static void absorb_scans(JpegReader *reader, const ImageLimits *limits)
{
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    int status;
    int scans = 1;

    note_scan(reader, scans, limits);
    while ((status = jpeg_consume_input(cinfo)) != JPEG_REACHED_EOI)
        if (status == JPEG_REACHED_SOS)
            note_scan(reader, ++scans, limits);
    for (int i = 0; i < cinfo->num_components; i++)
        if (!reader->scanned[i] || (cinfo->progressive_mode && cinfo->coef_bits[i][0] < 0))
            fail(reader, "broken JPEG: a colour component has no data");
}

/* --- opening --- */

static void set_output(const OpenStep *step)
{
    JpegReader *reader = step->reader;
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;

    cinfo->dct_method = JDCT_ISLOW;
    cinfo->do_fancy_upsampling = TRUE;
    cinfo->out_color_space = JCS_RGB;
    if (cinfo->jpeg_color_space == JCS_GRAYSCALE ||
        (cinfo->jpeg_color_space == JCS_YCbCr && step->options->luma))
        cinfo->out_color_space = JCS_GRAYSCALE;
    reader->luma_here = cinfo->out_color_space == JCS_RGB && step->options->luma;
    cinfo->buffered_image = reader->base.info.progressive;
}

static void pass_over(JpegReader *reader, int64_t first_row)
{
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    JSAMPARRAY row;

    if (first_row <= 0)
        return;
    row = cinfo->mem->alloc_sarray((j_common_ptr)cinfo, JPOOL_IMAGE,
                                   cinfo->output_width * (JDIMENSION)cinfo->output_components, 1);
    if (first_row > SKIP_MARGIN)
        jpeg_skip_scanlines(cinfo, (JDIMENSION)(first_row - SKIP_MARGIN));
    while (cinfo->output_scanline < first_row)
        jpeg_read_scanlines(cinfo, row, 1);
    reader->base.next_row = first_row;
}

static void set_source(JpegReader *reader)
{
    reader->source = (struct jpeg_source_mgr){.init_source = init_source,
                                              .fill_input_buffer = fill_input_buffer,
                                              .skip_input_data = skip_input_data,
                                              .resync_to_restart = jpeg_resync_to_restart,
                                              .term_source = term_source};
    reader->cinfo.src = &reader->source;
}

static void open_step(void *context)
{
    static const int carried[] = {JPEG_APP0 + 1, JPEG_APP0 + 2, JPEG_APP0 + 13, JPEG_COM};
    const OpenStep *step = context;
    JpegReader *reader = step->reader;
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    const int64_t first_row = step->options->first_row;

    jpeg_create_decompress(cinfo);
    set_source(reader);
    for (size_t i = 0; !step->probe && i < sizeof carried / sizeof *carried; i++)
        jpeg_set_marker_processor(cinfo, carried[i], take_segment);
    jpeg_read_header(cinfo, TRUE);
    check_kind(reader);
    check_header(step);
    if (first_row < 0 || first_row >= reader->base.info.height)
        fail(reader, "the tile lies outside of the image: the file has changed");
    if (step->probe)
        return;
    take_density(reader);
    set_output(step);
    jpeg_start_decompress(cinfo);
    if (cinfo->buffered_image) {
        absorb_scans(reader, step->limits);
        jpeg_start_output(cinfo, cinfo->input_scan_number);
    }
    pass_over(reader, first_row);
}

static int jpeg_open(ImageReader *base, const ImageLimits *limits, const ImageReadOptions *options,
                     bool probe, Error *error)
{
    JpegReader *reader = (JpegReader *)base;
    OpenStep step = {reader, limits, options, probe};

    reader->cinfo.err = image_jpeg_errors_init(&reader->errors, image_input_name(&base->input));
    reader->cinfo.client_data = reader;
    if (image_jpeg_try(&reader->errors, open_step, &step, error) != 0)
        return -1;
    if (reader->luma_here && (reader->wide = malloc((size_t)base->info.width * 3)) == NULL)
        return error_set(error, ERROR_SYSTEM, "%s: no memory for a row", reader->errors.name);
    return 0;
}

/* --- rows --- */

static void read_luma_row(JpegReader *reader, uint8_t *row)
{
    JSAMPROW wide = reader->wide;

    while (jpeg_read_scanlines(&reader->cinfo, &wide, 1) == 0)
        ;
    image_luma_row(wide, reader->base.info.width, 3, 8);
    memcpy(row, wide, (size_t)reader->base.info.width);
}

static void read_step(void *context)
{
    const ReadStep *step = context;
    JpegReader *reader = step->reader;
    struct jpeg_decompress_struct *cinfo = &reader->cinfo;
    JSAMPROW rows[ROWS_AT_ONCE];
    int64_t done = 0;

    while (done < step->count) {
        int64_t count = step->count - done < ROWS_AT_ONCE ? step->count - done : ROWS_AT_ONCE;

        for (int64_t i = 0; i < count; i++)
            rows[i] = step->rows + (size_t)(done + i) * step->stride;
        if (reader->luma_here) {
            read_luma_row(reader, rows[0]);
            done++;
        } else {
            done += jpeg_read_scanlines(cinfo, rows, (JDIMENSION)count);
        }
    }
    if (cinfo->output_scanline < cinfo->output_height)
        return;
    if (cinfo->buffered_image)
        jpeg_finish_output(cinfo);
    jpeg_finish_decompress(cinfo); /* reads on to the end marker: a file without it is truncated */
}

static int jpeg_read(ImageReader *base, uint8_t *rows, size_t stride, int64_t count, Error *error)
{
    JpegReader *reader = (JpegReader *)base;
    ReadStep step = {reader, rows, stride, count};

    return image_jpeg_try(&reader->errors, read_step, &step, error);
}

static void jpeg_close(ImageReader *base)
{
    JpegReader *reader = (JpegReader *)base;

    jpeg_destroy_decompress(&reader->cinfo);
    free(reader->wide);
}

const ImageDecoder image_jpeg_decoder = {sizeof(JpegReader), jpeg_open, jpeg_read, jpeg_close};
