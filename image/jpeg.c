#include "image/jpeg.h"

#include <jerror.h>

#include "image/codec.h"

/* What libjpeg says in its own words and people would not understand. */
static const struct {
    int code;
    const char *text;
} clearer[] = {
    {JERR_NO_SOI, "not a JPEG file"},
    {JERR_EMPTY_IMAGE, "a JPEG without a size (0 rows or columns)"},
    {JERR_BAD_PRECISION, "a 12-bit JPEG; tilecrew reads JPEG of 8 bits a sample"},
    {JERR_ARITH_NOTIMPL, "an arithmetic-coded JPEG; tilecrew reads Huffman-coded ones"},
    {JERR_SOF_UNSUPPORTED, "a lossless or hierarchical JPEG; tilecrew reads baseline and "
                           "progressive ones"},
    {JERR_NO_IMAGE, "a JPEG without an image (only tables)"},
    {JWRN_HIT_MARKER, "broken JPEG: the pixels end too early"},
    {JWRN_HUFF_BAD_CODE, "broken JPEG: a bad Huffman code"},
    {JWRN_MUST_RESYNC, "broken JPEG: a restart marker is missing or wrong"},
};

/* Warnings about which nothing needs to be done: the pixels are whole. */
static const int harmless[] = {JWRN_EXTRANEOUS_DATA, JWRN_ADOBE_XFORM, JWRN_JFIF_MAJOR};

static void report(j_common_ptr common)
{
    JpegErrors *errors = (JpegErrors *)common->err;
    char text[JMSG_LENGTH_MAX];

    for (size_t i = 0; i < sizeof clearer / sizeof *clearer; i++) {
        if (clearer[i].code == errors->base.msg_code) {
            error_set(errors->error, ERROR_INPUT, "%s: %s", errors->name, clearer[i].text);
            return;
        }
    }
    errors->base.format_message(common, text);
    error_set(errors->error,
              errors->base.msg_code == JERR_OUT_OF_MEMORY ? ERROR_SYSTEM : ERROR_INPUT, "%s: %s",
              errors->name, text);
}

static void error_exit(j_common_ptr common)
{
    report(common);
    image_jpeg_escape((JpegErrors *)common->err);
}

/* A warning of libjpeg means that it made pixels up; that is an error here. Levels from 0 up are
 * mere traces. */
static void emit_message(j_common_ptr common, int level)
{
    if (level >= 0)
        return;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (common->err->msg_code == harmless[i])
            return;
    error_exit(common);
}

struct jpeg_error_mgr *image_jpeg_errors_init(JpegErrors *errors, const char *name)
{
    errors->name = name;
    jpeg_std_error(&errors->base);
    errors->base.error_exit = error_exit;
    errors->base.emit_message = emit_message;
    return &errors->base;
}

int image_jpeg_try(JpegErrors *errors, void (*step)(void *context), void *context, Error *error)
{
    errors->error = error;
    if (setjmp(errors->escape) != 0)
        return -1;
    step(context);
    return 0;
}

void image_jpeg_escape(JpegErrors *errors)
{
    longjmp(errors->escape, 1);
}
