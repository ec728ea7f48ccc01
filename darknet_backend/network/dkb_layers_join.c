/* The layer types that join tensors or make none. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"

/* The earlier layer that `name` of a `from` or `layers` stands for: an index from 0, or so many
 * layers back; -1 after a refusal. */
static int find_layer(struct dkb_builder *builder, const char *key, int64_t name)
{
    int64_t index = name < 0 ? builder->index + name : name;
    if (index < 0 || index >= builder->index) {
        dkb_refuse(builder->reader, key, LL_E_INVALID,
                   "%lld names layer %lld, but this is layer %d and can only read earlier ones",
                   (long long)name, (long long)index, builder->index);
        return -1;
    }
    return (int)index;
}

/* Turns what the cfg names into indexes and sums up what they make. */
static bool resolve_sources(struct dkb_builder *builder, int64_t *out_floats)
{
    struct ll_layer_params *layer = builder->layer;
    int64_t floats = 0;
    for (int i = 0; i < layer->n; i++) {
        int index = find_layer(builder, "layers", layer->input_layers[i]);
        if (index < 0) {
            return false;
        }
        layer->input_layers[i] = index;
        layer->input_sizes[i] = builder->network->layers[index].outputs;
        floats = dkb_add(floats, layer->input_sizes[i]);
    }
    *out_floats = floats;
    return true;
}

/* The route has a shape if all its sources have the same width and height. */
static void give_routed(struct dkb_builder *builder, int64_t floats)
{
    const struct ll_layer_params *layer = builder->layer;
    const struct ll_layer_params *first = &builder->network->layers[layer->input_layers[0]];
    if (first->out_w == 0 || dkb_find_unequal(builder->network, layer) > 0) {
        dkb_give_flat(builder, floats);
        return;
    }
    int64_t channels = 0;
    for (int i = 0; i < layer->n; i++) {
        channels += builder->network->layers[layer->input_layers[i]].out_c;
    }
    dkb_give_image(builder, first->out_w, first->out_h, channels);
}

void dkb_build_route(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    layer->n = dkb_read_ints(builder->reader, "layers", LL_LIMIT_LAYER_READS, &layer->input_layers);
    if (layer->n == 0) {
        dkb_refuse(builder->reader, "layers", LL_E_INVALID, "a route must name its layers");
        return;
    }
    layer->input_sizes = calloc((size_t)layer->n, sizeof(*layer->input_sizes));
    if (!layer->input_sizes) {
        dkb_refuse(builder->reader, NULL, LL_E_NO_MEMORY, "out of memory");
        return;
    }
    int64_t floats = 0;
    if (!resolve_sources(builder, &floats)) {
        return;
    }
    give_routed(builder, floats);
    int names[LL_LIMIT_LAYER_READS];
    for (int i = 0; i < layer->n; i++) {
        names[i] = dkb_made_by(builder, layer->input_layers[i]);
    }
    dkb_reads(builder, names, layer->n);
    layer->inputs = layer->outputs;
    builder->row->flops = layer->outputs;
}

/* Darknet adds the source's grid to the layer's own, taking every n-th pixel where one is larger;
 * it asserts that width and height have the same n. */
static bool check_grids(struct dkb_builder *builder, const struct ll_layer_params *source)
{
    if (source->out_w == 0) {
        dkb_refuse(builder->reader, "from", LL_E_INVALID,
                   "names a layer whose output has no shape");
        return false;
    }
    if (source->out_w / builder->w != source->out_h / builder->h ||
        builder->w / source->out_w != builder->h / source->out_h) {
        dkb_refuse(builder->reader, "from", LL_E_INVALID,
                   "%d x %d cannot be added to %d x %d: width and height differ by other factors",
                   source->out_w, source->out_h, builder->w, builder->h);
        return false;
    }
    return true;
}

void dkb_build_shortcut(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    int from = 0;
    if (!dkb_read_text(reader, "from", NULL)) {
        dkb_refuse(reader, "from", LL_E_INVALID, "a shortcut must name a layer");
    } else if (strchr(dkb_read_text(reader, "from", ""), ',')) {
        dkb_refuse(reader, "from", LL_E_UNSUPPORTED,
                   "not supported: a sum of more than two layers");
        return;
    } else {
        from = dkb_read_int(reader, "from", 0, -LL_LIMIT_LAYERS, LL_LIMIT_LAYERS);
    }
    layer->index = find_layer(builder, "from", from);
    if (layer->index < 0 || !check_grids(builder, &builder->network->layers[layer->index])) {
        return;
    }
    const struct ll_layer_params *source = &builder->network->layers[layer->index];
    layer->w = source->out_w;
    layer->h = source->out_h;
    layer->c = source->out_c;
    layer->activation = dkb_read_activation(reader, LL_ACTIVATION_LINEAR);
    layer->alpha = dkb_read_float(reader, "alpha", 1);
    layer->beta = dkb_read_float(reader, "beta", 1);
    dkb_give_same(builder);
    builder->row->flops = dkb_mul(2, layer->outputs);
    const int names[] = {layer->input, dkb_made_by(builder, layer->index)};
    dkb_reads(builder, names, 2);
}

/* Does nothing in inference: its output is its predecessor's. */
void dkb_build_dropout(struct dkb_builder *builder)
{
    if (builder->index == 0) {
        dkb_refuse(builder->reader, NULL, LL_E_INVALID, "a dropout cannot be the first layer");
        return;
    }
    dkb_give_same(builder);
    builder->row->makes = builder->layer->input;
}

/* Does nothing in inference either, but has an output of its own, which stays 0. */
void dkb_build_cost(struct dkb_builder *builder)
{
    dkb_give_flat(builder, builder->layer->inputs);
}
