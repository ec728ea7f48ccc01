#include "device/edge_link/device_upload_rest.h"

#include <stdlib.h>

ll_status device_upload_rest_init(struct device_upload_rest *rest, const struct ll_table *table)
{
    int64_t *done = calloc((size_t)table->layer_count, sizeof(*done));
    if (!done) {
        return LL_E_NO_MEMORY;
    }
    *rest = (struct device_upload_rest){.table = table, .done = done};
    return LL_OK;
}

void device_upload_rest_finish(struct device_upload_rest *rest)
{
    free(rest->done);
    *rest = (struct device_upload_rest){0};
}

bool device_upload_rest_next(struct device_upload_rest *rest, int64_t limit_bytes,
                             struct device_piece *out_piece)
{
    const struct ll_table *table = rest->table;
    while (rest->layer < table->layer_count &&
           rest->done[rest->layer] >= table->layers[rest->layer].blob_bytes) {
        rest->layer++;
    }
    if (rest->layer == table->layer_count) {
        return false;
    }
    int64_t offset = rest->done[rest->layer];
    int64_t bytes = table->layers[rest->layer].blob_bytes - offset;
    *out_piece = (struct device_piece){
        .layer = rest->layer, .offset = offset, .bytes = bytes < limit_bytes ? bytes : limit_bytes};
    return true;
}

void device_upload_rest_advance(struct device_upload_rest *rest, const struct device_piece *piece)
{
    rest->done[piece->layer] = piece->offset + piece->bytes;
}

ll_status device_upload_rest_skip(struct device_upload_rest *rest, uint64_t layer)
{
    if (layer >= (uint64_t)rest->table->layer_count) {
        return LL_E_INVALID;
    }
    rest->done[layer] = rest->table->layers[layer].blob_bytes;
    return LL_OK;
}

ll_status device_upload_rest_seek(struct device_upload_rest *rest, uint64_t layer, uint64_t offset)
{
    if (layer >= (uint64_t)rest->table->layer_count ||
        offset > (uint64_t)rest->table->layers[layer].blob_bytes) {
        return LL_E_INVALID;
    }
    rest->done[layer] = (int64_t)offset;
    if (rest->layer > (int)layer) {
        rest->layer = (int)layer;
    }
    return LL_OK;
}

int64_t device_upload_rest_left(const struct device_upload_rest *rest)
{
    int64_t left = 0;
    for (int i = 0; i < rest->table->layer_count; i++) {
        left += rest->table->layers[i].blob_bytes - rest->done[i];
    }
    return left;
}
