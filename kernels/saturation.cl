#ifdef OP_DECLARE

static int saturation_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    static const double luma[3] = {0.213, 0.715, 0.072};
    double weight[9];

    (void)in;
    (void)error;
    for (int i = 0; i < 9; i++)
        weight[i] = luma[i % 3] * (1 - arguments->value[0]);
    plan_matrix_of_greys(weight, plan);
    return 0;
}

OPERATION(saturation, .class = POINT, .alpha = ALPHA_KEEP, .help = "Stronger or paler colours",
          .definition =
              "The saturate matrix of SVG's feColorMatrix (and of CSS saturate()): each colour is moved "
              "from its luma .213 R + .715 G + .072 B by the factor amount, in sRGB samples, weights in "
              "1/16384 that add up to one, rounded half up, clamped. Greys stay as they are. Alpha is kept.",
          .oracle = "the SVG saturate matrix in double", .tolerance = 1,
          .parameter = {FLOAT_PARAMETER("amount", 0, 10, 1.5, "factor: 0 grey, 1 unchanged, 2 vivid")},
          .check = 0x0de1228031f6b2ab, .plan = saturation_plan)

#endif
