/* Looks into a running query, for conformance checks and tests: nobody else needs more than
 * core/ll_engine.h.
 *
 * Threads: the thread that the context belongs to. */
#ifndef DKB_PROBE_H
#define DKB_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_engine.h"

struct dkb_probe {
    /* Before each run, fill all memory that it will use with NaN: whatever a layer reads without
     * anybody having written it shows in the output. */
    bool poison;
    /* If set: called after each layer that makes a tensor (with the `onednn` engine: and was not
     * fused with the one behind it), with the tensor, on the running thread;
     * the values are valid until it returns. */
    void (*made)(void *arg, int name, const float *data, int64_t floats);
    void *arg;
};

/* Sets what happens in the context's runs from now on; a zeroed probe is none. Nothing happens to a
 * context of another backend's engine, which has no probe. */
void dkb_probe_set(struct ll_engine_context *context, const struct dkb_probe *probe);

/* Bytes that the context holds for tensors and scratch now: the most that any of its runs
 * needed. 0 for another backend's. */
int64_t dkb_probe_context_bytes(const struct ll_engine_context *context);

#endif
