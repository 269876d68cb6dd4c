#ifdef OP_DECLARE

static int gamma_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int top = (1 << in.depth) - 1;

    plan->form = POINT_CURVE;
    plan->curve = memory_try((size_t)top + 1, sizeof *plan->curve, "the curve of gamma", error);
    if (plan->curve == NULL)
        return -1;
    for (int level = 0; level <= top; level++) {
        double curved = pow((double)level / top, arguments->value[0]) * top;

        plan->curve[level] = (uint16_t)fmin(floor(curved + 0.5), top);
    }
    return 0;
}

OPERATION(gamma, .class = POINT, .alpha = ALPHA_KEEP, .help = "Lighter or darker midtones, by a power",
          .definition = "The gamma function of SVG's feComponentTransfer: each colour sample v becomes "
                        "max * (v / max) ^ exponent, max being 255 (65535), rounded half up. Black and "
                        "white stay. Alpha is kept.",
          .oracle = "floor(255 * (src / 255) ** exponent + 0.5) in double", .tolerance = 0,
          .parameter = {FLOAT_PARAMETER("exponent", 0.01, 10, 0.5, "below 1 lightens, above 1 darkens")},
          .check = 0xb35bdf8f10098566, .plan = gamma_plan)

#endif
