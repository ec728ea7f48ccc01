/* The Offload service: streams of queries and answers.
 *
 * Threads: create, add, destroy on one; drain from any. Destroy after the loop. */
#ifndef EDGE_OFFLOAD_H
#define EDGE_OFFLOAD_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/edge_executor.h"
#include "edge/model/edge_catalog.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_server.h"

struct edge_offloads;

struct edge_offloads_config {
    struct rpc_loop *loop;
    struct edge_catalog *catalog;
    struct edge_executor *executor;
    /* Queries in flight on one stream. */
    int most_queries;
    /* Tensors of one stream's queries, in and out, and of all streams'. */
    int64_t most_stream_bytes;
    int64_t most_server_bytes;
    /* Those of the streams of one address. */
    int64_t most_peer_bytes;
    /* Queries of all streams that wait for their tensors; how long one may wait without any bytes,
     * and after how long without any it gives way to another. */
    int most_receiving;
    int64_t idle_ns;
    int64_t patience_ns;
    /* How long a query may wait for layers that are not created, whatever its deadline. */
    int64_t wait_ns;
    /* How long a device may read nothing of its answers. */
    int64_t answer_idle_ns;
};

LL_MUST_USE ll_status edge_offloads_create(const struct edge_offloads_config *config,
                                           struct edge_offloads **out_offloads);
/* NULL is allowed. */
void edge_offloads_destroy(struct edge_offloads *offloads);

/* Adds the method to a server, before its start. */
LL_MUST_USE ll_status edge_offloads_add(struct edge_offloads *offloads, struct rpc_server *server);

/* New queries get UNAVAILABLE; streams end once their queries are answered. */
void edge_offloads_drain(struct edge_offloads *offloads);

#endif
