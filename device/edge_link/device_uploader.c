/* Chunks leave when the scheduler asks for them: while the stream's own queue is short, the edge's
 * credit and the window admit another one, and the rest has bytes left that are encoded.
 *
 * A break of the protocol by the edge ends the stream here, with a sentence of ours: on_closed then
 * reports that instead of the cancellation. */
#include "device/edge_link/device_uploader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coding/ll_frame.h"
#include "core/ll_clock.h"
#include "device/edge_link/device_upload_acks.h"
#include "device/edge_link/device_upload_queue.h"
#include "device/edge_link/device_wire.h"
#include "proto/wire/wire_head.h"
#include "proto/wire/wire_unpack.h"

#define UPLOAD_PATH "/layerlift.v1.EdgeOffload/Upload"

enum {
    /* Messages in the stream's queue: one under way, one behind it. */
    UPLOAD_QUEUED = 2,
    /* An edge that rejects more blobs than this on one stream is left. A layer's first rejection
     * does not count: somebody else may have sent the wrong beginning of it. */
    UPLOAD_REJECTIONS = 8,
};

struct device_uploader {
    struct device_uploader_config config;
    struct rpc_stream *stream;
    struct device_upload_queue queue;
    struct device_upload_acks acks;
    bool is_accepted;
    bool is_complete;
    bool is_limit_told;
    /* The stream takes nothing more. */
    bool is_ending;
    uint64_t credit_bytes;
    uint64_t sent_bytes;
    uint64_t received_bytes;
    /* Of those sent, what the draft takes. */
    uint64_t draft_bytes;
    int rejections;
    /* By layer. */
    bool *was_rejected;
    int prefix;
    /* The edge takes the draft, and has so much of it. */
    bool has_draft;
    int draft_prefix;
    /* What the edge did wrong; empty while nothing. */
    struct ll_error fault;
    bool has_fault;
};

static void fault(struct device_uploader *uploader, const char *sentence)
{
    if (!uploader->has_fault) {
        uploader->has_fault = true;
        ll_status status = ll_fail(&uploader->fault, LL_E_INVALID, "%s", sentence);
        (void)status;
    }
    rpc_stream_cancel(uploader->stream);
}

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
        fault(uploader, "out of memory");
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

static bool next_chunk(struct device_uploader *uploader, struct device_chunk *out_chunk)
{
    if (!uploader->is_accepted || uploader->is_ending || uploader->has_fault ||
        rpc_stream_queued(uploader->stream) >= UPLOAD_QUEUED) {
        return false;
    }
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
    if (most == 0 || !next_of_queue(uploader, most, allowed, out_chunk)) {
        ll_window_starve(window);
        return false;
    }
    return ll_window_admits(window, out_chunk->bytes, ll_clock_now_ns());
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
        fault(uploader, "out of memory");
    }
}

static void on_writable(void *owner, struct rpc_stream *stream)
{
    (void)stream;
    struct device_uploader *uploader = owner;
    device_send_scheduler_pump(uploader->config.scheduler);
}

/* ---- Events ---- */

/* Offsets count the blob's own bytes, however they came. */
static bool take_offsets(struct device_uploader *uploader,
                         const Layerlift__V1__UploadAccepted *accepted)
{
    struct device_upload_rest *rest = device_upload_queue_change(&uploader->queue, -1, false);
    for (size_t i = 0; i < accepted->n_available_layers; i++) {
        if (device_upload_rest_skip(rest, accepted->available_layers[i]) != LL_OK) {
            fault(uploader, "the edge has a layer that the model has not");
            return false;
        }
    }
    for (size_t i = 0; i < accepted->n_partial; i++) {
        const Layerlift__V1__BlobOffset *partial = accepted->partial[i];
        if (device_upload_rest_seek(rest, partial->layer, partial->offset) != LL_OK) {
            fault(uploader, "the edge has more of a blob than the blob has");
            return false;
        }
    }
    return true;
}

static bool takes(const Layerlift__V1__UploadAccepted *accepted, Layerlift__V1__Encoding encoding)
{
    for (size_t i = 0; i < accepted->n_encodings; i++) {
        if (accepted->encodings[i] == encoding) {
            return true;
        }
    }
    return false;
}

/* The draft goes first, where the edge takes it. */
static bool take_draft(struct device_uploader *uploader,
                       const Layerlift__V1__UploadAccepted *accepted)
{
    const struct device_model *model = uploader->config.model;
    if (!model->draft || !accepted->draft_id[0]) {
        return true;
    }
    if (strcmp(accepted->draft_id, model->draft->id) != 0 ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_FRAME) ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME) ||
        !takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME)) {
        fault(uploader, "the edge accepted another draft");
        return false;
    }
    if (accepted->draft_prefix > (uint32_t)model->table->layer_count ||
        !ll_table_is_legal_cut(model->table, (int)accepted->draft_prefix)) {
        fault(uploader, "the edge accepted with a draft's prefix that is not a legal cut");
        return false;
    }
    if (device_upload_queue_use_draft(&uploader->queue) != LL_OK) {
        fault(uploader, "out of memory");
        return false;
    }
    uploader->has_draft = true;
    uploader->draft_prefix = (int)accepted->draft_prefix;
    return true;
}

