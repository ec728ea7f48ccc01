/* How an engine is asked for: what it computes in, and with how many threads.
 *
 * Threads: pure. */
#ifndef LL_ENGINE_CONFIG_H
#define LL_ENGINE_CONFIG_H

#include "core/ll_status.h"

/* What weights, activations and convolutions are computed in. */
typedef enum {
    LL_COMPUTE_F32,
    /* Half the memory and up to twice the speed for about three digits: only `onednn`, where the
     * processor has it. The engine's name is "onednn-bf16" then, since its results are others. */
    LL_COMPUTE_BF16,
} ll_compute;

/* "f32" or "bf16". Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_compute_parse(const char *text, ll_compute *out_compute,
                                       struct ll_error *err);
/* The same for a row of options (core/ll_option_table.h); `field` is a ll_compute. */
LL_MUST_USE ll_status ll_compute_take(const char *text, void *field, struct ll_error *err);

struct ll_engine_config {
    /* "darknet" or "onednn". */
    const char *name;
    /* Compute threads of one run, from 1; the darknet engine always uses one and says so in
     * engine->threads. */
    int threads;
    /* Threads of model_extend, from 1; 0 means 1. */
    int creation_threads;
    ll_compute compute;
};

#endif
