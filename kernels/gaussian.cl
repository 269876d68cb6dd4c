#ifdef OP_DECLARE

enum { GAUSSIAN_UNROLLED = 15 }; /* larger radii share one kernel that loops */

static int gaussian_pass(const Plan *plan, double sigma, int radius, Pass *pass, Error *error)
{
    SampleType type = plan->out.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;

    pass->border = BORDER_REFLECT_101;
    pass->in_channels = pass->out_channels = plan->out.channels;
    pass->in = pass->out = type;
    pass->table_count = radius + 2;
    pass->table =
        memory_try((size_t)radius + 2, sizeof *pass->table, "the weights of gaussian", error);
    if (pass->table == NULL)
        return -1;
    pass->table[0] = radius;
    plan_gaussian_weights(sigma, radius, plan->out.depth == 8 ? 256 : 65536, pass->table + 1);
    if (radius <= GAUSSIAN_UNROLLED)
        snprintf(pass->defines, sizeof pass->defines, "-DRADIUS=%d", radius);
    return 0;
}

static int gaussian_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    double sigma = arguments->value[0];
    int radius = plan_gaussian_radius(sigma, in.depth);

    plan->pass_count = 2;
    plan->pass[0].kernel = "gaussian_columns";
    plan->pass[0].halo_y = radius;
    plan->pass[1].kernel = "gaussian_rows";
    plan->pass[1].halo_x = radius;
    if (gaussian_pass(plan, sigma, radius, &plan->pass[0], error) != 0)
        return -1;
    return gaussian_pass(plan, sigma, radius, &plan->pass[1], error);
}

OPERATION(
    gaussian, .class = STENCIL, .alpha = ALPHA_MIX, .help = "Gaussian blur",
    .definition =
        "The separable Gaussian with weights exp(-x^2 / (2 sigma^2)) for |x| <= radius, radius = "
        "round(6 sigma + 1) / 2 (16 bits: round(8 sigma + 1) / 2), in 1/256 (16 bits: 1/65536) "
        "adding up to exactly one; columns, then rows, each rounded half up. Border: reflected "
        "without the edge pixel (dcb|abcd|cba). With alpha, mixes colour multiplied by alpha.",
    .oracle = "cv2.GaussianBlur(src, (0, 0), sigma)", .tolerance = 1,
    .parameter = {FLOAT_PARAMETER("sigma", 0.3, 50, 1.5, "standard deviation in pixels")},
    .plan = gaussian_plan, .check = 0x958bb40d779bf435)

#else

/* table: the radius, then the weights from the rim to the centre. The weights of 8 bits add up to
 * 256, so that 16 bits hold any sum; those of 16 bits to 65536, for 32 bits. */
#if DEPTH == 8
typedef ushort16 Sum;
#define load_sum(from) load_ushort16(from)
#define SHIFT          8
#else
typedef uint16 Sum;
#define load_sum(from) load_uint16(from)
#define SHIFT          16
#endif
#ifndef RADIUS
#define RADIUS table[0]
#endif

static inline Sum weighted(global const IN_T *from, int step, global const int *restrict table)
{
    int radius = RADIUS;
    Sum sum = load_sum(from) * (Sum)(table[radius + 1]) + (Sum)(1 << (SHIFT - 1));

    for (int i = 0; i < radius; i++) {
        int away = (radius - i) * step;

        sum += (load_sum(from - away) + load_sum(from + away)) * (Sum)(table[i + 1]);
    }
    return sum >> SHIFT;
}

PASS_KERNEL(gaussian_columns)
{
    store_samples(to_out(weighted(SOURCE_SAMPLES, source_stride, table)), TARGET_SAMPLES);
}

PASS_KERNEL(gaussian_rows)
{
    store_samples(to_out(weighted(SOURCE_SAMPLES, CHANNELS, table)), TARGET_SAMPLES);
}

#endif
