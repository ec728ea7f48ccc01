/* The engines of this backend.
 *
 * `darknet` runs Darknet's own forward functions on the uploaded weights where they lie: the
 * reference. `onednn` computes the same with oneDNN's primitives and is the fast one.
 *
 * Threads: see core/ll_engine.h. */
#ifndef DKB_ENGINE_H
#define DKB_ENGINE_H

#include "core/ll_engine.h"

struct dkb_engine_config {
    /* "darknet" or "onednn". */
    const char *name;
    /* Compute threads of one run, from 1; the darknet engine always uses one and says so in
     * engine->threads. */
    int threads;
    /* Threads of model_extend, from 1; 0 means 1. */
    int creation_threads;
};

/* Errors: LL_E_UNSUPPORTED naming the engines that exist, LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_engine_create(const struct dkb_engine_config *config,
                                        struct ll_engine **out_engine, struct ll_error *err);

#endif
