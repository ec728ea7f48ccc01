/* How tensors lie in memory: which are blocked, and the way between the layouts. */
#include "engine/onednn/onednn_layout.h"

#include <string.h>

#include "engine/onednn/onednn_bf16.h"

/* Up to so many channels oneDNN's convolutions read plain ones, and blocks would be mostly empty.
 */
enum { PLAIN_CHANNELS = 3 };

/* Whether the makers of such tensors, or most of their readers, have blocked ones. */
static bool likes_blocks(ll_layer_kind kind)
{
    switch (kind) {
    case LL_KIND_CONVOLUTIONAL:
    case LL_KIND_MAXPOOL:
    case LL_KIND_AVGPOOL:
    case LL_KIND_UPSAMPLE:
    case LL_KIND_SHORTCUT:
    case LL_KIND_ROUTE:
    case LL_KIND_BATCHNORM:
    case LL_KIND_ACTIVATION:
    case LL_KIND_LOGISTIC:
    case LL_KIND_NORMALIZATION:
    case LL_KIND_DECONVOLUTIONAL:
    case LL_KIND_LOCAL:
    case LL_KIND_REORG:
        return true;
    default:
        return false;
    }
}

static int padded(const struct onednn_engine *engine, int channels)
{
    return (channels + engine->block - 1) / engine->block * engine->block;
}

int64_t onednn_floats(const struct onednn_engine *engine, const struct onednn_layout *layout,
                      enum onednn_form form)
{
    bool is_blocked = form == ONEDNN_BLOCKED;
    bool is_bf16 = form == ONEDNN_PLAIN_BF16 || (is_blocked && engine->type == dnnl_bf16);
    int64_t channels = is_blocked ? padded(engine, layout->c) : layout->c;
    int64_t values = channels * layout->h * layout->w;
    return is_bf16 ? (values + 1) / 2 : values;
}

static struct onednn_layout decide(const struct onednn_engine *engine, int c, int h, int w,
                                   enum onednn_form form)
{
    struct onednn_layout layout = {.form = form, .c = c, .h = h, .w = w};
    layout.padded_c = form == ONEDNN_BLOCKED ? padded(engine, c) : c;
    layout.floats = onednn_floats(engine, &layout, form);
    return layout;
}

void onednn_decide_layouts(struct onednn_model *model)
{
    const struct ll_table *table = &model->base.network->table;
    bool has_shape = table->in_w > 0;
    model->layouts[0] =
        has_shape ? decide(model->engine, table->in_c, table->in_h, table->in_w, ONEDNN_PLAIN)
                  : decide(model->engine, (int)table->in_floats, 1, 1, ONEDNN_PLAIN);
    for (int i = 0; i < table->layer_count; i++) {
        const struct ll_layer_params *layer = &model->network->layers[i];
        if (layer->out_w > 0) {
            bool blocked = model->engine->block > 0 && likes_blocks(layer->kind) &&
                           layer->out_c > PLAIN_CHANNELS;
            model->layouts[i + 1] = decide(model->engine, layer->out_c, layer->out_h, layer->out_w,
                                           blocked ? ONEDNN_BLOCKED : ONEDNN_PLAIN);
        } else {
            model->layouts[i + 1] = decide(model->engine, layer->outputs, 1, 1, ONEDNN_PLAIN);
        }
    }
}

const struct onednn_layout *onednn_layout_of(const struct onednn_model *model, int name)
{
    return &model->layouts[name + 1];
}

dnnl_memory_desc_t onednn_describe(const struct onednn_engine *engine,
                                   const struct onednn_layout *layout, enum onednn_form form)
{
    bool is_blocked = form == ONEDNN_BLOCKED;
    dnnl_dims_t dims = {1, is_blocked ? padded(engine, layout->c) : layout->c, layout->h,
                        layout->w};
    dnnl_format_tag_t tag = dnnl_nchw;
    dnnl_data_type_t type = form == ONEDNN_PLAIN_BF16 ? dnnl_bf16 : dnnl_f32;
    if (is_blocked) {
        tag = engine->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
        type = engine->type;
    }
    dnnl_memory_desc_t md;
    memset(&md, 0, sizeof(md));
    /* Fails only for what no layer table has (negative sizes). */
    (void)dnnl_memory_desc_init_by_tag(&md, 4, dims, type, tag);
    return md;
}

/* ---- Conversion ---- */

