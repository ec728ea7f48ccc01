/* The `onednn` engine: computes layers with oneDNN's primitives, in f32 or bf16. What oneDNN lacks
 * runs as the plain layers that its creator hands in (docs/engine.md says which).
 *
 * Threads: see engine/ll_engine.h. */
#ifndef ONEDNN_ENGINE_H
#define ONEDNN_ENGINE_H

#include "engine/ll_engine.h"
#include "engine/ll_engine_config.h"
#include "engine/ll_plain_layers.h"

/* The engine computes as `config` says, whose name it does not look at; `plain` outlives it. It
 * reads no text yet: see ll_engine.parse.
 *
 * Errors: LL_E_UNSUPPORTED where the processor does not compute as wished, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status onednn_engine_create(const struct ll_engine_config *config,
                                           const struct ll_plain_ops *plain,
                                           struct ll_engine **out_engine, struct ll_error *err);

#endif
