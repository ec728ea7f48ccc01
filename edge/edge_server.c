#include "edge/edge_server.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_machine.h"
#include "core/ll_memory.h"
#include "edge/edge_creator.h"
#include "edge/edge_executor.h"
#include "edge/edge_limits.h"
#include "edge/inspect/edge_inspect.h"
#include "edge/inspect/edge_watch.h"
#include "edge/model/edge_catalog.h"
#include "edge/model/edge_catalog_stored.h"
#include "edge/model/edge_store.h"
#include "edge/offload/edge_offload.h"
#include "edge/upload/edge_upload.h"
#include "proto/descriptors.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_server.h"

enum {
    MB = 1000 * 1000,
    /* The default budget; program, system and page cache have the rest. */
    MEMORY_PERCENT = 80,
    MEMORY_PARTS = 4,
    /* So long after a model's last query its contexts are destroyed, if all take more than so much.
     * The executors look after REST_S: that is later, since a query ends after its run. */
    IDLE_S = 4,
    REST_S = 5,
    IDLE_BYTES = 64 * MB,
};

static const char service_name[] = "layerlift.v1.EdgeOffload";

struct edge_server {
    struct ll_engine *engine;
    struct ll_memory *memory;
    struct edge_store *store;
    struct edge_catalog *catalog;
    struct edge_creator *creator;
    struct edge_executor *executor;
    struct rpc_loop *loop;
    struct rpc_server *rpc;
    struct edge_uploads *uploads;
    struct edge_offloads *offloads;
    struct edge_inspect *inspect;
    struct edge_watches *watches;
};

void edge_server_config_default(struct edge_server_config *config)
{
    struct edge_limit_values values = {.config = {.listen = "0.0.0.0:50051", .executors = 1}};
    ll_option_set_defaults(&edge_limit_table, &values);
    *config = values.config;
}

/* The budget as configured, or of the memory that the process may have: most of what the buffers of
 * uploads and queries leave, but at least a quarter. */
static int64_t memory_bytes(const struct edge_server_config *config)
{
    if (config->memory_bytes > 0) {
        return config->memory_bytes;
    }
    int64_t whole = ll_machine_memory_bytes(&ll_machine_paths);
    int64_t buffers =
        config->server_query_bytes + config->upload_sessions * config->upload_window_bytes;
    int64_t left = (whole - buffers) / 100 * MEMORY_PERCENT;
    return left > whole / MEMORY_PARTS ? left : whole / MEMORY_PARTS;
}

static ll_status create_memory(struct edge_server *server, const struct edge_server_config *config)
{
    ll_status status = ll_memory_create(memory_bytes(config), &server->memory);
    if (status == LL_OK) {
        server->engine = config->engine;
        ll_engine_set_memory(server->engine, server->memory);
    }
    return status;
}

/* On an executor's thread. */
static void rest(void *arg)
{
    struct edge_server *server = arg;
    edge_catalog_drop_idle(server->catalog, ll_clock_now_ns() - IDLE_S * LL_NS_PER_S, IDLE_BYTES);
}

/* Half of what all queries may take, but what one stream's may. */
static int64_t peer_query_bytes(const struct edge_server_config *config)
{
    int64_t half_bytes = config->server_query_bytes / 2;
    return half_bytes > config->query_bytes ? half_bytes : config->query_bytes;
}

/* An unfinished blob of an earlier process has turned out to be whole. */
static void create_stored(void *arg)
{
    struct edge_server *server = arg;
    edge_catalog_wake_stored(server->catalog);
}

static void wake_creator(void *arg, struct edge_model *model)
{
    edge_creator_wake(arg, model);
}

/* What an earlier process has kept. */
static ll_status restore(struct edge_server *server)
{
    /* Who creates inline does so for uploads, on their thread alone. */
    if (!edge_creator_is_inline(server->creator)) {
        edge_catalog_set_wake(server->catalog, wake_creator, server->creator);
    }
    return edge_catalog_restore(server->catalog);
}

