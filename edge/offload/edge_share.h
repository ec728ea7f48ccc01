/* What the queries of all streams share: memory, and places of those whose tensors have not come.
 *
 * Internal to the Offload service.
 *
 * Threads: the loop's. */
#ifndef EDGE_SHARE_H
#define EDGE_SHARE_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/offload/edge_offload_state.h"

/* The record of a stream's peer, of which all its streams have the same; NULL without memory. */
struct edge_offload_peer *edge_share_join(struct edge_offloads *service, const char *text);
/* NULL is allowed. */
void edge_share_leave(struct edge_offloads *service, struct edge_offload_peer *peer);

/* The query takes `bytes` from now on. When that is too much, queries whose tensors do not come
 * give way (edge_offloads.give_way). Errors: LL_E_EXHAUSTED naming the limit; nothing has changed
 * then. */
LL_MUST_USE ll_status edge_share_hold(struct edge_query *query, int64_t bytes,
                                      struct ll_error *err);
/* The same for what is there already, or is given back: no limit is asked. */
void edge_share_set_held(struct edge_query *query, int64_t bytes);

/* The query has to wait for its tensors, until its place is left. Errors: LL_E_EXHAUSTED naming the
 * limit. */
LL_MUST_USE ll_status edge_share_receive(struct edge_query *query, struct ll_error *err);

/* Sets the stream's timer to when something of it could have been idle for too long. */
void edge_share_watch(struct edge_offload *offload);
/* Until when the device has to read some of what is sent: answers, or the stream's end behind some;
 * LL_CLOCK_NEVER where there is nothing. */
int64_t edge_share_read_by_ns(const struct edge_offload *offload);

#endif
