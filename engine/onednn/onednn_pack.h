/* Packing of filters into oneDNN's layouts.
 *
 * Threads: any. */
#ifndef ONEDNN_PACK_H
#define ONEDNN_PACK_H

#include <dnnl.h>

#include "core/ll_status.h"

/* Rows of weights as the blob has them: for each of `groups`, `rows` filters over `columns` input
 * channels of `kernel` (height = width) values squared. `factors` has one value a filter. So many
 * groups (`merge`) become one, with zeros between their channels. */
struct onednn_filters {
    const float *weights;
    const double *factors;
    int groups, rows, columns, kernel;
    int merge;
};

/* Writes them in the layout of `md` (oihw or goihw, f32 or bf16); what lies between stays as it is.
 *
 * Errors: LL_E_UNSUPPORTED where the layout is another, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status onednn_pack(const struct onednn_filters *filters,
                                  const dnnl_memory_desc_t *md, void *out);

#endif
