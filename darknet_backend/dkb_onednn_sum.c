/* Shortcuts between different shapes, as Darknet's shortcut_cpu has them: the layer's input, and
 * added to it, on the grid and the channels that both have, every n-th pixel of the larger one;
 * alpha and beta act there alone, the activation everywhere.
 *
 * In blocks of lanes (plain tensors have blocks of one), one block at a time, which stays in the
 * cache. */
#include <activations.h>
#include <string.h>

#include "darknet_backend/dkb_onednn.h"

static int source_of(const struct dkb_onednn_model *model, int index)
{
    return model->base.network->table.layers[model->network->layers[index].index].makes;
}

ll_status dkb_onednn_create_sum(struct dkb_onednn_creation *creation, int index)
{
    struct dkb_onednn_model *model = creation->model;
    bool blocked = dkb_onednn_layout_of(model, index)->blocked;
    int input = model->network->layers[index].input;
    if (dkb_onednn_layout_of(model, input)->blocked != blocked ||
        dkb_onednn_layout_of(model, source_of(model, index))->blocked != blocked) {
        return LL_E_UNSUPPORTED;
    }
    model->steps[index].kind = DKB_ONEDNN_SUM;
    model->steps[index].out_blocked = blocked;
    return LL_OK;
}

static void activate_block(float *values, int64_t count, ACTIVATION activation)
{
    switch (activation) {
    case LINEAR:
        break;
    case RELU:
        for (int64_t i = 0; i < count; i++) {
            values[i] = values[i] > 0 ? values[i] : 0;
        }
        break;
    case LEAKY:
        for (int64_t i = 0; i < count; i++) {
            values[i] = values[i] > 0 ? values[i] : .1F * values[i];
        }
        break;
    default:
        activate_array(values, (int)count, activation);
        break;
    }
}

/* Adds one block of the source, its first `lanes` lanes. */
static void add_block(const struct dkb_layer *layer, int block, int lanes, const float *source,
                      float *out)
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

/* The same where the pixels are the same. */
static void add_alike(const struct dkb_layer *layer, int64_t count, const float *source, float *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = layer->alpha * out[i] + layer->beta * source[i];
    }
}

void dkb_onednn_run_sum(struct dkb_onednn_context *context, int index, float *out)
{
    const struct dkb_onednn_model *model = (struct dkb_onednn_model *)context->base.model;
    const struct dkb_layer *layer = &model->network->layers[index];
    const struct dkb_onednn_layout *layout = dkb_onednn_layout_of(model, index);
    const float *input = context->tensors[layer->input + 1];
    const float *source = context->tensors[source_of(model, index) + 1];
    int block = layout->blocked ? model->engine->block : 1;
    int channels = layer->c < layer->out_c ? layer->c : layer->out_c;
    int64_t out_pixels = (int64_t)layer->out_w * layer->out_h;
    int64_t source_pixels = (int64_t)layer->w * layer->h;
    bool alike = layer->w == layer->out_w && layer->h == layer->out_h;
    for (int c = 0; c < layout->padded_c; c += block) {
        float *to = out + c * out_pixels;
        memcpy(to, input + c * out_pixels, (size_t)(out_pixels * block) * sizeof(float));
        int lanes = channels - c < block ? channels - c : block;
        if (lanes == block && alike) {
            add_alike(layer, out_pixels * block, source + c * source_pixels, to);
        } else if (lanes > 0) {
            add_block(layer, block, lanes, source + c * source_pixels, to);
        }
        activate_block(to, out_pixels * block, layer->activation);
    }
}