/* What the edge has of the draft's blobs. */
static bool take_draft_offsets(struct device_uploader *uploader,
                               const Layerlift__V1__UploadAccepted *accepted)
{
    struct device_upload_rest *rest = device_upload_queue_change(&uploader->queue, -1, false);
    bool is_right = true;
    for (size_t i = 0; is_right && i < accepted->n_available_drafts; i++) {
        is_right = device_upload_rest_skip_draft(rest, accepted->available_drafts[i]) == LL_OK;
    }
    for (size_t i = 0; is_right && i < accepted->n_partial_drafts; i++) {
        const Layerlift__V1__BlobOffset *partial = accepted->partial_drafts[i];
        is_right = partial->offset % LL_FRAME_BYTES == 0 &&
                   device_upload_rest_seek_draft(rest, partial->layer, partial->offset) == LL_OK;
    }
    if (!is_right) {
        fault(uploader, "the edge has of the draft what cannot be");
    }
    return is_right;
}

static bool take_encodings(struct device_uploader *uploader,
                           const Layerlift__V1__UploadAccepted *accepted)
{
    if (!takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_FRAME)) {
        return true;
    }
    device_upload_queue_encode(&uploader->queue);
    bool takes_deltas = takes(accepted, LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME);
    for (size_t i = 0; takes_deltas && i < accepted->n_delta_layers; i++) {
        ll_status status =
            device_upload_queue_use_base(&uploader->queue, accepted->delta_layers[i]);
        if (status != LL_OK) {
            fault(uploader, status == LL_E_NO_MEMORY
                                ? "out of memory"
                                : "the edge has the base of a layer that has none");
            return false;
        }
    }
    return true;
}

static void take_accepted(struct device_uploader *uploader,
                          const Layerlift__V1__UploadAccepted *accepted)
{
    const struct device_model *model = uploader->config.model;
    if (uploader->is_accepted || strcmp(accepted->model_id, model->id) != 0) {
        fault(uploader, uploader->is_accepted ? "the edge accepted twice"
                                              : "the edge accepted another model");
        return;
    }
    if (accepted->prefix > (uint32_t)model->table->layer_count ||
        !ll_table_is_legal_cut(model->table, (int)accepted->prefix)) {
        fault(uploader, "the edge accepted with a prefix that is not a legal cut");
        return;
    }
    if (!take_draft(uploader, accepted) || !take_offsets(uploader, accepted) ||
        !take_encodings(uploader, accepted) ||
        (uploader->has_draft && !take_draft_offsets(uploader, accepted))) {
        return;
    }
    uploader->is_accepted = true;
    uploader->credit_bytes = accepted->credit_bytes;
    uploader->prefix = (int)accepted->prefix;
    struct device_accepted told = {
        .prefix = uploader->prefix,
        .left_bytes = device_upload_queue_left(&uploader->queue),
        .dtype_count = accepted->n_data_types,
        .dtypes = accepted->data_types,
        .coding_count = accepted->n_tensor_codings,
        .codings = accepted->tensor_codings,
        .picture_count = accepted->n_picture_formats,
        .pictures = accepted->picture_formats,
        .has_draft = uploader->has_draft,
        .draft_prefix = uploader->draft_prefix,
    };
    uploader->config.events->accepted(uploader->config.owner, &told);
}

static void take_credit(struct device_uploader *uploader, const Layerlift__V1__Credit *credit)
{
    if (credit->received_bytes > uploader->sent_bytes) {
        fault(uploader, "the edge received more than was sent");
        return;
    }
    if (credit->credit_bytes > uploader->credit_bytes) {
        uploader->credit_bytes = credit->credit_bytes;
    }
    if (credit->received_bytes > uploader->received_bytes) {
        uploader->received_bytes = credit->received_bytes;
        ll_window_ack(device_send_scheduler_window(uploader->config.scheduler),
                      credit->received_bytes, credit->received_at_ns, ll_clock_now_ns());
        uploader->config.events->progress(
            uploader->config.owner,
            device_upload_acks_received(&uploader->acks, credit->received_bytes));
    }
}

static void take_ready(struct device_uploader *uploader, const Layerlift__V1__PrefixReady *ready)
{
    const struct ll_table *table = uploader->config.model->table;
    if (ready->prefix > (uint32_t)table->layer_count || ready->first > ready->prefix ||
        !ll_table_is_legal_cut(table, (int)ready->prefix) ||
        ready->partitions > (uint32_t)uploader->config.model->plan->count) {
        fault(uploader, "the edge reported a prefix that is not a legal cut");
        return;
    }
    if ((int)ready->prefix < uploader->prefix) {
        fault(uploader, "the edge reported a shorter prefix");
        return;
    }
    uploader->prefix = (int)ready->prefix;
    struct device_creation creation = {
        .first = (int)ready->first,
        .prefix = (int)ready->prefix,
        .partitions = (int)ready->partitions,
        .creation_ns = ready->creation_ns > INT64_MAX ? INT64_MAX : (int64_t)ready->creation_ns,
        .time_count = ready->n_layer_times,
        .times = ready->layer_times,
    };
    uploader->config.events->ready(uploader->config.owner, &creation);
}

