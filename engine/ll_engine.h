/* The engine interface: what computes layers. Backends implement it (darknet_backend/, a fake one
 * in the tests); edge/ and device/ use nothing else of them.
 *
 *   engine  --parse-->  network (immutable, holds the layer table)
 *   engine + network  --model_create-->  model (grows by model_extend, up to the whole network)
 *   model  --context_create-->  context (one running query's memory)
 *
 * Threads: an engine and a network may be used from any thread. A model is extended by one thread
 * at a time while others run queries on the prefix that existed before: whoever passes a longer
 * prefix to a running thread does so under a lock of its own. A context belongs to one thread at a
 * time. Threads that compute have called ll_thread_flush_denormals. */
#ifndef LL_ENGINE_H
#define LL_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_memory.h"
#include "core/ll_status.h"
#include "net/ll_network.h"

struct ll_engine;
struct ll_engine_model;
struct ll_engine_context;
struct ll_probe;

/* A tensor's values, channels x height x width, f32. */
struct ll_tensor_in {
    int name;
    int64_t floats;
    const float *data;
};

struct ll_tensor_out {
    int name;
    int64_t floats;
    float *data;
};

/* One run over [first, end). `inputs` has at least every tensor of inputs(first, end); further ones
 * are ignored. `outputs` are to be filled: tensors of outputs(first, end), with room for `floats`
 * values each. */
struct ll_run {
    int first;
    int end;
    const struct ll_tensor_in *inputs;
    int input_count;
    const struct ll_tensor_out *outputs;
    int output_count;
    /* NULL, or end - first times to be filled: how long each layer took, in ns; a fused group's
     * time stands at its last layer, 0 at the others. */
    int64_t *layer_ns;
    /* NULL, or set by any thread when nobody waits for the run any more: it ends behind the group
     * of layers that it computes then. */
    const atomic_bool *stop;
};

struct ll_engine_ops {
    /* Reads and validates a cfg. Errors: LL_E_INVALID, LL_E_UNSUPPORTED, LL_E_EXHAUSTED,
     * LL_E_NO_MEMORY; `err` names line, section, key and reason. */
    ll_status (*parse)(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                       struct ll_network **out_network, struct ll_error *err);

    /* A model with an empty prefix. Takes a reference to `network`. */
    ll_status (*model_create)(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err);

    /* Creates layers [prefix, end) from `blobs`, one per layer (NULL for an empty one), each of the
     * table's size; `end` is a legal cut. References to blobs are taken as long as they are needed.
     * On failure the prefix has not changed, and no memory stays taken.
     *
     * Errors: LL_E_NO_MEMORY, LL_E_UNSUPPORTED, LL_E_EXHAUSTED beyond the budget, LL_E_CANCELLED
     *         once model->stop is set. */
    ll_status (*model_extend)(struct ll_engine_model *model, int end, struct ll_buf *const *blobs,
                              struct ll_error *err);

    /* No context of the model exists any more. */
    void (*model_destroy)(struct ll_engine_model *model);

    ll_status (*context_create)(struct ll_engine_model *model,
                                struct ll_engine_context **out_context, struct ll_error *err);
    void (*context_destroy)(struct ll_engine_context *context);

    /* Computes. first and end are legal cuts within the prefix, first < end.
     *
     * Errors: LL_E_INVALID where a tensor is missing or has another size, LL_E_NO_MEMORY,
     *         LL_E_EXHAUSTED beyond the budget or LL_LIMIT_CONTEXT_BYTES, LL_E_CANCELLED once
     *         run->stop is set. */
    ll_status (*run)(struct ll_engine_context *context, const struct ll_run *run,
                     struct ll_error *err);

    /* NULL, or what ll_probe.h has. */
    void (*probe_set)(struct ll_engine_context *context, const struct ll_probe *probe);
    int64_t (*tensor_bytes)(const struct ll_engine_context *context);

    void (*destroy)(struct ll_engine *engine);
};

/* A backend embeds it first in its own struct. */
struct ll_engine {
    const struct ll_engine_ops *ops;
    /* "darknet", "onednn"; static storage. */
    const char *name;
    /* What its results depend on beside name and threads: "avx2", "generic"; static storage. */
    const char *instruction_set;
    /* Compute threads of one run. */
    int threads;
    /* What models and contexts count against, set before the first of them; NULL: nothing. */
    struct ll_memory *memory;
};

/* The calls, so that users read `ll_engine_run(...)`. All take what the ops above take; NULL is
 * allowed in the destroy functions. */
LL_MUST_USE ll_status ll_engine_parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                                      struct ll_network **out_network, struct ll_error *err);
LL_MUST_USE ll_status ll_engine_model_create(struct ll_engine *engine, struct ll_network *network,
                                             struct ll_engine_model **out_model,
                                             struct ll_error *err);
LL_MUST_USE ll_status ll_engine_model_extend(struct ll_engine_model *model, int end,
                                             struct ll_buf *const *blobs, struct ll_error *err);
void ll_engine_model_destroy(struct ll_engine_model *model);
LL_MUST_USE ll_status ll_engine_context_create(struct ll_engine_model *model,
                                               struct ll_engine_context **out_context,
                                               struct ll_error *err);
void ll_engine_context_destroy(struct ll_engine_context *context);
LL_MUST_USE ll_status ll_engine_run(struct ll_engine_context *context, const struct ll_run *run,
                                    struct ll_error *err);
void ll_engine_destroy(struct ll_engine *engine);

/* What every backend's model and context begin with, so that the calls above find the ops. */
struct ll_engine_model {
    struct ll_engine *engine;
    struct ll_network *network;
    /* Layers [0, prefix) are created. Written by model_extend only, with release order. */
    atomic_int prefix;
    /* NULL, or set by any thread when nobody wants the extension under way any more; the owner's,
     * who puts it here before the first one. */
    const atomic_bool *stop;
    /* The owner's, too: operations that one extension may run to warm its layers up; 0: all. */
    int64_t warm_flops;
    /* What the model has taken of the engine's budget. */
    atomic_int_least64_t bytes;
    /* How long each layer of the prefix took when its creation ran it for the first time, in ns (a
     * fused group's time stands at its last layer, 0 at the others); where that run would have been
     * too long, what the others let expect. NULL where the engine warms nothing up. Like the
     * layers, what is there never changes again. */
    const int64_t *warm_ns;
};

struct ll_engine_context {
    struct ll_engine_model *model;
    /* What the context has taken of the engine's budget: the most that any of its runs needed. */
    int64_t bytes;
};

/* ---- For backends ---- */

/* Count a model's or a context's memory against the engine's budget, before it is allocated and
 * after it is released. Errors: LL_E_EXHAUSTED. */
LL_MUST_USE ll_status ll_engine_model_take(struct ll_engine_model *model, int64_t bytes,
                                           struct ll_error *err);
void ll_engine_model_give(struct ll_engine_model *model, int64_t bytes);
LL_MUST_USE ll_status ll_engine_context_take(struct ll_engine_context *context, int64_t bytes,
                                             struct ll_error *err);
void ll_engine_context_give(struct ll_engine_context *context, int64_t bytes);

/* Whether a run or an extension is to end early: `stop` is there and set. */
static inline bool ll_engine_is_stopped(const atomic_bool *stop)
{
    return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

#endif
