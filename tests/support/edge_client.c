#include "tests/support/edge_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "proto/wire/wire_pack.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"
#include "tests/support/edge_client_state.h"
#include "tests/support/ll_test.h"

enum { PATIENCE_S = 30 };

struct edge_client {
    struct rpc_loop *loop;
    struct rpc_channel *channel;
};

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct edge_call *call = owner;
    (void)stream;
    struct edge_received *received = malloc(sizeof(*received) + bytes);
    received->next = NULL;
    received->bytes = bytes;
    memcpy(received->data, data, bytes);
    ll_mutex_lock(&call->lock);
    *call->last_link = received;
    call->last_link = &received->next;
    ll_cond_broadcast(&call->changed);
    ll_mutex_unlock(&call->lock);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct edge_call *call = owner;
    ll_mutex_lock(&call->lock);
    call->is_closed = true;
    call->status = status;
    call->message = *rpc_stream_error(stream);
    snprintf(call->message.text, sizeof(call->message.text), "%s", message ? message : "");
    ll_cond_broadcast(&call->changed);
    ll_mutex_unlock(&call->lock);
}

struct edge_client *edge_client_create(int port)
{
    struct edge_client *client = calloc(1, sizeof(*client));
    char target[64];
    snprintf(target, sizeof(target), "127.0.0.1:%d", port);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&client->loop), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(client->loop, target, &client->channel, NULL), LL_OK);
    return client;
}

void edge_client_destroy(struct edge_client *client)
{
    rpc_channel_destroy(client->channel);
    rpc_loop_destroy(client->loop);
    free(client);
}

LL_NO_ANALYSIS struct edge_call *edge_call_open(struct edge_client *client, const char *method)
{
    static const struct rpc_stream_handler handler = {.on_message = on_message,
                                                      .on_closed = on_closed};
    char path[128];
    struct edge_call *call = calloc(1, sizeof(*call));
    ll_mutex_init(&call->lock);
    ll_cond_init(&call->changed);
    call->last_link = &call->first;
    snprintf(path, sizeof(path), "/layerlift.v1.EdgeOffload/%s", method);
    CU_ASSERT_EQUAL_FATAL(
        rpc_channel_open(client->channel, path, LL_CLOCK_NEVER, &handler, call, &call->stream),
        LL_OK);
    return call;
}

/* Waits for a message or the end, whichever is asked for. */
static struct edge_received *wait_for(struct edge_call *call, bool for_end)
{
    int64_t deadline_ns = ll_clock_deadline(ll_clock_now_ns(), PATIENCE_S * LL_NS_PER_S);
    bool in_time = true;
    ll_mutex_lock(&call->lock);
    while (in_time && !call->is_closed && (for_end || !call->first)) {
        in_time = ll_cond_wait(&call->changed, &call->lock, deadline_ns);
    }
    struct edge_received *received = NULL;
    if (!for_end && call->first) {
        received = call->first;
        call->first = received->next;
        if (!call->first) {
            call->last_link = &call->first;
        }
    }
    bool has_come = received || call->is_closed;
    ll_mutex_unlock(&call->lock);
    CU_ASSERT_FATAL(has_come);
    return received;
}

LL_NO_ANALYSIS void edge_call_close(struct edge_call *call)
{
    edge_call_cancel(call);
    wait_for(call, true);
    while (call->first) {
        struct edge_received *received = call->first;
        call->first = received->next;
        free(received);
    }
    for (int i = 0; i < EDGE_CALL_ANSWERS; i++) {
        free(call->assemblies[i].answer.data);
    }
    rpc_stream_unref(call->stream);
    ll_mutex_finish(&call->lock);
    ll_cond_finish(&call->changed);
    free(call);
}

void edge_call_cancel(struct edge_call *call)
{
    rpc_stream_cancel(call->stream);
}

void edge_call_half_close(struct edge_call *call)
{
    rpc_stream_finish(call->stream, LL_OK, NULL);
}

void edge_call_send(struct edge_call *call, const ProtobufCMessage *message)
{
    uint8_t *packed = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(wire_pack(message, &packed, &bytes), LL_OK);
    edge_call_send_bytes(call, packed, bytes);
    free(packed);
}

void edge_call_send_bytes(struct edge_call *call, const void *data, size_t bytes)
{
    /* The server may have ended the call meanwhile: the test will see how. */
    ll_status status = rpc_stream_send(call->stream, data, bytes, NULL);
    CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
}

ProtobufCMessage *edge_call_next(struct edge_call *call,
                                 const ProtobufCMessageDescriptor *descriptor)
{
    struct edge_received *received = wait_for(call, false);
    if (!received) {
        return NULL;
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, NULL, received->bytes, received->data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(message);
    free(received);
    return message;
}

LL_NO_ANALYSIS ll_status edge_call_end(struct edge_call *call, struct ll_error *out_message)
{
    wait_for(call, true);
    if (out_message) {
        *out_message = call->message;
    }
    return call->status;
}

ProtobufCMessage *edge_client_ask(struct edge_client *client, const char *method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *response, ll_status *out_status,
                                  struct ll_error *out_message)
{
    struct edge_call *call = edge_call_open(client, method);
    edge_call_send(call, request);
    edge_call_half_close(call);
    ProtobufCMessage *message = edge_call_next(call, response);
    ll_status status = edge_call_end(call, out_message);
    if (out_status) {
        *out_status = status;
    }
    edge_call_close(call);
    return message;
}
