/* Chunks leave when the scheduler asks for them: while the stream's own queue is short, the edge's
 * credit and the window admit another one, and the rest has bytes left that are encoded.
 *
 * A break of the protocol by the edge ends the stream here, with a sentence of ours: on_closed then
 * reports that instead of the cancellation. */
#include "device/edge_link/device_uploader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "device/edge_link/device_uploader_state.h"
#include "device/edge_link/device_wire.h"
#include "proto/wire/wire_head.h"
#include "proto/wire/wire_unpack.h"

#define UPLOAD_PATH "/layerlift.v1.EdgeOffload/Upload"

enum {
    /* Messages in the stream's queue: one under way, one behind it. */
    UPLOAD_QUEUED = 2,
};

/* ---- Sending ---- */

/* What may still be sent in all. */
static int64_t allowed_bytes(const struct device_uploader *uploader)
{
    int64_t left = uploader->config.most_bytes - (int64_t)uploader->sent_bytes;
    return left > 0 ? left : 0;
}

static void tell_limit(struct device_uploader *uploader)
{
    if (!uploader->is_limit_told && device_upload_queue_left(&uploader->queue) > 0) {
        uploader->is_limit_told = true;
        uploader->config.events->limited(uploader->config.owner);
    }
}

/* Of at most `most` bytes. What is encoded is of no use in part: it leaves as a whole or not at
 * all. */
static bool next_of_queue(struct device_uploader *uploader, int64_t most, int64_t allowed,
                          struct device_chunk *out_chunk)
{
    switch (device_upload_queue_next(&uploader->queue, most, out_chunk)) {
    case DEVICE_UPLOAD_CHUNK:
        break;
    case DEVICE_UPLOAD_NO_MEMORY:
        device_uploader_fault(uploader, "out of memory");
        return false;
    case DEVICE_UPLOAD_NOTHING:
    case DEVICE_UPLOAD_LATER:
        return false;
    }
    const struct wire_upload_chunk *head = &out_chunk->head;
    if ((int64_t)(head->frame_bytes - head->frame_offset) > allowed) {
        tell_limit(uploader);
        return false;
    }
    return true;
}

static bool is_open(const struct device_uploader *uploader)
{
    return uploader->is_accepted && !uploader->is_ending && !uploader->has_fault;
}

/* What may leave, whether or not the link has room for it. */
static bool allowed_chunk(struct device_uploader *uploader, struct device_chunk *out_chunk)
{
    struct ll_window *window = device_send_scheduler_window(uploader->config.scheduler);
    int64_t most = ll_window_chunk(window);
    uint64_t credit = uploader->credit_bytes - uploader->sent_bytes;
    if (credit < (uint64_t)most) {
        most = (int64_t)credit;
    }
    int64_t allowed = allowed_bytes(uploader);
    if (allowed == 0) {
        tell_limit(uploader);
    }
    most = most < allowed ? most : allowed;
    return most > 0 && next_of_queue(uploader, most, allowed, out_chunk);
}

static bool next_chunk(struct device_uploader *uploader, struct device_chunk *out_chunk)
{
    struct ll_window *window = device_send_scheduler_window(uploader->config.scheduler);
    if (!is_open(uploader) || rpc_stream_queued(uploader->stream) >= UPLOAD_QUEUED) {
        return false;
    }
    if (!allowed_chunk(uploader, out_chunk)) {
        ll_window_starve(window);
        return false;
    }
    return ll_window_admits(window, out_chunk->bytes, ll_clock_now_ns());
}

/* Called where there is no next chunk: the queue or the window is full. */
static bool upload_waits(void *owner)
{
    struct device_chunk chunk;
    return is_open(owner) && allowed_chunk(owner, &chunk);
}

static int64_t upload_next(void *owner)
{
    struct device_chunk chunk;
    if (!next_chunk(owner, &chunk)) {
        return 0;
    }
    return chunk.bytes + WIRE_HEAD_BYTES / 2 + DEVICE_WIRE_FRAME_BYTES;
}

static ll_status send_chunk(struct device_uploader *uploader, const struct device_chunk *chunk)
{
    struct ll_buf *payload = NULL;
    ll_status status =
        ll_buf_slice(chunk->whole, (size_t)chunk->from, (size_t)chunk->bytes, &payload);
    if (status != LL_OK) {
        return status;
    }
    uint8_t head[WIRE_HEAD_BYTES];
    size_t head_bytes = wire_head_upload_chunk(head, &chunk->head, (size_t)chunk->bytes);
    status = rpc_stream_send(uploader->stream, head, head_bytes, payload);
    ll_buf_unref(payload);
    return status;
}