/* What computes and stores. */
static ll_status create_parts(struct edge_server *server, const struct edge_server_config *config,
                              struct ll_error *err)
{
    const struct edge_store_config store = {.folder = config->store_folder,
                                            .may_be_temporary = config->store_may_be_temporary,
                                            .temporary_parent = config->temporary_parent,
                                            .budget_bytes = config->store_bytes,
                                            .memory = server->memory,
                                            .recovered = create_stored,
                                            .recovered_arg = server};
    ll_status status = edge_store_create(&store, &server->store, err);
    if (status != LL_OK) {
        return status;
    }
    const struct edge_catalog_config catalog = {
        .engine = config->engine,
        .store = server->store,
        .most_models = config->models,
        .rest_ns = config->model_rest_ms * LL_NS_PER_MS,
    };
    status = edge_catalog_create(&catalog, &server->catalog);
    if (status == LL_OK) {
        const struct edge_creator_config creator = {.catalog = server->catalog,
                                                    .is_inline = config->is_inline,
                                                    .turn_bytes = config->creation_turn_bytes};
        status = edge_creator_create(&creator, &server->creator);
    }
    if (status == LL_OK) {
        status = restore(server);
    }
    if (status == LL_OK) {
        status = edge_executor_create(config->executors, &server->executor);
    }
    if (status == LL_OK) {
        edge_executor_set_rest(server->executor, REST_S * LL_NS_PER_S, rest, server);
        status = rpc_loop_create(&server->loop);
    }
    return status;
}

/* The limits as they are, in edge_limit_table's order; returns how many. */
static int list_limits(const struct edge_server *server, const struct edge_server_config *config,
                       struct edge_limit *out_limits)
{
    struct edge_limit_values values = {
        .config = *config,
        .store_mappings = edge_store_most_mappings(server->store),
        .upload_streams = (int64_t)EDGE_UPLOAD_STREAMS * config->upload_sessions,
        .peer_query_bytes = peer_query_bytes(config),
    };
    values.config.memory_bytes = ll_memory_limit(server->memory);
    values.config.connections = rpc_server_most_connections(config->connections);
    for (int i = 0; i < edge_limit_table.count; i++) {
        const struct ll_option_row *row = &edge_limit_table.rows[i];
        out_limits[i] = (struct edge_limit){row->limit, ll_option_value(row, &values)};
    }
    return edge_limit_table.count;
}

static ll_status create_inspect(struct edge_server *server, const struct edge_server_config *config)
{
    struct edge_limit *limits = calloc((size_t)edge_limit_table.count, sizeof(*limits));
    if (!limits) {
        return LL_E_NO_MEMORY;
    }
    const struct edge_inspect_config inspect = {
        .catalog = server->catalog,
        .engine = config->engine,
        .creation = config->is_inline ? "inline" : "threaded",
        .executors = config->executors,
        .limits = limits,
        .limit_count = list_limits(server, config, limits),
        .peer_bytes_per_s = config->peer_inspect_bytes,
    };
    ll_status status = edge_inspect_create(&inspect, &server->inspect);
    free(limits);
    return status;
}

static ll_status create_services(struct edge_server *server,
                                 const struct edge_server_config *config)
{
    const struct edge_uploads_config uploads = {.catalog = server->catalog,
                                                .creator = server->creator,
                                                .most_sessions = config->upload_sessions,
                                                .idle_ns = config->upload_idle_ms * LL_NS_PER_MS,
                                                .patience_ns =
                                                    config->upload_patience_ms * LL_NS_PER_MS,
                                                .window_bytes = config->upload_window_bytes,
                                                .copied_bytes_per_s = config->peer_copied_bytes,
                                                .opens_per_s = config->peer_opens};
    const struct edge_offloads_config offloads = {
        .loop = server->loop,
        .catalog = server->catalog,
        .executor = server->executor,
        .most_queries = config->queries,
        .most_stream_bytes = config->query_bytes,
        .most_server_bytes = config->server_query_bytes,
        .most_peer_bytes = peer_query_bytes(config),
        .most_receiving = config->server_queries,
        .idle_ns = config->query_idle_ms * LL_NS_PER_MS,
        .patience_ns = config->query_patience_ms * LL_NS_PER_MS,
        .wait_ns = config->query_wait_ms * LL_NS_PER_MS,
        .answer_idle_ns = config->answer_idle_ms * LL_NS_PER_MS};
    ll_status status = edge_uploads_create(&uploads, &server->uploads);
    if (status == LL_OK) {
        status = edge_offloads_create(&offloads, &server->offloads);
    }
    if (status == LL_OK) {
        status = create_inspect(server, config);
    }
    if (status == LL_OK) {
        status =
            edge_watches_create(server->loop, server->catalog, config->watches, &server->watches);
    }
    return status;
}

