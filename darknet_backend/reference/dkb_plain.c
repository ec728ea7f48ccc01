/* Darknet's `struct layer`, filled with exactly what its forward functions read in inference, so
 * that none of its constructors has to run: they fill all weights with random numbers and allocate
 * training memory. */
#include "darknet_backend/reference/dkb_plain.h"

#include <activation_layer.h>
#include <activations.h>
#include <avgpool_layer.h>
#include <batchnorm_layer.h>
#include <connected_layer.h>
#include <convolutional_layer.h>
#include <cost_layer.h>
#include <crop_layer.h>
#include <deconvolutional_layer.h>
#include <detection_layer.h>
#include <dropout_layer.h>
#include <l2norm_layer.h>
#include <local_layer.h>
#include <logistic_layer.h>
#include <maxpool_layer.h>
#include <normalization_layer.h>
#include <region_layer.h>
#include <reorg_layer.h>
#include <route_layer.h>
#include <shortcut_layer.h>
#include <softmax_layer.h>
#include <stdlib.h>
#include <string.h>
#include <upsample_layer.h>
#include <yolo_layer.h>

struct ll_plain_layers {
    const struct ll_network *network;
    /* One per layer. */
    struct layer *patterns;
    /* Statistics where the blob has none: as many as the widest such layer has channels. */
    float *zeros;
    float *ones;
    /* 0, 1, 2, ...: where a route finds its sources. */
    int *counting;
};

typedef void (*forward_fn)(struct layer, struct network);

/* What Darknet calls a layer's kind, and what it computes it with. */
static const struct {
    LAYER_TYPE type;
    forward_fn forward;
} kinds[LL_KIND_COUNT] = {
    [LL_KIND_CONVOLUTIONAL] = {CONVOLUTIONAL, forward_convolutional_layer},
    [LL_KIND_DECONVOLUTIONAL] = {DECONVOLUTIONAL, forward_deconvolutional_layer},
    [LL_KIND_CONNECTED] = {CONNECTED, forward_connected_layer},
    [LL_KIND_MAXPOOL] = {MAXPOOL, forward_maxpool_layer},
    [LL_KIND_SOFTMAX] = {SOFTMAX, forward_softmax_layer},
    [LL_KIND_DETECTION] = {DETECTION, forward_detection_layer},
    [LL_KIND_DROPOUT] = {DROPOUT, forward_dropout_layer},
    [LL_KIND_CROP] = {CROP, forward_crop_layer},
    [LL_KIND_ROUTE] = {ROUTE, forward_route_layer},
    [LL_KIND_COST] = {COST, forward_cost_layer},
    [LL_KIND_NORMALIZATION] = {NORMALIZATION, forward_normalization_layer},
    [LL_KIND_AVGPOOL] = {AVGPOOL, forward_avgpool_layer},
    [LL_KIND_LOCAL] = {LOCAL, forward_local_layer},
    [LL_KIND_SHORTCUT] = {SHORTCUT, forward_shortcut_layer},
    [LL_KIND_ACTIVATION] = {ACTIVE, forward_activation_layer},
    [LL_KIND_BATCHNORM] = {BATCHNORM, forward_batchnorm_layer},
    [LL_KIND_REGION] = {REGION, forward_region_layer},
    [LL_KIND_YOLO] = {YOLO, forward_yolo_layer},
    [LL_KIND_REORG] = {REORG, forward_reorg_layer},
    [LL_KIND_UPSAMPLE] = {UPSAMPLE, forward_upsample_layer},
    [LL_KIND_LOGISTIC] = {LOGXENT, forward_logistic_layer},
    [LL_KIND_L2NORM] = {L2NORM, forward_l2norm_layer},
};

static const ACTIVATION activations[LL_ACTIVATION_COUNT] = {
    [LL_ACTIVATION_LINEAR] = LINEAR,     [LL_ACTIVATION_ELU] = ELU,
    [LL_ACTIVATION_HARDTAN] = HARDTAN,   [LL_ACTIVATION_LEAKY] = LEAKY,
    [LL_ACTIVATION_LHTAN] = LHTAN,       [LL_ACTIVATION_LOGGY] = LOGGY,
    [LL_ACTIVATION_LOGISTIC] = LOGISTIC, [LL_ACTIVATION_PLSE] = PLSE,
    [LL_ACTIVATION_RAMP] = RAMP,         [LL_ACTIVATION_RELIE] = RELIE,
    [LL_ACTIVATION_RELU] = RELU,         [LL_ACTIVATION_SELU] = SELU,
    [LL_ACTIVATION_STAIR] = STAIR,       [LL_ACTIVATION_TANH] = TANH,
};

