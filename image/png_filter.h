/* image/png_filter.h: PNG row filters for writing; private to image/. */
#ifndef IMAGE_PNG_FILTER_H
#define IMAGE_PNG_FILTER_H

#include <stddef.h>
#include <stdint.h>

/* By their numbers in the file. Average (3) is not made: it gains nothing where Paeth is tried. */
typedef enum PngFilter { PNG_NONE = 0, PNG_SUB = 1, PNG_UP = 2, PNG_PAETH = 4 } PngFilter;

/* png_filter_row writes filter byte and filtered row, 1 + length bytes, to `out`. `above` is the
 * row above, NULL for the first row of a strip. `step` is the bytes a pixel. */
void png_filter_row(PngFilter filter, const uint8_t *row, const uint8_t *above, size_t length,
                    size_t step, uint8_t *out);

/* png_filter_cost is the sum of the filtered bytes' absolute values, signed: the lower, the better
 * they compress. */
uint64_t png_filter_cost(const uint8_t *filtered, size_t length);

#endif
