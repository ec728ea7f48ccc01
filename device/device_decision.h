/* What one query is going to do, decided when it is issued: which layers the edge is asked for, how
 * tensors are written, and what that is predicted to take.
 *
 * Internal to queries (device_query.c).
 *
 * Threads: the querier's. */
#ifndef DEVICE_DECISION_H
#define DEVICE_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_dtype.h"
#include "core/ll_status.h"
#include "device/device_query.h"

struct device_decision {
    struct device_advice advice;
    /* The edge computes as the device does. */
    bool is_same_engine;
    /* How the link looked. */
    struct device_link_state link;
    /* What to ask of the edge: [first, end), nothing where they are equal. */
    int first;
    int end;
    int least_prefix;
    /* How tensors are written; `input_bytes` are the querier's. */
    ll_dtype input_dtype;
    struct ll_buf *input_bytes;
    ll_dtype cut_dtype;
    /* How long the query has waited for a connection: that counts against its deadline. */
    int64_t waited_ns;
};

/* Looks at the edge and decides. Fills in the result's prefix, and its fallback where there is no
 * edge. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_decide(struct device_querier *querier, struct ll_buf *input,
                                    struct device_decision *out_decision,
                                    struct device_query_result *result);

#endif