static void upload_send(void *owner)
{
    struct device_uploader *uploader = owner;
    struct device_chunk chunk;
    if (!next_chunk(uploader, &chunk)) {
        return;
    }
    int64_t now_ns = ll_clock_now_ns();
    ll_status status = send_chunk(uploader, &chunk);
    if (status == LL_OK) {
        device_upload_queue_advance(&uploader->queue, &chunk);
        uploader->sent_bytes += (uint64_t)chunk.bytes;
        uploader->draft_bytes += chunk.is_first_pass ? (uint64_t)chunk.bytes : 0;
        device_upload_acks_sent(&uploader->acks, uploader->sent_bytes, chunk.model_bytes);
        ll_window_send(device_send_scheduler_window(uploader->config.scheduler), chunk.bytes,
                       now_ns);
        return;
    }
    /* The stream is ending, and `closed` follows; or there is no memory: the connection is given up
     * then, and the next one goes on from here. */
    uploader->is_ending = true;
    if (status != LL_E_STOPPED) {
        device_uploader_fault(uploader, "out of memory");
    }
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    struct device_uploader *uploader = owner;
    device_send_scheduler_pump(uploader->config.scheduler);
}

/* ---- The stream ---- */

static void on_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)stream;
    struct device_uploader *uploader = owner;
    if (uploader->has_fault) {
        return;
    }
    ProtobufCMessage *event = NULL;
    struct ll_error why = {.text = ""};
    if (wire_unpack(&layerlift__v1__upload_event__descriptor, data, bytes, &event, &why) != LL_OK) {
        struct ll_error sentence;
        (void)ll_fail(&sentence, LL_E_INVALID, "the edge sent an event that cannot be read: %.200s",
                      why.text);
        device_uploader_fault(uploader, sentence.text);
        return;
    }
    device_uploader_take_event(uploader, (const Layerlift__V1__UploadEvent *)event);
    protobuf_c_message_free_unpacked(event, NULL);
    device_send_scheduler_pump(uploader->config.scheduler);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct device_uploader *uploader = owner;
    struct ll_error err = *rpc_stream_error(stream);
    uploader->is_ending = true;
    /* The last that comes on the loop: who destroys the uploader may be on another thread. */
    rpc_timer_destroy(uploader->elsewhere_timer);
    uploader->elsewhere_timer = NULL;
    device_send_scheduler_set_source(uploader->config.scheduler, DEVICE_SEND_SCHEDULER_UPLOAD,
                                     NULL);
    if (uploader->has_fault) {
        status = ll_fail(&err, LL_E_INVALID, "%s", uploader->fault.text);
    } else if (status == LL_OK && !uploader->is_complete) {
        status = ll_fail(&err, LL_E_INVALID, "the edge ended the upload before its end");
    } else {
        snprintf(err.text, sizeof(err.text), "%s", message ? message : "");
    }
    uploader->config.events->closed(uploader->config.owner, status, &err);
}

static const struct rpc_stream_handler upload_handler = {
    .on_message = on_message,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* ---- Lifetime ---- */

ll_status device_uploader_create(const struct device_uploader_config *config,
                                 struct device_uploader **out_uploader)
{
    struct device_uploader *uploader = calloc(1, sizeof(*uploader));
    uint8_t *open = NULL;
    size_t open_bytes = 0;
    if (!uploader) {
        return LL_E_NO_MEMORY;
    }
    uploader->config = *config;
    uploader->was_rejected =
        calloc((size_t)config->model->table->layer_count, sizeof(*uploader->was_rejected));
    ll_status status =
        uploader->was_rejected
            ? device_upload_queue_init(&uploader->queue, config->model, config->encoder)
            : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = rpc_timer_create(config->loop, device_uploader_look_elsewhere, uploader,
                                  &uploader->elsewhere_timer);
    }
    if (status == LL_OK) {
        status = device_wire_open(config->model, config->device, &open, &open_bytes);
    }
    if (status == LL_OK) {
        status = rpc_channel_open(config->channel, UPLOAD_PATH, LL_CLOCK_NEVER, &upload_handler,
                                  uploader, &uploader->stream);
    }
    if (status != LL_OK) {
        free(open);
        device_uploader_destroy(uploader);
        return status;
    }
    if (rpc_stream_send(uploader->stream, open, open_bytes, NULL) != LL_OK) {
        /* Too large for a message, or no memory: `closed` tells. */
        device_uploader_fault(uploader, "the model's description could not be sent");
    }
    free(open);
    device_send_scheduler_set_source(
        config->scheduler, DEVICE_SEND_SCHEDULER_UPLOAD,
        &(struct device_send_scheduler_source){
            .next = upload_next, .send = upload_send, .waits = upload_waits, .owner = uploader});
    *out_uploader = uploader;
    return LL_OK;
}

void device_uploader_destroy(struct device_uploader *uploader)
{
    if (uploader) {
        /* Here only where no stream was opened: on the loop's thread. */
        rpc_timer_destroy(uploader->elsewhere_timer);
        rpc_stream_unref(uploader->stream);
        device_upload_queue_finish(&uploader->queue);
        free(uploader->was_rejected);
        free(uploader);
    }
}

void device_uploader_cancel(struct device_uploader *uploader)
{
    rpc_stream_cancel(uploader->stream);
}

int64_t device_uploader_draft_bytes(const struct device_uploader *uploader)
{
    return (int64_t)uploader->draft_bytes;
}

int64_t device_uploader_received_bytes(const struct device_uploader *uploader)
{
    return (int64_t)uploader->received_bytes;
}

int64_t device_uploader_sent_bytes(const struct device_uploader *uploader)
{
    return (int64_t)uploader->sent_bytes;
}
