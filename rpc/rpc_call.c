#include "rpc/rpc_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "core/ll_container.h"
#include "core/ll_log.h"
#include "rpc/rpc_details.h"

/* gRPC's side of a stream. Every operation is started and completed on the loop's thread; other
 * threads change what the mutex guards and post `kick`, which runs rpc_call_advance.
 *
 * Three operations are in flight at most, each with its own tag:
 *   end      started first: RECV_CLOSE_ON_SERVER or RECV_STATUS_ON_CLIENT. It always completes, and
 *            says that the call is over and how.
 *   receive  one message; the next is asked for when on_message returned. A client's first also
 *            takes the initial metadata, which gRPC wants asked for.
 *   send     metadata before the first message, one message, the end behind the last.
 *
 * The stream closes, once, when `end` has completed, nothing else is in flight and no kick is
 * posted: no other thread can be about to touch the loop for it then. Cancelling makes gRPC fail
 * what is in flight, so that every way of ending comes through the same door. */

static void start_batch(struct rpc_stream *stream, const grpc_op *ops, size_t count,
                        struct rpc_op *op)
{
    grpc_call_error error = grpc_call_start_batch(stream->call, ops, count, rpc_op_start(op), NULL);
    if (error != GRPC_CALL_OK) {
        ll_log(LL_LOG_ERROR, "rpc", "gRPC refused a batch: %s", grpc_call_error_to_string(error));
    }
    /* Only misuse by this file fails. */
    assert(error == GRPC_CALL_OK);
}

static void drop_message(struct rpc_message *message)
{
    if (message) {
        grpc_byte_buffer_destroy(message->buffer);
        free(message);
    }
}

void rpc_call_drop_queue(struct rpc_stream *stream)
{
    ll_mutex_lock(&stream->mutex);
    struct rpc_message *message = stream->first;
    stream->first = NULL;
    stream->last = NULL;
    stream->queued = stream->sent ? 1 : 0;
    stream->copied_bytes = 0;
    ll_mutex_unlock(&stream->mutex);
    while (message) {
        struct rpc_message *next = message->next;
        drop_message(message);
        message = next;
    }
}

/* Whether the user is to hear of what the peer sends. */
static bool is_listening(struct rpc_stream *stream)
{
    ll_mutex_lock(&stream->mutex);
    bool ends = stream->is_cancelling || (stream->is_server && stream->is_finishing);
    ll_mutex_unlock(&stream->mutex);
    return stream->handler && !ends;
}

/* What on_closed tells. */
static ll_status closing_status(struct rpc_stream *stream)
{
    if (!stream->is_server) {
        return ll_status_from_grpc((int)stream->code);
    }
    return stream->is_end_sent && !stream->was_cancelled ? LL_OK : LL_E_CANCELLED;
}

static void close_stream(struct rpc_stream *stream)
{
    stream->is_closed = true;
    rpc_call_drop_queue(stream);
    grpc_call_unref(stream->call);
    stream->call = NULL;
    if (stream->handler) {
        char *text = grpc_slice_to_c_string(stream->details);
        stream->handler->on_closed(stream->owner, stream, closing_status(stream), text);
        gpr_free(text);
    }
    if (stream->closed) {
        stream->closed(stream->closed_arg, stream);
    }
    rpc_stream_unref(stream);
}

static void close_if_done(struct rpc_stream *stream)
{
    if (!stream->is_over || stream->is_sending || stream->is_receiving || stream->is_closed) {
        return;
    }
    ll_mutex_lock(&stream->mutex);
    bool is_kicked = stream->is_kicked;
    ll_mutex_unlock(&stream->mutex);
    if (!is_kicked) {
        close_stream(stream);
    }
}

static void start_end(struct rpc_stream *stream)
{
    grpc_op op = {0};
    if (stream->is_server) {
        op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        op.data.recv_close_on_server.cancelled = &stream->was_cancelled;
    } else {
        op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
        op.data.recv_status_on_client.trailing_metadata = &stream->trailing;
        op.data.recv_status_on_client.status = &stream->code;
        op.data.recv_status_on_client.status_details = &stream->details;
    }
    start_batch(stream, &op, 1, &stream->end);
}

/* What the server says of a limit. Details that are wrong are nobody's: the status counts alone. */
static void read_details(struct rpc_stream *stream)
{
    for (size_t i = 0; i < stream->trailing.count; i++) {
        const grpc_metadata *entry = &stream->trailing.metadata[i];
        if (grpc_slice_str_cmp(entry->key, RPC_DETAILS_KEY) != 0) {
            continue;
        }
        ll_status status = rpc_details_unpack((int)stream->code, GRPC_SLICE_START_PTR(entry->value),
                                              GRPC_SLICE_LENGTH(entry->value), &stream->error);
        if (status != LL_OK) {
            ll_log(LL_LOG_DEBUG, "rpc", "%s: status details that cannot be read", stream->peer);
        }
        return;
    }
}

