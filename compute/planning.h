/* compute/planning.h: what the plan() of several operations has in common. The files in kernels/
 * see it (compute/operations.c includes it before them). */
#ifndef COMPUTE_PLANNING_H
#define COMPUTE_PLANNING_H

#include "compute/operation.h"

/* plan_edge fills the one pass of a 3 x 3 luma edge operation (ALPHA_EDGE): `kernel` sees a pixel's
 * eight neighbours, the border is reflected, and writes the format it reads, alpha straight. */
void plan_edge(const char *kernel, RowFormat in, Plan *plan);

/* plan_matrix_of_greys makes the plan a MATRIX of the nine `weight`s (rows R, G, B), each rounded
 * to Q14; the weight on the diagonal is what the two others leave of one, so greys stay exactly
 * grey. */
void plan_matrix_of_greys(const double weight[9], Plan *plan);

/* plan_gaussian_radius is OpenCV's: the whole kernel has round(6 sigma + 1) | 1 weights for 8 bits,
 * round(8 sigma + 1) | 1 for 16. */
int plan_gaussian_radius(double sigma, int depth);

/* plan_gaussian_weights writes the radius + 1 weights from the rim to the centre, in units of
 * 1 / one: each rounded with the error of those before it carried over, the centre taking what is
 * left, so that all 2 * radius + 1 of them add up to exactly one. OpenCV's fixed-point kernels are
 * made in the same way. */
void plan_gaussian_weights(double sigma, int radius, int32_t one, int32_t *weight);

#endif