ACTIVATION dkb_plain_activation(ll_activation activation)
{
    return activations[activation];
}

/* ---- Creation ---- */

/* Channels of the widest layer whose blob lacks statistics; 0 if none does. */
static int widest_without_statistics(const struct ll_network *network)
{
    int widest = 0;
    for (int i = 0; i < network->table.layer_count; i++) {
        const struct ll_layer_params *layer = &network->layers[i];
        bool lacks =
            layer->kind == LL_KIND_BATCHNORM || (layer->batch_normalize && layer->nscales == 0);
        if (lacks && layer->out_c > widest) {
            widest = layer->out_c;
        }
    }
    return widest;
}

static ll_status fill_constants(struct ll_plain_layers *layers)
{
    int sources = ll_plain_most_sources(layers->network);
    layers->counting = calloc((size_t)sources + 1, sizeof(*layers->counting));
    if (!layers->counting) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < sources; i++) {
        layers->counting[i] = i;
    }
    int channels = widest_without_statistics(layers->network);
    if (channels == 0) {
        return LL_OK;
    }
    layers->zeros = calloc((size_t)channels, sizeof(*layers->zeros));
    layers->ones = calloc((size_t)channels, sizeof(*layers->ones));
    if (!layers->zeros || !layers->ones) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < channels; i++) {
        layers->ones[i] = 1;
    }
    return LL_OK;
}

static void destroy(struct ll_plain_layers *layers)
{
    if (!layers) {
        return;
    }
    free(layers->patterns);
    free(layers->zeros);
    free(layers->ones);
    free(layers->counting);
    free(layers);
}

static ll_status create(const struct ll_network *network, struct ll_plain_layers **out_layers,
                        struct ll_error *err)
{
    struct ll_plain_layers *layers = calloc(1, sizeof(*layers));
    if (!layers) {
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    }
    layers->network = network;
    layers->patterns = calloc((size_t)network->table.layer_count, sizeof(*layers->patterns));
    if (!layers->patterns || fill_constants(layers) != LL_OK) {
        destroy(layers);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a model");
    }
    *out_layers = layers;
    return LL_OK;
}

static int64_t bytes(const struct ll_network *network)
{
    return network->table.layer_count * (int64_t)sizeof(struct layer);
}

/* ---- Filling ---- */

/* Darknet's structs have no const; its forward functions write neither weights nor inputs. */
static float *as_darknet_has_it(const float *values)
{
    return (float *)values;
}

static void fill_weights(const struct ll_plain_layers *layers, const struct ll_layer_params *from,
                         struct layer *to, const float *blob)
{
    to->weights = as_darknet_has_it(blob + from->weights_at);
    to->nweights = (int)from->nweights;
    to->biases = from->nbiases > 0 ? as_darknet_has_it(blob) : layers->zeros;
    to->nbiases = (int)from->nbiases;
    if (from->nscales > 0) {
        const float *scales = blob + from->scales_at;
        to->scales = as_darknet_has_it(scales);
        to->rolling_mean = as_darknet_has_it(scales + from->nscales);
        to->rolling_variance = as_darknet_has_it(scales + 2 * from->nscales);
    } else if (from->batch_normalize) {
        to->scales = layers->ones;
        to->rolling_mean = layers->zeros;
        to->rolling_variance = layers->zeros;
    }
}

static void fill(struct ll_plain_layers *layers, int index, const float *weights)
{
    const struct ll_layer_params *from = &layers->network->layers[index];
    struct layer to = {
        .type = kinds[from->kind].type,
        .activation = activations[from->activation],
        .forward = kinds[from->kind].forward,
        .batch = 1,
        .w = from->w,
        .h = from->h,
        .c = from->c,
        .inputs = from->inputs,
        .out_w = from->out_w,
        .out_h = from->out_h,
        .out_c = from->out_c,
        .outputs = from->outputs,
        .n = from->n,
        .size = from->size,
        .stride = from->stride,
        .pad = from->pad,
        .groups = from->groups,
        .batch_normalize = from->batch_normalize,
        .alpha = from->alpha,
        .beta = from->beta,
        .kappa = from->kappa,
        .temperature = from->temperature,
        .scale = from->scale,
        .softmax = from->softmax,
        .classes = from->classes,
        .coords = from->coords,
        .background = from->background,
        .side = from->side,
        .reverse = from->reverse,
        .flatten = from->flatten,
        .extra = from->extra,
        .flip = from->flip,
        .noadjust = from->noadjust,
        .sqrt = from->sqrt,
        .total = from->total,
        .mask = from->mask,
        .biases = from->anchors,
        /* A shortcut's `index` stays 0: its source is the only one of its list. */
        .input_layers = layers->counting,
        .input_sizes = from->input_sizes,
    };
    if (weights) {
        fill_weights(layers, from, &to, weights);
    }
    layers->patterns[index] = to;
}

