#include "compute/planning.h"

#include <math.h>

void plan_edge(const char *kernel, RowFormat in, Plan *plan)
{
    SampleType type = in.depth == 8 ? SAMPLE_U8 : SAMPLE_U16;

    plan->out.premultiplied = false;
    plan->pass_count = 1;
    plan->pass[0] = (Pass){
        .kernel = kernel,
        .unit = UNIT_PIXELS,
        .border = BORDER_REFLECT_101,
        .halo_x = 1,
        .halo_y = 1,
        .in_channels = in.channels,
        .out_channels = in.channels,
        .in = type,
        .out = type,
    };
}

void plan_matrix_of_greys(const double weight[9], Plan *plan)
{
    enum { ONE = 16384 };

    plan->form = POINT_MATRIX;
    for (int row = 0; row < 3; row++) {
        int32_t *fixed = &plan->matrix[row * 4];

        fixed[row] = ONE;
        for (int column = 0; column < 3; column++) {
            if (column == row)
                continue;
            fixed[column] = (int32_t)lrint(weight[row * 3 + column] * ONE);
            fixed[row] -= fixed[column];
        }
    }
}

int plan_gaussian_radius(double sigma, int depth)
{
    return (int)lrint(sigma * (depth == 8 ? 3 : 4) * 2 + 1) / 2;
}

void plan_gaussian_weights(double sigma, int radius, int32_t one, int32_t *weight)
{
    double sum = 1;
    double carried = 0;
    int32_t rest = one;

    for (int i = 0; i < radius; i++)
        sum += 2 * exp(-0.5 * (radius - i) * (radius - i) / (sigma * sigma));
    for (int i = 0; i < radius; i++) {
        double exact = exp(-0.5 * (radius - i) * (radius - i) / (sigma * sigma)) / sum;
        double wanted = exact * one + carried;

        weight[i] = (int32_t)lrint(wanted);
        carried = wanted - weight[i];
        rest -= 2 * weight[i];
    }
    weight[radius] = rest;
}
