/* The `darknet` engine from the inside: a model's layers, and a query's memory and runs. Internal
 * to darknet_backend/reference/dkb_darknet_*.c. */
#ifndef DKB_DARKNET_RUN_H
#define DKB_DARKNET_RUN_H

#include "engine/ll_engine_backend.h"
#include "engine/ll_plain_layers.h"

struct dkb_darknet_model {
    struct ll_engine_model base;
    /* Those of [0, base.prefix) are filled. */
    struct ll_plain_layers *layers;
    struct ll_buf **blobs;
};

/* ll_engine_ops of the same names. */
ll_status dkb_darknet_context_create(struct ll_engine_model *base_model,
                                     struct ll_engine_context **out_context, struct ll_error *err);
void dkb_darknet_context_destroy(struct ll_engine_context *base_context);
ll_status dkb_darknet_run(struct ll_engine_context *base_context, const struct ll_run *run,
                          struct ll_error *err);
void dkb_darknet_probe_set(struct ll_engine_context *context, const struct ll_probe *probe);
int64_t dkb_darknet_context_bytes(const struct ll_engine_context *context);

#endif
