#ifdef OP_DECLARE

enum { SHARPEN_UNROLLED = 15 }; /* larger radii share one kernel that loops */

static int sharpen_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    double sigma = arguments->value[0];
    int radius = plan_gaussian_radius(sigma, in.depth);
    int amount = (int)lrint(arguments->value[1] * 2048);
    Pass pass = {
        .border = BORDER_REFLECT_101,
        .in_channels = in.channels,
        .out_channels = in.channels,
        .table_count = radius + 3,
    };

    if (radius <= SHARPEN_UNROLLED)
        snprintf(pass.defines, sizeof pass.defines, "-DRADIUS=%d", radius);
    plan->pass_count = 2;
    for (int i = 0; i < 2; i++) {
        plan->pass[i] = pass;
        plan->pass[i].table = memory_try((size_t)pass.table_count, sizeof *pass.table,
                                         "the weights of sharpen", error);
        if (plan->pass[i].table == NULL)
            return -1;
        plan->pass[i].table[0] = radius;
        plan->pass[i].table[1] = amount;
        plan_gaussian_weights(sigma, radius, 65536, plan->pass[i].table + 2);
    }
    plan->pass[0].kernel = "sharpen_columns";
    plan->pass[0].halo_y = radius;
    plan->pass[0].in = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;
    plan->pass[0].out = SAMPLE_U32;
    plan->pass[1].kernel = "sharpen_rows";
    plan->pass[1].halo_x = radius;
    plan->pass[1].in = SAMPLE_U32;
    plan->pass[1].out = plan->pass[0].in;
    return 0;
}

OPERATION(sharpen, .class = STENCIL, .alpha = ALPHA_MIX, .help = "Sharper by an unsharp mask",
          .definition =
              "v + amount * (v - blurred), rounded half up, clamped, blurred being the Gaussian of radius "
              "round(6 sigma + 1) / 2 (16 bits: round(8 sigma + 1) / 2) with weights in 1/65536, kept to "
              "1/256 of a level of 8 bits. Border: reflected without the edge pixel (dcb|abcd|cba). With "
              "alpha, of colour multiplied by alpha, and of alpha.",
          .oracle = "src + amount * (src - cv2.GaussianBlur(src in double, (2 * radius + 1,) * 2, sigma))",
          .tolerance = 1,
          .parameter = {FLOAT_PARAMETER("sigma", 0.3, 50, 1.5, "standard deviation of the blur in pixels"),
                        FLOAT_PARAMETER("amount", 0, 10, 1, "how much of the difference is added")},
          .check = 0xd9dcb08aa208bb26, .plan = sharpen_plan)

#else

/* Between the passes a sample is a pair: in the low half as it came, in the high half blurred along
 * its column, which has 8 bits of fraction at depth 8 and none at depth 16. */
#define FRACTION (16 - DEPTH)
#define blurred(pair)  ((pair) >> 16)
#define original(pair) ((pair)&0xffff)

/* table: the radius, the amount in 1/2048, then the weights from the rim to the centre, which add up
 * to 65536: 32 bits hold any sum. */
#ifndef RADIUS
#define RADIUS table[0]
#endif
#define AMOUNT  table[1]
#define WEIGHTS (table + 2)

PASS_KERNEL(sharpen_columns)
{
    global const IN_T *from = SOURCE_SAMPLES;
    uint16 centre = load_uint16(from);
    uint16 sum = centre * (uint)WEIGHTS[RADIUS] + (uint)(1 << (15 - FRACTION));

    for (int i = 0; i < RADIUS; i++) {
        int away = (RADIUS - i) * source_stride;

        sum += (load_uint16(from - away) + load_uint16(from + away)) * (uint)WEIGHTS[i];
    }
    store_samples(to_out((sum >> (16 - FRACTION)) << 16 | centre), TARGET_SAMPLES);
}

PASS_KERNEL(sharpen_rows)
{
    global const IN_T *from = SOURCE_SAMPLES;
    uint16 centre = load_uint16(from);
    uint16 sum = blurred(centre) * (uint)WEIGHTS[RADIUS] + (uint)(1 << 15);
    int16 kept = convert_int16(original(centre)), lost;

    for (int i = 0; i < RADIUS; i++) {
        int away = (RADIUS - i) * CHANNELS;

        sum += (blurred(load_uint16(from - away)) + blurred(load_uint16(from + away))) * (uint)WEIGHTS[i];
    }
    lost = (kept << FRACTION) - convert_int16(sum >> 16);
    store_samples(to_out(kept + ((lost * AMOUNT + (1 << (10 + FRACTION))) >> (11 + FRACTION))),
                  TARGET_SAMPLES);
}

#endif
