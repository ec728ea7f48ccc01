/* The engines of this backend.
 *
 * `darknet` runs Darknet's own forward functions on the uploaded weights where they lie: the
 * reference. `onednn` computes the same with oneDNN's primitives and is the fast one.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef DKB_ENGINE_H
#define DKB_ENGINE_H

#include "engine/ll_engine.h"
#include "engine/ll_engine_config.h"

/* Whether an engine has that name. Errors: LL_E_UNSUPPORTED naming those that exist. */
LL_MUST_USE ll_status dkb_engine_check_name(const char *name, struct ll_error *err);

/* Errors: LL_E_UNSUPPORTED naming the engines that exist, or why the processor does not compute as
 *         wished, LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_engine_create(const struct ll_engine_config *config,
                                        struct ll_engine **out_engine, struct ll_error *err);

#endif
