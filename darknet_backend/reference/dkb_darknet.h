/* The `darknet` engine, the reference: runs Darknet's own forward functions layer by layer
 * (dkb_plain.h) on the weights where they lie.
 *
 * Threads: see engine/ll_engine.h. */
#ifndef DKB_DARKNET_H
#define DKB_DARKNET_H

#include "engine/ll_engine.h"

/* It reads no text yet: see ll_engine.parse. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status dkb_darknet_engine_create(struct ll_engine **out_engine,
                                                struct ll_error *err);

#endif
