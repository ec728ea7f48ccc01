/* Convolutions, and what fuses with them.
 *
 * A group is a convolution, perhaps a 1x1 depthwise one without activation behind it (a "scale":
 * y = w x + b for each channel), perhaps a shortcut (a "sum"). What oneDNN does in one go:
 *
 *   batch normalisation   is folded into weights and bias
 *   activation            follows as a post-operation
 *   scale                 is folded into weights and bias behind a linear convolution; behind
 *                         hardtan with equal w and b everywhere (relu6) w clip(x, -1, 1) + b =
 *                         clip(w x + b, b - |w|, b + |w|), so it is folded too and moves the
 *                         bounds; else it is two post-operations with a value for each channel
 *   sum and its activation follow as post-operations: as an addition to what the destination holds
 *                         already, or as a binary operation
 *
 * Not every implementation has every combination: the variants are tried from the most fused one
 * down, and what stays is done by steps of their own. Which variant is found follows from the
 * layers, their weights and the instruction set, never from the range that runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/onednn/onednn_create.h"
#include "engine/onednn/onednn_layout.h"
#include "engine/onednn/onednn_pack.h"
#include "engine/onednn/onednn_step.h"

enum sum_kind { SUM_NONE, SUM_IN_PLACE, SUM_BINARY };

/* One way to do the group. */
struct variant {
    /* The scale's and the sum's layers; -1 where they are not fused. */
    int scale;
    int sum;
    enum sum_kind sum_kind;
    enum onednn_form src_form;
    enum onednn_form dst_form;
};

struct convolution {
    struct onednn_creation *creation;
    struct onednn_model *model;
    const struct ll_layer_params *layer;
    int index;
    /* Groups as oneDNN is told, and how many of the cfg's make one of those. */
    int groups;
    int merge;
    /* Each filter's y = x * factor + shift. */
    double *factor;
    double *shift;
    /* Scale: w and b of each filter, and whether they are equal everywhere. */
    const float *w;
    const float *b;
    bool uniform;
};

static const struct ll_layer_params *layer_of(const struct convolution *c, int index)
{
    return &c->model->network->layers[index];
}

/* How groups look in blocks: as they are where they consist of full ones; depthwise; or so many
 * merged that they do. 0 where nothing fits. */
static int merge_for_blocks(const struct convolution *c)
{
    const struct ll_layer_params *layer = c->layer;
    int block = c->model->engine->block;
    int columns = layer->c / layer->groups;
    int rows = layer->n / layer->groups;
    if (layer->groups == 1 || (columns == 1 && rows == 1)) {
        return 1;
    }
    for (int merge = 1; merge <= block && merge <= layer->groups; merge++) {
        if (layer->groups % merge == 0 && columns * merge % block == 0 &&
            rows * merge % block == 0) {
            /* Wide groups would be multiplied with zeros mostly. */
            return merge == 1 || columns * merge <= 4 * block ? merge : 0;
        }
    }
    return 0;
}

static bool is_depthwise(const struct ll_layer_params *layer)
{
    return layer->groups > 1 && layer->groups == layer->c && layer->groups == layer->n;
}

/* Sets groups and merge for the variant; false where blocks do not fit. */
static bool fit_groups(struct convolution *c, const struct variant *variant)
{
    c->merge = 1;
    c->groups = c->layer->groups;
    if (variant->dst_form != ONEDNN_BLOCKED || c->layer->groups == 1) {
        return true;
    }
    c->merge = merge_for_blocks(c);
    if (c->merge == 0 || variant->src_form != ONEDNN_BLOCKED) {
        return false;
    }
    if (is_depthwise(c->layer)) {
        c->groups = onednn_layout_of(c->model, c->index)->padded_c;
    } else {
        c->groups = c->layer->groups / c->merge;
    }
    return true;
}

static dnnl_memory_desc_t channel_values(const dnnl_memory_desc_t *dst)
{
    dnnl_dims_t dims = {1, dst->dims[1], 1, 1};
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, dnnl_nchw);
    return md;
}

static bool folds_clip(const struct convolution *c, const struct variant *variant)
{
    return variant->scale >= 0 && c->layer->activation == LL_ACTIVATION_HARDTAN && c->uniform;
}

/* Whether the scale stays an operation of its own behind the activation. */
static bool scales_after(const struct convolution *c, const struct variant *variant)
{
    return variant->scale >= 0 && c->layer->activation != LL_ACTIVATION_LINEAR &&
           !folds_clip(c, variant);
}

