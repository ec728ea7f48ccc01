/* The contract's checks: what a model or a context is asked for, compared with its layer table,
 * once and in front of all engines (ll_engine.h says what is allowed).
 *
 * Threads: any. */
#ifndef LL_ENGINE_CHECK_H
#define LL_ENGINE_CHECK_H

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "engine/ll_run.h"
#include "net/ll_table.h"

/* Whether layers [prefix, end) may be created from `blobs`. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_engine_check_extension(const struct ll_table *table, int prefix, int end,
                                                struct ll_buf *const *blobs, struct ll_error *err);

/* Whether `run` may run where layers [0, prefix) are created. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_engine_check_run(const struct ll_table *table, int prefix,
                                          const struct ll_run *run, struct ll_error *err);

#endif
