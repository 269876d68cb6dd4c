#ifdef OP_DECLARE

static int invert_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int top = (1 << in.depth) - 1;

    (void)arguments;
    plan->form = POINT_CURVE;
    plan->curve = memory_try((size_t)top + 1, sizeof *plan->curve, "the curve of invert", error);
    if (plan->curve == NULL)
        return -1;
    for (int level = 0; level <= top; level++)
        plan->curve[level] = (uint16_t)(top - level);
    return 0;
}

OPERATION(
    invert, .class = POINT, .alpha = ALPHA_KEEP, .help = "Photographic negative",
    .definition = "Each colour sample v becomes max - v, max being 255 or 65535. Alpha is kept.",
    .oracle = "cv2.bitwise_not(src)", .tolerance = 0, .plan = invert_plan,
    .check = 0x3f0af34671dbea98)

#endif
