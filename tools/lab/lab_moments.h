/* How large the values of a network's tensors are, estimated without running it: mean and variance
 * over a whole tensor, carried through the layers as if its values were normally distributed.
 *
 * Only +, -, *, / and square roots of double, so that every machine gets the same bits.
 *
 * Threads: pure. */
#ifndef LAB_MOMENTS_H
#define LAB_MOMENTS_H

#include "darknet_backend/network/dkb_network.h"

struct lab_moments {
    double mean;
    double variance;
};

/* E[x^2]. */
double lab_moments_square(struct lab_moments moments);

/* A photo's values, 0 to 1. */
struct lab_moments lab_moments_of_image(void);

/* After Darknet's activation function. */
struct lab_moments lab_moments_activate(struct lab_moments moments, ll_activation activation);

/* What layer `index` without weights makes, given those of all tensors before (`made[t + 1]` for
 * tensor t, dropouts' own indexes included). */
struct lab_moments lab_moments_layer(const struct ll_network *network, int index,
                                     const struct lab_moments *made);

#endif
