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

static forward_fn forward_of(LAYER_TYPE type)
{
    static const forward_fn functions[] = {
        [CONVOLUTIONAL] = forward_convolutional_layer,
        [DECONVOLUTIONAL] = forward_deconvolutional_layer,
        [CONNECTED] = forward_connected_layer,
        [MAXPOOL] = forward_maxpool_layer,
        [SOFTMAX] = forward_softmax_layer,
        [DETECTION] = forward_detection_layer,
        [DROPOUT] = forward_dropout_layer,
        [CROP] = forward_crop_layer,
        [ROUTE] = forward_route_layer,
        [COST] = forward_cost_layer,
        [NORMALIZATION] = forward_normalization_layer,
        [AVGPOOL] = forward_avgpool_layer,
        [LOCAL] = forward_local_layer,
        [SHORTCUT] = forward_shortcut_layer,
        [ACTIVE] = forward_activation_layer,
        [BATCHNORM] = forward_batchnorm_layer,
        [REGION] = forward_region_layer,
        [YOLO] = forward_yolo_layer,
        [REORG] = forward_reorg_layer,
        [UPSAMPLE] = forward_upsample_layer,
        [LOGXENT] = forward_logistic_layer,
        [L2NORM] = forward_l2norm_layer,
    };
    return (size_t)type < sizeof(functions) / sizeof(functions[0]) ? functions[type] : NULL;
}

int dkb_darknet_most_sources(const struct dkb_network *network)
{
    int most = 1;
    for (int i = 0; i < network->base.table.layer_count; i++) {
        if (network->layers[i].type == ROUTE && network->layers[i].n > most) {
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

static void fill_weights(struct dkb_darknet_model *model, const struct dkb_layer *from,
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
    const struct dkb_layer *from = &model->network->layers[index];
    struct layer to = {
        .type = from->type,
        .activation = from->activation,
        .forward = forward_of(from->type),
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

int64_t dkb_darknet_scratch_floats(const struct dkb_layer *layer)
{
    int64_t outputs = layer->outputs;
    switch (layer->type) {
    case MAXPOOL:
    case L2NORM:
    case YOLO:
    case REGION:
        return outputs;
    case NORMALIZATION:
        return 2 * outputs;
    default:
        return (int64_t)layer->workspace_floats;
    }
}

void dkb_darknet_point(const struct dkb_layer *layer, struct layer *copy, float *output,
                       float *scratch)
{
    _Static_assert(sizeof(int) == sizeof(float), "maxpool's indexes take as much as its output");
    copy->output = output;
    /* Batch normalisation saves its input for training; nobody reads that here. */
    copy->x = output;
    switch (layer->type) {
    case MAXPOOL:
        copy->indexes = (int *)scratch;
        break;
    case L2NORM:
        copy->scales = scratch;
        break;
    case YOLO:
    case REGION:
        copy->delta = scratch;
        break;
    case NORMALIZATION:
        copy->squared = scratch;
        copy->norms = scratch + layer->outputs;
        break;
    default:
        break;
    }
}
