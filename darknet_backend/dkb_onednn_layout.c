/* How tensors lie in memory: which are blocked, and the way between the layouts. */
#include <string.h>

#include "darknet_backend/dkb_onednn.h"

/* Up to so many channels oneDNN's convolutions read plain ones, and blocks would be mostly empty.
 */
enum { PLAIN_CHANNELS = 3 };

/* Whether the makers of such tensors, or most of their readers, have blocked ones. */
static bool likes_blocks(LAYER_TYPE type)
{
    switch (type) {
    case CONVOLUTIONAL:
    case MAXPOOL:
    case AVGPOOL:
    case UPSAMPLE:
    case SHORTCUT:
    case ROUTE:
    case BATCHNORM:
    case ACTIVE:
    case LOGXENT:
    case NORMALIZATION:
    case DECONVOLUTIONAL:
    case LOCAL:
    case REORG:
        return true;
    default:
        return false;
    }
}

static int padded(const struct dkb_onednn_engine *engine, int channels)
{
    return (channels + engine->block - 1) / engine->block * engine->block;
}

int64_t dkb_onednn_floats(const struct dkb_onednn_engine *engine,
                          const struct dkb_onednn_layout *layout, bool blocked)
{
    int64_t channels = blocked ? padded(engine, layout->c) : layout->c;
    return channels * layout->h * layout->w;
}

static struct dkb_onednn_layout decide(const struct dkb_onednn_engine *engine, int c, int h, int w,
                                       bool blocked)
{
    struct dkb_onednn_layout layout = {.blocked = blocked, .c = c, .h = h, .w = w};
    layout.padded_c = blocked ? padded(engine, c) : c;
    layout.floats = dkb_onednn_floats(engine, &layout, blocked);
    return layout;
}

void dkb_onednn_decide_layouts(struct dkb_onednn_model *model)
{
    const struct ll_table *table = &model->base.network->table;
    bool has_shape = table->in_w > 0;
    model->layouts[0] = has_shape
                            ? decide(model->engine, table->in_c, table->in_h, table->in_w, false)
                            : decide(model->engine, (int)table->in_floats, 1, 1, false);
    for (int i = 0; i < table->layer_count; i++) {
        const struct dkb_layer *layer = &model->network->layers[i];
        if (layer->out_w > 0) {
            bool blocked = model->engine->block > 0 && likes_blocks(layer->type) &&
                           layer->out_c > PLAIN_CHANNELS;
            model->layouts[i + 1] =
                decide(model->engine, layer->out_c, layer->out_h, layer->out_w, blocked);
        } else {
            model->layouts[i + 1] = decide(model->engine, layer->outputs, 1, 1, false);
        }
    }
}

const struct dkb_onednn_layout *dkb_onednn_layout_of(const struct dkb_onednn_model *model, int name)
{
    return &model->layouts[name + 1];
}

dnnl_memory_desc_t dkb_onednn_describe(const struct dkb_onednn_engine *engine,
                                       const struct dkb_onednn_layout *layout, bool blocked)
{
    dnnl_dims_t dims = {1, blocked ? padded(engine, layout->c) : layout->c, layout->h, layout->w};
    dnnl_format_tag_t tag = dnnl_nchw;
    if (blocked) {
        tag = engine->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    }
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    /* Fails only for what no layer table has (negative sizes). */
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, tag);
    return md;
}

/* One block of `lanes` real channels of `pixels` pixels each. */
static void block_in(int block, int lanes, int64_t pixels, const float *plain, float *blocked)
{
    for (int64_t p = 0; p < pixels; p++) {
        float *to = blocked + p * block;
        for (int lane = 0; lane < lanes; lane++) {
            to[lane] = plain[lane * pixels + p];
        }
        for (int lane = lanes; lane < block; lane++) {
            to[lane] = 0;
        }
    }
}

static void block_out(int block, int lanes, int64_t pixels, const float *blocked, float *plain)
{
    for (int64_t p = 0; p < pixels; p++) {
        const float *from = blocked + p * block;
        for (int lane = 0; lane < lanes; lane++) {
            plain[lane * pixels + p] = from[lane];
        }
    }
}

void dkb_onednn_to_blocked(const struct dkb_onednn_engine *engine,
                           const struct dkb_onednn_layout *layout, const float *plain,
                           float *blocked)
{
    int64_t pixels = (int64_t)layout->h * layout->w;
    for (int c = 0; c < layout->c; c += engine->block) {
        int lanes = layout->c - c < engine->block ? layout->c - c : engine->block;
        block_in(engine->block, lanes, pixels, plain + c * pixels, blocked + c * pixels);
    }
}

void dkb_onednn_to_plain(const struct dkb_onednn_engine *engine,
                         const struct dkb_onednn_layout *layout, const float *blocked, float *plain)
{
    int64_t pixels = (int64_t)layout->h * layout->w;
    for (int c = 0; c < layout->c; c += engine->block) {
        int lanes = layout->c - c < engine->block ? layout->c - c : engine->block;
        block_out(engine->block, lanes, pixels, blocked + c * pixels, plain + c * pixels);
    }
}
