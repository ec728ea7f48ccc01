/* Plans, as the device writes them and the edge reads them.
 *
 * Threads: pure functions. */
#ifndef WIRE_PLAN_H
#define WIRE_PLAN_H

#include <stddef.h>

#include "core/ll_status.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/plan/ll_plan.h"

/* Copies the partitions; what they cover is ll_plan_check's.
 *
 * Errors: LL_E_INVALID, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status wire_plan_read(size_t count, Layerlift__V1__Partition *const *partitions,
                                     struct ll_plan *out_plan, struct ll_error *err);

/* A plan's messages. */
struct wire_plan {
    size_t count;
    Layerlift__V1__Partition **list;
    /* Private. */
    Layerlift__V1__Partition *partitions;
};

/* Errors: LL_E_NO_MEMORY; nothing to finish then. */
LL_MUST_USE ll_status wire_plan_init(struct wire_plan *wire, const struct ll_plan *plan);
void wire_plan_finish(struct wire_plan *wire);

#endif
