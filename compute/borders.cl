/* compute/borders.cl: fills the columns left and right of rows, for a pass that reads beyond them.
 * ELEMENT is an unsigned type of the samples' size. A work-item fills one side (get_global_id(0))
 * of one row. `origin` is the element of the first row's first sample; width and halo are in
 * pixels. */

/* The column that the border shows at `column`: dcb|abcd|cba, again and again, or aaa|abcd|ddd. */
static inline int border_column(int column, int width, int replicate)
{
    int period = 2 * (width - 1);

    if (replicate || period == 0)
        return clamp(column, 0, width - 1);
    column = (int)abs(column) % period;
    return column < width ? column : period - column;
}

kernel void pad_columns(global ELEMENT *rows, int origin, int stride, int width, int channels,
                        int halo, int replicate)
{
    global ELEMENT *row = rows + origin + (int)get_global_id(1) * stride;
    int first = get_global_id(0) == 0 ? -halo : width;

    for (int column = first; column < first + halo; column++) {
        int from = border_column(column, width, replicate);

        for (int channel = 0; channel < channels; channel++)
            row[column * channels + channel] = row[from * channels + channel];
    }
}
