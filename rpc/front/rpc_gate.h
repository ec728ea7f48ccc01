/* Where a server's new calls come in: inside rpc/ only.
 *
 * A thread of its own asks gRPC for calls. The loop's thread cannot: while a peer sends without a
 * pause, gRPC 1.51 goes on reading in the middle of a wait for the queue, and whoever waits does
 * not come back; calls would heap up meanwhile that nobody counts. The gate's queue polls nothing,
 * so its thread never reads for gRPC.
 *
 * Threads: create, start and destroy on one. */
#ifndef RPC_GATE_H
#define RPC_GATE_H

#include <grpc/grpc.h>

#include "core/ll_status.h"

struct rpc_gate;

struct rpc_gate_handler {
    /* A new call, which is the callee's; `method` is valid during the call only. */
    void (*on_call)(void *arg, grpc_call *call, grpc_slice method);
    /* What rpc_gate_poke asked for. */
    void (*on_poke)(void *arg);
    /* The server is shut down: no call comes any more. */
    void (*on_end)(void *arg);
};

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_gate_create(const struct rpc_gate_handler *handler, void *arg,
                                      struct rpc_gate **out_gate);
/* To be registered with the server before that starts. */
grpc_completion_queue *rpc_gate_queue(struct rpc_gate *gate);
/* Asks a started server for calls; their own events go to `queue`. Once. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_gate_start(struct rpc_gate *gate, grpc_server *server,
                                     grpc_completion_queue *queue);
/* Has the thread call on_poke, soon; not again before that has come. Any thread. */
void rpc_gate_poke(struct rpc_gate *gate);
/* After on_end, where it was started, and the last poke's on_poke. NULL is allowed. */
void rpc_gate_destroy(struct rpc_gate *gate);

#endif
