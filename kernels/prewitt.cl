#ifdef OP_DECLARE

static int prewitt_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    (void)arguments;
    (void)error;
    plan_edge("prewitt", in, plan);
    return 0;
}

OPERATION(prewitt, .class = STENCIL, .alpha = ALPHA_EDGE, .luma = true,
          .help = "Edges: magnitude of the Prewitt gradient",
          .definition = "sqrt(dx^2 + dy^2) of the luma, rounded to nearest, at most 255 (65535), with dx = "
                        "[-1 0 1; -1 0 1; -1 0 1] and dy its transpose. Border: reflected without the "
                        "edge pixel (dcb|abcd|cba). With alpha, of the luma multiplied by alpha; alpha "
                        "is kept.",
          .oracle = "cv2.magnitude of cv2.filter2D(luma, cv2.CV_32F, matrix) and its transpose",
          .tolerance = 0,
          .check = 0x3333c091b5a7be26, .plan = prewitt_plan)

#else

GRADIENT_KERNEL(prewitt, 1, 1)

#endif
