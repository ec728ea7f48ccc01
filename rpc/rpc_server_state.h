/* The inside of a server: for the services that rpc/ brings along, inside rpc/ only. */
#ifndef RPC_SERVER_STATE_H
#define RPC_SERVER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "core/ll_sync.h"
#include "rpc/front/rpc_front.h"
#include "rpc/front/rpc_gate.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_op.h"
#include "rpc/rpc_server.h"
#include "rpc/rpc_stream_state.h"

/* A service that lives as long as its server (health, reflection). */
struct rpc_service {
    /* The server stops: end the streams that would not end by themselves. Loop thread; may be
     * NULL. */
    void (*stop)(struct rpc_service *service);
    /* After the last callback. */
    void (*destroy)(struct rpc_service *service);
    struct rpc_service *next;
};

struct rpc_method {
    struct rpc_server *server;
    char *path;
    rpc_method_open open;
    rpc_unary_handle handle;
    void *arg;
    struct rpc_method *next;
};

struct rpc_health;

struct rpc_server {
    struct rpc_loop *loop;
    char *listen;
    int max_message_bytes;
    int max_concurrent_streams;
    int64_t memory_quota_bytes;
    int connections;
    int connections_per_peer;
    int resets;
    int calls_at_once;
    int64_t greeting_ns;
    int idle_ms;
    int port;

    /* Fixed by start. */
    struct rpc_method *methods;
    struct rpc_service *services;
    struct rpc_health *health;
    struct rpc_front *front;
    struct rpc_gate *gate;
    grpc_server *grpc;
    grpc_server_credentials *credentials;
    bool is_stopped;

    struct rpc_op shutdown;
    struct rpc_task stop_services;
    struct rpc_task turn;

    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    bool is_draining LL_GUARDED_BY(mutex);
    bool is_asking LL_GUARDED_BY(mutex);
    bool is_shut_down LL_GUARDED_BY(mutex);
    bool has_stopped_services LL_GUARDED_BY(mutex);
    /* The front waits for a turn of the loop. */
    bool is_turn_due LL_GUARDED_BY(mutex);
    /* Streams that have not closed, those on their way from the gate included, and those of them
     * that came before the drain. */
    int streams LL_GUARDED_BY(mutex);
    int calls LL_GUARDED_BY(mutex);
};

/* Takes `service`. Before start. */
void rpc_server_attach(struct rpc_server *server, struct rpc_service *service);

/* Whether a method of `service` ("package.Service", `bytes` characters) is served. */
bool rpc_server_has_service(const struct rpc_server *server, const char *service, size_t bytes);

#endif
