#include "proto/wire/wire_plan.h"

#include <stdlib.h>

#include "core/ll_limits.h"

ll_status wire_plan_read(size_t count, Layerlift__V1__Partition *const *partitions,
                         struct ll_plan *out_plan, struct ll_error *err)
{
    if (count < 1 || count > LL_LIMIT_LAYERS) {
        return ll_fail(err, LL_E_INVALID, "plan: %zu partitions; 1 to %d are allowed", count,
                       LL_LIMIT_LAYERS);
    }
    struct ll_plan plan = {.partitions = calloc(count, sizeof(struct ll_partition))};
    if (!plan.partitions) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a plan");
    }
    for (size_t i = 0; i < count; i++) {
        if (partitions[i]->first > LL_LIMIT_LAYERS || partitions[i]->end > LL_LIMIT_LAYERS) {
            ll_plan_finish(&plan);
            return ll_fail(err, LL_E_INVALID, "plan: partition %zu is [%u, %u)", i,
                           partitions[i]->first, partitions[i]->end);
        }
        plan.partitions[plan.count++] =
            (struct ll_partition){(int)partitions[i]->first, (int)partitions[i]->end};
    }
    *out_plan = plan;
    return LL_OK;
}

ll_status wire_plan_init(struct wire_plan *wire, const struct ll_plan *plan)
{
    size_t count = (size_t)plan->count;
    *wire = (struct wire_plan){
        .count = count,
        .list = calloc(count + 1, sizeof(Layerlift__V1__Partition *)),
        .partitions = calloc(count + 1, sizeof(*wire->partitions)),
    };
    if (!wire->list || !wire->partitions) {
        wire_plan_finish(wire);
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        layerlift__v1__partition__init(&wire->partitions[i]);
        wire->partitions[i].first = (uint32_t)plan->partitions[i].first;
        wire->partitions[i].end = (uint32_t)plan->partitions[i].end;
        wire->list[i] = &wire->partitions[i];
    }
    return LL_OK;
}

void wire_plan_finish(struct wire_plan *wire)
{
    free(wire->list);
    free(wire->partitions);
    *wire = (struct wire_plan){0};
}
