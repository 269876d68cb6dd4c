#ifdef OP_DECLARE

static int brightness_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int top = (1 << in.depth) - 1;

    plan->form = POINT_CURVE;
    plan->curve = memory_try((size_t)top + 1, sizeof *plan->curve, "the curve of brightness", error);
    if (plan->curve == NULL)
        return -1;
    for (int level = 0; level <= top; level++)
        plan->curve[level] = (uint16_t)fmin(floor(level * arguments->value[0] + 0.5), top);
    return 0;
}

OPERATION(brightness, .class = POINT, .alpha = ALPHA_KEEP, .help = "Lighter or darker, by a factor",
          .definition = "The brightness() of CSS Filter Effects: each colour sample v becomes "
                        "amount * v in sRGB samples, rounded half up, at most 255 (65535). Alpha is kept.",
          .oracle = "floor(amount * src + 0.5) in double, clipped", .tolerance = 0,
          .parameter = {FLOAT_PARAMETER("amount", 0, 10, 1.2,
                                        "factor: 0 black, 1 unchanged, 2 twice as light")},
          .check = 0x217196c661cb9573, .plan = brightness_plan)

#endif
