#ifdef OP_DECLARE

static int scharr_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    (void)arguments;
    (void)error;
    plan_edge("scharr", in, plan);
    return 0;
}

OPERATION(scharr, .class = STENCIL, .alpha = ALPHA_EDGE, .luma = true,
          .help = "Edges: magnitude of the Scharr gradient",
          .definition = "sqrt(dx^2 + dy^2) of the luma, rounded to nearest, at most 255 (65535), with dx = "
                        "[-3 0 3; -10 0 10; -3 0 3] and dy its transpose. Border: reflected without the "
                        "edge pixel (dcb|abcd|cba). With alpha, of the luma multiplied by alpha; alpha "
                        "is kept.",
          .oracle = "cv2.magnitude of cv2.Scharr(luma, cv2.CV_32F, 1, 0) and (0, 1)", .tolerance = 0,
          .check = 0x6293cbbeb418ecbe, .plan = scharr_plan)

#else

GRADIENT_KERNEL(scharr, 3, 10)

#endif
