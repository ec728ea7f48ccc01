/* A shortcut of any shapes, as its own step where both tensors have the layout of the sum.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_SUM_H
#define ONEDNN_SUM_H

#include "engine/onednn/onednn.h"

/* Errors: LL_E_UNSUPPORTED where the layouts differ. */
LL_MUST_USE ll_status onednn_create_sum(struct onednn_creation *creation, int index);
/* The tensor that it adds. */
int onednn_sum_source(const struct onednn_model *model, int index);
/* Scratch memory that it needs, in floats. */
int64_t onednn_sum_scratch(const struct onednn_model *model, int index);
/* Runs it, perhaps in place. */
void onednn_run_sum(struct onednn_context *context, int index, float *out, float *scratch);

#endif
