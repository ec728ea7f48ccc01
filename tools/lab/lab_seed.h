/* Weights and inputs from a seed, for speed runs and conformance: no trained model, but numbers of
 * a trained model's scale, so that activations neither vanish nor explode, however deep the
 * network.
 *
 * Weights are close to normally distributed around 0 with a deviation that makes a layer's sums
 * about as large as its batch normalisation says (He et al., "Delving Deep into Rectifiers", 2015,
 * section 2.2), or about 1 without; scales are around 1, biases small, mean and variance fit.
 *
 * The same seed gives the same bytes on every machine (IEEE 754 doubles, no library function but
 * sqrt).
 *
 * Threads: pure. */
#ifndef LAB_SEED_H
#define LAB_SEED_H

#include <stdint.h>

#include "core/ll_buf.h"
#include "engine/ll_engine.h"

/* One blob for each layer with weights, NULL for the others. Each layer depends on the seed and the
 * cfg alone, layer by layer.
 *
 * Ownership: `out_blobs` has room for layer_count pointers, all NULL on failure; release with
 * dkb_weights_unref.
 * Errors:    LL_E_NO_MEMORY. */
LL_MUST_USE ll_status lab_seed_blobs(const struct ll_network *network, uint64_t seed,
                                     struct ll_buf **out_blobs, struct ll_error *err);

/* table->in_floats values from 0 to 1: noise over patches of 16 x 16 pixels. */
void lab_seed_input(const struct ll_table *table, uint64_t seed, float *out_input);

/* The next number of a sequence (splitmix64; Steele, Lea, Flood, "Fast Splittable Pseudorandom
 * Number Generators", 2014). `*state` is any number at first. */
uint64_t lab_seed_next(uint64_t *state);

#endif