static void take_draft_ready(struct device_uploader *uploader,
                             const Layerlift__V1__PrefixReady *ready)
{
    const struct ll_table *table = uploader->config.model->table;
    if (!uploader->has_draft || ready->prefix > (uint32_t)table->layer_count ||
        !ll_table_is_legal_cut(table, (int)ready->prefix)) {
        fault(uploader, uploader->has_draft
                            ? "the edge reported a draft's prefix that is not a legal cut"
                            : "the edge reported a draft that it does not have");
        return;
    }
    /* The creation told is the draft's: the model's are counted. */
    if ((int)ready->prefix > uploader->draft_prefix) {
        uploader->draft_prefix = (int)ready->prefix;
        uploader->config.events->draft_ready(uploader->config.owner, uploader->draft_prefix);
    }
}

static void take_rejected(struct device_uploader *uploader,
                          const Layerlift__V1__BlobRejected *rejected)
{
    ll_log_to(uploader->config.log, LL_LOG_WARN, "device",
              "the edge rejects layer %u's weights (%.200s): they go again", rejected->layer,
              rejected->reason);
    struct device_upload_rest *rest =
        device_upload_queue_change(&uploader->queue, rejected->layer, rejected->is_draft);
    ll_status status = rejected->is_draft ? device_upload_rest_draft_again(rest, rejected->layer)
                                          : device_upload_rest_again(rest, rejected->layer, 0);
    if (status != LL_OK) {
        fault(uploader, "the edge rejected a layer that the model has not");
        return;
    }
    uploader->rejections += uploader->was_rejected[rejected->layer] ? 1 : 0;
    uploader->was_rejected[rejected->layer] = true;
    if (uploader->rejections > UPLOAD_REJECTIONS) {
        fault(uploader, "the edge keeps rejecting the model's weights");
    }
}

static void take_available(struct device_uploader *uploader,
                           const Layerlift__V1__BlobAvailable *available)
{
    struct device_upload_rest *rest =
        device_upload_queue_change(&uploader->queue, available->layer, available->is_draft);
    ll_status status = available->is_draft ? device_upload_rest_skip_draft(rest, available->layer)
                                           : device_upload_rest_skip(rest, available->layer);
    if (status != LL_OK) {
        fault(uploader, "the edge has a layer that the model has not");
    }
}

static void take_complete(struct device_uploader *uploader,
                          const Layerlift__V1__UploadComplete *complete)
{
    if (uploader->is_complete || strcmp(complete->model_id, uploader->config.model->id) != 0) {
        fault(uploader, "the edge completed another model");
        return;
    }
    uploader->is_complete = true;
    uploader->prefix = uploader->config.model->table->layer_count;
    struct device_upload_done done = {
        .creations = complete->creations > INT32_MAX ? INT32_MAX : (int)complete->creations,
        .creation_ns =
            complete->creation_ns > INT64_MAX ? INT64_MAX : (int64_t)complete->creation_ns,
    };
    uploader->config.events->complete(uploader->config.owner, &done);
}

static void take_event(struct device_uploader *uploader, const Layerlift__V1__UploadEvent *event)
{
    if (event->kind_case != LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED && !uploader->is_accepted) {
        fault(uploader, "the edge sent an event before it accepted");
        return;
    }
    switch (event->kind_case) {
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED:
        take_accepted(uploader, event->accepted);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT:
        take_credit(uploader, event->credit);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY:
        take_ready(uploader, event->prefix_ready);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY:
        take_draft_ready(uploader, event->draft_ready);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED:
        take_rejected(uploader, event->blob_rejected);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_AVAILABLE:
        take_available(uploader, event->blob_available);
        break;
    case LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE:
        take_complete(uploader, event->complete);
        break;
    default:
        /* A partition's receipt, or an event of a later version: nothing to do. */
        break;
    }
}

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
        fault(uploader, sentence.text);
        return;
    }
    take_event(uploader, (const Layerlift__V1__UploadEvent *)event);
    protobuf_c_message_free_unpacked(event, NULL);
    device_send_scheduler_pump(uploader->config.scheduler);
}

static void on_closed(void *owner, struct rpc_stream *stream, ll_status status, const char *message)
{
    struct device_uploader *uploader = owner;
    struct ll_error err = *rpc_stream_error(stream);
    uploader->is_ending = true;
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
        fault(uploader, "the model's description could not be sent");
    }
    free(open);
    device_send_scheduler_set_source(config->scheduler, DEVICE_SEND_SCHEDULER_UPLOAD,
                                     &(struct device_send_scheduler_source){.next = upload_next,
                                                                            .send = upload_send,
                                                                            .owner = uploader});
    *out_uploader = uploader;
    return LL_OK;
}

void device_uploader_destroy(struct device_uploader *uploader)
{
    if (uploader) {
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
