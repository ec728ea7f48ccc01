/* Shortcuts between different shapes, as Darknet's shortcut_cpu has them: the layer's input, and
 * added to it, on the grid and the channels that both have, every n-th pixel of the larger one;
 * alpha and beta act there alone, the activation everywhere.
 *
 * In blocks of lanes (plain tensors have blocks of one), one block at a time, which stays in the
 * cache. bf16 is widened to scratch memory and rounded back once. */
#include "engine/onednn/onednn_sum.h"

#include <string.h>

#include "engine/onednn/onednn_bf16.h"
#include "engine/onednn/onednn_layout.h"

int onednn_sum_source(const struct onednn_model *model, int index)
{
    return model->base.network->table.layers[model->network->layers[index].index].makes;
}

ll_status onednn_create_sum(struct onednn_creation *creation, int index)
{
    struct onednn_model *model = creation->model;
    enum onednn_form form = onednn_layout_of(model, index)->form;
    int input = model->network->layers[index].input;
    if (onednn_layout_of(model, input)->form != form ||
        onednn_layout_of(model, onednn_sum_source(model, index))->form != form) {
        return LL_E_UNSUPPORTED;
    }
    model->steps[index].kind = ONEDNN_SUM;
    model->steps[index].out_form = form;
    return LL_OK;
}

/* out = activation(alpha x in + beta x source), or activation(in) without a source; `in` may be
 * `out`. One way through memory, which is what it costs. */
struct sum_pass {
    const float *in;
    const float *source;
    float *out;
    int64_t count;
    float alpha;
    float beta;
};

static inline __attribute__((always_inline)) float activate_value(float value,
                                                                  ll_activation activation)
{
    switch (activation) {
    case LL_ACTIVATION_RELU:
        return value > 0 ? value : 0;
    case LL_ACTIVATION_LEAKY:
        return value > 0 ? value : .1F * value;
    default:
        return value;
    }
}

static inline __attribute__((always_inline)) void pass_with(const struct sum_pass *pass,
                                                            ll_activation activation)
{
    if (!pass->source) {
        for (int64_t i = 0; i < pass->count; i++) {
            pass->out[i] = activate_value(pass->in[i], activation);
        }
        return;
    }
    for (int64_t i = 0; i < pass->count; i++) {
        float sum = pass->alpha * pass->in[i] + pass->beta * pass->source[i];
        pass->out[i] = activate_value(sum, activation);
    }
}

static inline __attribute__((always_inline)) void pass_any(const struct sum_pass *pass,
                                                           ll_activation activation)
{
    switch (activation) {
    case LL_ACTIVATION_RELU:
        pass_with(pass, LL_ACTIVATION_RELU);
        break;
    case LL_ACTIVATION_LEAKY:
        pass_with(pass, LL_ACTIVATION_LEAKY);
        break;
    default:
        pass_with(pass, LL_ACTIVATION_LINEAR);
        break;
    }
}

#if defined(__x86_64__)
/* The same operations on eight values at a time: no fused multiply-add, which has other bits. */
__attribute__((target("avx2"))) static void pass_avx2(const struct sum_pass *pass,
                                                      ll_activation activation)
{
    pass_any(pass, activation);
}
#endif

static void run_pass(const struct onednn_model *model, const struct sum_pass *pass,
                     ll_activation activation)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        pass_avx2(pass, activation);
    } else {
        pass_any(pass, activation);
    }
#else
    pass_any(pass, activation);
#endif
    if (activation != LL_ACTIVATION_LINEAR && activation != LL_ACTIVATION_RELU &&
        activation != LL_ACTIVATION_LEAKY) {
        model->engine->plain->activate(pass->out, pass->count, activation);
    }
}

