/* ListModels, GetModel, DeleteModel and GetServerInfo.
 *
 * Threads: create, add, destroy on one; drain from any. Destroy after the loop. */
#ifndef EDGE_INSPECT_H
#define EDGE_INSPECT_H

#include <stdint.h>

#include "core/ll_status.h"
#include "edge/model/edge_catalog.h"
#include "rpc/rpc_server.h"

struct edge_inspect;

/* One limit as GetServerInfo tells it. */
struct edge_limit {
    const char *name;
    int64_t value;
};

struct edge_inspect_config {
    struct edge_catalog *catalog;
    const struct ll_engine *engine;
    /* "threaded" or "inline"; static storage. */
    const char *creation;
    int executors;
    /* Names have static storage. */
    const struct edge_limit *limits;
    int limit_count;
    /* What ListModels and GetModel may cost a second for each peer: bytes of answers, and a little
     * for the work. */
    int64_t peer_bytes_per_s;
};

LL_MUST_USE ll_status edge_inspect_create(const struct edge_inspect_config *config,
                                          struct edge_inspect **out_inspect);
/* NULL is allowed. */
void edge_inspect_destroy(struct edge_inspect *inspect);

/* Adds the methods to a server, before its start. */
LL_MUST_USE ll_status edge_inspect_add(struct edge_inspect *inspect, struct rpc_server *server);

/* GetServerInfo says "draining" from now on. */
void edge_inspect_drain(struct edge_inspect *inspect);

#endif
