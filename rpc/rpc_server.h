/* A gRPC server: methods by name, health, reflection, orderly shutdown.
 *
 * Everything unknown is answered UNIMPLEMENTED.
 *
 * Threads: create, add, start, stop, destroy on one thread (not the loop's); the rest as said. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_stream.h"

struct rpc_server;

struct rpc_server_config {
    /* "HOST:PORT"; port 0 picks one. */
    const char *listen;
    /* 0: LL_LIMIT_MESSAGE_BYTES. */
    int max_message_bytes;
    /* Per connection; 0: 100. */
    int max_concurrent_streams;
    /* Bytes that all connections' buffers may take; 0: 256 MiB. */
    int64_t memory_quota_bytes;
    /* Connections at once: in all, 0: 1024, but never more than rpc_server_most_connections; and
     * from one IPv4 address or 64-bit network of IPv6, 0: 256. Where there are so many, the oldest
     * that was never answered makes room for a new one, or one that was without calls for 10 s. */
    int connections;
    int connections_per_peer;
    /* Calls that a connection may cancel in a row, beyond its max_concurrent_streams and 100 a
     * second; who cancels more is cut off. 0: 1000. */
    int connection_resets;
    /* Calls of all connections at once; more are answered LL_E_EXHAUSTED. 0: 16384. */
    int calls;
    /* A new connection that has not begun to talk HTTP/2 after this is closed; 0: 10 s. */
    int64_t greeting_ns;
    /* A connection without calls for so long is asked to go, and closed; 0: 15 minutes. */
    int idle_ms;
};

/* So many of `wished` connections at once the process's descriptors allow. */
int rpc_server_most_connections(int wished);

/* Errors: LL_E_INVALID where `listen` is not HOST:PORT (`err` quotes it), LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_server_create(struct rpc_loop *loop,
                                        const struct rpc_server_config *config,
                                        struct rpc_server **out_server, struct ll_error *err);

/* A new call of a method. Gives the stream its handler with rpc_server_accept before it returns, or
 * refuses with rpc_stream_finish. Loop thread. */
typedef void (*rpc_method_open)(void *arg, struct rpc_stream *stream);

/* `path` is "/package.Service/Method". Before start.
 *
 * Errors: LL_E_INVALID for another path, LL_E_EXISTS, LL_E_PRECONDITION after start,
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_server_add(struct rpc_server *server, const char *path,
                                     rpc_method_open open, void *arg);

/* Sets what the stream calls. `handler` outlives the stream. */
void rpc_server_accept(struct rpc_stream *stream, const struct rpc_stream_handler *handler,
                       void *owner);

/* A unary method in one function: gets the request, answers with rpc_stream_send and
 * rpc_stream_finish at once or later (it then takes a reference). A missing request is answered for
 * it. Loop thread. */
typedef void (*rpc_unary_handle)(void *arg, struct rpc_stream *stream, const uint8_t *data,
                                 size_t bytes);
LL_MUST_USE ll_status rpc_server_add_unary(struct rpc_server *server, const char *path,
                                           rpc_unary_handle handle, void *arg);

/* Adds grpc.health.v1.Health. Services (and "", the whole server) are NOT_SERVING until set. */
LL_MUST_USE ll_status rpc_server_add_health(struct rpc_server *server);
/* Any thread. Watchers are told. */
LL_MUST_USE ll_status rpc_server_set_serving(struct rpc_server *server, const char *service,
                                             bool is_serving);

/* Adds grpc.reflection.v1 and v1alpha over a serialised FileDescriptorSet, which outlives the
 * server. The services listed are those of the set that have a method here. Errors: LL_E_INVALID.
 */
LL_MUST_USE ll_status rpc_server_add_reflection(struct rpc_server *server,
                                                const uint8_t *descriptors, size_t bytes);

/* Binds and serves. Errors: LL_E_UNAVAILABLE (`err` names the address and why) where it cannot be
 * bound; LL_E_PRECONDITION for a second start. */
LL_MUST_USE ll_status rpc_server_start(struct rpc_server *server, struct ll_error *err);
/* The bound port. */
int rpc_server_port(const struct rpc_server *server);

/* New calls are answered LL_E_UNAVAILABLE, calls under way go on; those of health and reflection
 * are ended. Returns when all have ended and the connections are closed, or soon after `drain_ns`,
 * when the rest is cancelled; no callback comes after. Twice is harmless. */
void rpc_server_stop(struct rpc_server *server, int64_t drain_ns);
/* Stops if need be. NULL is allowed. */
void rpc_server_destroy(struct rpc_server *server);

#endif
