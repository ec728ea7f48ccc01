/* A network's convolutions and nothing else: what oneDNN's primitives alone take, the yardstick of
 * the `onednn` engine. No layer between them runs, no layout is converted, nothing is checked.
 *
 * There is one primitive for each convolutional layer that the engine cannot fold into the one
 * before it (the 1x1 depthwise scale behind a convolution, see dkb_groups.c), in the layouts that
 * oneDNN itself prefers, with bias and without activation. Weights are each layer's own, random, of
 * a scale that keeps values in range. As in a running network, every convolution reads what the one
 * before it has just written, so activations are as much in the caches as they can be.
 *
 * Only for tools. Threads: one at a time. */
#ifndef LAB_BARE_H
#define LAB_BARE_H

#include <stdbool.h>
#include <stdint.h>

#include "darknet_backend/dkb_engine.h"
#include "engine/ll_engine.h"

struct lab_bare;

struct lab_bare_config {
    /* Compute threads, from 1. OpenMP waits as the environment says: by default, its threads spin.
     */
    int threads;
    /* Winograd's algorithm (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
     * 2016) for 3x3 convolutions with stride 1 where oneDNN has it: fewer multiplications, other
     * rounding, larger weights. Otherwise the direct algorithm everywhere. */
    bool winograd;
    /* What weights and activations are; biases are f32. */
    ll_compute compute;
};

/* `network` is one that dkb_network_parse made; it must outlive the result.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_UNSUPPORTED naming a layer that oneDNN has no primitive for (all
 *         of them, where the processor does not compute as wished). */
LL_MUST_USE ll_status lab_bare_create(const struct ll_network *network,
                                      const struct lab_bare_config *config,
                                      struct lab_bare **out_bare, struct ll_error *err);
void lab_bare_destroy(struct lab_bare *bare);

/* Runs every convolution once. `layer_ns` is NULL or has room for layer_count times; 0 where no
 * primitive stands.
 *
 * Errors: LL_E_INTERNAL with oneDNN's status. */
LL_MUST_USE ll_status lab_bare_run(struct lab_bare *bare, int64_t *layer_ns, struct ll_error *err);

#endif
