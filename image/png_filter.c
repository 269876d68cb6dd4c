/* The loops run over blocks of a fixed number of bytes so that the compiler turns each block into
 * vector instructions at -O2; a plain loop finishes the row. */
#include "image/png_filter.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 };

static void filter_sub(const uint8_t *restrict row, size_t length, size_t step,
                       uint8_t *restrict out)
{
    size_t i = step < length ? step : length;

    memcpy(out, row, i);
    for (; i + BLOCK <= length; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k++)
            out[i + k] = (uint8_t)(row[i + k] - row[i + k - step]);
    for (; i < length; i++)
        out[i] = (uint8_t)(row[i] - row[i - step]);
}

static void filter_up(const uint8_t *restrict row, const uint8_t *restrict above, size_t length,
                      uint8_t *restrict out)
{
    size_t i = 0;

    for (; i + BLOCK <= length; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k++)
            out[i + k] = (uint8_t)(row[i + k] - above[i + k]);
    for (; i < length; i++)
        out[i] = (uint8_t)(row[i] - above[i]);
}

/* The PNG specification's predictor: of left, above and upper left the one nearest to left + above
 * - upper left; ties in that order. */
static inline uint8_t paeth(int16_t left, int16_t up, int16_t corner)
{
    const int16_t to_left = (int16_t)abs(up - corner);
    const int16_t to_up = (int16_t)abs(left - corner);
    const int16_t to_corner = (int16_t)abs(left + up - 2 * corner);
    const int16_t other = to_up <= to_corner ? up : corner;

    return (uint8_t)(to_left <= to_up && to_left <= to_corner ? left : other);
}

static void filter_paeth(const uint8_t *restrict row, const uint8_t *restrict above, size_t length,
                         size_t step, uint8_t *restrict out)
{
    size_t i = 0;

    for (; i < step && i < length; i++)
        out[i] = (uint8_t)(row[i] - above[i]);
    for (; i + BLOCK <= length; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k++)
            out[i + k] =
                (uint8_t)(row[i + k] - paeth(row[i + k - step], above[i + k], above[i + k - step]));
    for (; i < length; i++)
        out[i] = (uint8_t)(row[i] - paeth(row[i - step], above[i], above[i - step]));
}

void png_filter_row(PngFilter filter, const uint8_t *row, const uint8_t *above, size_t length,
                    size_t step, uint8_t *out)
{
    *out++ = (uint8_t)filter;
    switch (filter) {
    case PNG_NONE:
        memcpy(out, row, length);
        break;
    case PNG_SUB:
        filter_sub(row, length, step, out);
        break;
    case PNG_UP:
        filter_up(row, above, length, out);
        break;
    case PNG_PAETH:
        filter_paeth(row, above, length, step, out);
        break;
    }
}

uint64_t png_filter_cost(const uint8_t *filtered, size_t length)
{
    uint64_t sum = 0;
    size_t i = 0;

    for (; i + BLOCK <= length; i += BLOCK) {
        uint16_t block = 0;

        for (size_t k = 0; k < BLOCK; k++)
            block = (uint16_t)(block + abs((int8_t)filtered[i + k]));
        sum += block;
    }
    for (; i < length; i++)
        sum += (uint64_t)abs((int8_t)filtered[i]);
    return sum;
}