/* How one channel block of a tensor's pixels lies there: value `lane` of pixel p at p * block +
 * lane. */
struct block_shape {
    int block;
    /* Real channels; the rest is padding. */
    int lanes;
    int64_t pixels;
    /* Where its values begin, in both forms. */
    int64_t at;
};

static void block_in(const struct block_shape *shape, const float *plain, float *blocked)
{
    for (int64_t p = 0; p < shape->pixels; p++) {
        float *to = blocked + p * shape->block;
        for (int lane = 0; lane < shape->lanes; lane++) {
            to[lane] = plain[lane * shape->pixels + p];
        }
        for (int lane = shape->lanes; lane < shape->block; lane++) {
            to[lane] = 0;
        }
    }
}

static void block_out(const struct block_shape *shape, const float *blocked, float *plain)
{
    for (int64_t p = 0; p < shape->pixels; p++) {
        const float *from = blocked + p * shape->block;
        for (int lane = 0; lane < shape->lanes; lane++) {
            plain[lane * shape->pixels + p] = from[lane];
        }
    }
}

static void block_in_bf16(const struct block_shape *shape, const float *plain, uint16_t *blocked)
{
    for (int64_t p = 0; p < shape->pixels; p++) {
        uint16_t *to = blocked + p * shape->block;
        for (int lane = 0; lane < shape->lanes; lane++) {
            to[lane] = onednn_bf16_round(plain[lane * shape->pixels + p]);
        }
        for (int lane = shape->lanes; lane < shape->block; lane++) {
            to[lane] = 0;
        }
    }
}

static void block_out_bf16(const struct block_shape *shape, const uint16_t *blocked, float *plain)
{
    for (int64_t p = 0; p < shape->pixels; p++) {
        const uint16_t *from = blocked + p * shape->block;
        for (int lane = 0; lane < shape->lanes; lane++) {
            plain[lane * shape->pixels + p] = onednn_bf16_widen(from[lane]);
        }
    }
}

/* From bf16 blocks to plain bf16. */
static void unblock_bf16(const struct block_shape *shape, const uint16_t *blocked, uint16_t *plain)
{
    for (int64_t p = 0; p < shape->pixels; p++) {
        const uint16_t *from = blocked + p * shape->block;
        for (int lane = 0; lane < shape->lanes; lane++) {
            plain[lane * shape->pixels + p] = from[lane];
        }
    }
}

static void convert_block(const struct block_shape *shape, const float *from,
                          enum onednn_form to_form, float *to)
{
    if (to_form == ONEDNN_BLOCKED) {
        block_in(shape, from + shape->at, to + shape->at);
    } else {
        block_out(shape, from + shape->at, to + shape->at);
    }
}

/* The same where blocks are bf16. */
static void convert_block_bf16(const struct block_shape *shape, const float *from,
                               enum onednn_form to_form, float *to)
{
    switch (to_form) {
    case ONEDNN_BLOCKED:
        block_in_bf16(shape, from + shape->at, (uint16_t *)to + shape->at);
        break;
    case ONEDNN_PLAIN:
        block_out_bf16(shape, (const uint16_t *)from + shape->at, to + shape->at);
        break;
    case ONEDNN_PLAIN_BF16:
        unblock_bf16(shape, (const uint16_t *)from + shape->at, (uint16_t *)to + shape->at);
        break;
    }
}

void onednn_convert(const struct onednn_engine *engine, const struct onednn_layout *layout,
                    enum onednn_form from_form, const float *from, enum onednn_form to_form,
                    float *to)
{
    int64_t pixels = (int64_t)layout->h * layout->w;
    if (from_form == ONEDNN_PLAIN && to_form == ONEDNN_PLAIN_BF16) {
        uint16_t *rounded = (uint16_t *)to;
        for (int64_t i = 0; i < layout->c * pixels; i++) {
            rounded[i] = onednn_bf16_round(from[i]);
        }
        return;
    }
    struct block_shape shape = {.block = engine->block, .pixels = pixels};
    for (int c = 0; c < layout->c; c += engine->block) {
        int rest = layout->c - c;
        shape.lanes = rest < engine->block ? rest : engine->block;
        shape.at = c * pixels;
        if (engine->type == dnnl_bf16) {
            convert_block_bf16(&shape, from, to_form, to);
        } else {
            convert_block(&shape, from, to_form, to);
        }
    }
}
