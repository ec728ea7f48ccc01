/* What the device has of its model: the parsed network, the blobs that its layers are made of, the
 * names of both, and the order in which they are uploaded.
 *
 * Threads: any; immutable while a session uses it. */
#ifndef DEVICE_MODEL_H
#define DEVICE_MODEL_H

#include <stdbool.h>

#include "core/ll_buf.h"
#include "core/ll_digest.h"
#include "device/device_draft.h"
#include "engine/ll_engine.h"
#include "net/ll_manifest.h"
#include "net/plan/ll_plan.h"

struct device_model {
    const struct ll_table *table;
    /* One per layer, NULL where the layer has no weights. */
    struct ll_buf *const *blobs;
    const struct ll_manifest *manifest;
    char id[LL_DIGEST_TEXT_BYTES];
    const struct ll_plan *plan;
    /* Weights go as they are: neither in frames, nor as a draft or as differences. */
    bool is_raw;
    /* An earlier model's blobs, of the same sizes, that this one's may be told apart from, and
     * their names, by layer; NULL without one, as are those of layers without weights. */
    struct ll_buf *const *bases;
    const struct ll_digest *base_digests;
    /* The draft that answers until the model is there; NULL: none is wanted, or nothing of it would
     * differ. */
    const struct device_draft *draft;
};

#endif
