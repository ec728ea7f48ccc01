/* The agent program's model, from the files that its options name: what runs and is uploaded, what
 * it may be told apart from, and its draft.
 *
 * Threads: loading on one thread; the result is immutable. */
#ifndef DEVICE_MODEL_MAIN_H
#define DEVICE_MODEL_MAIN_H

#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "device/device_draft.h"
#include "device/device_model.h"
#include "device/device_options.h"

/* Zeroed: none. */
struct device_model_source {
    struct dkb_model_file file;
    /* Without a plan. */
    struct device_model model;
    /* Private: the model of --delta-from with its blobs' names, and what --precision wants. */
    struct dkb_model_file base;
    struct ll_digest *base_digests;
    struct device_draft draft;
};

/* Reads the weights whole, to name them, and once more for a draft. The source stays where it is.
 *
 * Errors: those of dkb_model_file_load, LL_E_NO_MEMORY; device_model_source_finish is to be called
 * all the same. */
LL_MUST_USE ll_status device_model_source_load(struct device_model_source *source,
                                               const struct device_options *options,
                                               struct ll_error *err);
void device_model_source_finish(struct device_model_source *source);

#endif
