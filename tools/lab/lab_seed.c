#include "tools/lab/lab_seed.h"

#include <math.h>
#include <stdlib.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"
#include "tools/lab/lab_moments.h"

uint64_t lab_seed_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Mean 0, variance 1: the sum of three 21-bit numbers, each of variance 2^42 / 12. */
static double next_normal(uint64_t *state)
{
    const uint64_t mask = (1U << 21) - 1;
    uint64_t bits = lab_seed_next(state);
    uint64_t sum = (bits & mask) + ((bits >> 21) & mask) + ((bits >> 42) & mask);
    return ((double)sum - 1.5 * (double)mask) / (double)(1U << 20);
}

static void fill(float *values, size_t count, double mean, double deviation, uint64_t *state)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (float)(mean + deviation * next_normal(state));
    }
}

/* How many inputs one output is a sum of. */
static double fan_in(const struct ll_layer_params *layer)
{
    double window = (double)layer->size * layer->size;
    switch (layer->kind) {
    case LL_KIND_CONVOLUTIONAL:
        return window * layer->c / layer->groups;
    case LL_KIND_DECONVOLUTIONAL: {
        double overlap = window / ((double)layer->stride * layer->stride);
        return (overlap > 1 ? overlap : 1) * layer->c;
    }
    case LL_KIND_LOCAL:
        return window * layer->c;
    default:
        return layer->inputs;
    }
}

/* Without values in the file Darknet takes 1, 0, 0 and divides by the root of 0 plus a millionth:
 * weights that were trained so would be as small as this. */
static const double no_scales_factor = .000001;

static struct lab_moments seed_weighted(const struct ll_layer_params *layer, struct lab_moments in,
                                        uint64_t *state, float *blob)
{
    double square = lab_moments_square(in);
    double fan = fan_in(layer);
    /* Without batch normalisation the sums are to be about 1; those of heads, which have no
     * activation, about 2, so that a softmax has favourites. */
    double wanted = layer->activation == LL_ACTIVATION_LINEAR ? 4 : 1;
    double deviation =
        layer->batch_normalize ? sqrt(2 / fan) : sqrt(wanted / (fan * (square > 0 ? square : 1)));
    double variance = fan * deviation * deviation * square;
    if (layer->batch_normalize && layer->nscales == 0) {
        deviation *= no_scales_factor / sqrt(variance > 0 ? variance : 1);
    }
    float *scales = blob + layer->scales_at;
    fill(blob, layer->nbiases, 0, .05, state);
    fill(scales, layer->nscales, 1, .1, state);
    fill(scales + layer->nscales, layer->nscales, 0, .1 * sqrt(variance), state);
    /* At least 0.7 of the expected one: next_normal is never below -3. */
    fill(scales + 2 * layer->nscales, layer->nscales, variance, .1 * variance, state);
    fill(blob + layer->weights_at, layer->nweights, 0, deviation, state);
    struct lab_moments sums = {.mean = 0, .variance = layer->batch_normalize ? 1.03 : variance};
    return lab_moments_activate(sums, layer->activation);
}

/* A layer of its own: scales, means and variances alone. */
static struct lab_moments seed_batchnorm(const struct ll_layer_params *layer, struct lab_moments in,
                                         uint64_t *state, float *blob)
{
    double deviation = sqrt(in.variance);
    fill(blob, layer->nscales, 1, .1, state);
    fill(blob + layer->nscales, layer->nscales, in.mean, .1 * deviation, state);
    fill(blob + 2 * layer->nscales, layer->nscales, in.variance, .1 * in.variance, state);
    return (struct lab_moments){.mean = 0, .variance = 1};
}

static ll_status seed_layer(const struct ll_network *network, int index, uint64_t seed,
                            struct lab_moments *made, struct ll_buf **out_blob)
{
    const struct ll_layer_params *layer = &network->layers[index];
    struct lab_moments in = made[layer->input + 1];
    int64_t bytes = network->table.layers[index].blob_bytes;
    if (bytes == 0) {
        made[index + 1] = lab_moments_layer(network, index, made);
        return LL_OK;
    }
    ll_status status = ll_buf_create((size_t)bytes, out_blob);
    if (status != LL_OK) {
        return status;
    }
    uint64_t state = seed ^ (uint64_t)(index + 1) * 0xd1342543de82ef95U;
    float *blob = ll_buf_writable(*out_blob);
    made[index + 1] = layer->kind == LL_KIND_BATCHNORM ? seed_batchnorm(layer, in, &state, blob)
                                                       : seed_weighted(layer, in, &state, blob);
    return LL_OK;
}

ll_status lab_seed_blobs(const struct ll_network *network, uint64_t seed, struct ll_buf **out_blobs,
                         struct ll_error *err)
{
    int count = network->table.layer_count;
    for (int i = 0; i < count; i++) {
        out_blobs[i] = NULL;
    }
    struct lab_moments *made = calloc((size_t)count + 1, sizeof(*made));
    ll_status status = made ? LL_OK : LL_E_NO_MEMORY;
    if (made) {
        made[0] = lab_moments_of_image();
    }
    for (int i = 0; status == LL_OK && i < count; i++) {
        status = seed_layer(network, i, seed, made, &out_blobs[i]);
    }
    free(made);
    if (status != LL_OK) {
        dkb_weights_unref(out_blobs, count);
        return ll_fail(err, status, "no memory for weights");
    }
    return LL_OK;
}

/* From 0 to 1. */
static double next_uniform(uint64_t *state)
{
    return (double)(lab_seed_next(state) >> 11) / (double)(1ULL << 53);
}

void lab_seed_input(const struct ll_table *table, uint64_t seed, float *out_input)
{
    enum { PATCH = 16 };
    int64_t width = table->in_w > 0 ? table->in_w : table->in_floats;
    int64_t height = table->in_h > 0 ? table->in_h : 1;
    uint64_t state = seed;
    for (int64_t i = 0; i < table->in_floats; i++) {
        int64_t x = i % width;
        int64_t y = i / width % height;
        int64_t plane = i / width / height;
        uint64_t patch = seed + (uint64_t)((plane << 40) + (y / PATCH << 20) + x / PATCH);
        out_input[i] = (float)(.6 * next_uniform(&patch) + .4 * next_uniform(&state));
    }
}
