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

static double activate_one(double x, ACTIVATION activation)
{
    switch (activation) {
    case RELU:
        return x > 0 ? x : 0;
    case RELIE:
        return x > 0 ? x : .01 * x;
    case RAMP:
        return x > 0 ? 1.1 * x : .1 * x;
    case LEAKY:
        return x > 0 ? x : .1 * x;
    case LOGISTIC:
        return rough_logistic(x);
    case LOGGY:
        return 2 * rough_logistic(x) - 1;
    case TANH:
        return 2 * rough_logistic(2 * x) - 1;
    case PLSE:
        return .125 * x + .5;
    case ELU:
        return x > 0 ? x : x / (1 - x);
    case SELU:
        return x > 0 ? 1.0507 * x : 1.758 * x / (1 - x);
    case STAIR:
        return .5 * x;
    case HARDTAN:
        return x < -1 ? -1 : (x > 1 ? 1 : x);
    case LHTAN:
        return x < 0 ? .001 * x : (x > 1 ? 1 + .001 * (x - 1) : x);
    case LINEAR:
        break;
    }
    return x;
}

struct lab_moments lab_moments_activate(struct lab_moments moments, ACTIVATION activation)
{
    if (activation == LINEAR) {
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

static struct lab_moments of_route(const struct dkb_layer *layer, const struct lab_moments *made)
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

static struct lab_moments of_shortcut(const struct dkb_layer *layer, struct lab_moments in,
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

struct lab_moments lab_moments_layer(const struct dkb_network *network, int index,
                                     const struct lab_moments *made)
{
    const struct dkb_layer *layer = &network->layers[index];
    struct lab_moments in = made[layer->input + 1];
    switch (layer->type) {
    case MAXPOOL:
        return of_maxpool(in, layer->size);
    case AVGPOOL:
        return (struct lab_moments){.mean = in.mean, .variance = .3 * in.variance};
    case ROUTE:
        return of_route(layer, made);
    case SHORTCUT:
        return of_shortcut(layer, in, made[layer->index + 1]);
    case UPSAMPLE: {
        double scale = layer->scale * (layer->reverse ? layer->stride * layer->stride : 1.);
        return (struct lab_moments){scale * in.mean, scale * scale * in.variance};
    }
    case CROP:
        return layer->noadjust ? in : (struct lab_moments){2 * in.mean - 1, 4 * in.variance};
    case ACTIVE:
        return lab_moments_activate(in, layer->activation);
    case LOGXENT:
        return lab_moments_activate(in, LOGISTIC);
    case SOFTMAX:
        return (struct lab_moments){1. * layer->groups / layer->inputs, .001};
    case L2NORM:
        return (struct lab_moments){0, 1. / layer->out_c};
    case COST:
        return (struct lab_moments){0, 0};
    default:
        return in;
    }
}
