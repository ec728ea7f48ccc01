/* The layer types that detectors end in. */
#include <stdlib.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_builder.h"

/* Trees and maps are files beside the cfg; a model carries none. */
static void refuse_files(struct dkb_builder *builder)
{
    static const char *const keys[] = {"tree", "map"};
    for (int i = 0; i < 2; i++) {
        if (dkb_read_text(builder->reader, keys[i], NULL)) {
            dkb_refuse(builder->reader, keys[i], LL_E_UNSUPPORTED,
                       "a model carries no %s file, so layers that need one are not supported",
                       keys[i]);
        }
    }
}

/* Pairs of width and height; those that the cfg does not give are 0.5. */
static void read_anchors(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    int count = 2 * layer->total;
    layer->anchors = calloc((size_t)count, sizeof(*layer->anchors));
    if (!layer->anchors) {
        dkb_refuse(builder->reader, "anchors", LL_E_NO_MEMORY, "out of memory");
        return;
    }
    float *given = NULL;
    int given_count = dkb_read_floats(builder->reader, "anchors", count, &given);
    for (int i = 0; i < count; i++) {
        layer->anchors[i] = i < given_count ? given[i] : .5F;
        if (layer->anchors[i] < 0) {
            dkb_refuse(builder->reader, "anchors", LL_E_INVALID, "item %d is below 0", i + 1);
        }
    }
    free(given);
    if (given_count % 2 != 0) {
        dkb_refuse(builder->reader, "anchors", LL_E_INVALID,
                   "has %d numbers, but anchors are pairs of width and height", given_count);
    }
}

/* Which of the anchors are this layer's; by default the first `total`. */
static void read_mask(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    layer->n = dkb_read_ints(builder->reader, "mask", LL_LIMIT_ANCHORS, &layer->mask);
    for (int i = 0; i < layer->n; i++) {
        if (layer->mask[i] < 0 || layer->mask[i] >= layer->total) {
            dkb_refuse(builder->reader, "mask", LL_E_INVALID, "%d is not one of the %d anchors",
                       layer->mask[i], layer->total);
        }
    }
    if (layer->n > 0) {
        return;
    }
    layer->n = layer->total;
    layer->mask = calloc((size_t)layer->n, sizeof(*layer->mask));
    if (!layer->mask) {
        dkb_refuse(builder->reader, "mask", LL_E_NO_MEMORY, "out of memory");
        return;
    }
    for (int i = 0; i < layer->n; i++) {
        layer->mask[i] = i;
    }
}

/* The output is a map of boxes as large as the input; `floats_a_box` numbers for each of n boxes
 * at each place. */
static void give_boxes(struct dkb_builder *builder, int64_t floats_a_box)
{
    const struct ll_layer_params *layer = builder->layer;
    int64_t channels = dkb_mul(layer->n, floats_a_box);
    if (channels != builder->c) {
        dkb_refuse(builder->reader, NULL, LL_E_INVALID,
                   "%d boxes of %lld numbers need %lld channels, but %d come in", layer->n,
                   (long long)floats_a_box, (long long)channels, builder->c);
        return;
    }
    dkb_give_same(builder);
    builder->row->flops = dkb_mul(4, layer->outputs);
    dkb_reads_input(builder);
}

void dkb_build_yolo(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    if (!dkb_take_image(builder)) {
        return;
    }
    refuse_files(builder);
    layer->classes = dkb_read_int(builder->reader, "classes", 20, 0, LL_LIMIT_DIM);
    layer->total = dkb_read_int(builder->reader, "num", 1, 1, LL_LIMIT_ANCHORS);
    layer->coords = 4;
    read_mask(builder);
    read_anchors(builder);
    give_boxes(builder, (int64_t)layer->classes + 4 + 1);
}

void dkb_build_region(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    if (!dkb_take_image(builder)) {
        return;
    }
    refuse_files(builder);
    layer->coords = dkb_read_int(reader, "coords", 4, 0, LL_LIMIT_DIM);
    layer->classes = dkb_read_int(reader, "classes", 20, 0, LL_LIMIT_DIM);
    layer->total = dkb_read_int(reader, "num", 1, 1, LL_LIMIT_ANCHORS);
    layer->n = layer->total;
    layer->softmax = dkb_read_flag(reader, "softmax");
    layer->background = dkb_read_int(reader, "background", 0, 0, 1);
    int64_t floats_a_box = (int64_t)layer->coords + layer->classes + 1;
    if (floats_a_box < 2) {
        dkb_refuse(reader, "coords", LL_E_INVALID,
                   "a box without coordinates and classes overflows in Darknet");
    }
    read_anchors(builder);
    give_boxes(builder, floats_a_box);
}

void dkb_build_detection(struct dkb_builder *builder)
{
    struct ll_layer_params *layer = builder->layer;
    struct dkb_reader *reader = builder->reader;
    layer->coords = dkb_read_int(reader, "coords", 1, 0, LL_LIMIT_DIM);
    layer->classes = dkb_read_int(reader, "classes", 1, 0, LL_LIMIT_DIM);
    layer->n = dkb_read_int(reader, "num", 1, 1, LL_LIMIT_DIM);
    layer->side = dkb_read_int(reader, "side", 7, 1, LL_LIMIT_DIM);
    layer->softmax = dkb_read_flag(reader, "softmax");
    layer->sqrt = dkb_read_flag(reader, "sqrt");
    layer->w = layer->side;
    layer->h = layer->side;
    int64_t place = dkb_add(dkb_mul(1 + (int64_t)layer->coords, layer->n), layer->classes);
    int64_t needed = dkb_mul3(layer->side, layer->side, place);
    if (needed != layer->inputs) {
        dkb_refuse(reader, NULL, LL_E_INVALID,
                   "side x side x ((1 + coords) x num + classes) is %lld, but %d come in",
                   (long long)needed, layer->inputs);
        return;
    }
    dkb_give_flat(builder, layer->inputs);
    builder->row->flops = layer->outputs;
    dkb_reads_input(builder);
}
