/* Steps that run a plain layer of engine/ll_plain_layers.h, on tensors converted where they are
 * blocked.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_PLAIN_H
#define ONEDNN_PLAIN_H

#include "engine/onednn/onednn.h"

void onednn_create_plain(struct onednn_creation *creation, int index);
/* Scratch memory that the step needs, in floats. */
int64_t onednn_plain_scratch(const struct onednn_model *model, int index);
/* Runs it; `output` is plain. */
void onednn_run_plain(struct onednn_context *context, int index, float *output, float *scratch);

#endif
