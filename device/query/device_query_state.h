/* Internal to device_query*.c.
 *
 * Threads: those of device_query.h. */
#ifndef DEVICE_QUERY_STATE_H
#define DEVICE_QUERY_STATE_H

#include "device/query/device_query.h"

/* One query under way. */
struct device_query {
    struct device_tensors tensors;
    /* The edge as it was found. */
    struct device_edge_view edge;
    struct device_decision decision;
    struct device_outcome outcome;
    struct device_query_result result;
    const struct device_query_input *input;
    /* In which the network's input may leave; `decision.offer` is one of them. */
    struct device_form_offers offers;
    /* The edge's part; `is_posted`: it is under way. */
    struct device_remote remote;
    struct device_patience patience;
    bool is_posted;
    /* Why its answer is computed here as well: its turn has come; not all of it is finite. */
    bool is_due;
    bool is_odd;
};

/* The edge is only tried: its part runs beside the device's. */
bool device_query_is_beside(const struct device_query *query);

/* What is asked of the edge, and how long it may take, here and there: `remote` and `patience`. */
void device_query_plan(struct device_querier *querier, struct device_query *query);

/* Takes back the edge's part, which is posted, and notes what its end teaches. Puts an answer into
 * the set, but for one that was only tried; where there is none, or a bad one, `remote` has the
 * status and says why. */
void device_query_collect(struct device_querier *querier, struct device_query *query);

#endif
