#ifdef OP_DECLARE

static int contrast_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int top = (1 << in.depth) - 1;
    double middle = top / 2.0;

    plan->form = POINT_CURVE;
    plan->curve = memory_try((size_t)top + 1, sizeof *plan->curve, "the curve of contrast", error);
    if (plan->curve == NULL)
        return -1;
    for (int level = 0; level <= top; level++) {
        double stretched = floor((level - middle) * arguments->value[0] + middle + 0.5);

        plan->curve[level] = (uint16_t)fmax(0, fmin(stretched, top));
    }
    return 0;
}

OPERATION(contrast, .class = POINT, .alpha = ALPHA_KEEP, .help = "More or less contrast about middle grey",
          .definition = "The contrast() of CSS Filter Effects: each colour sample v becomes "
                        "(v - middle) * amount + middle in sRGB samples, middle being 127.5 (32767.5), "
                        "rounded half up, clamped. Alpha is kept.",
          .oracle = "floor((src - 127.5) * amount + 128) in double, clipped", .tolerance = 0,
          .parameter = {FLOAT_PARAMETER("amount", 0, 10, 1.2, "factor: 0 all grey, 1 unchanged")},
          .check = 0xd523d302650b78d6, .plan = contrast_plan)

#endif