static ll_status add_services(struct edge_server *server)
{
    ll_status status = edge_uploads_add(server->uploads, server->rpc);
    if (status == LL_OK) {
        status = edge_offloads_add(server->offloads, server->rpc);
    }
    if (status == LL_OK) {
        status = edge_inspect_add(server->inspect, server->rpc);
    }
    if (status == LL_OK) {
        status = edge_watches_add(server->watches, server->rpc);
    }
    if (status == LL_OK) {
        status = rpc_server_add_health(server->rpc);
    }
    if (status == LL_OK) {
        status = rpc_server_add_reflection(server->rpc, proto_descriptors, proto_descriptors_bytes);
    }
    return status;
}

static ll_status set_serving(struct edge_server *server, bool is_serving)
{
    ll_status status = rpc_server_set_serving(server->rpc, "", is_serving);
    return status == LL_OK ? rpc_server_set_serving(server->rpc, service_name, is_serving) : status;
}

static ll_status start(struct edge_server *server, const struct edge_server_config *config,
                       struct ll_error *err)
{
    ll_status status = create_memory(server, config);
    if (status == LL_OK) {
        status = create_parts(server, config, err);
    }
    if (status == LL_OK) {
        status = create_services(server, config);
    }
    if (status == LL_OK) {
        const struct rpc_server_config rpc = {
            .listen = config->listen,
            .max_concurrent_streams = config->connection_streams,
            .connections = config->connections,
            .connections_per_peer = config->connections_per_peer,
            .connection_resets = config->connection_resets,
            .calls = config->calls,
        };
        status = rpc_server_create(server->loop, &rpc, &server->rpc, err);
    }
    if (status == LL_OK) {
        status = add_services(server);
    }
    if (status == LL_OK) {
        status = edge_creator_start(server->creator);
    }
    if (status == LL_OK) {
        status = edge_executor_start(server->executor);
    }
    if (status == LL_OK) {
        status = rpc_server_start(server->rpc, err);
    }
    if (status == LL_OK) {
        edge_catalog_wake_stored(server->catalog);
    }
    return status == LL_OK ? set_serving(server, true) : status;
}

ll_status edge_server_create(const struct edge_server_config *config,
                             struct edge_server **out_server, struct ll_error *err)
{
    struct edge_server *server = calloc(1, sizeof(*server));
    struct ll_error reason = {.text = ""};
    ll_status status = server ? start(server, config, &reason) : LL_E_NO_MEMORY;
    if (status != LL_OK) {
        edge_server_destroy(server);
        return ll_fail(err, status, "%s", reason.text[0] ? reason.text : ll_status_text(status));
    }
    *out_server = server;
    return LL_OK;
}

int edge_server_port(const struct edge_server *server)
{
    return rpc_server_port(server->rpc);
}

void edge_server_stop(struct edge_server *server, int64_t drain_ns)
{
    if (set_serving(server, false) != LL_OK) {
        ll_log(LL_LOG_WARN, "server", "out of memory: health may still say SERVING");
    }
    edge_uploads_drain(server->uploads);
    edge_offloads_drain(server->offloads);
    edge_inspect_drain(server->inspect);
    edge_watches_drain(server->watches);
    rpc_server_stop(server->rpc, drain_ns);
}

/* From the outside in: no calls, no threads that call the loop, the loop, what its callbacks used.
 */
void edge_server_destroy(struct edge_server *server)
{
    if (!server) {
        return;
    }
    rpc_server_destroy(server->rpc);
    if (server->creator) {
        edge_creator_stop(server->creator);
    }
    if (server->executor) {
        edge_executor_stop(server->executor);
    }
    edge_uploads_destroy(server->uploads);
    if (server->store) {
        edge_store_leave_files(server->store);
    }
    rpc_loop_destroy(server->loop);
    edge_watches_destroy(server->watches);
    edge_inspect_destroy(server->inspect);
    edge_offloads_destroy(server->offloads);
    edge_executor_destroy(server->executor);
    edge_creator_destroy(server->creator);
    edge_catalog_destroy(server->catalog);
    edge_store_destroy(server->store);
    if (server->engine) {
        ll_engine_set_memory(server->engine, NULL);
    }
    ll_memory_destroy(server->memory);
    free(server);
}

const char *edge_server_store_folder(const struct edge_server *server)
{
    return edge_store_folder(server->store);
}

const char *edge_server_temporary_folder(const struct edge_server *server)
{
    return edge_store_lasts(server->store) ? NULL : edge_store_folder(server->store);
}
