/* A server's front: accepts connections, keeps them within their limits, and counts each one's
 * calls. gRPC gets connections that have begun to talk HTTP/2, and never listens itself. Inside
 * rpc/ only.
 *
 * Threads: create, start, stop, end and destroy on one; the rest as said. */
#ifndef RPC_FRONT_H
#define RPC_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

struct rpc_front;
struct rpc_connection;

struct rpc_front_config {
    /* "HOST:PORT". */
    const char *listen;
    /* At once: in all (no more than the descriptors allow), and from one address. */
    int connections;
    int connections_per_peer;
    /* At once, of all connections. */
    int calls;
    /* Streams that a connection may have open, and those that it may cancel in a row beyond. */
    int streams;
    int resets;
    /* How long a new connection may take to say that it talks HTTP/2. */
    int64_t greeting_ns;
    /* Takes the descriptor of a connection that has, and calls rpc_front_taken once gRPC has it.
     * The front's thread. */
    void (*hand_over)(void *arg, int fd);
    /* Has the threads that go into gRPC, one after the other, take a turn, and rpc_front_turn
     * called by the last. Never again before that has come. The front's thread. */
    void (*ask_turn)(void *arg);
    void *arg;
};

/* So many connections of `wished` the process's descriptors allow, other uses left aside. */
int rpc_front_most_connections(int wished);

/* Listens; nobody is accepted yet.
 *
 * Errors: those of rpc_listen_open, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_front_create(const struct rpc_front_config *config,
                                       struct rpc_front **out_front, struct ll_error *err);
int rpc_front_port(const struct rpc_front *front);
/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_front_start(struct rpc_front *front);
/* Closes the listening sockets and the connections that were not handed over; returns when that is
 * done. Those that were go on. Twice is harmless. */
void rpc_front_stop(struct rpc_front *front);
/* Ends the thread: it calls nobody any more. Twice is harmless. */
void rpc_front_end(struct rpc_front *front);
/* After the last call has ended. NULL is allowed. */
void rpc_front_destroy(struct rpc_front *front);

/* A call has come. `grpc_peer` is how gRPC calls its connection. On LL_OK the connection stays
 * until rpc_front_end_call. Any thread.
 *
 * Errors: LL_E_NOT_FOUND where the connection is gone; LL_E_STOPPED where it opens and cancels
 *         streams without measure, and is closed therefore; LL_E_EXHAUSTED with a sentence where
 *         all connections together have too many calls. */
LL_MUST_USE ll_status rpc_front_begin_call(struct rpc_front *front, const char *grpc_peer,
                                           struct rpc_connection **out_connection,
                                           struct ll_error *err);
/* Something is about to be sent to the peer: its connection is one that is used. Any thread. */
void rpc_front_answered(struct rpc_front *front, struct rpc_connection *connection);
/* `was_reset`: the peer ended the call, not the server. Any thread. */
void rpc_front_end_call(struct rpc_front *front, struct rpc_connection *connection, bool was_reset);

/* The answer to each hand_over. Any thread. */
void rpc_front_taken(struct rpc_front *front);

/* The answer to ask_turn. Any thread. */
void rpc_front_turn(struct rpc_front *front);

/* "ipv4:10.0.0.2:50051" or "ipv6:[::1]:50051"; valid until the call ends. */
const char *rpc_connection_peer(const struct rpc_connection *connection);

#endif
