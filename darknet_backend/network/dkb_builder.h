/* What the parsers of the layer types share: the layer being built, the tensor that comes into it,
 * and checked ways to say what it gives. Internal to the parser (dkb_network.c, dkb_layers_*.c).
 *
 * Every function notes its refusal in `reader`, as dkb_reader.h says, and leaves harmless values.
 * Amounts are counted in int64_t by saturating arithmetic and compared with their limits, so that
 * an overflow is just too much.
 *
 * Threads: one per builder. */
#ifndef DKB_BUILDER_H
#define DKB_BUILDER_H

#include <stdbool.h>
#include <stdint.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_reader.h"

struct dkb_builder {
    struct dkb_reader *reader;
    struct ll_network *network;
    /* The layer's index, parameters and row of the layer table. */
    int index;
    struct ll_layer_params *layer;
    struct ll_layer *row;
    /* The shape that the layer before gives; all 0 where it gives a flat vector. layer->inputs and
     * layer->input are set already. */
    int w, h, c;
};

/* a * b and a + b of numbers from 0 up; INT64_MAX where that does not fit. */
int64_t dkb_mul(int64_t a, int64_t b);
int64_t dkb_mul3(int64_t a, int64_t b, int64_t c);
int64_t dkb_mul4(int64_t a, int64_t b, int64_t c, int64_t d);
int64_t dkb_add(int64_t a, int64_t b);

/* Whether a tensor with a shape comes in; sets the layer's w, h and c to it. */
bool dkb_take_image(struct dkb_builder *builder);

/* The first of a route's sources whose width or height differs from that of the source before it; 0
 * where all have one shape. */
int dkb_find_unequal(const struct ll_network *network, const struct ll_layer_params *route);

/* Output shapes; each dimension is checked by itself. */
void dkb_give_image(struct dkb_builder *builder, int64_t w, int64_t h, int64_t c);
/* `floats` floats without a shape. */
void dkb_give_flat(struct dkb_builder *builder, int64_t floats);
/* The shape that came in, if it was one. */
void dkb_give_same(struct dkb_builder *builder);

/* The blob: biases, `scales` each of scales, mean and variance, weights. */
void dkb_have_weights(struct dkb_builder *builder, int64_t biases, int64_t scales, int64_t weights);
void dkb_need_workspace(struct dkb_builder *builder, int64_t floats);

/* Refuses numbers that Darknet computes as int on its way to an address and that do not fit. */
void dkb_check_int(struct dkb_builder *builder, const char *key, int64_t value);

/* The name of the tensor that layer `index` makes or passes on. */
int dkb_made_by(const struct dkb_builder *builder, int index);

/* The layer reads these tensors; duplicates are dropped. */
void dkb_reads(struct dkb_builder *builder, const int *names, int count);
/* It reads the tensor that comes in, and nothing else. */
void dkb_reads_input(struct dkb_builder *builder);

/* The parsers, one for each type: read the options, refuse what Darknet could not run, fill
 * `layer` and `row`. */
void dkb_build_convolutional(struct dkb_builder *builder);
void dkb_build_deconvolutional(struct dkb_builder *builder);
void dkb_build_local(struct dkb_builder *builder);
void dkb_build_connected(struct dkb_builder *builder);
void dkb_build_batchnorm(struct dkb_builder *builder);

void dkb_build_maxpool(struct dkb_builder *builder);
void dkb_build_avgpool(struct dkb_builder *builder);
void dkb_build_upsample(struct dkb_builder *builder);
void dkb_build_reorg(struct dkb_builder *builder);
void dkb_build_crop(struct dkb_builder *builder);

void dkb_build_route(struct dkb_builder *builder);
void dkb_build_shortcut(struct dkb_builder *builder);
void dkb_build_dropout(struct dkb_builder *builder);
void dkb_build_cost(struct dkb_builder *builder);

void dkb_build_softmax(struct dkb_builder *builder);
void dkb_build_activation(struct dkb_builder *builder);
void dkb_build_logistic(struct dkb_builder *builder);
void dkb_build_l2norm(struct dkb_builder *builder);
void dkb_build_normalization(struct dkb_builder *builder);

void dkb_build_yolo(struct dkb_builder *builder);
void dkb_build_region(struct dkb_builder *builder);
void dkb_build_detection(struct dkb_builder *builder);

#endif
