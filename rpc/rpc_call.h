/* gRPC's side of a stream: inside rpc/ only. Servers and channels create streams here. */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include <grpc/grpc.h>

#include "core/ll_status.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_stream.h"
#include "rpc/rpc_stream_state.h"

/* A stream over `call`, with one reference, which is the runtime's until on_closed returned. Takes
 * `call` on LL_OK only. */
LL_MUST_USE ll_status rpc_call_create(struct rpc_loop *loop, grpc_call *call, const char *peer,
                                      struct rpc_stream **out_stream);

/* Starts what can be started: the first batches, the next message, the end, the cancellation. Loop
 * thread. */
void rpc_call_advance(struct rpc_stream *stream);

/* Drops what waits to be sent, not what is under way. Loop thread. */
void rpc_call_drop_queue(struct rpc_stream *stream);

/* Asks for the next message, unless that is under way, bounded or over. Loop thread. */
void rpc_call_receive(struct rpc_stream *stream);

#endif
