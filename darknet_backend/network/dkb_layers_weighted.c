/* The layer types that have weights. Sizes and orders follow Darknet's constructors and
 * load_weights; the numbers that its forward functions compute as int are checked to fit. */
#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"

/* What convolutional, deconvolutional and local have in common. */
static void read_kernel(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    layer->n = dkb_read_int(builder->reader, "filters", 1, 1, LL_LIMIT_DIM);
    layer->size = dkb_read_int(builder->reader, "size", 1, 1, LL_LIMIT_DIM);
    layer->stride = dkb_read_int(builder->reader, "stride", 1, 1, LL_LIMIT_DIM);
    layer->activation = dkb_read_activation(builder->reader, LL_ACTIVATION_LOGISTIC);
}

/* `pad=1` stands for size/2, whatever `padding` says. */
static void read_padding(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    layer->pad = dkb_read_int(builder->reader, "padding", 0, 0, LL_LIMIT_DIM);
    if (dkb_read_flag(builder->reader, "pad")) {
        layer->pad = layer->size / 2;
    }
}

/* How many values each of scales, mean and variance has in the file. */
static int64_t scales_in_file(struct dkb_builder *builder, int64_t channels)
{
    struct ll_layer_params *layer = builder->layer;
    layer->batch_normalize = dkb_read_flag(builder->reader, "batch_normalize");
    layer->dontloadscales = dkb_read_flag(builder->reader, "dontloadscales");
    return layer->batch_normalize && !layer->dontloadscales ? channels : 0;
}

/* Output size along one side; refuses a kernel that is larger than what it slides over (Darknet's
 * division rounds that to a size of 1 and invents zeros). */
static int64_t slide(struct dkb_builder *builder, int64_t side, int64_t padding)
{
    const struct ll_layer_params *layer = builder->layer;
    long long padded = side + padding;
    if (padded < layer->size) {
        dkb_refuse(builder->reader, "size", LL_E_INVALID,
                   "larger than the padded input, which has %lld", padded);
        return 1;
    }
    return (padded - layer->size) / layer->stride + 1;
}

static void check_convolution(struct dkb_builder *builder)
{
    const struct ll_layer_params *layer = builder->layer;
    if (layer->c % layer->groups != 0 || layer->n % layer->groups != 0) {
        dkb_refuse(builder->reader, "groups", LL_E_INVALID,
                   "must divide the %d input channels and the %d filters", layer->c, layer->n);
    }
    if (layer->size == 1 && layer->pad > 0) {
        dkb_refuse(builder->reader, "padding", LL_E_INVALID,
                   "a 1x1 convolution with padding reads past its input in Darknet");
    }
    if (layer->flipped && layer->groups > 1) {
        dkb_refuse(builder->reader, "flipped", LL_E_UNSUPPORTED,
                   "Darknet cannot load flipped weights in groups");
    }
    if (dkb_read_flag(builder->reader, "xnor")) {
        dkb_refuse(builder->reader, "xnor", LL_E_UNSUPPORTED, "xnor layers are not supported");
    }
    /* binary=1 alone has no effect in inference. */
    dkb_read_flag(builder->reader, "binary");
}

void dkb_build_convolutional(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    if (!dkb_take_image(builder)) {
        return;
    }
    read_kernel(builder);
    read_padding(builder);
    layer->groups = dkb_read_int(builder->reader, "groups", 1, 1, LL_LIMIT_DIM);
    layer->flipped = dkb_read_flag(builder->reader, "flipped");
    check_convolution(builder);
    int64_t out_w = slide(builder, layer->w, 2 * (int64_t)layer->pad);
    int64_t out_h = slide(builder, layer->h, 2 * (int64_t)layer->pad);
    dkb_give_image(builder, out_w, out_h, layer->n);

    int64_t kernel = dkb_mul3(layer->size, layer->size, layer->c);
    int64_t window = kernel / layer->groups;
    int64_t weights = dkb_mul(window, layer->n);
    dkb_have_weights(builder, layer->n, scales_in_file(builder, layer->n), weights);
    dkb_check_int(builder, "size", kernel);
    dkb_check_int(builder, "groups", dkb_mul(layer->groups, weights));
    dkb_check_int(builder, "groups", dkb_mul(layer->groups, layer->c));
    if (layer->size > 1) {
        dkb_need_workspace(builder, dkb_mul3(out_w, out_h, window));
    }
    builder->row->flops = dkb_mul4(2, weights, out_w, out_h);
    dkb_reads_input(builder);
}

