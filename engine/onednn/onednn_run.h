/* Runs of steps.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_RUN_H
#define ONEDNN_RUN_H

#include "engine/onednn/onednn.h"

/* ll_engine_ops.run */
ll_status onednn_run(struct ll_engine_context *base_context, const struct ll_run *run,
                     struct ll_error *err);

/* Runs the group [first, last], created but perhaps not yet part of the prefix, on zeros, and tells
 * how long it took. */
LL_MUST_USE ll_status onednn_run_on_zeros(struct ll_engine_context *base_context, int first,
                                          int last, int64_t *out_ns, struct ll_error *err);

#endif
