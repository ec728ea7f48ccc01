#include "darknet_backend/bench/dkb_kinds.h"

#include "darknet_backend/dkb_network.h"

const char *dkb_kind_name(enum dkb_kind kind)
{
    static const char *const names[DKB_KIND_COUNT] = {
        [DKB_KIND_CONV_1X1] = "conv-1x1",     [DKB_KIND_CONV_3X3] = "conv-3x3",
        [DKB_KIND_CONV_OTHER] = "conv-other", [DKB_KIND_DEPTHWISE] = "depthwise",
        [DKB_KIND_CONNECTED] = "connected",   [DKB_KIND_REST] = "rest",
    };
    return names[kind];
}

enum dkb_kind dkb_kind_of(const struct ll_network *network, int index)
{
    const struct dkb_layer *layer = &dkb_network_of(network)->layers[index];
    if (layer->type == CONNECTED) {
        return DKB_KIND_CONNECTED;
    }
    if (layer->type != CONVOLUTIONAL) {
        return DKB_KIND_REST;
    }
    if (layer->groups > 1 && layer->groups == layer->c) {
        return DKB_KIND_DEPTHWISE;
    }
    switch (layer->size) {
    case 1:
        return DKB_KIND_CONV_1X1;
    case 3:
        return DKB_KIND_CONV_3X3;
    default:
        return DKB_KIND_CONV_OTHER;
    }
}
