#ifdef OP_DECLARE

static int sobel_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    (void)arguments;
    (void)error;
    plan_edge("sobel", in, plan);
    return 0;
}

OPERATION(sobel, .class = STENCIL, .alpha = ALPHA_EDGE, .luma = true,
          .help = "Edges: magnitude of the Sobel gradient",
          .definition =
              "sqrt(dx^2 + dy^2) of the luma, rounded to nearest, at most 255 (65535), with dx = "
              "[-1 0 1; -2 0 2; -1 0 1] and dy its transpose. Border: reflected without the "
              "edge pixel (dcb|abcd|cba). With alpha, of the luma multiplied by alpha; alpha "
              "is kept.",
          .oracle = "cv2.magnitude of cv2.Sobel(luma, cv2.CV_32F, 1, 0) and (0, 1)", .tolerance = 0,
          .plan = sobel_plan, .check = 0xa7bd0edd1720f4bd)

#else

GRADIENT_KERNEL(sobel, 1, 2)

#endif
