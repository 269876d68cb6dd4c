#ifdef OP_DECLARE

enum { CONVOLVE_LARGEST = 15, CONVOLVE_HEAD = 2 }; /* CONVOLVE_HEAD: numbers in front of the weights */

/* How a matrix is computed. Whole weights whose sums of 8-bit samples fit 16 bits stay as they are, and
 * the sum is divided at the end by one multiplication (SUM_16). Others are divided first, in units of
 * 1 / 2^shift: 32 bits are enough for 8-bit samples, and for whole weights that nothing divides. */
typedef enum SumKind { SUM_16, SUM_32, SUM_64 } SumKind;
typedef struct Convolution {
    SumKind sum;
    bool keep_alpha; /* flat areas would not keep theirs */
    double divisor;  /* never 0 */
    int shift;       /* bits of fraction */
} Convolution;

static int convolve_size(const Arguments *arguments, int *size, Error *error)
{
    for (*size = 1; *size * *size < arguments->list_count;)
        *size += 2;
    if (*size * *size == arguments->list_count && *size <= CONVOLVE_LARGEST)
        return 0;
    return error_set(error, ERROR_USAGE,
                     "convolve: matrix has %d numbers, but must be square with an odd side up to %d: "
                     "9, 25, 49, 81, 121, 169 or 225 numbers",
                     arguments->list_count, CONVOLVE_LARGEST);
}

static int convolve_measure(const Arguments *arguments, int depth, Convolution *how, Error *error)
{
    double sum = 0, size = 0, divided, top = depth == 8 ? 255 : 65535;
    bool whole = true;

    for (int i = 0; i < arguments->list_count; i++) {
        sum += arguments->list[i];
        size += fabs(arguments->list[i]);
        whole = whole && arguments->list[i] == rint(arguments->list[i]);
    }
    how->divisor = arguments->value[1] != 0 ? arguments->value[1] : fabs(sum) > 1e-9 ? sum : 1;
    how->keep_alpha = fabs(sum / how->divisor - 1) > 1.0 / 1024;
    divided = size / fabs(how->divisor);
    if (divided * 65535 >= 1 << 30)
        return error_set(error, ERROR_USAGE,
                         "convolve: the weights without their signs, divided by the divisor, add up to %g, "
                         "but may to %d at most: use a larger divisor",
                         divided, (1 << 30) / 65535);
    how->sum = depth == 8 && whole && size * top <= INT16_MAX              ? SUM_16
               : depth == 8 || (whole && how->divisor == 1) ? SUM_32
                                                                           : SUM_64;
    how->shift = whole && how->divisor == 1 ? 0 : 22;
    while (how->shift > 0 && divided * (how->sum == SUM_64 ? 1 : top) * (1 << how->shift) >= 1 << 30)
        how->shift--;
    return 0;
}

/* convolve_weights rounds each weight with the error of those before it carried over, so that the sum
 * of all, which flat areas show, is as near as it can be. */
static void convolve_weights(const Arguments *arguments, const Convolution *how, int32_t *weight)
{
    double scale = how->sum == SUM_16 ? 1 : (1 << how->shift) / how->divisor, carried = 0;

    for (int i = 0; i < arguments->list_count; i++) {
        double wanted = arguments->list[i] * scale + carried;

        weight[i] = arguments->list[i] == 0 ? 0 : (int32_t)lrint(wanted);
        carried = wanted - weight[i];
    }
}

static int convolve_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    SampleType type = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;
    Pass *pass = &plan->pass[0];
    Convolution how = {0};
    int size;

    if (convolve_size(arguments, &size, error) != 0 ||
        convolve_measure(arguments, in.depth, &how, error) != 0)
        return -1;
    *pass = (Pass){
        .kernel = "convolve",
        .border = BORDER_REFLECT_101,
        .halo_x = size / 2,
        .halo_y = size / 2,
        .in_channels = in.channels,
        .out_channels = in.channels,
        .in = type,
        .out = type,
        .table_count = CONVOLVE_HEAD + size * size,
    };
    pass->table =
        memory_try((size_t)pass->table_count, sizeof *pass->table, "the matrix of convolve", error);
    if (pass->table == NULL)
        return -1;
    plan->pass_count = 1;
    pass->table[0] = (int32_t)lrint((1 << how.shift) / how.divisor);
    pass->table[1] = (int32_t)arguments->value[2];
    convolve_weights(arguments, &how, pass->table + CONVOLVE_HEAD);
    snprintf(pass->defines, sizeof pass->defines, "-DSIZE=%d -DSUM=%d -DSHIFT=%d -DKEEP_ALPHA=%d", size,
             16 << how.sum, how.shift, how.keep_alpha);
    return 0;
}

