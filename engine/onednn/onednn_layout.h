/* How tensors lie in memory: which are blocked, and the way between the layouts.
 *
 * Threads: any. */
#ifndef ONEDNN_LAYOUT_H
#define ONEDNN_LAYOUT_H

#include "engine/onednn/onednn.h"

/* Fills model->layouts. */
void onednn_decide_layouts(struct onednn_model *model);

/* The layout of tensor `name`. */
const struct onednn_layout *onednn_layout_of(const struct onednn_model *model, int name);

/* The description for oneDNN, 1 x channels x height x width, of a tensor of that shape in the
 * wished form. */
dnnl_memory_desc_t onednn_describe(const struct onednn_engine *engine,
                                   const struct onednn_layout *layout, enum onednn_form form);
/* What a tensor of that shape takes in the wished form, in floats of memory. */
int64_t onednn_floats(const struct onednn_engine *engine, const struct onednn_layout *layout,
                      enum onednn_form form);
/* Copies a tensor of that shape between two different forms. From f32 to bf16 values are rounded to
 * the nearest, the other way nothing changes; padding becomes 0. */
void onednn_convert(const struct onednn_engine *engine, const struct onednn_layout *layout,
                    enum onednn_form from_form, const float *from, enum onednn_form to_form,
                    float *to);

#endif
