#include "net/ll_network.h"

#include <stdlib.h>

static void destroy(struct ll_network *network)
{
    for (int i = 0; network->layers && i < network->table.layer_count; i++) {
        free(network->layers[i].input_layers);
        free(network->layers[i].input_sizes);
        free(network->layers[i].mask);
        free(network->layers[i].anchors);
    }
    free(network->layers);
    ll_table_finish(&network->table);
    free(network);
}

ll_status ll_network_create(int layer_count, struct ll_network **out_network)
{
    struct ll_network *network = calloc(1, sizeof(*network));
    if (!network) {
        return LL_E_NO_MEMORY;
    }
    atomic_init(&network->refs, 1);
    network->destroy = destroy;
    network->layers = calloc((size_t)layer_count, sizeof(*network->layers));
    if (!network->layers || ll_table_init(&network->table, layer_count) != LL_OK) {
        destroy(network);
        return LL_E_NO_MEMORY;
    }
    *out_network = network;
    return LL_OK;
}

struct ll_network *ll_network_ref(struct ll_network *network)
{
    atomic_fetch_add_explicit(&network->refs, 1, memory_order_relaxed);
    return network;
}

void ll_network_unref(struct ll_network *network)
{
    if (network && atomic_fetch_sub_explicit(&network->refs, 1, memory_order_acq_rel) == 1) {
        network->destroy(network);
    }
}