static ll_status add_scale(const struct convolution *c, const struct variant *variant,
                           dnnl_post_ops_t post_ops, const dnnl_memory_desc_t *dst)
{
    if (folds_clip(c, variant)) {
        float reach = fabsf(c->w[0]);
        return dnnl_post_ops_append_eltwise(post_ops, 1, dnnl_eltwise_clip, c->b[0] - reach,
                                            c->b[0] + reach) == dnnl_success
                   ? LL_OK
                   : LL_E_UNSUPPORTED;
    }
    ll_status status = onednn_fuse_activation(post_ops, c->layer->activation);
    if (status == LL_OK && scales_after(c, variant)) {
        dnnl_memory_desc_t values = channel_values(dst);
        if (dnnl_post_ops_append_binary(post_ops, dnnl_binary_mul, &values) != dnnl_success ||
            dnnl_post_ops_append_binary(post_ops, dnnl_binary_add, &values) != dnnl_success) {
            status = LL_E_UNSUPPORTED;
        }
    }
    return status;
}

static ll_status add_sum(const struct convolution *c, const struct variant *variant,
                         dnnl_post_ops_t post_ops, const dnnl_memory_desc_t *dst)
{
    if (variant->sum < 0) {
        return LL_OK;
    }
    const struct ll_layer_params *sum = layer_of(c, variant->sum);
    dnnl_status_t status = variant->sum_kind == SUM_IN_PLACE
                               ? dnnl_post_ops_append_sum(post_ops, sum->beta)
                               : dnnl_post_ops_append_binary(post_ops, dnnl_binary_add, dst);
    return status == dnnl_success ? onednn_fuse_activation(post_ops, sum->activation)
                                  : LL_E_UNSUPPORTED;
}

static ll_status describe(const struct convolution *c, const struct variant *variant,
                          dnnl_convolution_desc_t *out_operation)
{
    const struct ll_layer_params *layer = c->layer;
    const struct onednn_engine *engine = c->model->engine;
    dnnl_memory_desc_t src =
        onednn_describe(engine, onednn_layout_of(c->model, layer->input), variant->src_form);
    dnnl_memory_desc_t dst =
        onednn_describe(engine, onednn_layout_of(c->model, c->index), variant->dst_form);
    dnnl_dims_t plain = {dst.dims[1], src.dims[1], layer->size, layer->size};
    dnnl_dims_t grouped = {c->groups, dst.dims[1] / c->groups, src.dims[1] / c->groups, layer->size,
                           layer->size};
    dnnl_dims_t strides = {layer->stride, layer->stride};
    dnnl_dims_t left = {layer->pad, layer->pad};
    /* Darknet's size rounds down; oneDNN's too. */
    dnnl_dims_t right = {layer->pad, layer->pad};
    dnnl_dims_t bias_dims = {dst.dims[1]};
    dnnl_memory_desc_t weights;
    dnnl_memory_desc_t bias;
    if (dnnl_memory_desc_init_by_tag(&weights, c->groups > 1 ? 5 : 4,
                                     c->groups > 1 ? grouped : plain, engine->type,
                                     dnnl_format_tag_any) != dnnl_success ||
        dnnl_memory_desc_init_by_tag(&bias, 1, bias_dims, dnnl_f32, dnnl_x) != dnnl_success ||
        dnnl_convolution_forward_desc_init(out_operation, dnnl_forward_inference,
                                           dnnl_convolution_direct, &src, &weights, &bias, &dst,
                                           strides, left, right) != dnnl_success) {
        return LL_E_UNSUPPORTED;
    }
    return LL_OK;
}

/* Whether the packed weights are not much larger than the blob: padding and merged groups make odd
 * layers up to 16 times as large. */
static bool packs_well(const struct convolution *c, dnnl_primitive_desc_t pd)
{
    const size_t allowed_bytes = (size_t)16 << 20;
    const struct ll_layer *row = &c->model->base.network->table.layers[c->index];
    const dnnl_memory_desc_t *weights = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    return weights &&
           dnnl_memory_desc_get_size(weights) <= 2 * (size_t)row->blob_bytes + allowed_bytes;
}

