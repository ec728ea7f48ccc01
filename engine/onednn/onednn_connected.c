/* Connected layers. They run at the speed of memory, and fastest with the weights in plain rows, as
 * the blob has them. So in f32, without batch normalisation, they are used where they lie; else the
 * rows are folded or rounded into memory of the model's own. */
#include <stdlib.h>

#include "engine/onednn/onednn_bf16.h"
#include "engine/onednn/onednn_create.h"
#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_step.h"

static const struct ll_layer_params *layer_of(const struct onednn_creation *creation, int index)
{
    return &creation->model->network->layers[index];
}

static ll_status borrow_constants(struct onednn_creation *creation, int index,
                                  const dnnl_memory_desc_t *weights_md,
                                  const dnnl_memory_desc_t *bias_md)
{
    struct onednn_step *step = &creation->model->steps[index];
    const float *blob = onednn_weights(creation, index);
    step->blob = ll_buf_ref(creation->blobs[index - creation->first]);
    ll_status status = onednn_step_borrow(creation, step, DNNL_ARG_WEIGHTS, weights_md,
                                          blob + layer_of(creation, index)->weights_at);
    return status == LL_OK ? onednn_step_borrow(creation, step, DNNL_ARG_BIAS, bias_md, blob)
                           : status;
}

static void fold_row(const float *from, int count, float factor, float *to)
{
    for (int i = 0; i < count; i++) {
        to[i] = from[i] * factor;
    }
}

static void round_row(const float *from, int count, float factor, uint16_t *to)
{
    for (int i = 0; i < count; i++) {
        to[i] = onednn_bf16_round(from[i] * factor);
    }
}

static ll_status copy_constants(struct onednn_creation *creation, int index,
                                const dnnl_memory_desc_t *weights_md,
                                const dnnl_memory_desc_t *bias_md)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    struct onednn_step *step = &creation->model->steps[index];
    void *weights = NULL;
    float *bias = NULL;
    ll_status status = onednn_step_constant(creation, step, DNNL_ARG_WEIGHTS, weights_md, &weights);
    if (status == LL_OK) {
        status = onednn_step_floats(creation, step, DNNL_ARG_BIAS, bias_md, &bias);
    }
    double *factor = calloc(2 * (size_t)layer->outputs, sizeof(*factor));
    if (status != LL_OK || !factor) {
        free(factor);
        return LL_E_NO_MEMORY;
    }
    double *shift = factor + layer->outputs;
    const float *blob = onednn_weights(creation, index);
    onednn_fold(layer, blob, layer->outputs, factor, shift);
    for (int o = 0; o < layer->outputs; o++) {
        size_t at = (size_t)o * (size_t)layer->inputs;
        const float *from = blob + layer->weights_at + at;
        if (weights_md->data_type == dnnl_bf16) {
            round_row(from, layer->inputs, (float)factor[o], (uint16_t *)weights + at);
        } else {
            fold_row(from, layer->inputs, (float)factor[o], (float *)weights + at);
        }
        bias[o] = (float)shift[o];
    }
    free(factor);
    return LL_OK;
}

ll_status onednn_create_connected(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    const struct onednn_model *model = creation->model;
    struct onednn_step *step = &creation->model->steps[index];
    dnnl_data_type_t type = model->engine->type;
    onednn_step_reads(model, step, layer->input, DNNL_ARG_SRC, onednn_plain_source(model->engine));
    onednn_step_writes(model, step, index, ONEDNN_PLAIN);
    step->sources[0].md = onednn_flat(type, 1, layer->inputs);
    step->out_md = onednn_flat(dnnl_f32, 1, layer->outputs);
    dnnl_memory_desc_t weights = onednn_flat(type, layer->outputs, layer->inputs);
    dnnl_dims_t bias_dims = {layer->outputs};
    dnnl_memory_desc_t bias;
    dnnl_inner_product_desc_t operation;
    dnnl_post_ops_t post_ops = NULL;
    if (dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_x) != dnnl_success ||
        dnnl_inner_product_forward_desc_init(&operation, dnnl_forward_inference,
                                             &step->sources[0].md, &weights, &bias,
                                             &step->out_md) != dnnl_success ||
        dnnl_post_ops_create(&post_ops) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    ll_status status = onednn_fuse_activation(post_ops, layer->activation);
    if (status == LL_OK) {
        const struct onednn_attributes attributes = {post_ops, {1, 1}};
        status = onednn_step_choose(creation, index, &operation, &attributes);
    }
    dnnl_post_ops_destroy(post_ops);
    if (status != LL_OK) {
        return status;
    }
    bool as_it_lies = type == dnnl_f32 && !layer->batch_normalize;
    return as_it_lies ? borrow_constants(creation, index, &weights, &bias)
                      : copy_constants(creation, index, &weights, &bias);
}
