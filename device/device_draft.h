/* The draft of a model: which of its blobs are rounded, and their names. An edge that takes drafts
 * gets it first and answers with it until the model itself is there (offload.proto, "Words").
 *
 * Threads: any; immutable once it is made. */
#ifndef DEVICE_DRAFT_H
#define DEVICE_DRAFT_H

#include <stdbool.h>

#include "coding/ll_draft.h"
#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "net/ll_manifest.h"
#include "net/ll_table.h"

struct ll_buf;

struct device_draft {
    /* Bits that each rounded weight keeps: 1 to LL_FRAME_MANTISSA_MOST. */
    int mantissa_bits;
    /* By layer: the draft's blob differs in its rounded weights; and is called so then. */
    bool *is_rounded;
    struct ll_digest *digests;
    /* The draft's own model id. */
    char id[LL_DIGEST_TEXT_BYTES];
};

/* A model as it is asked for. */
struct device_draft_source {
    const struct ll_table *table;
    /* One per layer, NULL where the layer has no weights. */
    struct ll_buf *const *blobs;
    const struct ll_manifest *manifest;
};

/* Rounds all weights once, to name them: as long as SHA-256 of the model takes. Without `draft->
 * is_rounded` anywhere there is nothing to bring before the model itself.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_draft_init(struct device_draft *draft,
                                        const struct device_draft_source *source,
                                        int mantissa_bits);
/* A zeroed one is allowed. */
void device_draft_finish(struct device_draft *draft);

/* Whether any blob is rounded. */
bool device_draft_has_any(const struct device_draft *draft, int layer_count);

/* Of each weight's 32 bits, those that the draft keeps. */
int device_draft_bits(const struct device_draft *draft);

/* The layer's blob, as ll_draft.h wants it described. */
struct ll_draft_blob device_draft_blob(const struct device_draft *draft,
                                       const struct ll_layer *layer);

#endif
