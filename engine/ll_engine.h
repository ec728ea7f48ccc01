/* The engine interface for those who use engines: what computes layers. edge/ and device/ know
 * nothing else of them; what implements engines includes engine/ll_engine_backend.h.
 *
 *   engine  --parse-->  network (immutable, holds the layer table)
 *   engine + network  --model_create-->  model (grows by model_extend, up to the whole network)
 *   model  --context_create-->  context (one running query's memory)
 *
 * What is asked of a model or a context is checked here, in front of all engines: an engine never
 * sees an illegal range, a missing tensor or a blob of another size. Tensors and blobs are f32,
 * whatever the engine computes in.
 *
 * Optional abilities. An engine may lack some; its users call the same functions and get what is
 * said there: no first times (ll_engine_model_warm_ns), layer times of 0 (ll_run.layer_ns), probes
 * that never come (ll_probe.h).
 *
 * Threads: an engine and a network may be used from any thread. A model is extended by one thread
 * at a time while others run queries on the prefix that existed before: whoever passes a longer
 * prefix to a running thread does so under a lock of its own. A context belongs to one thread at a
 * time. Threads that compute have called ll_thread_flush_denormals. */
#ifndef LL_ENGINE_H
#define LL_ENGINE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_memory.h"
#include "core/ll_status.h"
#include "engine/ll_engine_config.h"
#include "engine/ll_run.h"
#include "net/ll_network.h"

struct ll_engine;
struct ll_engine_model;
struct ll_engine_context;

/* ---- Engines ---- */

/* NULL is allowed; no model of it exists any more. */
void ll_engine_destroy(struct ll_engine *engine);

/* "darknet", "onednn", "onednn-bf16"; static storage. */
const char *ll_engine_name(const struct ll_engine *engine);
/* What its results depend on beside name and threads: "avx2", "generic"; static storage. */
const char *ll_engine_instruction_set(const struct ll_engine *engine);
/* Compute threads of one run. */
int ll_engine_threads(const struct ll_engine *engine);
/* What weights and activations are computed in. */
ll_compute ll_engine_compute(const struct ll_engine *engine);

/* What models and contexts count against; NULL: nothing, as in the beginning. Set before the first
 * of them, and not changed while any exists. */
void ll_engine_set_memory(struct ll_engine *engine, struct ll_memory *memory);
struct ll_memory *ll_engine_memory(const struct ll_engine *engine);

/* Reads and validates a network's text (a cfg).
 *
 * Errors: LL_E_INVALID, LL_E_UNSUPPORTED (also where the engine reads no text), LL_E_EXHAUSTED,
 *         LL_E_NO_MEMORY; `err` names line, section, key and reason. */
LL_MUST_USE ll_status ll_engine_parse(struct ll_engine *engine, const char *cfg, size_t cfg_bytes,
                                      struct ll_network **out_network, struct ll_error *err);

/* ---- Models ---- */

/* A model with an empty prefix. Takes a reference to `network`.
 *
 * Errors: LL_E_NO_MEMORY, LL_E_EXHAUSTED beyond the budget. */
LL_MUST_USE ll_status ll_engine_model_create(struct ll_engine *engine, struct ll_network *network,
                                             struct ll_engine_model **out_model,
                                             struct ll_error *err);
/* NULL is allowed; no context of the model exists any more. */
void ll_engine_model_destroy(struct ll_engine_model *model);

/* Creates layers [prefix, end) from `blobs`, one per layer (NULL for an empty one). References to
 * blobs are taken as long as they are needed. On failure the prefix has not changed, and no memory
 * stays taken.
 *
 * Errors: LL_E_INVALID where `end` is no legal cut behind the prefix, or a blob has not the table's
 *         size or is not aligned for floats; LL_E_NO_MEMORY, LL_E_UNSUPPORTED, LL_E_EXHAUSTED
 *         beyond the budget, LL_E_CANCELLED once the model's `stop` is set. */
LL_MUST_USE ll_status ll_engine_model_extend(struct ll_engine_model *model, int end,
                                             struct ll_buf *const *blobs, struct ll_error *err);

/* Layers [0, prefix) are created. Any thread. */
int ll_engine_model_prefix(const struct ll_engine_model *model);

/* The model's own. */
struct ll_engine *ll_engine_model_engine(const struct ll_engine_model *model);
struct ll_network *ll_engine_model_network(const struct ll_engine_model *model);

/* NULL, or what any thread sets when nobody wants the extension under way any more; put here before
 * the first one. */
void ll_engine_model_set_stop(struct ll_engine_model *model, const atomic_bool *stop);
/* Operations that one extension may run to warm its layers up; 0, as in the beginning: all. An
 * engine that warms nothing up takes no notice. */
void ll_engine_model_set_warm_flops(struct ll_engine_model *model, int64_t flops);

/* How long each layer of the prefix took when its creation ran it for the first time, in ns (a
 * fused group's time stands at its last layer, 0 at the others); where that run would have been too
 * long, what the others let expect. NULL where the engine warms nothing up. Like the layers, what
 * is there never changes again. */
const int64_t *ll_engine_model_warm_ns(const struct ll_engine_model *model);

/* Memory in use: what the model has taken of the engine's budget. Any thread. */
int64_t ll_engine_model_bytes(const struct ll_engine_model *model);

/* ---- Contexts and runs ---- */

/* Errors: LL_E_NO_MEMORY, LL_E_EXHAUSTED beyond the budget. */
LL_MUST_USE ll_status ll_engine_context_create(struct ll_engine_model *model,
                                               struct ll_engine_context **out_context,
                                               struct ll_error *err);
/* NULL is allowed. */
void ll_engine_context_destroy(struct ll_engine_context *context);

struct ll_engine_model *ll_engine_context_model(const struct ll_engine_context *context);

/* Memory in use: what the context has taken of the engine's budget, which is the most that any of
 * its runs needed. */
int64_t ll_engine_context_bytes(const struct ll_engine_context *context);

/* Computes; a refused run has written nothing but zeros to `layer_ns`.
 *
 * Errors: LL_E_INVALID where first and end are no legal cuts within the prefix, first < end, where
 *         a tensor that the range reads is missing or has another size, or an output is none of
 *         the range, has no room of its size or comes twice; LL_E_NO_MEMORY, LL_E_EXHAUSTED beyond
 *         the budget or LL_LIMIT_CONTEXT_BYTES, LL_E_CANCELLED once run->stop is set. */
LL_MUST_USE ll_status ll_engine_run(struct ll_engine_context *context, const struct ll_run *run,
                                    struct ll_error *err);

#endif