OPERATION(convolve, .class = STENCIL, .alpha = ALPHA_MIX, .help = "Any matrix of weights, up to 15 x 15",
          .definition =
              "The sum of the samples around each times the weights of matrix, which is given row by row "
              "and not flipped (correlation), divided by divisor, rounded to nearest, plus offset, clamped. "
              "Whole weights with divisor 1 are exact; others are divided first, in fixed point of as many "
              "bits as fit. divisor 0 means the sum of the weights, or 1 where that is 0. Border: reflected "
              "without the edge pixel (dcb|abcd|cba). With alpha, as SVG's feConvolveMatrix: mixes colour "
              "multiplied by alpha, offset times alpha is added, and alpha itself is mixed too, but kept as "
              "it is where the weights do not add up to divisor.",
          .oracle = "cv2.filter2D(src, cv2.CV_64F, matrix / divisor) + offset", .tolerance = 1,
          .parameter = {LIST_PARAMETER("matrix", -10000, 10000, "0/-1/0/-1/5/-1/0/-1/0",
                                       "9, 25, 49, 81, 121, 169 or 225 weights, row by row"),
                        FLOAT_PARAMETER("divisor", -1000000, 1000000, 0,
                                        "the weights are divided by it; 0: by their sum, if that is not 0"),
                        INT_PARAMETER("offset", -255, 255, 0, "added at the end, in levels of 8 bits")},
          .check = 0x0e2f575a62f270d7, .plan = convolve_plan)

#else

/* table: the multiplier that divides a 16-bit sum, the offset, then the weights row by row. */
#define MULTIPLIER table[0]
#define OFFSET     table[1]
#define WEIGHT(i)  table[2 + (i)]

#if SUM == 16
typedef short16 Sum;
typedef short Weight;
#define load_term(from) load_short16(from)
#define divided(sum)    (convert_int16(sum) * MULTIPLIER)
#elif SUM == 32
typedef int16 Sum;
typedef int Weight;
#define load_term(from) load_int16(from)
#define divided(sum)    (sum)
#else
typedef long16 Sum;
typedef long Weight;
#define load_term(from) convert_long16(load_samples(from))
#define divided(sum)    (sum)
#endif

static inline Sum weighted(global const IN_T *corner, int stride, global const int *restrict table)
{
    Sum sum = 0;

    for (int y = 0; y < SIZE; y++) {
        for (int x = 0; x < SIZE; x++)
            sum += load_term(corner + y * stride + x * CHANNELS) * (Weight)WEIGHT(y * SIZE + x);
    }
    return sum;
}

/* Alpha of each sample's pixel, and 16 samples with alpha put back among the colours. */
#if CHANNELS == 2
#define alpha_of(v)                                                                                \
    ((int16)(v.s1, v.s1, v.s3, v.s3, v.s5, v.s5, v.s7, v.s7, v.s9, v.s9, v.sb, v.sb, v.sd, v.sd, v.sf, v.sf))
#define IS_ALPHA ((int16)(0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1))
#elif CHANNELS == 4
#define alpha_of(v)                                                                                \
    ((int16)(v.s3, v.s3, v.s3, v.s3, v.s7, v.s7, v.s7, v.s7, v.sb, v.sb, v.sb, v.sb, v.sf, v.sf, v.sf, v.sf))
#define IS_ALPHA ((int16)(0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, -1))
#endif

static inline int16 with_offset(int16 result, int16 centre, int offset)
{
#if CHANNELS == 1 || CHANNELS == 3
    return result + offset * (MAXV / 255);
#else
    int16 mixed = clamp_sample(select(result, centre, IS_ALPHA & -KEEP_ALPHA));
    int16 added = (alpha_of(mixed) * offset + (127 + 255 * 65536)) / 255 - 65536;

    return select(mixed + added, mixed, IS_ALPHA);
#endif
}

PASS_KERNEL(convolve)
{
    global const IN_T *from = SOURCE_SAMPLES;
    Sum sum = weighted(from - (SIZE / 2) * (source_stride + CHANNELS), source_stride, table);
    int16 result = convert_int16_sat((divided(sum) + ((1 << SHIFT) >> 1)) >> SHIFT);

    store_samples(to_out(with_offset(result, load_int16(from), OFFSET)), TARGET_SAMPLES);
}

#endif
