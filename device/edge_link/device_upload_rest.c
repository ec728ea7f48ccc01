#include "device/edge_link/device_upload_rest.h"

#include <stdlib.h>

ll_status device_upload_rest_init(struct device_upload_rest *cursor, const struct ll_table *table)
{
    int64_t *done = calloc((size_t)table->layer_count, sizeof(*done));
    if (!done) {
        return LL_E_NO_MEMORY;
    }
    *cursor = (struct device_upload_rest){.table = table, .done = done};
    return LL_OK;
}

void device_upload_rest_finish(struct device_upload_rest *cursor)
{
    free(cursor->done);
    *cursor = (struct device_upload_rest){0};
}

bool device_upload_rest_next(struct device_upload_rest *cursor, int64_t limit_bytes,
                             struct device_piece *out_piece)
{
    const struct ll_table *table = cursor->table;
    while (cursor->layer < table->layer_count &&
           cursor->done[cursor->layer] >= table->layers[cursor->layer].blob_bytes) {
        cursor->layer++;
    }
    if (cursor->layer == table->layer_count) {
        return false;
    }
    int64_t offset = cursor->done[cursor->layer];
    int64_t bytes = table->layers[cursor->layer].blob_bytes - offset;
    *out_piece = (struct device_piece){.layer = cursor->layer,
                                       .offset = offset,
                                       .bytes = bytes < limit_bytes ? bytes : limit_bytes};
    return true;
}

void device_upload_rest_advance(struct device_upload_rest *cursor, const struct device_piece *piece)
{
    cursor->done[piece->layer] = piece->offset + piece->bytes;
}

ll_status device_upload_rest_skip(struct device_upload_rest *cursor, uint64_t layer)
{
    if (layer >= (uint64_t)cursor->table->layer_count) {
        return LL_E_INVALID;
    }
    cursor->done[layer] = cursor->table->layers[layer].blob_bytes;
    return LL_OK;
}

ll_status device_upload_rest_seek(struct device_upload_rest *cursor, uint64_t layer,
                                  uint64_t offset)
{
    if (layer >= (uint64_t)cursor->table->layer_count ||
        offset > (uint64_t)cursor->table->layers[layer].blob_bytes) {
        return LL_E_INVALID;
    }
    cursor->done[layer] = (int64_t)offset;
    if (cursor->layer > (int)layer) {
        cursor->layer = (int)layer;
    }
    return LL_OK;
}

int64_t device_upload_rest_left(const struct device_upload_rest *cursor)
{
    int64_t left = 0;
    for (int i = 0; i < cursor->table->layer_count; i++) {
        left += cursor->table->layers[i].blob_bytes - cursor->done[i];
    }
    return left;
}