static ll_status try_variant(struct convolution *c, const struct variant *variant,
                             dnnl_primitive_desc_t *out_pd)
{
    dnnl_convolution_desc_t operation;
    if (!fit_groups(c, variant)) {
        return LL_E_UNSUPPORTED;
    }
    ll_status status = describe(c, variant, &operation);
    if (status != LL_OK) {
        return status;
    }
    dnnl_post_ops_t post_ops = NULL;
    if (dnnl_post_ops_create(&post_ops) != dnnl_success) {
        return LL_E_NO_MEMORY;
    }
    status = add_scale(c, variant, post_ops, &operation.dst_desc);
    if (status == LL_OK) {
        status = add_sum(c, variant, post_ops, &operation.dst_desc);
    }
    if (status == LL_OK) {
        const struct onednn_attributes attributes = {post_ops, {1, 1}};
        status = onednn_choose(c->model->engine, &operation, &attributes, out_pd);
    }
    dnnl_post_ops_destroy(post_ops);
    if (status == LL_OK && !packs_well(c, *out_pd)) {
        dnnl_primitive_desc_destroy(*out_pd);
        *out_pd = NULL;
        status = LL_E_UNSUPPORTED;
    }
    return status;
}

/* The layouts in the order of preference. */
static ll_status try_layouts(struct convolution *c, struct variant *variant,
                             dnnl_primitive_desc_t *out_pd)
{
    ll_status status = LL_E_UNSUPPORTED;
    bool src_blocks = onednn_layout_of(c->model, c->layer->input)->c > 3;
    enum onednn_form plain = onednn_plain_source(c->model->engine);
    if (onednn_layout_of(c->model, c->index)->form == ONEDNN_BLOCKED) {
        variant->src_form = src_blocks ? ONEDNN_BLOCKED : plain;
        variant->dst_form = ONEDNN_BLOCKED;
        status = try_variant(c, variant, out_pd);
    }
    if (status == LL_E_UNSUPPORTED) {
        variant->src_form = plain;
        variant->dst_form = ONEDNN_PLAIN;
        status = try_variant(c, variant, out_pd);
    }
    return status;
}

static bool can_sum(const struct convolution *c, int sum, enum sum_kind kind)
{
    const struct ll_layer_params *layer = layer_of(c, sum);
    return layer->alpha == 1 && (kind == SUM_IN_PLACE || layer->beta == 1);
}

static ll_status find_variant(struct convolution *c, int scale, int sum, struct variant *variant,
                              dnnl_primitive_desc_t *out_pd)
{
    const struct variant wishes[] = {
        {.scale = scale, .sum = sum, .sum_kind = SUM_IN_PLACE},
        {.scale = scale, .sum = sum, .sum_kind = SUM_BINARY},
        {.scale = scale, .sum = -1},
        {.scale = -1, .sum = -1},
    };
    ll_status status = LL_E_UNSUPPORTED;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]) && status == LL_E_UNSUPPORTED; i++) {
        *variant = wishes[i];
        if (variant->sum_kind != SUM_NONE && (sum < 0 || !can_sum(c, sum, variant->sum_kind))) {
            continue;
        }
        status = try_layouts(c, variant, out_pd);
    }
    return status;
}

/* Folds the scale into factor and shift where the variant has it before the activation. */
static void fold_scale(struct convolution *c, const struct variant *variant)
{
    if (variant->scale < 0 || scales_after(c, variant)) {
        return;
    }
    for (int o = 0; o < c->layer->n; o++) {
        c->factor[o] *= c->w[o];
        c->shift[o] = c->shift[o] * c->w[o] + c->b[o];
    }
}

static ll_status set_constants(struct convolution *c, const struct variant *variant,
                               struct onednn_step *step, dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *weights_md =
        dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *bias_md = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1);
    void *weights = NULL;
    float *bias = NULL;
    ll_status status =
        onednn_step_constant(c->creation, step, DNNL_ARG_WEIGHTS, weights_md, &weights);
    if (status == LL_OK) {
        status = onednn_step_floats(c->creation, step, DNNL_ARG_BIAS, bias_md, &bias);
    }
    if (status != LL_OK) {
        return status;
    }
    fold_scale(c, variant);
    for (int o = 0; o < c->layer->n; o++) {
        bias[o] = (float)c->shift[o];
    }
    const struct onednn_filters filters = {
        .weights = onednn_weights(c->creation, c->index) + c->layer->weights_at,
        .factors = c->factor,
        .groups = c->layer->groups,
        .rows = c->layer->n / c->layer->groups,
        .columns = c->layer->c / c->layer->groups,
        .kernel = c->layer->size,
        .merge = c->merge,
    };
    return onednn_pack(&filters, weights_md, weights);
}