static void end_done(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = LL_CONTAINER_OF(op, struct rpc_stream, end);
    (void)ok;
    stream->is_over = true;
    if (!stream->is_server) {
        read_details(stream);
    }
    ll_mutex_lock(&stream->mutex);
    stream->is_ended = true;
    ll_mutex_unlock(&stream->mutex);
    rpc_call_drop_queue(stream);
    close_if_done(stream);
}

void rpc_call_receive(struct rpc_stream *stream)
{
    if (stream->is_receiving || stream->is_delivering || stream->has_read_all) {
        return;
    }
    if (stream->receive_bound >= 0 && !stream->is_over &&
        rpc_stream_queued(stream) > stream->receive_bound) {
        return;
    }
    grpc_op ops[2] = {{0}};
    size_t count = 0;
    ops[count].op = GRPC_OP_RECV_MESSAGE;
    ops[count++].data.recv_message.recv_message = &stream->received;
    if (!stream->is_server && !stream->has_asked) {
        ops[count].op = GRPC_OP_RECV_INITIAL_METADATA;
        ops[count++].data.recv_initial_metadata.recv_initial_metadata = &stream->initial;
    }
    stream->has_asked = true;
    stream->is_receiving = true;
    start_batch(stream, ops, count, &stream->receive);
}

void rpc_stream_bound_receive(struct rpc_stream *stream, int queued)
{
    stream->receive_bound = queued;
    if (stream->has_asked) {
        rpc_call_receive(stream);
    }
}

/* Gives the user the message in one piece: gRPC's own slice where there is one, else a copy in the
 * loop's scratch memory. */
static void deliver(struct rpc_stream *stream, grpc_byte_buffer *buffer)
{
    static const uint8_t nothing = 0;
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        rpc_stream_cancel(stream);
        return;
    }
    size_t bytes = grpc_byte_buffer_length(buffer);
    grpc_slice *slice = NULL;
    const uint8_t *data = &nothing;
    if (bytes > 0 && grpc_byte_buffer_reader_peek(&reader, &slice)) {
        data = GRPC_SLICE_START_PTR(*slice);
        if (GRPC_SLICE_LENGTH(*slice) < bytes) {
            uint8_t *whole = rpc_loop_scratch(stream->loop, bytes);
            size_t at = 0;
            while (whole && slice) {
                memcpy(whole + at, GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
                at += GRPC_SLICE_LENGTH(*slice);
                slice = grpc_byte_buffer_reader_peek(&reader, &slice) ? slice : NULL;
            }
            data = whole;
        }
    }
    if (data) {
        stream->is_delivering = true;
        stream->handler->on_message(stream->owner, stream, data, bytes);
        stream->is_delivering = false;
    } else {
        rpc_stream_finish(stream, LL_E_NO_MEMORY, "no memory for a message");
    }
    grpc_byte_buffer_reader_destroy(&reader);
}

static void receive_done(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = LL_CONTAINER_OF(op, struct rpc_stream, receive);
    grpc_byte_buffer *buffer = stream->received;
    stream->received = NULL;
    stream->is_receiving = false;
    bool listens = is_listening(stream);
    if (!buffer) {
        bool has_failed =
            !ok || stream->is_over || grpc_call_failed_before_recv_message(stream->call);
        stream->has_read_all = true;
        if (listens && stream->is_server && !has_failed && stream->handler->on_half_close) {
            stream->handler->on_half_close(stream->owner, stream);
        }
    } else if (listens) {
        deliver(stream, buffer);
    }
    if (buffer) {
        grpc_byte_buffer_destroy(buffer);
        stream->has_read_all = stream->has_read_all || !is_listening(stream);
        rpc_call_receive(stream);
    }
    close_if_done(stream);
}

LL_NO_ANALYSIS static void fill_end(struct rpc_stream *stream, grpc_op *op, grpc_slice *details)
{
    if (!stream->is_server) {
        op->op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
        return;
    }
    /* All were written before is_finishing and never again. */
    ll_status status = stream->finish_status;
    const char *text = stream->finish_message;
    op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op->data.send_status_from_server.status = (grpc_status_code)ll_status_to_grpc(status);
    if (status != LL_OK || text) {
        *details = grpc_slice_from_copied_string(text ? text : ll_status_text(status));
        op->data.send_status_from_server.status_details = details;
    }
    if (stream->finish_details) {
        stream->refusal.key = grpc_slice_from_static_string(RPC_DETAILS_KEY);
        stream->refusal.value = grpc_slice_from_copied_buffer((const char *)stream->finish_details,
                                                              stream->finish_details_bytes);
        op->data.send_status_from_server.trailing_metadata = &stream->refusal;
        op->data.send_status_from_server.trailing_metadata_count = 1;
    }
}

