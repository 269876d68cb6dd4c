#ifdef OP_DECLARE

static int grayscale_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    static const int32_t luma[4] = {4899, 9617, 1868, 0};

    (void)arguments;
    (void)error;
    plan->form = POINT_MATRIX;
    plan->out.channels = in.channels < 3 ? in.channels : in.channels - 2;
    memcpy(plan->matrix, luma, sizeof luma);
    return 0;
}

OPERATION(
    grayscale, .class = POINT, .alpha = ALPHA_KEEP, .help = "Luma (BT.601) as one channel",
    .definition =
        "Y = (4899 R + 9617 G + 1868 B + 8192) >> 14, the BT.601 luma of the samples as they are "
        "(no linearisation). Alpha is kept; grey images stay as they are.",
    .oracle = "cv2.cvtColor(src, cv2.COLOR_RGB2GRAY)", .tolerance = 1, .plan = grayscale_plan,
    .check = 0xc3a40e22db01ddbb)

#endif
