/* The layer types that give every float of their input a new value. */
#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"

void dkb_build_softmax(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (dkb_read_text(reader, "tree", NULL)) {
        dkb_refuse(reader, "tree", LL_E_UNSUPPORTED,
                   "a model carries no tree file, so hierarchical softmax is not supported");
    }
    layer->groups = dkb_read_int(reader, "groups", 1, 1, LL_LIMIT_DIM);
    if (layer->inputs % layer->groups != 0) {
        dkb_refuse(reader, "groups", LL_E_INVALID, "must divide the %d inputs", layer->inputs);
    }
    layer->temperature = dkb_read_float(reader, "temperature", 1);
    if (!(layer->temperature > 0)) {
        dkb_refuse(reader, "temperature", LL_E_INVALID, "must be above 0");
    }
    layer->w = builder->w;
    layer->h = builder->h;
    layer->c = builder->c;
    dkb_give_flat(builder, layer->inputs);
    builder->row->flops = dkb_mul(4, layer->outputs);
    dkb_reads_input(builder);
}

/* Takes flat vectors too. */
static void build_pointwise(struct dkb_builder *builder)
{
    builder->layer->w = builder->w;
    builder->layer->h = builder->h;
    builder->layer->c = builder->c;
    dkb_give_same(builder);
    builder->row->flops = builder->layer->outputs;
    dkb_reads_input(builder);
}

void dkb_build_activation(struct dkb_builder *builder)
{
    builder->layer->activation = dkb_read_activation(builder->reader, LL_ACTIVATION_LINEAR);
    build_pointwise(builder);
}

void dkb_build_logistic(struct dkb_builder *builder)
{
    build_pointwise(builder);
}

void dkb_build_l2norm(struct dkb_builder *builder)
{
    if (!dkb_take_image(builder)) {
        return;
    }
    dkb_give_same(builder);
    builder->row->flops = dkb_mul(3, builder->layer->outputs);
    dkb_reads_input(builder);
}

void dkb_build_normalization(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    layer->alpha = dkb_read_float(reader, "alpha", .0001F);
    layer->beta = dkb_read_float(reader, "beta", .75F);
    layer->kappa = dkb_read_float(reader, "kappa", 1);
    layer->size = dkb_read_int(reader, "size", 5, 1, LL_LIMIT_DIM);
    if (layer->size / 2 > layer->c) {
        dkb_refuse(reader, "size", LL_E_INVALID, "half of it is more than the %d input channels",
                   layer->c);
    }
    dkb_give_same(builder);
    builder->row->flops = dkb_mul(8, layer->outputs);
    dkb_reads_input(builder);
}
