/* The engines of this backend.
 *
 * `darknet` runs Darknet's own forward functions on the uploaded weights where they lie: the
 * reference. `onednn` computes the same with oneDNN's primitives and is the fast one.
 *
 * Threads: see core/ll_engine.h. */
#ifndef DKB_ENGINE_H
#define DKB_ENGINE_H

#include "core/ll_engine.h"

/* What weights, activations and convolutions are computed in. */
typedef enum {
    DKB_COMPUTE_F32,
    /* Half the memory and up to twice the speed for about three digits: only `onednn`, where the
     * processor has it. The engine's name is "onednn-bf16" then, since its results are others. */
    DKB_COMPUTE_BF16,
} dkb_compute;

/* "f32" or "bf16". Errors: LL_E_INVALID. */
LL_MUST_USE ll_status dkb_compute_parse(const char *text, dkb_compute *out_compute,
                                        struct ll_error *err);

/* Whether an engine has that name. Errors: LL_E_UNSUPPORTED naming those that exist. */
LL_MUST_USE ll_status dkb_engine_check_name(const char *name, struct ll_error *err);

struct dkb_engine_config {
    /* "darknet" or "onednn". */
    const char *name;
    /* Compute threads of one run, from 1; the darknet engine always uses one and says so in
     * engine->threads. */
    int threads;
    /* Threads of model_extend, from 1; 0 means 1. */
    int creation_threads;
    dkb_compute compute;
};

/* Errors: LL_E_UNSUPPORTED naming the engines that exist, or why the processor does not compute as
 *         wished, LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_engine_create(const struct dkb_engine_config *config,
                                        struct ll_engine **out_engine, struct ll_error *err);

#endif
