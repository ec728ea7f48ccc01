/* What of a model is still to be uploaded, in the plan's order.
 *
 * Threads: one at a time. */
#ifndef DEVICE_UPLOAD_REST_H
#define DEVICE_UPLOAD_REST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "net/ll_table.h"
#include "net/plan/ll_plan.h"

struct device_upload_rest {
    const struct ll_table *table;
    /* Private: per layer, the bytes that are sent or not wanted. */
    int64_t *done;
    /* Where to look for the next bytes. */
    int layer;
};

/* A piece of a layer's blob. */
struct device_piece {
    int layer;
    int64_t offset;
    int64_t bytes;
};

/* Everything is to be sent. Plans cover all layers in order, so that the plan's order is that of
 * the layers. The table outlives the rest. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_upload_rest_init(struct device_upload_rest *rest,
                                              const struct ll_table *table);
/* A zeroed rest is allowed. */
void device_upload_rest_finish(struct device_upload_rest *rest);

/* The next piece, of at most `limit_bytes`; false when nothing is left. It stays the next one until
 * device_upload_rest_advance. */
bool device_upload_rest_next(struct device_upload_rest *rest, int64_t limit_bytes,
                             struct device_piece *out_piece);
void device_upload_rest_advance(struct device_upload_rest *rest, const struct device_piece *piece);

/* The edge has the layer's blob: nothing more of it is sent.
 * Errors: LL_E_INVALID for a layer that does not exist. */
LL_MUST_USE ll_status device_upload_rest_skip(struct device_upload_rest *rest, uint64_t layer);

/* The layer's blob is to be sent from `offset` on; 0: again as a whole.
 * Errors: LL_E_INVALID for a layer or an offset that does not exist. */
LL_MUST_USE ll_status device_upload_rest_seek(struct device_upload_rest *rest, uint64_t layer,
                                              uint64_t offset);

/* Bytes that are left. */
int64_t device_upload_rest_left(const struct device_upload_rest *rest);

#endif