/* Adds one block of the source, its first `lanes` lanes. */
static void add_block(const struct ll_layer_params *layer, int block, int lanes,
                      const float *source, float *out)
{
    int stride = layer->w / layer->out_w > 1 ? layer->w / layer->out_w : 1;
    int sample = layer->out_w / layer->w > 1 ? layer->out_w / layer->w : 1;
    int w = layer->w < layer->out_w ? layer->w : layer->out_w;
    int h = layer->h < layer->out_h ? layer->h : layer->out_h;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            int64_t to = (int64_t)y * sample * layer->out_w + (int64_t)x * sample;
            int64_t from = (int64_t)y * stride * layer->w + (int64_t)x * stride;
            for (int lane = 0; lane < lanes; lane++) {
                out[to * block + lane] = layer->alpha * out[to * block + lane] +
                                         layer->beta * source[from * block + lane];
            }
        }
    }
}

/* Whether the tensors of the sum are bf16. */
static bool is_bf16(const struct onednn_model *model, int index)
{
    return model->engine->type == dnnl_bf16 &&
           onednn_layout_of(model, index)->form == ONEDNN_BLOCKED;
}

int64_t onednn_sum_scratch(const struct onednn_model *model, int index)
{
    const struct ll_layer_params *layer = &model->network->layers[index];
    if (!is_bf16(model, index)) {
        return 0;
    }
    int block = model->engine->block;
    return onednn_round_up((int64_t)layer->out_w * layer->out_h * block) +
           onednn_round_up((int64_t)layer->w * layer->h * block);
}

static void widen(const uint16_t *from, int64_t count, float *to)
{
    for (int64_t i = 0; i < count; i++) {
        to[i] = onednn_bf16_widen(from[i]);
    }
}

static void round_to(const float *from, int64_t count, uint16_t *to)
{
    for (int64_t i = 0; i < count; i++) {
        to[i] = onednn_bf16_round(from[i]);
    }
}

/* One block; `in` may be `out`, where the sum takes its input's place. */
static void sum_block(const struct onednn_model *model, int index, int lanes, int block,
                      const float *in, const float *source, float *out)
{
    const struct ll_layer_params *layer = &model->base.network->layers[index];
    int64_t values = (int64_t)layer->out_w * layer->out_h * block;
    struct sum_pass pass = {in, NULL, out, values, layer->alpha, layer->beta};
    if (lanes == block && layer->w == layer->out_w && layer->h == layer->out_h) {
        pass.source = source;
    } else if (lanes > 0) {
        if (in != out) {
            memcpy(out, in, (size_t)values * sizeof(float));
        }
        add_block(layer, block, lanes, source, out);
        pass.in = out;
    }
    run_pass(model, &pass, layer->activation);
}

void onednn_run_sum(struct onednn_context *context, int index, float *out, float *scratch)
{
    const struct onednn_model *model = (struct onednn_model *)context->base.model;
    const struct ll_layer_params *layer = &model->network->layers[index];
    const struct onednn_layout *layout = onednn_layout_of(model, index);
    const float *input = context->tensors[layer->input + 1];
    const float *source = context->tensors[onednn_sum_source(model, index) + 1];
    int block = layout->form == ONEDNN_BLOCKED ? model->engine->block : 1;
    int channels = layer->c < layer->out_c ? layer->c : layer->out_c;
    int64_t out_values = (int64_t)layer->out_w * layer->out_h * block;
    int64_t source_values = (int64_t)layer->w * layer->h * block;
    float *wide_source = scratch + onednn_round_up(out_values);
    for (int c = 0; c < layout->padded_c; c += block) {
        int lanes = channels - c < block ? channels - c : block;
        int64_t out_at = c / block * out_values;
        int64_t source_at = c / block * source_values;
        if (!is_bf16(model, index)) {
            sum_block(model, index, lanes, block, input + out_at, source + source_at, out + out_at);
            continue;
        }
        widen((const uint16_t *)input + out_at, out_values, scratch);
        if (lanes > 0) {
            widen((const uint16_t *)source + source_at, source_values, wide_source);
        }
        sum_block(model, index, lanes, block, scratch, wide_source, scratch);
        round_to(scratch, out_values, (uint16_t *)out + out_at);
    }
}
