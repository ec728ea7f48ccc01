/* The edge server: store, models, creation thread, executors and services, wired together behind
 * one port. A program, or a test, gives it an engine and a configuration.
 *
 * Threads: create, stop and destroy on one. */
#ifndef EDGE_SERVER_H
#define EDGE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "engine/ll_engine.h"

struct edge_server;

/* Begin with edge_server_config_default. */
struct edge_server_config {
    /* "HOST:PORT"; port 0 picks one. */
    const char *listen;
    struct ll_engine *engine;
    bool is_inline;
    int executors;
    /* Where weights last; NULL: a temporary folder below `temporary_parent` (NULL: /tmp), and with
     * `store_may_be_temporary` also where the folder cannot be had. */
    const char *store_folder;
    bool store_may_be_temporary;
    const char *temporary_parent;
    int64_t store_bytes;
    /* What packed weights, small blobs and queries' contexts may take together; 0: 80 % of the
     * memory that the process may have without the buffers of uploads and queries. The engine
     * counts against it while the server lives. */
    int64_t memory_bytes;
    int models;
    /* How long after its last use a model stays in spite of newcomers that have no weights yet. */
    int64_t model_rest_ms;
    int upload_sessions;
    /* How long an upload may send nothing, and after how long another may have its place. */
    int64_t upload_idle_ms;
    int64_t upload_patience_ms;
    /* How far an upload may be ahead of what is written. */
    int64_t upload_window_bytes;
    /* As edge_uploads_config has it. */
    int64_t peer_copied_bytes;
    int peer_opens;
    /* In flight, on one stream. */
    int queries;
    /* Tensors of one stream's queries, and of all streams'. */
    int64_t query_bytes;
    int64_t server_query_bytes;
    /* Queries that wait for their tensors, on all streams; how long one may, without a byte of
     * them, and after how long without one another may have its place. */
    int server_queries;
    int64_t query_idle_ms;
    int64_t query_patience_ms;
    /* How long a query may wait for layers, and a device may read nothing of its answers. */
    int64_t query_wait_ms;
    int64_t answer_idle_ms;
    int watches;
    /* A second, of what ListModels and GetModel tell one address. */
    int64_t peer_inspect_bytes;
    /* As rpc_server_config has them. */
    int connections;
    int connections_per_peer;
    int connection_streams;
    int connection_resets;
    int calls;
    /* Weights that one creation takes before other models have their turn; 0: 64 MB. */
    int64_t creation_turn_bytes;
};

/* The default of everything but the engine; one executor. */
void edge_server_config_default(struct edge_server_config *config);

/* Starts a server that serves when this returns. The engine outlives it.
 *
 * Errors: LL_E_UNAVAILABLE where the address cannot be bound, those of the store, LL_E_NO_MEMORY;
 *         `err` says what. */
LL_MUST_USE ll_status edge_server_create(const struct edge_server_config *config,
                                         struct edge_server **out_server, struct ll_error *err);
int edge_server_port(const struct edge_server *server);

/* Orderly end: health says NOT_SERVING, uploads and watches end with UNAVAILABLE, running queries
 * are answered, new ones refused; what has not ended after `drain_ns` is cancelled. Twice is
 * harmless. */
void edge_server_stop(struct edge_server *server, int64_t drain_ns);
/* Stops if need be. NULL is allowed. */
void edge_server_destroy(struct edge_server *server);

/* Where the uploaded weights are; lives as long as the server. */
const char *edge_server_store_folder(const struct edge_server *server);
/* The same where they do not last, else NULL. */
const char *edge_server_temporary_folder(const struct edge_server *server);

#endif
