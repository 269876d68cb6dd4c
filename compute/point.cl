/* compute/point.cl: the steps of a fused run of POINT operations; compute/point.c writes the kernel
 * that calls them, one after another. `table` is the step's own part of the stage's table. */

/* One table for the colour channels. */
static inline Pixels apply_curve(Pixels p, global const int *restrict table)
{
    p.r = look_up(table, p.r);
#if GREY_ONLY
    p.g = p.b = p.r;
#else
    p.g = look_up(table, p.g);
    p.b = look_up(table, p.b);
#endif
    return p;
}

/* One row of a matrix: weights in Q14, and an offset in Q14 levels of 8 bits. */
static inline int16 apply_row(Pixels p, global const int *restrict row)
{
#if DEPTH == 8
    int16 sum = p.r * row[0] + p.g * row[1] + p.b * row[2] + (row[3] + 8192);

    return clamp_sample(sum >> 14);
#else
    long16 sum = convert_long16(p.r) * (long)row[0] + convert_long16(p.g) * (long)row[1] +
                 convert_long16(p.b) * (long)row[2] + ((long)row[3] * 257 + 8192);

    return convert_int16(clamp(sum >> 14, (long16)0, (long16)MAXV));
#endif
}

static inline Pixels apply_matrix(Pixels p, global const int *restrict table)
{
    Pixels q;

    q.r = apply_row(p, table);
    q.g = apply_row(p, table + 4);
    q.b = apply_row(p, table + 8);
    q.a = p.a;
    return q;
}

static inline Pixels apply_grey(Pixels p, global const int *restrict table)
{
    p.r = p.g = p.b = apply_row(p, table);
    return p;
}

/* --- conversions (compute/chain.h says exactly what they are) --- */

static inline int16 premultiply(int16 colour, int16 alpha)
{
#if DEPTH == 8
    return (colour * alpha * 257 + 127) / 255;
#else
    return convert_int16((convert_uint16(colour) * convert_uint16(alpha) + 32767) / 65535);
#endif
}

static inline Pixels apply_premultiply(Pixels p)
{
    p.r = premultiply(p.r, p.a);
    p.g = premultiply(p.g, p.a);
    p.b = premultiply(p.b, p.a);
#if DEPTH == 8
    p.a *= 257;
#endif
    return p;
}

static inline int16 narrow(int16 v)
{
    return convert_int16((convert_uint16(v) * 255 + 32767) / 65535);
}

static inline Pixels apply_narrow(Pixels p)
{
    p.r = narrow(p.r);
    p.g = narrow(p.g);
    p.b = narrow(p.b);
    p.a = narrow(p.a);
    return p;
}

/* Where alpha is 0 the dividend is made 0 and the divisor 1. */
static inline int16 straighten(int16 colour, int16 alpha)
{
    uint16 divisor = convert_uint16(max(alpha, (int16)1));
    uint16 dividend = convert_uint16(alpha > 0 ? colour : 0) * 65535 + divisor / 2;

    return convert_int16(min(dividend / divisor, (uint16)65535));
}

static inline Pixels apply_straighten(Pixels p)
{
    p.r = straighten(p.r, p.a);
    p.g = straighten(p.g, p.a);
    p.b = straighten(p.b, p.a);
#if DEPTH == 8
    p = apply_narrow(p);
#endif
    return p;
}
