/* A query's memory: contexts, and where the tensors of a run lie in them.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_PLACE_H
#define ONEDNN_PLACE_H

#include "engine/onednn/onednn.h"

/* ll_engine_ops of the same names. */
ll_status onednn_context_create(struct ll_engine_model *base_model,
                                struct ll_engine_context **out_context, struct ll_error *err);
void onednn_context_destroy(struct ll_engine_context *base_context);
void onednn_probe_set(struct ll_engine_context *context, const struct ll_probe *probe);
int64_t onednn_context_bytes(const struct ll_engine_context *context);

/* Finds a place for every tensor of the range, in memory that is there then.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_EXHAUSTED. */
LL_MUST_USE ll_status onednn_place(struct onednn_context *context, const struct ll_run *run,
                                   struct ll_error *err);

#endif
