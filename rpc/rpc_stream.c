#include "rpc/rpc_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "core/ll_limits.h"
#include "core/ll_utf8.h"
#include "rpc/rpc_details.h"
#include "rpc/rpc_stream_state.h"

/* What of a stream any thread may call: changes what the mutex guards, then has the loop's thread
 * look (`advance`, rpc_call.c). */

enum { FINISH_MESSAGE_BYTES = 1024 };

struct rpc_stream *rpc_stream_ref(struct rpc_stream *stream)
{
    atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed);
    return stream;
}

LL_NO_ANALYSIS static void free_stream(struct rpc_stream *stream)
{
    assert(stream->is_closed && !stream->first && !stream->sent);
    grpc_slice_unref(stream->details);
    grpc_slice_unref(stream->refusal.value);
    grpc_metadata_array_destroy(&stream->initial);
    grpc_metadata_array_destroy(&stream->trailing);
    free(stream->peer);
    free(stream->finish_message);
    free(stream->finish_details);
    ll_mutex_finish(&stream->mutex);
    free(stream);
}

void rpc_stream_unref(struct rpc_stream *stream)
{
    if (stream && atomic_fetch_sub_explicit(&stream->refs, 1, memory_order_acq_rel) == 1) {
        free_stream(stream);
    }
}

const char *rpc_stream_peer(const struct rpc_stream *stream)
{
    return stream->peer;
}

int rpc_stream_queued(struct rpc_stream *stream)
{
    ll_mutex_lock(&stream->mutex);
    int queued = stream->queued;
    ll_mutex_unlock(&stream->mutex);
    return queued;
}

void rpc_stream_unlock_and_kick(struct rpc_stream *stream)
{
    bool is_here = rpc_loop_is_current(stream->loop);
    bool posts = !is_here && !stream->is_kicked;
    stream->is_kicked = stream->is_kicked || posts;
    ll_mutex_unlock(&stream->mutex);
    if (posts) {
        rpc_loop_post(stream->loop, &stream->kick);
    } else if (is_here) {
        stream->advance(stream);
    }
}

static void release_payload(void *payload)
{
    ll_buf_unref(payload);
}

/* A message of up to two slices: `head` copied, `payload` referenced. */
static struct rpc_message *create_message(const void *head, size_t head_bytes,
                                          struct ll_buf *payload)
{
    struct rpc_message *message = calloc(1, sizeof(*message));
    uint8_t *copy = head_bytes > 0 ? malloc(head_bytes) : NULL;
    if (!message || (head_bytes > 0 && !copy)) {
        free(message);
        free(copy);
        return NULL;
    }
    grpc_slice slices[2];
    size_t count = 0;
    if (copy) {
        memcpy(copy, head, head_bytes);
        slices[count++] = grpc_slice_new(copy, head_bytes, free);
    }
    if (payload && ll_buf_bytes(payload) > 0) {
        /* gRPC reads the slice, it does not write to it. */
        slices[count++] =
            grpc_slice_new_with_user_data((void *)ll_buf_data(payload), ll_buf_bytes(payload),
                                          release_payload, ll_buf_ref(payload));
    }
    /* Takes references of its own. */
    message->buffer = grpc_raw_byte_buffer_create(slices, count);
    message->copied_bytes = head_bytes;
    while (count > 0) {
        grpc_slice_unref(slices[--count]);
    }
    return message;
}

static ll_status check_sending_locked(struct rpc_stream *stream, size_t copied_bytes)
    LL_REQUIRES(stream->mutex)
{
    if (stream->is_ended || stream->is_finishing || stream->is_cancelling) {
        return LL_E_STOPPED;
    }
    if (stream->queued >= RPC_STREAM_QUEUE_MESSAGES ||
        stream->copied_bytes + copied_bytes > RPC_STREAM_QUEUE_BYTES) {
        return LL_E_FULL;
    }
    return LL_OK;
}

