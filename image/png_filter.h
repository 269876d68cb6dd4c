/* image/png_filter.h: PNG row filters for writing; private to image/. */
#ifndef IMAGE_PNG_FILTER_H
#define IMAGE_PNG_FILTER_H

#include <stddef.h>
#include <stdint.h>

typedef enum PngFilter { PNG_NONE, PNG_SUB, PNG_UP, PNG_AVERAGE, PNG_PAETH } PngFilter;

/* png_filter_row writes filter byte and filtered row, 1 + length bytes, to `out`. `above` is the
 * row above, NULL for the first row of a strip. `step` is the bytes a pixel. */
void png_filter_row(PngFilter filter, const uint8_t *row, const uint8_t *above, size_t length,
                    size_t step, uint8_t *out);

/* png_filter_cost is the sum of the filtered bytes' absolute values, signed: the lower, the better
 * they compress. */
uint64_t png_filter_cost(const uint8_t *filtered, size_t length);

#endif
