/* The engine interface for those who implement engines (engine/onednn, darknet_backend/reference, a
 * fake one in the tests): the operations, and what an engine's, a model's and a context's own
 * structs begin with. Users include engine/ll_engine.h alone.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef LL_ENGINE_BACKEND_H
#define LL_ENGINE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/ll_engine.h"

struct ll_probe;

/* What ll_engine.h's functions of these names call, which say what each does. Arguments have been
 * checked as they promise: `end` is a legal cut behind the prefix and every blob has the table's
 * size, aligned for floats; a run's range is legal and created, what it reads is there in the
 * table's sizes, what it is to fill are outputs of the range, with room, each once. */
struct ll_engine_ops {
    ll_status (*model_create)(struct ll_engine *engine, struct ll_network *network,
                              struct ll_engine_model **out_model, struct ll_error *err);
    void (*model_destroy)(struct ll_engine_model *model);
    /* Stores the longer prefix in the end, with release order. */
    ll_status (*model_extend)(struct ll_engine_model *model, int end, struct ll_buf *const *blobs,
                              struct ll_error *err);

    ll_status (*context_create)(struct ll_engine_model *model,
                                struct ll_engine_context **out_context, struct ll_error *err);
    void (*context_destroy)(struct ll_engine_context *context);
    /* Where layer times are wanted, they are all 0 before: an engine without leaves them alone. */
    ll_status (*run)(struct ll_engine_context *context, const struct ll_run *run,
                     struct ll_error *err);

    /* Probes, as ll_probe.h has them. NULL, both: the engine has none. */
    void (*probe_set)(struct ll_engine_context *context, const struct ll_probe *probe);
    int64_t (*tensor_bytes)(const struct ll_engine_context *context);

    void (*destroy)(struct ll_engine *engine);
};

/* Embedded first, as the two below. */
struct ll_engine {
    const struct ll_engine_ops *ops;
    /* What ll_engine_parse calls, put here by whoever puts engine and file format together. NULL:
     * the engine reads no text. */
    ll_status (*parse)(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                       struct ll_network **out_network, struct ll_error *err);
    const char *name;
    const char *instruction_set;
    int threads;
    /* LL_COMPUTE_F32, as a zeroed struct has it, where the engine has nothing else. */
    ll_compute compute;
    /* The user's. */
    struct ll_memory *memory;
};

struct ll_engine_model {
    struct ll_engine *engine;
    struct ll_network *network;
    /* Layers [0, prefix) are created. Written by model_extend only, with release order. */
    atomic_int prefix;
    /* The user's, both. */
    const atomic_bool *stop;
    int64_t warm_flops;
    /* Counted by take and give below. */
    atomic_int_least64_t bytes;
    /* NULL where the engine warms nothing up. */
    const int64_t *warm_ns;
};

struct ll_engine_context {
    struct ll_engine_model *model;
    /* Counted by take and give below. */
    int64_t bytes;
};

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
