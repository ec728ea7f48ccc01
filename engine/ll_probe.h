/* Looks into a running query, for conformance checks and tests: nobody else needs more than
 * engine/ll_engine.h.
 *
 * Threads: the thread that the context belongs to. */
#ifndef LL_PROBE_H
#define LL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ll_engine.h"

struct ll_probe {
    /* Before each run, fill all memory that it will use with NaN: whatever a layer reads without
     * anybody having written it shows in the output. */
    bool poison;
    /* If set: called after each layer that makes a tensor (and was not fused with the one
     * behind it), with the tensor, on the running thread; the values are valid until it returns. */
    void (*made)(void *arg, int name, const float *data, int64_t floats);
    void *arg;
};

/* Sets what happens in the context's runs from now on; a zeroed probe is none. Nothing happens
 * where the engine has no probes. */
void ll_probe_set(struct ll_engine_context *context, const struct ll_probe *probe);

/* Bytes that the context holds for tensors and scratch now: the most that any of its runs
 * needed. 0 where the engine has no probes. */
int64_t ll_probe_context_bytes(const struct ll_engine_context *context);

#endif
