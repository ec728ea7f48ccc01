/* The steps of all layers but convolutions and connected ones. What a creator refuses with
 * LL_E_UNSUPPORTED runs as a plain layer. */
#include <stdlib.h>
#include <string.h>

#include "engine/onednn/onednn_create.h"
#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_step.h"
#include "engine/onednn/onednn_sum.h"

static const struct ll_layer_params *layer_of(const struct onednn_creation *creation, int index)
{
    return &creation->model->network->layers[index];
}

static enum onednn_form form_of(const struct onednn_creation *creation, int name)
{
    return onednn_layout_of(creation->model, name)->form;
}

/* The step reads its input and writes its output in the output's form. */
static struct onednn_step *begin(struct onednn_creation *creation, int index)
{
    struct onednn_step *step = &creation->model->steps[index];
    enum onednn_form form = form_of(creation, index);
    onednn_step_reads(creation->model, step, layer_of(creation, index)->input, DNNL_ARG_SRC, form);
    onednn_step_writes(creation->model, step, index, form);
    return step;
}

static dnnl_memory_desc_t channel_values(int64_t channels)
{
    dnnl_dims_t dims = {1, channels, 1, 1};
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_nchw);
    return md;
}

static ll_status create_pool(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    struct onednn_step *step = begin(creation, index);
    dnnl_alg_kind_t kind = dnnl_pooling_max;
    dnnl_dims_t kernel = {layer->size, layer->size};
    dnnl_dims_t strides = {layer->stride, layer->stride};
    /* `pad` is both sides together; windows begin at -pad/2. */
    dnnl_dims_t left = {layer->pad / 2, layer->pad / 2};
    dnnl_dims_t right = {layer->pad - layer->pad / 2, layer->pad - layer->pad / 2};
    if (layer->kind == LL_KIND_AVGPOOL) {
        kind = dnnl_pooling_avg_exclude_padding;
        kernel[0] = layer->h;
        kernel[1] = layer->w;
        strides[0] = strides[1] = 1;
        left[0] = left[1] = right[0] = right[1] = 0;
    }
    dnnl_pooling_desc_t operation;
    if (dnnl_pooling_forward_desc_init(&operation, dnnl_forward_inference, kind,
                                       &step->sources[0].md, &step->out_md, strides, kernel, left,
                                       right) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return onednn_step_choose(creation, index, &operation, NULL);
}

static ll_status create_upsample(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    if (layer->reverse || layer->scale != 1) {
        return LL_E_UNSUPPORTED;
    }
    struct onednn_step *step = begin(creation, index);
    const float factors[] = {(float)layer->stride, (float)layer->stride};
    dnnl_resampling_desc_t operation;
    if (dnnl_resampling_forward_desc_init(&operation, dnnl_forward_inference,
                                          dnnl_resampling_nearest, factors, &step->sources[0].md,
                                          &step->out_md) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return onednn_step_choose(creation, index, &operation, NULL);
}

static ll_status create_activation(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    struct onednn_eltwise functions[ONEDNN_ELTWISES];
    int count = 0;
    ll_activation activation =
        layer->kind == LL_KIND_LOGISTIC ? LL_ACTIVATION_LOGISTIC : layer->activation;
    if (!onednn_activation(activation, functions, &count) || count > 1) {
        return LL_E_UNSUPPORTED;
    }
    if (count == 0) {
        functions[0] = (struct onednn_eltwise){dnnl_eltwise_linear, 1, 0};
    }
    struct onednn_step *step = begin(creation, index);
    dnnl_eltwise_desc_t operation;
    if (dnnl_eltwise_forward_desc_init(&operation, dnnl_forward_inference, functions[0].kind,
                                       &step->out_md, functions[0].alpha,
                                       functions[0].beta) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return onednn_step_choose(creation, index, &operation, NULL);
}

/* Logistic of everything; the run puts the boxes' widths and heights back, which stay as they are.
 */
static ll_status create_yolo(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    struct onednn_step *step = &creation->model->steps[index];
    onednn_step_reads(creation->model, step, layer->input, DNNL_ARG_SRC, ONEDNN_PLAIN);
    onednn_step_writes(creation->model, step, index, ONEDNN_PLAIN);
    dnnl_eltwise_desc_t operation;
    if (dnnl_eltwise_forward_desc_init(&operation, dnnl_forward_inference, dnnl_eltwise_logistic,
                                       &step->out_md, 0, 0) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return onednn_step_choose(creation, index, &operation, NULL);
}

/* y = x * factor + shift for each channel. */
static ll_status create_batchnorm(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    struct onednn_step *step = begin(creation, index);
    dnnl_memory_desc_t values = channel_values(step->out_md.dims[1]);
    dnnl_binary_desc_t operation;
    dnnl_post_ops_t post_ops = NULL;
    if (dnnl_binary_desc_init(&operation, dnnl_binary_mul, &step->sources[0].md, &values,
                              &step->out_md) != dnnl_success ||
        dnnl_post_ops_create(&post_ops) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    ll_status status = LL_E_UNSUPPORTED;
    if (dnnl_post_ops_append_binary(post_ops, dnnl_binary_add, &values) == dnnl_success) {
        const struct onednn_attributes attributes = {post_ops, {1, 1}};
        status = onednn_step_choose(creation, index, &operation, &attributes);
    }
    dnnl_post_ops_destroy(post_ops);
    float *factor = NULL;
    float *shift = NULL;
    if (status == LL_OK) {
        status = onednn_step_floats(creation, step, DNNL_ARG_SRC_1, &values, &factor);
    }
    if (status == LL_OK) {
        status = onednn_step_floats(
            creation, step, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, &values, &shift);
    }
    double *folded = calloc(2 * (size_t)layer->out_c, sizeof(*folded));
    if (status != LL_OK || !folded) {
        free(folded);
        return status != LL_OK ? status : LL_E_NO_MEMORY;
    }
    onednn_fold(layer, onednn_weights(creation, index), layer->out_c, folded,
                folded + layer->out_c);
    for (int c = 0; c < layer->out_c; c++) {
        factor[c] = (float)folded[c];
        shift[c] = (float)folded[layer->out_c + c];
    }
    free(folded);
    return LL_OK;
}

static ll_status create_shortcut(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    if (layer->w != layer->out_w || layer->h != layer->out_h || layer->c != layer->out_c) {
        return onednn_create_sum(creation, index);
    }
    int source = creation->model->base.network->table.layers[layer->index].makes;
    struct onednn_step *step = begin(creation, index);
    onednn_step_reads(creation->model, step, source, DNNL_ARG_SRC_1, form_of(creation, index));
    dnnl_binary_desc_t operation;
    dnnl_post_ops_t post_ops = NULL;
    if (dnnl_binary_desc_init(&operation, dnnl_binary_add, &step->sources[0].md,
                              &step->sources[1].md, &step->out_md) != dnnl_success ||
        dnnl_post_ops_create(&post_ops) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    ll_status status = onednn_fuse_activation(post_ops, layer->activation);
    if (status == LL_OK) {
        const struct onednn_attributes attributes = {post_ops, {layer->alpha, layer->beta}};
        status = onednn_step_choose(creation, index, &operation, &attributes);
    }
    dnnl_post_ops_destroy(post_ops);
    return status;
}

static ll_status create_softmax(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    if (layer->temperature != 1) {
        return LL_E_UNSUPPORTED;
    }
    struct onednn_step *step = &creation->model->steps[index];
    onednn_step_reads(creation->model, step, layer->input, DNNL_ARG_SRC, ONEDNN_PLAIN);
    onednn_step_writes(creation->model, step, index, ONEDNN_PLAIN);
    step->out_md = onednn_flat(dnnl_f32, layer->groups, layer->inputs / layer->groups);
    step->sources[0].md = step->out_md;
    dnnl_softmax_desc_t operation;
    if (dnnl_softmax_forward_desc_init(&operation, dnnl_forward_inference, &step->out_md, 1) !=
        dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return onednn_step_choose(creation, index, &operation, NULL);
}

/* Tensors lie one behind the other, if all but the last consist of full blocks. */
static ll_status create_route(struct onednn_creation *creation, int index)
{
    const struct ll_layer_params *layer = layer_of(creation, index);
    const struct ll_table *table = &creation->model->base.network->table;
    enum onednn_form form = form_of(creation, index);
    for (int i = 0; i < layer->n; i++) {
        const struct onednn_layout *source =
            onednn_layout_of(creation->model, table->layers[layer->input_layers[i]].makes);
        bool full = source->padded_c == source->c || i == layer->n - 1;
        if (source->form != form || (form == ONEDNN_BLOCKED && !full)) {
            return LL_E_UNSUPPORTED;
        }
    }
    creation->model->steps[index].kind = ONEDNN_CONCAT;
    creation->model->steps[index].out_form = form;
    return LL_OK;
}

ll_status onednn_create_layer(struct onednn_creation *creation, int index)
{
    switch (layer_of(creation, index)->kind) {
    case LL_KIND_CONNECTED:
        return onednn_create_connected(creation, index);
    case LL_KIND_MAXPOOL:
    case LL_KIND_AVGPOOL:
        return create_pool(creation, index);
    case LL_KIND_UPSAMPLE:
        return create_upsample(creation, index);
    case LL_KIND_ACTIVATION:
    case LL_KIND_LOGISTIC:
        return create_activation(creation, index);
    case LL_KIND_YOLO:
        return create_yolo(creation, index);
    case LL_KIND_BATCHNORM:
        return create_batchnorm(creation, index);
    case LL_KIND_SHORTCUT:
        return create_shortcut(creation, index);
    case LL_KIND_SOFTMAX:
        return create_softmax(creation, index);
    case LL_KIND_ROUTE:
        return create_route(creation, index);
    default:
        return LL_E_UNSUPPORTED;
    }
}
