/* The rule by which layers form groups. It is part of the format: device and edge must agree on
 * legal cuts whatever engine each of them runs, so it follows from the cfg alone and does not
 * change when an engine learns to fuse more or less.
 *
 * Every layer is a group of its own, with one exception: a [convolutional] layer is followed in its
 * group by
 *
 *   1. one 1x1 depthwise convolution without anything else: size=1, stride=1, no padding, as many
 *      groups and filters as input channels, no batch_normalize, activation=linear (behind a
 *      convolution with activation=hardtan, this is how a cfg says relu6);
 *   2. then, or directly, one [shortcut] whose source lies before the group and has the shape of
 *      the shortcut's own input;
 *
 * each of them only if it is the next layer of the cfg, and the tensor before it is read by it
 * alone and is not an output of the network. (Activation and batch normalisation are parts of the
 * convolution's own section.) A [dropout] makes no tensor and a [cost] reads none: they are groups
 * of their own too, and end the group before them. */
#include "darknet_backend/network/dkb_groups.h"

#include <stdlib.h>

/* How many layers read each layer's tensor. */
static int *count_readers(const struct ll_table *table)
{
    int *readers = calloc((size_t)table->layer_count, sizeof(*readers));
    for (int i = 0; readers && i < table->layer_count; i++) {
        const struct ll_layer *layer = &table->layers[i];
        for (int r = 0; r < layer->read_count; r++) {
            if (layer->reads[r] >= 0) {
                readers[layer->reads[r]]++;
            }
        }
    }
    return readers;
}

/* Whether layer `index` + 1 exists and is the only user of the tensor that layer `index` makes. */
static bool feeds_next_alone(const struct ll_network *network, const int *readers, int index)
{
    const struct ll_table *table = &network->table;
    if (index + 1 >= table->layer_count || readers[index] != 1 || table->layers[index].is_output) {
        return false;
    }
    const struct ll_layer *next = &table->layers[index + 1];
    for (int r = 0; r < next->read_count; r++) {
        if (next->reads[r] == index) {
            return true;
        }
    }
    return false;
}

static bool is_channel_scale(const struct ll_layer_params *layer)
{
    return layer->kind == LL_KIND_CONVOLUTIONAL && layer->size == 1 && layer->stride == 1 &&
           layer->pad == 0 && layer->groups == layer->c && layer->n == layer->c &&
           !layer->batch_normalize && layer->activation == LL_ACTIVATION_LINEAR;
}

static bool is_sum(const struct ll_network *network, int index, int first)
{
    const struct ll_layer_params *layer = &network->layers[index];
    return layer->kind == LL_KIND_SHORTCUT && network->table.layers[layer->index].makes < first &&
           layer->w == layer->out_w && layer->h == layer->out_h && layer->c == layer->out_c;
}

/* The last layer of the group that begins at `first`. */
static int group_last(const struct ll_network *network, const int *readers, int first)
{
    int last = first;
    if (network->layers[first].kind != LL_KIND_CONVOLUTIONAL) {
        return last;
    }
    if (feeds_next_alone(network, readers, last) && is_channel_scale(&network->layers[last + 1])) {
        last++;
    }
    if (feeds_next_alone(network, readers, last) && is_sum(network, last + 1, first)) {
        last++;
    }
    return last;
}

ll_status dkb_groups_mark(struct ll_network *network)
{
    struct ll_table *table = &network->table;
    int *readers = count_readers(table);
    if (!readers) {
        return LL_E_NO_MEMORY;
    }
    int next = 0;
    while (next < table->layer_count) {
        int last = group_last(network, readers, next);
        for (int i = next; i <= last; i++) {
            table->layers[i].ends_group = i == last;
        }
        next = last + 1;
    }
    free(readers);
    return LL_OK;
}
