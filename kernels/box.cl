#ifdef OP_DECLARE

/* box_divisor writes how to divide by the odd number d with one multiplication, for numerators of
 * `bits` bits: (n + bias) * multiplier >> (bits + shift). (A. D. Robison, "N-bit unsigned division
 * via N-bit multiply-add", ARITH 2005.) bias rounds to nearest; there are no ties, d being odd. */
static void box_divisor(uint32_t d, int bits, uint32_t *multiplier, int *shift, uint32_t *bias)
{
    uint64_t power, rest;

    for (*shift = 0; d >> (*shift + 1) > 0;)
        (*shift)++;
    power = (uint64_t)1 << (bits + *shift);
    rest = power % d;
    *multiplier = (uint32_t)(power / d);
    *bias = d / 2;
    if (d - rest <= (uint64_t)1 << *shift)
        *multiplier += 1;
    else
        *bias += 1;
}

static int box_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int size = (int)arguments->value[0];
    uint32_t area = (uint32_t)(size * size), multiplier, bias;
    int bits = in.depth == 8 && area * 255 + area < 65536 ? 16 : 32, shift;
    Pass pass = {.border = BORDER_REFLECT_101, .in_channels = in.channels, .out_channels = in.channels};

    if (size % 2 == 0)
        return error_set(error, ERROR_USAGE, "box: size must be odd, not %d: try %d", size, size + 1);
    box_divisor(area, bits, &multiplier, &shift, &bias);
    snprintf(pass.defines, sizeof pass.defines,
             "-DRADIUS=%d -DBITS=%d -DMULTIPLIER=%uu -DSHIFT=%d -DBIAS=%uu", size / 2, bits, multiplier,
             shift, bias);
    plan->pass_count = 2;
    plan->pass[0] = plan->pass[1] = pass;
    plan->pass[0].kernel = "box_columns";
    plan->pass[0].halo_y = size / 2;
    plan->pass[0].in = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;
    plan->pass[0].out = in.depth == 8 ? SAMPLE_U16 : SAMPLE_U32;
    plan->pass[1].kernel = "box_rows";
    plan->pass[1].halo_x = size / 2;
    plan->pass[1].in = plan->pass[0].out;
    plan->pass[1].out = plan->pass[0].in;
    return 0;
}

OPERATION(box, .class = STENCIL, .alpha = ALPHA_MIX, .help = "Mean of the neighbourhood: a plain, fast blur",
          .definition = "The mean of the size x size samples around each, channel by channel, rounded to "
                        "nearest (there are no ties). Border: reflected without the edge pixel "
                        "(dcb|abcd|cba). With alpha, mixes colour multiplied by alpha.",
          .oracle = "cv2.blur(src, (size, size))", .tolerance = 0,
          .parameter = {INT_PARAMETER("size", 1, 101, 3, "width and height of the neighbourhood, odd")},
          .check = 0x10b6a650d9548ffd, .plan = box_plan)

#else

/* Sums of the columns, exact: 101 * 255 fits the ushort that they are kept in, 101 * 65535 the uint. */
PASS_KERNEL(box_columns)
{
    global const IN_T *from = SOURCE_SAMPLES - RADIUS * source_stride;
    OUT_T16 sum = 0;

#pragma unroll 8
    for (int i = 0; i <= 2 * RADIUS; i++)
        sum += JOIN(convert_, OUT_T16)(load_samples(from + i * source_stride));
    store_samples(sum, TARGET_SAMPLES);
}

#if BITS == 16
typedef ushort16 Total;
typedef ushort TotalSample;
#define to_total(v) convert_ushort16(v)
#else
typedef uint16 Total;
typedef uint TotalSample;
#define to_total(v) convert_uint16(v)
#endif

PASS_KERNEL(box_rows)
{
    global const IN_T *from = SOURCE_SAMPLES - RADIUS * CHANNELS;
    Total total = (TotalSample)BIAS;

#pragma unroll 8
    for (int i = 0; i <= 2 * RADIUS; i++)
        total += to_total(load_samples(from + i * CHANNELS));
    total = mul_hi(total, (Total)(TotalSample)MULTIPLIER) >> (Total)(TotalSample)SHIFT;
    store_samples(JOIN(convert_, OUT_T16)(total), TARGET_SAMPLES);
}

#endif
