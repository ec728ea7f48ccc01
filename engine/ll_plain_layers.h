/* Layers computed one by one by a backend's plain functions, on plain tensors (channels x height x
 * width, f32): what an engine falls back to where its own library lacks a layer. A backend
 * implements it (darknet_backend/reference); whoever creates an engine hands it in.
 *
 * Threads: one fills; what is filled runs on any number of threads, each with tensors of its own.
 */
#ifndef LL_PLAIN_LAYERS_H
#define LL_PLAIN_LAYERS_H

#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_network.h"

/* The layers of one network; the backend's. */
struct ll_plain_layers;

/* What one layer reads and writes. */
struct ll_plain_tensors {
    /* What comes in; NULL for a layer that does not look at it. */
    const float *input;
    /* Its further sources: ll_plain_source_count of them, in the order of ll_plain_source. */
    const float *const *sources;
    float *output;
    /* scratch_floats(layer) floats, aligned to 64 bytes; lost afterwards. */
    float *scratch;
};

struct ll_plain_ops {
    /* None is filled; `network` outlives them. Errors: LL_E_NO_MEMORY. */
    ll_status (*create)(const struct ll_network *network, struct ll_plain_layers **out_layers,
                        struct ll_error *err);
    /* NULL is allowed. */
    void (*destroy)(struct ll_plain_layers *layers);
    /* About what create allocates, for a budget. */
    int64_t (*bytes)(const struct ll_network *network);

    /* Makes layer `index` ready to run with weights at `weights` (NULL where it has none), which
     * outlive it. */
    void (*fill)(struct ll_plain_layers *layers, int index, const float *weights);

    int64_t (*scratch_floats)(const struct ll_layer_params *layer);

    /* Computes layer `index`, which is filled. */
    void (*run)(const struct ll_plain_layers *layers, int index,
                const struct ll_plain_tensors *tensors);

    /* The activation of `count` values, in place. */
    void (*activate)(float *values, int64_t count, ll_activation activation);
};

/* How many tensors layer `index` reads besides what comes in (a route its list, with repetitions, a
 * shortcut the one that it adds), the name of the i-th, and the most that any layer of the network
 * has. */
int ll_plain_source_count(const struct ll_network *network, int index);
int ll_plain_source(const struct ll_network *network, int index, int i);
int ll_plain_most_sources(const struct ll_network *network);

#endif
