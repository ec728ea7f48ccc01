#include "tools/lab/lab_kinds.h"

#include "darknet_backend/network/dkb_network.h"

const char *lab_kind_name(enum lab_kind kind)
{
    static const char *const names[LAB_KIND_COUNT] = {
        [LAB_KIND_CONV_1X1] = "conv-1x1",     [LAB_KIND_CONV_3X3] = "conv-3x3",
        [LAB_KIND_CONV_OTHER] = "conv-other", [LAB_KIND_DEPTHWISE] = "depthwise",
        [LAB_KIND_CONNECTED] = "connected",   [LAB_KIND_REST] = "rest",
    };
    return names[kind];
}

enum lab_kind lab_kind_of(const struct ll_network *network, int index)
{
    const struct ll_layer_params *layer = &network->layers[index];
    if (layer->kind == LL_KIND_CONNECTED) {
        return LAB_KIND_CONNECTED;
    }
    if (layer->kind != LL_KIND_CONVOLUTIONAL) {
        return LAB_KIND_REST;
    }
    if (layer->groups > 1 && layer->groups == layer->c) {
        return LAB_KIND_DEPTHWISE;
    }
    switch (layer->size) {
    case 1:
        return LAB_KIND_CONV_1X1;
    case 3:
        return LAB_KIND_CONV_3X3;
    default:
        return LAB_KIND_CONV_OTHER;
    }
}