ll_status rpc_stream_send(struct rpc_stream *stream, const void *head, size_t head_bytes,
                          struct ll_buf *payload)
{
    size_t bytes = payload ? ll_buf_bytes(payload) : 0;
    if (bytes > LL_LIMIT_MESSAGE_BYTES || head_bytes > LL_LIMIT_MESSAGE_BYTES - bytes) {
        return LL_E_EXHAUSTED;
    }
    ll_mutex_lock(&stream->mutex);
    ll_status status = check_sending_locked(stream, head_bytes);
    ll_mutex_unlock(&stream->mutex);
    if (status != LL_OK) {
        return status;
    }
    struct rpc_message *message = create_message(head, head_bytes, payload);
    if (!message) {
        return LL_E_NO_MEMORY;
    }
    ll_mutex_lock(&stream->mutex);
    status = check_sending_locked(stream, head_bytes);
    if (status != LL_OK) {
        ll_mutex_unlock(&stream->mutex);
        grpc_byte_buffer_destroy(message->buffer);
        free(message);
        return status;
    }
    if (stream->first) {
        stream->last->next = message;
    } else {
        stream->first = message;
    }
    stream->last = message;
    stream->queued++;
    stream->copied_bytes += head_bytes;
    rpc_stream_unlock_and_kick(stream);
    return LL_OK;
}

/* The status details that go with the end; NULL for none, or without memory for them. `err` may be
 * NULL. */
static uint8_t *pack_details(ll_status status, const struct ll_error *err, size_t *out_bytes)
{
    struct ll_error told = {.text = ""};
    if (err) {
        told = *err;
    }
    if ((status == LL_E_NO_MEMORY || status == LL_E_FULL) && told.retry_ms == 0) {
        told.retry_ms = LL_RETRY_MS;
    }
    uint8_t *details = NULL;
    if (status == LL_OK ||
        rpc_details_pack(ll_status_to_grpc(status), &told, &details, out_bytes) != LL_OK) {
        return NULL;
    }
    return details;
}

/* `err` may be NULL; its sentence is `message`. */
static void finish(struct rpc_stream *stream, ll_status status, const char *message,
                   const struct ll_error *err)
{
    if (!stream->is_server && status != LL_OK) {
        rpc_stream_cancel(stream);
        return;
    }
    size_t details_bytes = 0;
    uint8_t *details = stream->is_server ? pack_details(status, err, &details_bytes) : NULL;
    /* Without memory for it the status goes out with its own text. */
    char *copy = message && stream->is_server
                     ? strndup(message, ll_utf8_cut(message, FINISH_MESSAGE_BYTES))
                     : NULL;
    ll_mutex_lock(&stream->mutex);
    if (stream->is_ended || stream->is_finishing || stream->is_cancelling) {
        ll_mutex_unlock(&stream->mutex);
        free(copy);
        free(details);
        return;
    }
    stream->is_finishing = true;
    stream->finish_status = status;
    stream->finish_message = copy;
    stream->finish_details = details;
    stream->finish_details_bytes = details_bytes;
    rpc_stream_unlock_and_kick(stream);
}

void rpc_stream_finish_error(struct rpc_stream *stream, ll_status status,
                             const struct ll_error *err)
{
    finish(stream, status, err->text[0] ? err->text : NULL, err);
}

void rpc_stream_finish(struct rpc_stream *stream, ll_status status, const char *message)
{
    finish(stream, status, message, NULL);
}

const struct ll_error *rpc_stream_error(const struct rpc_stream *stream)
{
    return &stream->error;
}

void rpc_stream_cancel(struct rpc_stream *stream)
{
    ll_mutex_lock(&stream->mutex);
    if (stream->is_ended || stream->is_cancelling) {
        ll_mutex_unlock(&stream->mutex);
        return;
    }
    stream->is_cancelling = true;
    rpc_stream_unlock_and_kick(stream);
}
