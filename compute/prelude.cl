/* compute/prelude.cl: what every kernel of tilecrew stands on; the host puts it before the text of
 * an operation (kernels/NAME.cl) and builds the two together, once for each pass.
 *
 * Defined by the host for each pass: IN_T, OUT_T (uchar, ushort, short, uint or int: Pass.in,
 * Pass.out), CHANNELS (of the rows read), OUT_CHANNELS (of the rows written), DEPTH (8 or 16: of
 * the rows that plan() was given), and Pass.defines.
 *
 * A pass is one kernel:
 *
 *     PASS_KERNEL(name)
 *     {
 *         global const IN_T *from = SOURCE_SAMPLES;                // 16 samples of this work-item
 *         int16 above = load_int16(from - source_stride);          // the row above (halo_y >= 1)
 *         int16 left = load_int16(from - CHANNELS);                // the pixel left (halo_x >= 1)
 *         store_samples(to_out(above + left), TARGET_SAMPLES);     // saturates to OUT_T
 *     }
 *
 * get_global_id(0) counts blocks of 16 samples (Pass.unit UNIT_SAMPLES; in_channels equals
 * out_channels) or of 16 pixels (UNIT_PIXELS), get_global_id(1) rows. Strides and origins are in
 * elements, an origin is the element of row 0, column 0. Reads up to halo_x pixels left and right
 * of the 16 and halo_y rows above and below are in bounds and hold the image or its border
 * (Pass.border); the last block of a row may run past the image's right edge: what it reads there
 * beyond the border means nothing, and what it writes there is dropped. There is no other bounds
 * test to make. `table` is Pass.table (one zero if the plan has none).
 *
 * Integers only, so that every device gives the same bytes; the one float is in root_rounded, which
 * corrects it. */
#pragma OPENCL FP_CONTRACT OFF

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

/* --- types --- */
#define IN_T16  JOIN(IN_T, 16) /* 16 samples as read */
#define OUT_T16 JOIN(OUT_T, 16)
#if DEPTH == 8
#define MAXV 255
#define ACC  int /* holds a sum of samples times weights of 20 bits */
#else
#define MAXV 65535
#define ACC  long
#endif
#define ACC16 JOIN(ACC, 16)

#define to_in(v)        JOIN(JOIN(convert_, IN_T16), _sat)(v)  /* any 16-vector, saturating */
#define to_out(v)       JOIN(JOIN(convert_, OUT_T16), _sat)(v) /* any 16-vector, saturating */
#define to_acc(v)       JOIN(convert_, ACC16)(v)
#define clamp_sample(v) clamp((v), (int16)0, (int16)MAXV) /* an int16, to the depth's range */

/* --- kernels, and where a work-item's samples are --- */
#define PASS_KERNEL(name)                                                                          \
    kernel void name(global const IN_T *restrict source, int source_origin, int source_stride,     \
                     global OUT_T *restrict target, int target_origin, int target_stride,          \
                     global const int *restrict table)

#define BLOCK_AT(base, origin, stride, length)                                                     \
    ((base) + (origin) + (int)get_global_id(1) * (stride) + (int)get_global_id(0) * (length))
#define SOURCE_SAMPLES BLOCK_AT(source, source_origin, source_stride, 16)
#define TARGET_SAMPLES BLOCK_AT(target, target_origin, target_stride, 16)
#define SOURCE_PIXELS  BLOCK_AT(source, source_origin, source_stride, 16 * CHANNELS)
#define TARGET_PIXELS  BLOCK_AT(target, target_origin, target_stride, 16 * OUT_CHANNELS)

/* --- 16 samples, from and to any element --- */
/* PoCL puts vload16 together from halves of halves; the one unaligned load or store that these
 * types stand for is three to five times as fast on a CPU. */
#ifdef __clang__
typedef IN_T16 LooseIn16 __attribute__((aligned(sizeof(IN_T))));
typedef OUT_T16 LooseOut16 __attribute__((aligned(sizeof(OUT_T))));
#define load_samples(from)      (*(global const LooseIn16 *)(from))   /* IN_T16 */
#define store_samples(v, where) (*(global LooseOut16 *)(where) = (v)) /* an OUT_T16 */
#else
#define load_samples(from)      vload16(0, (from))
#define store_samples(v, where) vstore16((v), 0, (where))
#endif
#define load_short16(from)  convert_short16(load_samples(from))  /* lossless for uchar */
#define load_ushort16(from) convert_ushort16(load_samples(from)) /* lossless for uchar, ushort */
#define load_int16(from)    convert_int16(load_samples(from))
#define load_uint16(from)   convert_uint16(load_samples(from))
#define load_acc16(from)    to_acc(load_samples(from))