/* One batch: what of metadata, `message` and the end is due. */
static void start_send(struct rpc_stream *stream, struct rpc_message *message, bool ends)
{
    grpc_op ops[3] = {{0}};
    size_t count = 0;
    grpc_slice details = grpc_empty_slice();
    if (!stream->has_sent_metadata) {
        stream->has_sent_metadata = true;
        ops[count++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    if (message) {
        ops[count].op = GRPC_OP_SEND_MESSAGE;
        ops[count++].data.send_message.send_message = message->buffer;
    }
    if (ends) {
        stream->has_sent_end = true;
        fill_end(stream, &ops[count++], &details);
    }
    stream->is_sending = true;
    if (stream->answered) {
        /* Before the peer can have it. */
        stream->answered(stream->closed_arg, stream);
        stream->answered = NULL;
    }
    start_batch(stream, ops, count, &stream->send);
    grpc_slice_unref(details);
}

static void cancel_call(struct rpc_stream *stream)
{
    if (!stream->has_cancelled) {
        stream->has_cancelled = true;
        grpc_call_cancel(stream->call, NULL);
    }
}

/* Takes the next message into `sent`; says whether the end is due behind it. */
static bool take_message_locked(struct rpc_stream *stream) LL_REQUIRES(stream->mutex)
{
    stream->sent = stream->first;
    if (stream->sent) {
        stream->first = stream->sent->next;
        stream->last = stream->first ? stream->last : NULL;
        stream->copied_bytes -= stream->sent->copied_bytes;
    }
    return stream->is_finishing && !stream->first;
}

void rpc_call_advance(struct rpc_stream *stream)
{
    if (stream->is_closed) {
        return;
    }
    if (!stream->is_started) {
        stream->is_started = true;
        start_end(stream);
        if (!stream->is_server) {
            rpc_call_receive(stream);
        }
    }
    bool ends = false;
    ll_mutex_lock(&stream->mutex);
    bool cancels = stream->is_cancelling;
    bool sends = !cancels && !stream->is_ended && !stream->is_sending && !stream->has_sent_end;
    if (sends) {
        ends = take_message_locked(stream);
    }
    ll_mutex_unlock(&stream->mutex);
    if (cancels) {
        rpc_call_drop_queue(stream);
        cancel_call(stream);
    } else if (sends &&
               (stream->sent || ends || (!stream->is_server && !stream->has_sent_metadata))) {
        start_send(stream, stream->sent, ends);
    }
}

/* A send failed: the call is ending. Nothing more is sent; a client still waits for the status,
 * which cancelling would hide. */
static void stop_sending(struct rpc_stream *stream)
{
    stream->has_sent_end = true;
    ll_mutex_lock(&stream->mutex);
    stream->is_finishing = true;
    ll_mutex_unlock(&stream->mutex);
    rpc_call_drop_queue(stream);
    if (stream->is_server) {
        cancel_call(stream);
    }
}

static void send_done(struct rpc_op *op, bool ok)
{
    struct rpc_stream *stream = LL_CONTAINER_OF(op, struct rpc_stream, send);
    bool was_message = stream->sent;
    drop_message(stream->sent);
    stream->sent = NULL;
    stream->is_sending = false;
    ll_mutex_lock(&stream->mutex);
    stream->queued -= was_message ? 1 : 0;
    bool wants_more = stream->queued <= 1 && was_message && !stream->is_finishing &&
                      !stream->is_cancelling && !stream->is_ended;
    ll_mutex_unlock(&stream->mutex);
    if (ok) {
        stream->is_end_sent = stream->has_sent_end;
        rpc_call_advance(stream);
        if (wants_more && stream->handler && stream->handler->on_writable) {
            stream->handler->on_writable(stream->owner, stream);
        }
        if (stream->receive_bound >= 0) {
            rpc_call_receive(stream);
        }
    } else {
        stop_sending(stream);
    }
    close_if_done(stream);
}

static void run_kick(struct rpc_task *task)
{
    struct rpc_stream *stream = LL_CONTAINER_OF(task, struct rpc_stream, kick);
    ll_mutex_lock(&stream->mutex);
    stream->is_kicked = false;
    ll_mutex_unlock(&stream->mutex);
    rpc_call_advance(stream);
    close_if_done(stream);
}

LL_NO_ANALYSIS ll_status rpc_call_create(struct rpc_loop *loop, grpc_call *call, const char *peer,
                                         struct rpc_stream **out_stream)
{
    struct rpc_stream *stream = calloc(1, sizeof(*stream));
    char *copy = strdup(peer);
    if (!stream || !copy) {
        free(stream);
        free(copy);
        return LL_E_NO_MEMORY;
    }
    atomic_init(&stream->refs, 1);
    stream->loop = loop;
    stream->call = call;
    stream->peer = copy;
    stream->receive_bound = -1;
    stream->advance = rpc_call_advance;
    stream->send.done = send_done;
    stream->receive.done = receive_done;
    stream->end.done = end_done;
    stream->kick.run = run_kick;
    stream->details = grpc_empty_slice();
    stream->refusal.value = grpc_empty_slice();
    grpc_metadata_array_init(&stream->initial);
    grpc_metadata_array_init(&stream->trailing);
    ll_mutex_init(&stream->mutex);
    *out_stream = stream;
    return LL_OK;
}
