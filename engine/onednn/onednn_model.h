/* Models: creation, and growth group by group.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_MODEL_H
#define ONEDNN_MODEL_H

#include "engine/onednn/onednn.h"

/* ll_engine_ops of the same names. */
ll_status onednn_model_create(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err);
void onednn_model_destroy(struct ll_engine_model *base_model);
ll_status onednn_model_extend(struct ll_engine_model *base_model, int end,
                              struct ll_buf *const *blobs, struct ll_error *err);

#endif