/* --- 16 pixels, a vector for each channel --- */
/* Grey is r, with g and b the same, so that what works on colour works on grey; a is 0 where there
 * is no alpha. */
typedef struct Pixels {
    int16 r, g, b, a;
} Pixels;

/* How 16 pixels of 3 channels lie in three vectors u, v, w, and back. */
#define TAKE_0_OF_3(T, u, v, w) ((T)(u.s0369, u.scf, v.s258b, v.se, w.s147a, w.sd))
#define TAKE_1_OF_3(T, u, v, w) ((T)(u.s147a, u.sd, v.s0369, v.scf, w.s258b, w.se))
#define TAKE_2_OF_3(T, u, v, w) ((T)(u.s258b, u.se, v.s147a, v.sd, w.s0369, w.scf))
#define PUT_0_OF_3(T, r, g, b)                                                                     \
    ((T)(r.s0, g.s0, b.s0, r.s1, g.s1, b.s1, r.s2, g.s2, b.s2, r.s3, g.s3, b.s3, r.s4, g.s4, b.s4, \
         r.s5))
#define PUT_1_OF_3(T, r, g, b)                                                                     \
    ((T)(g.s5, b.s5, r.s6, g.s6, b.s6, r.s7, g.s7, b.s7, r.s8, g.s8, b.s8, r.s9, g.s9, b.s9, r.sa, \
         g.sa))
#define PUT_2_OF_3(T, r, g, b)                                                                     \
    ((T)(b.sa, r.sb, g.sb, b.sb, r.sc, g.sc, b.sc, r.sd, g.sd, b.sd, r.se, g.se, b.se, r.sf, g.sf, \
         b.sf))

static inline Pixels load_pixels(global const IN_T *from)
{
    Pixels p;
    IN_T16 u = load_samples(from);

#if CHANNELS == 1
    p.r = p.g = p.b = convert_int16(u);
    p.a = 0;
#elif CHANNELS == 2
    IN_T16 v = load_samples(from + 16);

    p.r = p.g = p.b = convert_int16((IN_T16)(u.even, v.even));
    p.a = convert_int16((IN_T16)(u.odd, v.odd));
#elif CHANNELS == 3
    IN_T16 v = load_samples(from + 16), w = load_samples(from + 32);

    p.r = convert_int16(TAKE_0_OF_3(IN_T16, u, v, w));
    p.g = convert_int16(TAKE_1_OF_3(IN_T16, u, v, w));
    p.b = convert_int16(TAKE_2_OF_3(IN_T16, u, v, w));
    p.a = 0;
#else
    IN_T16 v = load_samples(from + 16), w = load_samples(from + 32), x = load_samples(from + 48);

    p.r = convert_int16((IN_T16)(u.s048c, v.s048c, w.s048c, x.s048c));
    p.g = convert_int16((IN_T16)(u.s159d, v.s159d, w.s159d, x.s159d));
    p.b = convert_int16((IN_T16)(u.s26ae, v.s26ae, w.s26ae, x.s26ae));
    p.a = convert_int16((IN_T16)(u.s37bf, v.s37bf, w.s37bf, x.s37bf));
#endif
    return p;
}

/* store_pixels saturates to OUT_T. */
static inline void store_pixels(Pixels p, global OUT_T *where)
{
    OUT_T16 r = to_out(p.r);

#if OUT_CHANNELS == 1
    store_samples(r, where);
#elif OUT_CHANNELS == 2
    OUT_T16 a = to_out(p.a), u, v;

    u.even = r.lo;
    u.odd = a.lo;
    v.even = r.hi;
    v.odd = a.hi;
    store_samples(u, where);
    store_samples(v, where + 16);
#elif OUT_CHANNELS == 3
    OUT_T16 g = to_out(p.g), b = to_out(p.b);

    store_samples(PUT_0_OF_3(OUT_T16, r, g, b), where);
    store_samples(PUT_1_OF_3(OUT_T16, r, g, b), where + 16);
    store_samples(PUT_2_OF_3(OUT_T16, r, g, b), where + 32);
#else
    OUT_T16 g = to_out(p.g), b = to_out(p.b), a = to_out(p.a), u;

    u.s048c = r.s0123;
    u.s159d = g.s0123;
    u.s26ae = b.s0123;
    u.s37bf = a.s0123;
    store_samples(u, where);
    u.s048c = r.s4567;
    u.s159d = g.s4567;
    u.s26ae = b.s4567;
    u.s37bf = a.s4567;
    store_samples(u, where + 16);
    u.s048c = r.s89ab;
    u.s159d = g.s89ab;
    u.s26ae = b.s89ab;
    u.s37bf = a.s89ab;
    store_samples(u, where + 32);
    u.s048c = r.scdef;
    u.s159d = g.scdef;
    u.s26ae = b.scdef;
    u.s37bf = a.scdef;
    store_samples(u, where + 48);
#endif
}

