#ifdef OP_DECLARE

static int threshold_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    int top = (1 << in.depth) - 1;
    int level = (int)arguments->value[0] * (top / 255);

    plan->form = POINT_CURVE;
    plan->curve = memory_try((size_t)top + 1, sizeof *plan->curve, "the curve of threshold", error);
    if (plan->curve == NULL)
        return -1;
    for (int i = level + 1; i <= top; i++)
        plan->curve[i] = (uint16_t)top;
    return 0;
}

OPERATION(threshold, .class = POINT, .alpha = ALPHA_KEEP, .luma = true,
          .help = "Black and white, split at a level of luma",
          .definition = "White (255, 65535) where the luma is above level, black elsewhere; at 16 bits "
                        "above 257 * level. The result is grey. Alpha is kept.",
          .oracle = "cv2.threshold(luma, level, 255, cv2.THRESH_BINARY)", .tolerance = 0,
          .parameter = {INT_PARAMETER("level", 0, 255, 127, "the lightest luma that becomes black")},
          .check = 0x9c23448f04aba138, .plan = threshold_plan)

#endif
