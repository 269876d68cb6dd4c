/* image/jpeg.h: libjpeg-turbo's errors, for the two files that call it; private to image/.
 *
 * libjpeg leaves by longjmp. It happens only inside image_jpeg_try, which is the one place with a
 * setjmp; the steps that run under it own no memory of their own: everything hangs on the reader or
 * the writer, whose close releases it. */
#ifndef IMAGE_JPEG_H
#define IMAGE_JPEG_H

/* jpeglib.h wants these first */
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>
#include <setjmp.h>

#include "base/error.h"

typedef struct JpegErrors {
    struct jpeg_error_mgr base; /* first: libjpeg knows no more than this */
    jmp_buf escape;
    Error *error;
    const char *name; /* of the source or the sink */
} JpegErrors;

struct jpeg_error_mgr *image_jpeg_errors_init(JpegErrors *errors, const char *name);

/* image_jpeg_try runs step(context); 0, or -1 with what libjpeg or image_jpeg_escape said. */
int image_jpeg_try(JpegErrors *errors, void (*step)(void *context), void *context, Error *error);

/* image_jpeg_escape leaves the running step; errors->error is filled already. */
void image_jpeg_escape(JpegErrors *errors) __attribute__((noreturn));

#endif