void dkb_build_deconvolutional(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    if (!dkb_take_image(builder)) {
        return;
    }
    read_kernel(builder);
    read_padding(builder);
    int64_t trim = 2 * (int64_t)layer->pad;
    dkb_give_image(builder, dkb_mul(layer->w - 1, layer->stride) + layer->size - trim,
                   dkb_mul(layer->h - 1, layer->stride) + layer->size - trim, layer->n);

    int64_t window = dkb_mul3(layer->size, layer->size, layer->n);
    int64_t weights = dkb_mul(window, layer->c);
    dkb_have_weights(builder, layer->n, scales_in_file(builder, layer->n), weights);
    dkb_check_int(builder, "size", window);
    dkb_need_workspace(builder, dkb_mul3(layer->w, layer->h, window));
    builder->row->flops = dkb_mul4(2, weights, layer->w, layer->h);
    dkb_reads_input(builder);
}

void dkb_build_local(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    if (!dkb_take_image(builder)) {
        return;
    }
    read_kernel(builder);
    /* Where Darknet works out the shape, `pad` is a switch: any padding means an output for every
     * stride. Where it gathers the input, it is a number of pixels. Both must agree. */
    layer->pad = dkb_read_int(builder->reader, "pad", 0, 0, LL_LIMIT_DIM);
    int64_t out_w = slide(builder, layer->w, 2 * (int64_t)layer->pad);
    int64_t out_h = slide(builder, layer->h, 2 * (int64_t)layer->pad);
    if (layer->pad > 0 && (out_w != (layer->w - 1) / layer->stride + 1 ||
                           out_h != (layer->h - 1) / layer->stride + 1)) {
        dkb_refuse(builder->reader, "pad", LL_E_INVALID,
                   "Darknet contradicts itself about the output's size here: it takes one output "
                   "for each stride, but this padding gives %lld x %lld",
                   (long long)out_w, (long long)out_h);
    }
    dkb_give_image(builder, out_w, out_h, layer->n);

    int64_t window = dkb_mul3(layer->size, layer->size, layer->c);
    int64_t weights = dkb_mul4(window, layer->n, out_w, out_h);
    dkb_have_weights(builder, dkb_mul3(out_w, out_h, layer->n), 0, weights);
    dkb_need_workspace(builder, dkb_mul3(out_w, out_h, window));
    builder->row->flops = dkb_mul(2, weights);
    dkb_reads_input(builder);
}

void dkb_build_connected(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    int outputs = dkb_read_int(builder->reader, "output", 1, 1, LL_LIMIT_DIM);
    layer->activation = dkb_read_activation(builder->reader, LL_ACTIVATION_LOGISTIC);
    layer->w = 1;
    layer->h = 1;
    layer->c = layer->inputs;
    dkb_give_image(builder, 1, 1, outputs);

    int64_t weights = dkb_mul(layer->inputs, outputs);
    dkb_have_weights(builder, outputs, scales_in_file(builder, outputs), weights);
    layer->weights_at = layer->nbiases;
    layer->scales_at = layer->nbiases + layer->nweights;
    builder->row->exact_bytes = (int64_t)(layer->nbiases * sizeof(float));
    builder->row->exact_tail_bytes = (int64_t)(3 * layer->nscales * sizeof(float));
    builder->row->flops = dkb_mul(2, weights);
    dkb_reads_input(builder);
}

void dkb_build_batchnorm(struct dkb_builder *builder)
{
    if (!dkb_take_image(builder)) {
        return;
    }
    dkb_give_same(builder);
    /* Darknet loads the scales here even with dontloadscales. */
    dkb_have_weights(builder, 0, builder->c, 0);
    builder->row->flops = dkb_mul(4, builder->layer->outputs);
    dkb_reads_input(builder);
}
