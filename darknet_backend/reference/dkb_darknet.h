/* The `darknet` engine from the inside.
 *
 * A model holds one `struct layer` per layer as a pattern: parameters, forward function and
 * pointers into the blobs. Patterns are written once, by the extension that creates the layer, and
 * only read from then on. To run a layer, its pattern is copied, pointed at the context's memory
 * and handed to Darknet by value.
 *
 * Internal to darknet_backend/dkb_darknet_*.c. */
#ifndef DKB_DARKNET_H
#define DKB_DARKNET_H

#include <darknet.h>
#include <stddef.h>

#include "darknet_backend/network/dkb_network.h"
#include "engine/ll_arena.h"
#include "engine/ll_engine.h"
#include "engine/ll_probe.h"

struct dkb_darknet_model {
    struct ll_engine_model base;
    const struct ll_network *network;
    /* One per layer; those of [0, base.prefix) are filled. */
    struct layer *patterns;
    struct ll_buf **blobs;
    /* Statistics where the blob has none: as many as the widest such layer has channels. */
    float *zeros;
    float *ones;
    /* 0, 1, 2, ...: where a route finds its sources. */
    int *counting;
};

struct dkb_darknet_context {
    struct ll_engine_context base;
    /* Tensor t of the running range at [t + 1]: its memory, or where it will lie in the arena. */
    float **tensors;
    int64_t *places;
    struct ll_arena arena;
    /* Tensors, and the scratch memory of the layer that runs. Grow as ranges need it. */
    float *memory;
    int64_t memory_floats;
    float *scratch;
    int64_t scratch_floats;
    /* What routes and shortcuts read: the sources' `output`. */
    struct layer *sources;
    struct ll_probe probe;
};

/* Sources of the layer with the most, at least 1. */
int dkb_darknet_most_sources(const struct ll_network *network);

/* Darknet's name for it. */
ACTIVATION dkb_darknet_activation(ll_activation activation);

/* Fills pattern `index` for weights at `weights` (NULL where the layer has none). */
void dkb_darknet_fill(struct dkb_darknet_model *model, int index, const float *weights);

/* Scratch memory that the layer's forward function writes, in floats. */
int64_t dkb_darknet_scratch_floats(const struct ll_layer_params *layer);

/* Points a copy of the layer's pattern at its output and at `scratch`, of the size above. Where the
 * layer wants a workspace, `scratch` is Darknet's net.workspace too. */
void dkb_darknet_point(const struct ll_layer_params *layer, struct layer *copy, float *output,
                       float *scratch);

/* ll_engine_ops of the same names. */
ll_status dkb_darknet_context_create(struct ll_engine_model *base_model,
                                     struct ll_engine_context **out_context, struct ll_error *err);
void dkb_darknet_context_destroy(struct ll_engine_context *base_context);
ll_status dkb_darknet_run(struct ll_engine_context *base_context, const struct ll_run *run,
                          struct ll_error *err);

/* ll_probe.h, for contexts of this engine. */
void dkb_darknet_probe_set(struct ll_engine_context *context, const struct ll_probe *probe);
int64_t dkb_darknet_context_bytes(const struct ll_engine_context *context);

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_darknet_engine_create(struct ll_engine **out_engine,
                                                struct ll_error *err);

#endif
