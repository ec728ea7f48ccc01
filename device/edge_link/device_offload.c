#include "device/edge_link/device_offload.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "device/edge_link/device_wire.h"
#include "layerlift/v1/offload.pb-c.h"
#include "proto/wire/wire_head.h"
#include "proto/wire/wire_unpack.h"

#define OFFLOAD_PATH "/layerlift.v1.EdgeOffload/Offload"

/* Messages in the stream's queue: some more than one, since a query waits for its last byte. */
enum { OFFLOAD_QUEUED = 4 };
/* Receipts leave while the stream's queue is no longer than this. */
enum { OFFLOAD_RECEIPT_QUEUED = OFFLOAD_QUEUED + 1 };

struct device_offload {
    struct device_offload_config config;
    struct rpc_stream *stream;
    /* The stream takes nothing more. */
    bool is_ending;
    /* Bytes of answers that have come, and when the last did; whether the edge wants to know, and
     * does not know the latest. */
    uint64_t received_bytes;
    int64_t received_at_ns;
    bool sends_receipts;
    bool owes_receipt;
    /* Why this side ended the stream; LL_OK while it has not. */
    ll_status ended;
    const char *reason;
};

static void end(struct device_offload *offload, ll_status status, const char *reason)
{
    if (offload->ended == LL_OK) {
        offload->ended = status;
        offload->reason = reason;
    }
    rpc_stream_cancel(offload->stream);
}

static int64_t chunk_bytes(const struct device_offload *offload)
{
    return ll_window_chunk(device_send_scheduler_window(offload->config.scheduler));
}

static bool may_send(const struct device_offload *offload)
{
    return !offload->is_ending && offload->ended == LL_OK &&
           rpc_stream_queued(offload->stream) < OFFLOAD_QUEUED;
}

static int64_t offload_next(void *owner)
{
    struct device_offload *offload = owner;
    return may_send(offload)
               ? device_requests_next_bytes(offload->config.requests, chunk_bytes(offload))
               : 0;
}

static void offload_send(void *owner)
{
    struct device_offload *offload = owner;
    struct device_outgoing message = {0};
    if (!may_send(offload) ||
        device_requests_next(offload->config.requests, chunk_bytes(offload), &message) != LL_OK) {
        return;
    }
    int64_t now_ns = ll_clock_now_ns();
    ll_status status =
        rpc_stream_send(offload->stream, message.head, message.head_bytes, message.payload);
    if (status == LL_OK) {
        size_t bytes = message.payload ? ll_buf_bytes(message.payload) : message.head_bytes;
        uint64_t mark = ll_window_send_beside(
            device_send_scheduler_window(offload->config.scheduler), (int64_t)bytes, now_ns);
        if (message.is_last) {
            device_requests_set_mark(offload->config.requests, message.id, mark);
        }
    } else {
        /* The stream is ending, and on_closed follows. */
        offload->is_ending = true;
    }
    if (status != LL_OK && status != LL_E_STOPPED) {
        end(offload, status, "a query could not be sent");
    }
    device_outgoing_finish(&message);
}

/* ---- Receipts ---- */

/* The edge waits for receipts, so they do not wait for their turn on the link. */
static void send_receipt(struct device_offload *offload)
{
    if (!offload->owes_receipt || offload->is_ending || offload->ended != LL_OK ||
        rpc_stream_queued(offload->stream) > OFFLOAD_RECEIPT_QUEUED) {
        return;
    }
    uint8_t message[WIRE_HEAD_BYTES];
    size_t bytes = wire_head_receipt(message, offload->received_bytes, offload->received_at_ns);
    ll_status status = rpc_stream_send(offload->stream, message, bytes, NULL);
    if (status == LL_OK) {
        offload->owes_receipt = false;
        device_send_scheduler_spend(offload->config.scheduler,
                                    (int64_t)bytes + DEVICE_WIRE_FRAME_BYTES);
    } else if (status != LL_E_STOPPED) {
        end(offload, status, "a receipt could not be sent");
    }
}

static void count_received(struct device_offload *offload,
                           const Layerlift__V1__OffloadResponse *response)
{
    if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER) {
        offload->sends_receipts = offload->sends_receipts || response->answer->takes_receipts;
    } else if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK) {
        offload->received_bytes += response->chunk->data.len;
        offload->received_at_ns = ll_clock_now_ns();
        offload->owes_receipt = offload->sends_receipts;
    }
    send_receipt(offload);
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    struct device_offload *offload = owner;
    send_receipt(offload);
    device_send_scheduler_pump(offload->config.scheduler);
}

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    struct device_offload *offload = owner;
    if (offload->ended != LL_OK) {
        return;
    }
    device_edge_state_heard(offload->config.edge);
    ProtobufCMessage *message = NULL;
    if (wire_unpack(&layerlift__v1__offload_response__descriptor, data, bytes, &message, NULL) !=
        LL_OK) {
        end(offload, LL_E_INVALID, "the edge sent an answer that cannot be read");
        return;
    }
    const Layerlift__V1__OffloadResponse *response =
        (const Layerlift__V1__OffloadResponse *)message;
    count_received(offload, response);
    uint64_t mark = 0;
    ll_status status = device_requests_take(offload->config.requests, response, &mark);
    protobuf_c_message_free_unpacked(message, NULL);
    if (mark > 0) {
        ll_window_ack_mark(device_send_scheduler_window(offload->config.scheduler), mark,
                           ll_clock_now_ns());
    }
    if (status == LL_E_NOT_FOUND) {
        end(offload, status, "the edge does not have the model any more");
    }
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    (void)stream;
    struct device_offload *offload = owner;
    offload->is_ending = true;
    device_send_scheduler_set_source(offload->config.scheduler, DEVICE_SEND_SCHEDULER_QUERIES,
                                     NULL);
    if (offload->ended != LL_OK) {
        status = offload->ended;
        message = offload->reason;
    }
    offload->config.closed(offload->config.owner, status, message ? message : "");
}

static const struct rpc_stream_handler offload_handler = {
    .on_message = on_message,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

ll_status device_offload_create(const struct device_offload_config *config,
                                struct device_offload **out_offload)
{
    struct device_offload *offload = calloc(1, sizeof(*offload));
    if (!offload) {
        return LL_E_NO_MEMORY;
    }
    offload->config = *config;
    ll_status status = rpc_channel_open(config->channel, OFFLOAD_PATH, LL_CLOCK_NEVER,
                                        &offload_handler, offload, &offload->stream);
    if (status != LL_OK) {
        free(offload);
        return status;
    }
    device_send_scheduler_set_source(config->scheduler, DEVICE_SEND_SCHEDULER_QUERIES,
                                     &(struct device_send_scheduler_source){.next = offload_next,
                                                                            .send = offload_send,
                                                                            .owner = offload});
    *out_offload = offload;
    return LL_OK;
}

void device_offload_destroy(struct device_offload *offload)
{
    if (offload) {
        rpc_stream_unref(offload->stream);
        free(offload);
    }
}

void device_offload_cancel(struct device_offload *offload)
{
    rpc_stream_cancel(offload->stream);
}
