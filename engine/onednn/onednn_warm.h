/* First runs of new layers.
 *
 * Threads: the extending thread. */
#ifndef ONEDNN_WARM_H
#define ONEDNN_WARM_H

#include "engine/onednn/onednn.h"

/* Runs the new layers [first, end) once and fills model->warm_ns. */
LL_MUST_USE ll_status onednn_warm_up(struct onednn_model *model, int first, int end,
                                     struct ll_error *err);

#endif
