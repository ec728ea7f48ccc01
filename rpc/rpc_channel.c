#include "rpc/rpc_channel.h"

#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>

#include "core/ll_limits.h"
#include "rpc/rpc_address.h"
#include "rpc/rpc_call.h"
#include "rpc/rpc_op.h"

enum {
    /* gRPC adds up to a fifth: a server that comes back is found within a second. */
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MAX_MS = 800,
    CONNECT_TIMEOUT_MS = 5000,
    /* A server's vanishing is noticed after the sum of both. */
    KEEPALIVE_MS = 20000,
    KEEPALIVE_TIMEOUT_MS = 10000,
    DNS_INTERVAL_MS = 1000,
    COMPRESSION_NONE = 1,
};

struct rpc_channel {
    struct rpc_loop *loop;
    grpc_channel *grpc;
    char *target;
};

static grpc_channel *create_grpc(const char *target)
{
    char uri[RPC_ADDRESS_URI_BYTES];
    rpc_address_uri(target, uri);
    grpc_arg args[] = {
        RPC_ARG_INT(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        RPC_ARG_INT(GRPC_ARG_ENABLE_HTTP_PROXY, 0),
        RPC_ARG_INT(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        RPC_ARG_INT(GRPC_ARG_ENABLE_RETRIES, 0),
        RPC_ARG_INT(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)LL_LIMIT_MESSAGE_BYTES),
        RPC_ARG_INT(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_FIRST_MS),
        RPC_ARG_INT(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS),
        RPC_ARG_INT(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MAX_MS),
        RPC_ARG_INT(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, DNS_INTERVAL_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
        RPC_ARG_INT(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        RPC_ARG_INT(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        RPC_ARG_INT(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, COMPRESSION_NONE),
    };
    grpc_channel_args all = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *grpc = grpc_channel_create(uri, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return grpc;
}

ll_status rpc_channel_create(struct rpc_loop *loop, const char *target,
                             struct rpc_channel **out_channel, struct ll_error *err)
{
    ll_status status = rpc_address_check(target, 1, err);
    if (status != LL_OK) {
        return status;
    }
    struct rpc_channel *channel = calloc(1, sizeof(*channel));
    char *copy = strdup(target);
    if (!channel || !copy) {
        free(channel);
        free(copy);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a channel");
    }
    channel->loop = loop;
    channel->target = copy;
    channel->grpc = create_grpc(target);
    *out_channel = channel;
    return LL_OK;
}

void rpc_channel_destroy(struct rpc_channel *channel)
{
    if (channel) {
        grpc_channel_destroy(channel->grpc);
        free(channel->target);
        free(channel);
    }
}

ll_status rpc_channel_open(struct rpc_channel *channel, const char *path, int64_t deadline_ns,
                           const struct rpc_stream_handler *handler, void *owner,
                           struct rpc_stream **out_stream)
{
    grpc_slice method = grpc_slice_from_copied_string(path);
    grpc_call *call = grpc_channel_create_call(channel->grpc, NULL, GRPC_PROPAGATE_DEFAULTS,
                                               rpc_loop_queue(channel->loop), method, NULL,
                                               rpc_loop_time(deadline_ns), NULL);
    grpc_slice_unref(method);
    struct rpc_stream *stream = NULL;
    ll_status status = rpc_call_create(channel->loop, call, channel->target, &stream);
    if (status != LL_OK) {
        grpc_call_unref(call);
        return status;
    }
    stream->handler = handler;
    stream->owner = owner;
    *out_stream = rpc_stream_ref(stream);
    ll_mutex_lock(&stream->mutex);
    rpc_stream_unlock_and_kick(stream);
    return LL_OK;
}