/* --- arithmetic --- */
/* root_rounded(v): the whole number nearest to the square root of each v; 65536 for the largest.
 * The float is a first guess that is at most one off; the comparisons settle it. (Ties do not
 * occur: (n + 1/2)^2 is no whole number.) */
static inline uint16 root_rounded(uint16 v)
{
    uint16 root = min(convert_uint16_rte(sqrt(convert_float16(v))), (uint16)65535);
    uint16 square = root * root;
    uint16 up = as_uint16(v > square + root) & 1;
    uint16 down = as_uint16(v <= square - root & root > 0) & 1;

    return root + up - down;
}

/* root_rounded_small is root_rounded for v <= 65536, where even a square root that is off by the 4
 * units in the last place that OpenCL allows rounds to the right number. */
static inline int16 root_rounded_small(int16 v)
{
    return convert_int16_rte(sqrt(convert_float16(v)));
}

/* --- luma edges of 3 x 3 --- */
/* Edge holds sums of up to 32 samples, with a sign. */
#if DEPTH == 8
typedef short16 Edge;
#define load_edge(from) load_short16(from)
#else
typedef int16 Edge;
#define load_edge(from) load_pixels(from).r
#endif

/* magnitude(dx, dy): sqrt(dx^2 + dy^2), rounded to nearest and capped where the result is capped,
 * just above MAXV at most. Capping each part at MAXV changes nothing, for the same reason. */
static inline int16 magnitude(Edge dx, Edge dy)
{
#if DEPTH == 8
    int16 x = convert_int16(dx), y = convert_int16(dy);

    return root_rounded_small(min(x * x + y * y, (int16)65536));
#else
    uint16 x = as_uint16(min(max(dx, -dx), (int16)MAXV));
    uint16 y = as_uint16(min(max(dy, -dy), (int16)MAXV));

    return convert_int16(root_rounded(add_sat(x * x, y * y)));
#endif
}

/* GRADIENT_KERNEL is the whole kernel of an edge operation: the magnitude of the gradient with
 * dx = [-CORNER 0 CORNER; -SIDE 0 SIDE; -CORNER 0 CORNER] and dy its transpose; alpha is kept. */
#define GRADIENT_KERNEL(name, CORNER, SIDE)                                                        \
    PASS_KERNEL(name)                                                                              \
    {                                                                                              \
        store_gradient(SOURCE_PIXELS, source_stride, CORNER, SIDE, TARGET_PIXELS);                 \
    }

static inline void store_gradient(global const IN_T *from, int stride, short corner, short side,
                                  global OUT_T *where)
{
    global const IN_T *above = from - stride, *below = from + stride;
    Edge nw = load_edge(above - CHANNELS), n = load_edge(above), ne = load_edge(above + CHANNELS);
    Edge w = load_edge(from - CHANNELS), e = load_edge(from + CHANNELS);
    Edge sw = load_edge(below - CHANNELS), s = load_edge(below), se = load_edge(below + CHANNELS);
    Edge falling = se - nw, rising = ne - sw;
    Pixels edge;

    edge.r = magnitude((falling + rising) * (Edge)corner + (e - w) * (Edge)side,
                       (falling - rising) * (Edge)corner + (s - n) * (Edge)side);
    edge.g = edge.b = edge.r;
#if CHANNELS == 2
    edge.a = load_pixels(from).a;
#else
    edge.a = 0;
#endif
    store_pixels(edge, where);
}

/* --- POINT operations ---
 *
 * A POINT_CODE operation NAME defines one function, which the stream calls from a kernel of its own
 * making, fused with its neighbours; samples are straight (not premultiplied) in 0..MAXV, and must
 * be so again when it returns; `table` is Plan.pass[0].table:
 *
 *     POINT_FUNCTION(NAME) { p.r = MAXV - p.r; return p; }
 */
#define POINT_FUNCTION(name)                                                                       \
    static inline Pixels point_##name(Pixels p, global const int *restrict table)

static inline int16 look_up(global const int *restrict table, int16 at)
{
    return (int16)(table[at.s0], table[at.s1], table[at.s2], table[at.s3], table[at.s4],
                   table[at.s5], table[at.s6], table[at.s7], table[at.s8], table[at.s9],
                   table[at.sa], table[at.sb], table[at.sc], table[at.sd], table[at.se],
                   table[at.sf]);
}
