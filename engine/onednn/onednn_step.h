/* What the creators of steps share: a layer's weights, choosing a primitive, its constants,
 * activations as oneDNN has them.
 *
 * Threads: the extending thread. */
#ifndef ONEDNN_STEP_H
#define ONEDNN_STEP_H

#include "engine/onednn/onednn.h"

/* Weights of layer `index`, NULL without. */
const float *onednn_weights(const struct onednn_creation *creation, int index);

/* Attributes of a primitive: fused operations, or none (NULL). Scales multiply the two sources of a
 * binary primitive; 1 and 1 are none. */
struct onednn_attributes {
    dnnl_post_ops_t post_ops;
    float scales[2];
};

/* The implementation that oneDNN chooses for an operation, scratch memory left to us.
 *
 * Errors: LL_E_UNSUPPORTED where it has none or only its slow reference, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status onednn_choose(const struct onednn_engine *engine, const void *operation,
                                    const struct onednn_attributes *attributes,
                                    dnnl_primitive_desc_t *out_pd);

/* Makes `step` the primitive of `pd` with the scratch memory it needs. */
LL_MUST_USE ll_status onednn_step_set(struct onednn_step *step, dnnl_primitive_desc_t pd);

/* Both: chooses the primitive of `operation` (attributes NULL: none) and makes it the step of layer
 * `index`, whose tensors are set already. */
LL_MUST_USE ll_status onednn_step_choose(struct onednn_creation *creation, int index,
                                         const void *operation,
                                         const struct onednn_attributes *attributes);

/* A matrix of rows of n values. */
dnnl_memory_desc_t onednn_flat(dnnl_data_type_t type, int64_t rows, int64_t n);

/* The step reads tensor `name` in the given form as argument `argument`. */
void onednn_step_reads(const struct onednn_model *model, struct onednn_step *step, int name,
                       int argument, enum onednn_form form);

/* The step writes the shape of tensor `index` in the given form. */
void onednn_step_writes(const struct onednn_model *model, struct onednn_step *step, int index,
                        enum onednn_form form);

/* A constant argument: zeroed memory of the model for the creator to fill, with what `md` says. */
LL_MUST_USE ll_status onednn_step_constant(struct onednn_creation *creation,
                                           struct onednn_step *step, int argument,
                                           const dnnl_memory_desc_t *md, void **out_data);
/* The same where it says f32. */
LL_MUST_USE ll_status onednn_step_floats(struct onednn_creation *creation, struct onednn_step *step,
                                         int argument, const dnnl_memory_desc_t *md,
                                         float **out_data);

/* The same over data that outlives the step. */
LL_MUST_USE ll_status onednn_step_borrow(struct onednn_creation *creation, struct onednn_step *step,
                                         int argument, const dnnl_memory_desc_t *md,
                                         const float *data);

/* One elementwise function as oneDNN names it. */
struct onednn_eltwise {
    dnnl_alg_kind_t kind;
    float alpha, beta;
};

enum { ONEDNN_ELTWISES = 2 };

/* Darknet's activation as `*out_count` functions, one after the other (none for linear); false
 * where oneDNN cannot express it. */
bool onednn_activation(ll_activation activation,
                       struct onednn_eltwise out_functions[ONEDNN_ELTWISES], int *out_count);

/* Fuses it behind what `post_ops` has. Errors: LL_E_UNSUPPORTED, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status onednn_fuse_activation(dnnl_post_ops_t post_ops, ll_activation activation);

/* Batch normalisation as y = x * factor + shift, with the epsilon of Darknet's normalize_cpu;
 * factor 1 and the biases where the layer has none. `channels` values each. */
void onednn_fold(const struct ll_layer_params *layer, const float *blob, int channels,
                 double *factor, double *shift);

/* Releases what the step holds; nothing happens there then. */
void onednn_step_finish(struct onednn_step *step);

#endif
