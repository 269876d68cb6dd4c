#ifdef OP_DECLARE

static int sepia_plan(const Arguments *arguments, RowFormat in, Plan *plan, Error *error)
{
    static const double full[9] = {0.393, 0.769, 0.189, 0.349, 0.686, 0.168, 0.272, 0.534, 0.131};
    double amount = arguments->value[0];

    (void)error;
    plan->form = POINT_MATRIX;
    plan->out.channels = in.channels < 3 ? in.channels + 2 : in.channels;
    for (int row = 0; row < 3; row++) {
        for (int column = 0; column < 3; column++) {
            double kept = row == column ? 1 - amount : 0;
            double weight = full[row * 3 + column] * amount + kept;

            plan->matrix[row * 4 + column] = (int32_t)lrint(weight * 16384);
        }
    }
    return 0;
}

OPERATION(
    sepia, .class = POINT, .alpha = ALPHA_KEEP, .help = "Brown tones of an old photograph",
    .definition =
        "The sepia() matrix of CSS Filter Effects: R' = .393 R + .769 G + .189 B, "
        "G' = .349 R + .686 G + .168 B, B' = .272 R + .534 G + .131 B, mixed with the image by "
        "amount (0 leaves it as it is), in sRGB samples, weights in 1/16384, rounded half up, "
        "clamped. A grey image becomes a colour image. Alpha is kept.",
    .oracle = "the CSS sepia(amount) matrix in double", .tolerance = 1,
    .parameter = {FLOAT_PARAMETER("amount", 0, 1, 1, "0 none, 1 full")}, .plan = sepia_plan,
    .check = 0xdc7ee59d69a8e8c4)

#endif