/* The scale as post-operations: their arguments. */
static ll_status set_scale(struct convolution *c, struct onednn_step *step, int first_op)
{
    const float *const values[] = {c->w, c->b};
    dnnl_memory_desc_t md = channel_values(&step->out_md);
    for (int i = 0; i < 2; i++) {
        float *data = NULL;
        ll_status status = onednn_step_floats(
            c->creation, step, DNNL_ARG_ATTR_MULTIPLE_POST_OP(first_op + i) | DNNL_ARG_SRC_1, &md,
            &data);
        if (status != LL_OK) {
            return status;
        }
        memcpy(data, values[i], (size_t)c->layer->n * sizeof(*data));
    }
    return LL_OK;
}

static ll_status create_step(struct convolution *c, const struct variant *variant,
                             dnnl_primitive_desc_t pd, int last)
{
    struct onednn_step *step = &c->model->steps[last];
    onednn_step_reads(c->model, step, c->layer->input, DNNL_ARG_SRC, variant->src_form);
    onednn_step_writes(c->model, step, c->index, variant->dst_form);
    ll_status status = onednn_step_set(step, pd);
    if (status == LL_OK) {
        status = set_constants(c, variant, step, pd);
    }
    struct onednn_eltwise functions[ONEDNN_ELTWISES];
    int ops = 1;
    if (!folds_clip(c, variant)) {
        (void)onednn_activation(c->layer->activation, functions, &ops);
    }
    if (status == LL_OK && scales_after(c, variant)) {
        status = set_scale(c, step, ops);
        ops += 2;
    }
    if (status == LL_OK && variant->sum >= 0) {
        const struct ll_layer_params *sum = layer_of(c, variant->sum);
        int name = c->model->base.network->table.layers[sum->index].makes;
        step->adds = variant->sum_kind == SUM_IN_PLACE;
        onednn_step_reads(c->model, step, name,
                          DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops) | DNNL_ARG_SRC_1, variant->dst_form);
    }
    return status;
}

static bool all_equal(const float *values, int count)
{
    for (int i = 1; i < count; i++) {
        if (values[i] != values[0]) {
            return false;
        }
    }
    return true;
}

/* Finds the scale and the sum among the layers behind the convolution. */
static void look_behind(struct convolution *c, int last, int *out_scale, int *out_sum)
{
    *out_scale = -1;
    *out_sum = -1;
    for (int i = c->index + 1; i <= last; i++) {
        if (layer_of(c, i)->kind == LL_KIND_SHORTCUT) {
            *out_sum = i;
        } else {
            const struct ll_layer_params *scale = layer_of(c, i);
            const float *blob = onednn_weights(c->creation, i);
            *out_scale = i;
            c->w = blob + scale->weights_at;
            c->b = blob;
            c->uniform = all_equal(c->w, scale->n) && all_equal(c->b, scale->n);
        }
    }
}

/* Darknet reads a 1x1 convolution's input without regard to its stride: as if the first pixels of
 * the tensor were all there is. */
static bool ignores_stride(const struct ll_layer_params *layer)
{
    return layer->size == 1 && layer->stride > 1;
}

static ll_status create(struct convolution *c, int last, int *out_end)
{
    int scale = -1;
    int sum = -1;
    look_behind(c, last, &scale, &sum);
    struct onednn_eltwise functions[ONEDNN_ELTWISES];
    int count = 0;
    if (!onednn_activation(c->layer->activation, functions, &count)) {
        return LL_E_UNSUPPORTED;
    }
    struct variant variant;
    dnnl_primitive_desc_t pd = NULL;
    ll_status status = find_variant(c, scale, sum, &variant, &pd);
    if (status != LL_OK) {
        return status;
    }
    int end = c->index + 1;
    end += variant.scale >= 0;
    end += variant.sum >= 0;
    status = create_step(c, &variant, pd, end - 1);
    dnnl_primitive_desc_destroy(pd);
    if (status == LL_OK) {
        *out_end = end;
    } else {
        onednn_step_finish(&c->model->steps[end - 1]);
    }
    return status;
}

ll_status onednn_create_convolution(struct onednn_creation *creation, int index, int last,
                                    int *out_end)
{
    struct convolution c = {
        .creation = creation,
        .model = creation->model,
        .layer = &creation->model->network->layers[index],
        .index = index,
    };
    if (ignores_stride(c.layer)) {
        return LL_E_UNSUPPORTED;
    }
    size_t filters = (size_t)c.layer->n;
    c.factor = calloc(filters, sizeof(*c.factor));
    c.shift = calloc(filters, sizeof(*c.shift));
    ll_status status = LL_E_NO_MEMORY;
    if (c.factor && c.shift) {
        onednn_fold(c.layer, onednn_weights(creation, index), c.layer->n, c.factor, c.shift);
        status = create(&c, last, out_end);
    }
    free(c.factor);
    free(c.shift);
    return status;
}
