/* Darknet's `struct layer`, filled with exactly what its forward functions read in inference, so
 * that none of its constructors has to run: they fill all weights with random numbers and allocate
 * training memory. */
#include <activation_layer.h>
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
#include <upsample_layer.h>
#include <yolo_layer.h>

#include "darknet_backend/reference/dkb_darknet.h"

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

ACTIVATION dkb_darknet_activation(ll_activation activation)
{
    return activations[activation];
}

int dkb_darknet_most_sources(const struct ll_network *network)
{
    int most = 1;
    for (int i = 0; i < network->table.layer_count; i++) {
        if (network->layers[i].kind == LL_KIND_ROUTE && network->layers[i].n > most) {
            most = network->layers[i].n;
        }
    }
    return most;
}

/* Darknet's structs have no const; its forward functions write no weights. */
static float *as_darknet_has_it(const float *weights)
{
    return (float *)weights;
}

static void fill_weights(struct dkb_darknet_model *model, const struct ll_layer_params *from,
                         struct layer *to, const float *blob)
{
    to->weights = as_darknet_has_it(blob + from->weights_at);
    to->nweights = (int)from->nweights;
    to->biases = from->nbiases > 0 ? as_darknet_has_it(blob) : model->zeros;
    to->nbiases = (int)from->nbiases;
    if (from->nscales > 0) {
        const float *scales = blob + from->scales_at;
        to->scales = as_darknet_has_it(scales);
        to->rolling_mean = as_darknet_has_it(scales + from->nscales);
        to->rolling_variance = as_darknet_has_it(scales + 2 * from->nscales);
    } else if (from->batch_normalize) {
        to->scales = model->ones;
        to->rolling_mean = model->zeros;
        to->rolling_variance = model->zeros;
    }
}

void dkb_darknet_fill(struct dkb_darknet_model *model, int index, const float *weights)
{
    const struct ll_layer_params *from = &model->network->layers[index];
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
        .input_layers = model->counting,
        .input_sizes = from->input_sizes,
    };
    if (weights) {
        fill_weights(model, from, &to, weights);
    }
    model->patterns[index] = to;
}

int64_t dkb_darknet_scratch_floats(const struct ll_layer_params *layer)
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
    default:
        return (int64_t)layer->workspace_floats;
    }
}

void dkb_darknet_point(const struct ll_layer_params *layer, struct layer *copy, float *output,
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
