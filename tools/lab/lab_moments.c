#include "tools/lab/lab_moments.h"

#include <math.h>

/* The 32 quantiles of the normal distribution in the middle of its 32nds, stretched to variance 1:
 * the upper half, the lower one is its mirror image. */
static const double quantiles[] = {
    0.0400, 0.1201, 0.2010, 0.2832, 0.3673, 0.4540, 0.5441, 0.6386,
    0.7390, 0.8471, 0.9657, 1.0991, 1.2545, 1.4462, 1.7095, 2.1970,
};

enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

double lab_moments_square(struct lab_moments moments)
{
    return moments.mean * moments.mean + moments.variance;
}

struct lab_moments lab_moments_of_image(void)
{
    return (struct lab_moments){.mean = .45, .variance = .07};
}

/* 1 / (1 + exp(-x)), within 0.06: an estimate needs no more, and exp differs between machines. */
static double rough_logistic(double x)
{
    return .5 + .5 * x / (1 + (x < 0 ? -x : x));
}

static double activate_one(double x, ll_activation activation)
{
    switch (activation) {
    case LL_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case LL_ACTIVATION_RELIE:
        return x > 0 ? x : .01 * x;
    case LL_ACTIVATION_RAMP:
        return x > 0 ? 1.1 * x : .1 * x;
    case LL_ACTIVATION_LEAKY:
        return x > 0 ? x : .1 * x;
    case LL_ACTIVATION_LOGISTIC:
        return rough_logistic(x);
    case LL_ACTIVATION_LOGGY:
        return 2 * rough_logistic(x) - 1;
    case LL_ACTIVATION_TANH:
        return 2 * rough_logistic(2 * x) - 1;
    case LL_ACTIVATION_PLSE:
        return .125 * x + .5;
    case LL_ACTIVATION_ELU:
        return x > 0 ? x : x / (1 - x);
    case LL_ACTIVATION_SELU:
        return x > 0 ? 1.0507 * x : 1.758 * x / (1 - x);
    case LL_ACTIVATION_STAIR:
        return .5 * x;
    case LL_ACTIVATION_HARDTAN:
        return x < -1 ? -1 : (x > 1 ? 1 : x);
    case LL_ACTIVATION_LHTAN:
        return x < 0 ? .001 * x : (x > 1 ? 1 + .001 * (x - 1) : x);
    case LL_ACTIVATION_LINEAR:
    case LL_ACTIVATION_COUNT:
        break;
    }
    return x;
}

struct lab_moments lab_moments_activate(struct lab_moments moments, ll_activation activation)
{
    if (activation == LL_ACTIVATION_LINEAR) {
        return moments;
    }
    double deviation = sqrt(moments.variance);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < QUANTILES; i++) {
        double above = activate_one(moments.mean + deviation * quantiles[i], activation);
        double below = activate_one(moments.mean - deviation * quantiles[i], activation);
        sum += above + below;
        squares += above * above + below * below;
    }
    double mean = sum / (2 * QUANTILES);
    double variance = squares / (2 * QUANTILES) - mean * mean;
    return (struct lab_moments){.mean = mean, .variance = variance > 0 ? variance : 0};
}

/* The largest of size x size values, neighbours being alike. */
static struct lab_moments of_maxpool(struct lab_moments in, int size)
{
    static const double shifts[] = {0, 0, .6, .9};
    double shift = size < 4 ? shifts[size] : 1.2;
    return (struct lab_moments){
        .mean = in.mean + shift * sqrt(in.variance),
        .variance = size > 1 ? .9 * in.variance : in.variance,
    };
}

static struct lab_moments of_route(const struct ll_layer_params *layer,
                                   const struct lab_moments *made)
{
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < layer->n; i++) {
        struct lab_moments source = made[layer->input_layers[i] + 1];
        sum += source.mean * layer->input_sizes[i];
        squares += lab_moments_square(source) * layer->input_sizes[i];
    }
    double mean = sum / layer->outputs;
    return (struct lab_moments){.mean = mean, .variance = squares / layer->outputs - mean * mean};
}

static struct lab_moments of_shortcut(const struct ll_layer_params *layer, struct lab_moments in,
                                      struct lab_moments from)
{
    double a = layer->alpha;
    double b = layer->beta;
    struct lab_moments sum = {
        .mean = a * in.mean + b * from.mean,
        .variance = a * a * in.variance + b * b * from.variance,
    };
    return lab_moments_activate(sum, layer->activation);
}

struct lab_moments lab_moments_layer(const struct ll_network *network, int index,
                                     const struct lab_moments *made)
{
    const struct ll_layer_params *layer = &network->layers[index];
    struct lab_moments in = made[layer->input + 1];
    switch (layer->kind) {
    case LL_KIND_MAXPOOL:
        return of_maxpool(in, layer->size);
    case LL_KIND_AVGPOOL:
        return (struct lab_moments){.mean = in.mean, .variance = .3 * in.variance};
    case LL_KIND_ROUTE:
        return of_route(layer, made);
    case LL_KIND_SHORTCUT:
        return of_shortcut(layer, in, made[layer->index + 1]);
    case LL_KIND_UPSAMPLE: {
        double scale = layer->scale * (layer->reverse ? layer->stride * layer->stride : 1.);
        return (struct lab_moments){scale * in.mean, scale * scale * in.variance};
    }
    case LL_KIND_CROP:
        return layer->noadjust ? in : (struct lab_moments){2 * in.mean - 1, 4 * in.variance};
    case LL_KIND_ACTIVATION:
        return lab_moments_activate(in, layer->activation);
    case LL_KIND_LOGISTIC:
        return lab_moments_activate(in, LL_ACTIVATION_LOGISTIC);
    case LL_KIND_SOFTMAX:
        return (struct lab_moments){1. * layer->groups / layer->inputs, .001};
    case LL_KIND_L2NORM:
        return (struct lab_moments){0, 1. / layer->out_c};
    case LL_KIND_COST:
        return (struct lab_moments){0, 0};
    default:
        return in;
    }
}
