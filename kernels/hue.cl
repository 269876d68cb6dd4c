#ifdef OP_DECLARE

static int hue_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    static const double luma[9] = {.213, .715, .072, .213, .715, .072, .213, .715, .072};
    static const double cosine[9] = {.787, -.715, -.072, -.213, .285, -.072, -.213, -.715, .928};
    static const double sine[9] = {-.213, -.715, .928, .143, .140, -.283, -.787, .715, .072};
    double angle = arguments->value[0] * (M_PI / 180);
    double weight[9];

    (void)in;
    (void)error;
    for (int i = 0; i < 9; i++)
        weight[i] = luma[i] + cos(angle) * cosine[i] + sin(angle) * sine[i];
    plan_matrix_of_greys(weight, plan);
    return 0;
}

OPERATION(hue, .class = POINT, .alpha = ALPHA_KEEP, .help = "Turns all colours around the colour wheel",
          .definition =
              "The hueRotate matrix of SVG's feColorMatrix (and of CSS hue-rotate()) for an angle of "
              "degrees, in sRGB samples, weights in 1/16384 that add up to one, rounded half up, "
              "clamped. Greys stay as they are. Alpha is kept.",
          .oracle = "the SVG hueRotate matrix in double", .tolerance = 1,
          .parameter = {FLOAT_PARAMETER("degrees", -360, 360, 90, "angle of the turn")},
          .check = 0xb96a41e7d7e3f965, .plan = hue_plan)

#endif
