/* Model messages: a summary, as ListModels has them, and a whole one, as GetModel has it.
 *
 * Texts in them are the model's: they live as long as the caller's reference to it.
 *
 * Threads: any; models are read under their own locks. */
#ifndef EDGE_INSPECT_MODEL_H
#define EDGE_INSPECT_MODEL_H

#include <stdint.h>

#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "edge/model/edge_catalog.h"
#include "layerlift/v1/offload.pb-c.h"

/* A message, and storage for what it points to: it must not be copied. */
struct edge_inspect_summary {
    Layerlift__V1__Model message;
    struct edge_model_info info;
    Layerlift__V1__DraftState drafts[EDGE_CATALOG_DRAFTS];
    Layerlift__V1__DraftState *draft_list[EDGE_CATALOG_DRAFTS];
    char draft_ids[EDGE_CATALOG_DRAFTS][LL_DIGEST_TEXT_BYTES];
};

void edge_inspect_summary_fill(struct edge_inspect_summary *summary, struct edge_catalog *catalog,
                               struct edge_model *model);

struct edge_inspect_layer;

/* `summary.message` has the model's layers and legal cuts as well. */
struct edge_inspect_model {
    struct edge_inspect_summary summary;
    struct edge_inspect_layer *parts;
    Layerlift__V1__Layer **layers;
    uint32_t *cuts;
};

/* Errors: LL_E_NO_MEMORY; there is nothing to finish then. */
LL_MUST_USE ll_status edge_inspect_model_init(struct edge_inspect_model *whole,
                                              struct edge_catalog *catalog,
                                              struct edge_model *model);
void edge_inspect_model_finish(struct edge_inspect_model *whole);

#endif
