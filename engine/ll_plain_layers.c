#include "engine/ll_plain_layers.h"

int ll_plain_source_count(const struct ll_network *network, int index)
{
    const struct ll_layer_params *layer = &network->layers[index];
    switch (layer->kind) {
    case LL_KIND_ROUTE:
        return layer->n;
    case LL_KIND_SHORTCUT:
        return 1;
    default:
        return 0;
    }
}

int ll_plain_source(const struct ll_network *network, int index, int i)
{
    const struct ll_layer_params *layer = &network->layers[index];
    int from = layer->kind == LL_KIND_ROUTE ? layer->input_layers[i] : layer->index;
    return network->table.layers[from].makes;
}

int ll_plain_most_sources(const struct ll_network *network)
{
    int most = 0;
    for (int i = 0; i < network->table.layer_count; i++) {
        int count = ll_plain_source_count(network, i);
        most = count > most ? count : most;
    }
    return most;
}
