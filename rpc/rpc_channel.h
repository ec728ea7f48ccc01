/* The client side: a connection to one server.
 *
 * The connection is made by the first call and remade after a failure, at the latest 1 s after the
 * last attempt. Calls fail at once with LL_E_UNAVAILABLE while there is none.
 *
 * Threads: any; destroy after the last stream has closed. */
#ifndef RPC_CHANNEL_H
#define RPC_CHANNEL_H

#include <stdint.h>

#include "core/ll_status.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_stream.h"

struct rpc_channel;

/* `target` is "HOST:PORT". Each channel has a connection of its own. Nothing is sent yet.
 *
 * Errors: LL_E_INVALID (`err` quotes the target), LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_channel_create(struct rpc_loop *loop, const char *target,
                                         struct rpc_channel **out_channel, struct ll_error *err);
/* NULL is allowed. */
void rpc_channel_destroy(struct rpc_channel *channel);

/* Opens a stream for method "/package.Service/Method", with messages either way until `deadline_ns`
 * (ll_clock.h; LL_CLOCK_NEVER: without end). The caller owns a reference to *out_stream; `handler`
 * and `owner` live until on_closed. on_closed never comes before this returns on the same thread.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status rpc_channel_open(struct rpc_channel *channel, const char *path,
                                       int64_t deadline_ns,
                                       const struct rpc_stream_handler *handler, void *owner,
                                       struct rpc_stream **out_stream);

#endif
