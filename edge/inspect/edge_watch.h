/* WatchModel: streams of a model's states.
 *
 * Threads: create, add, destroy on one; drain from any. Destroy after the loop. */
#ifndef EDGE_WATCH_H
#define EDGE_WATCH_H

#include "core/ll_status.h"
#include "edge/model/edge_catalog.h"
#include "layerlift/v1/offload.pb-c.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_server.h"

struct edge_watches;

/* `most_watches` at a time; when there are as many, a peer that has more than half of them gives
 * one to another. */
LL_MUST_USE ll_status edge_watches_create(struct rpc_loop *loop, struct edge_catalog *catalog,
                                          int most_watches, struct edge_watches **out_watches);
/* NULL is allowed. */
void edge_watches_destroy(struct edge_watches *watches);

/* Adds the method to a server, before its start. */
LL_MUST_USE ll_status edge_watches_add(struct edge_watches *watches, struct rpc_server *server);

/* Ends all watches, and refuses new ones. */
void edge_watches_drain(struct edge_watches *watches);

/* A model's state as the wire names it. */
Layerlift__V1__ModelState edge_watch_state(edge_model_state state);

#endif