/* ---- Running ---- */

/* Darknet reads tensors of other layers as their `output`: structs of which nothing else is set. */
static int64_t sources_floats(int count)
{
    return count * (int64_t)((sizeof(struct layer) + sizeof(float) - 1) / sizeof(float));
}

static int64_t scratch_floats(const struct ll_layer_params *layer)
{
    int64_t outputs = layer->outputs;
    switch (layer->kind) {
    case LL_KIND_MAXPOOL:
    case LL_KIND_L2NORM:
    case LL_KIND_YOLO:
    case LL_KIND_REGION:
        return outputs;
    case LL_KIND_NORMALIZATION:
        return 2 * outputs;
    case LL_KIND_ROUTE:
        return sources_floats(layer->n);
    case LL_KIND_SHORTCUT:
        return sources_floats(1);
    default:
        return (int64_t)layer->workspace_floats;
    }
}

/* Points a copy of the layer's pattern at its output and at `scratch`, of the size above. Where the
 * layer wants a workspace, `scratch` is Darknet's net.workspace too. */
static void point(const struct ll_layer_params *layer, struct layer *copy, float *output,
                  float *scratch)
{
    _Static_assert(sizeof(int) == sizeof(float), "maxpool's indexes take as much as its output");
    copy->output = output;
    /* Batch normalisation saves its input for training; nobody reads that here. */
    copy->x = output;
    switch (layer->kind) {
    case LL_KIND_MAXPOOL:
        copy->indexes = (int *)scratch;
        break;
    case LL_KIND_L2NORM:
        copy->scales = scratch;
        break;
    case LL_KIND_YOLO:
    case LL_KIND_REGION:
        copy->delta = scratch;
        break;
    case LL_KIND_NORMALIZATION:
        copy->squared = scratch;
        copy->norms = scratch + layer->outputs;
        break;
    default:
        break;
    }
}

/* The list of other layers that the layer reads, if it has one. */
static struct layer *list_sources(const struct ll_plain_layers *layers, int index,
                                  const struct ll_plain_tensors *tensors)
{
    struct layer *sources = (struct layer *)(void *)tensors->scratch;
    int count = ll_plain_source_count(layers->network, index);
    for (int i = 0; i < count; i++) {
        sources[i].output = as_darknet_has_it(tensors->sources[i]);
    }
    return count > 0 ? sources : NULL;
}

/* Zeros where Darknet takes its constructors' zeros for granted. */
static void prepare_memory(const struct ll_layer_params *layer, float *output, float *scratch)
{
    if (layer->kind == LL_KIND_COST || (layer->kind == LL_KIND_REORG && layer->extra)) {
        /* Outputs that are never, or not all, written. */
        memset(output, 0, (size_t)layer->outputs * sizeof(float));
    } else if (layer->kind == LL_KIND_DECONVOLUTIONAL) {
        /* Its matrix product multiplies what lies there by 0, which a NaN survives. */
        memset(scratch, 0, layer->workspace_floats * sizeof(float));
    }
}

static void run(const struct ll_plain_layers *layers, int index,
                const struct ll_plain_tensors *tensors)
{
    const struct ll_layer_params *layer = &layers->network->layers[index];
    prepare_memory(layer, tensors->output, tensors->scratch);
    struct layer copy = layers->patterns[index];
    point(layer, &copy, tensors->output, tensors->scratch);
    struct network net = {
        .n = layers->network->table.layer_count,
        .index = index,
        .batch = 1,
        .layers = list_sources(layers, index, tensors),
        .input = as_darknet_has_it(tensors->input),
        .workspace = tensors->scratch,
    };
    copy.forward(copy, net);
}

static void activate_values(float *values, int64_t count, ll_activation activation)
{
    activate_array(values, (int)count, activations[activation]);
}

const struct ll_plain_ops dkb_plain_ops = {
    .create = create,
    .destroy = destroy,
    .bytes = bytes,
    .fill = fill,
    .scratch_floats = scratch_floats,
    .run = run,
    .activate = activate_values,
};
