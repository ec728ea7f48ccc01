/* The layer types without weights that move or reduce pixels. */
#include <stdlib.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"

void dkb_build_maxpool(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    layer->stride = dkb_read_int(reader, "stride", 1, 1, LL_LIMIT_DIM);
    layer->size = dkb_read_int(reader, "size", layer->stride, 1, LL_LIMIT_DIM);
    layer->pad = dkb_read_int(reader, "padding", layer->size - 1, 0, 2 * LL_LIMIT_DIM);
    if (layer->pad > 2 * (layer->size - 1)) {
        dkb_refuse(
            reader, "padding", LL_E_INVALID,
            "both sides together have at most 2 x (size - 1) = %d, or a window holds nothing",
            2 * (layer->size - 1));
    }
    int64_t way_w = (int64_t)layer->w + layer->pad - layer->size;
    int64_t way_h = (int64_t)layer->h + layer->pad - layer->size;
    if (way_w < 0 || way_h < 0) {
        dkb_refuse(reader, "size", LL_E_INVALID, "larger than the padded input");
        return;
    }
    dkb_give_image(builder, way_w / layer->stride + 1, way_h / layer->stride + 1, layer->c);
    /* Darknet works out the address of pixels in the padding too, before it skips them. */
    int64_t rows = dkb_add(dkb_mul(layer->h, layer->c), (int64_t)layer->pad + layer->size);
    dkb_check_int(builder, "size", dkb_mul(rows, (int64_t)layer->w + layer->pad + layer->size));
    builder->row->flops = dkb_mul3(layer->size, layer->size, layer->outputs);
    dkb_reads_input(builder);
}

void dkb_build_avgpool(struct dkb_builder *builder)
{
    if (!dkb_take_image(builder)) {
        return;
    }
    dkb_give_image(builder, 1, 1, builder->c);
    builder->row->flops = builder->layer->inputs;
    dkb_reads_input(builder);
}

void dkb_build_upsample(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    int stride = dkb_read_int(reader, "stride", 2, -LL_LIMIT_DIM, LL_LIMIT_DIM);
    if (stride == 0) {
        dkb_refuse(reader, "stride", LL_E_INVALID, "must not be 0");
        return;
    }
    layer->scale = dkb_read_float(reader, "scale", 1);
    /* A negative stride adds pixels up. */
    layer->reverse = stride < 0;
    layer->stride = abs(stride);
    if (!layer->reverse) {
        dkb_give_image(builder, dkb_mul(layer->w, stride), dkb_mul(layer->h, stride), layer->c);
    } else if (layer->w % layer->stride != 0 || layer->h % layer->stride != 0) {
        dkb_refuse(reader, "stride", LL_E_INVALID, "must divide the input's %d x %d", layer->w,
                   layer->h);
    } else {
        dkb_give_image(builder, layer->w / layer->stride, layer->h / layer->stride, layer->c);
    }
    builder->row->flops = layer->reverse ? layer->inputs : layer->outputs;
    dkb_reads_input(builder);
}

static void give_reorganized(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    int64_t square = (int64_t)layer->stride * layer->stride;
    if (layer->c % square != 0) {
        dkb_refuse(builder->reader, "stride", LL_E_INVALID,
                   "its square must divide the %d input channels", layer->c);
    } else if (layer->reverse) {
        dkb_give_image(builder, dkb_mul(layer->w, layer->stride), dkb_mul(layer->h, layer->stride),
                       layer->c / square);
    } else if (layer->w % layer->stride != 0 || layer->h % layer->stride != 0) {
        dkb_refuse(builder->reader, "stride", LL_E_INVALID, "must divide the input's %d x %d",
                   layer->w, layer->h);
    } else {
        dkb_give_image(builder, layer->w / layer->stride, layer->h / layer->stride,
                       dkb_mul(layer->c, square));
    }
}

void dkb_build_reorg(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    layer->stride = dkb_read_int(reader, "stride", 1, 1, LL_LIMIT_DIM);
    layer->reverse = dkb_read_flag(reader, "reverse");
    layer->flatten = dkb_read_flag(reader, "flatten");
    layer->extra = dkb_read_int(reader, "extra", 0, 0, (int)(LL_LIMIT_TENSOR_BYTES / 4));
    if (layer->extra && layer->flatten) {
        dkb_refuse(reader, "extra", LL_E_INVALID,
                   "with flatten Darknet reads past its input to fill it");
    }
    if (layer->extra) {
        dkb_give_flat(builder, (int64_t)layer->inputs + layer->extra);
    } else {
        give_reorganized(builder);
    }
    builder->row->flops = layer->outputs;
    dkb_reads_input(builder);
}

void dkb_build_crop(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    int height = dkb_read_int(reader, "crop_height", 1, 1, LL_LIMIT_DIM);
    int width = dkb_read_int(reader, "crop_width", 1, 1, LL_LIMIT_DIM);
    if (height > layer->h || width > layer->w) {
        dkb_refuse(reader, height > layer->h ? "crop_height" : "crop_width", LL_E_INVALID,
                   "larger than the input, which has %d x %d", layer->w, layer->h);
        return;
    }
    layer->flip = dkb_read_flag(reader, "flip");
    layer->noadjust = dkb_read_flag(reader, "noadjust");
    dkb_give_image(builder, width, height, layer->c);
    builder->row->flops = dkb_mul(2, layer->outputs);
    dkb_reads_input(builder);
}
