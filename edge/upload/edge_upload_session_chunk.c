/* Chunks as they come: whether they keep the rules, and the bytes in them. How frames are put
 * together is edge_upload_frames.c's, what becomes of a blob's bytes edge_upload_session_bring.c's.
 *
 * A blob is sent front to back, in pieces that are raw or frames. Raw ones may end anywhere; a
 * frame begins on a border, so behind a raw one that ended elsewhere only raw ones can follow. */
#include "edge/upload/edge_upload_session_chunk.h"

#include <inttypes.h>

#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_bring.h"
#include "edge/upload/edge_upload_session_copy.h"
#include "edge/upload/edge_upload_session_fill.h"
#include "edge/upload/edge_upload_session_places.h"

/* What a chunk comes to. */
struct arrival {
    struct edge_upload_side *side;
    struct edge_upload_session_layer *layer;
    /* Bytes of the blob that are whole now; NULL: none, or none that are wanted. */
    const void *data;
    size_t bytes;
    /* Payload that brought them. */
    uint64_t payload_bytes;
};

/* Whether there must be a draft for it. */
static bool is_of_draft(Layerlift__V1__Encoding encoding)
{
    return encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME ||
           encoding == LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME;
}

/* The layer that the chunk is of, if it may be sent. */
static ll_status find_layer(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                            struct arrival *arrival, struct ll_error *err)
{
    const struct ll_table *table = edge_model_table(session->exact.model);
    if (chunk->layer >= (uint32_t)table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "chunk: there is no layer %u, the model has %d",
                       chunk->layer, table->layer_count);
    }
    if (!edge_upload_frames_agreed(session, chunk->encoding)) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: encoding %d was not agreed upon",
                       chunk->layer, (int)chunk->encoding);
    }
    if (is_of_draft(chunk->encoding) && !edge_upload_draft_rounds(session, (int)chunk->layer)) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: encoding %d, but %s", chunk->layer,
                       (int)chunk->encoding,
                       session->draft.model ? "the draft does not round it"
                                            : "the upload has no draft");
    }
    bool is_draft = chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME;
    arrival->side = is_draft ? &session->draft : &session->exact;
    arrival->layer = &arrival->side->layers[chunk->layer];
    if (!arrival->layer->blob || arrival->layer->was_here) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: %s", chunk->layer,
                       arrival->layer->blob ? "its blob was here when the upload began"
                                            : "it has no weights");
    }
    return LL_OK;
}

/* Whether a raw chunk lies within its blob, and behind no frame that is not whole. */
static ll_status check_raw(const struct edge_upload_session_layer *layer,
                           const Layerlift__V1__Chunk *chunk, struct ll_error *err)
{
    uint64_t size = (uint64_t)edge_blob_bytes(layer->blob);
    if (chunk->offset > size || chunk->data.len > size - chunk->offset) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: %zu bytes at %" PRIu64 " lie beyond its blob of %" PRIu64
                       " bytes",
                       chunk->layer, chunk->data.len, chunk->offset, size);
    }
    if (chunk->frame_bytes != 0 || chunk->frame_offset != 0) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: raw bytes at %" PRIu64 " are of no frame", chunk->layer,
                       chunk->offset);
    }
    return LL_OK;
}

/* Whether the frame of an encoded chunk is one of its blob, and the chunk lies within it. */
static ll_status check_frame(const struct edge_upload_session_layer *layer,
                             const Layerlift__V1__Chunk *chunk, struct ll_error *err)
{
    uint64_t size = (uint64_t)edge_blob_bytes(layer->blob);
    if (chunk->offset >= size || chunk->offset % LL_FRAME_BYTES != 0) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: no frame begins at %" PRIu64 " in its blob of %" PRIu64
                       " bytes",
                       chunk->layer, chunk->offset, size);
    }
    if (chunk->frame_bytes < 1 || chunk->frame_bytes > LL_FRAME_ENCODED_BYTES) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: a frame of %u bytes at %" PRIu64 "; 1 to %d are allowed",
                       chunk->layer, chunk->frame_bytes, chunk->offset, LL_FRAME_ENCODED_BYTES);
    }
    if (chunk->frame_offset > chunk->frame_bytes ||
        chunk->data.len > chunk->frame_bytes - chunk->frame_offset) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: %zu bytes behind %u lie beyond the frame of %u bytes at "
                       "%" PRIu64,
                       chunk->layer, chunk->data.len, chunk->frame_offset, chunk->frame_bytes,
                       chunk->offset);
    }
    if (chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME && !layer->base) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: a difference at %" PRIu64 ", but the layer has no base",
                       chunk->layer, chunk->offset);
    }
    return LL_OK;
}

/* The rest of a frame needs the draft's. Where that was rejected, what is on its way is dropped,
 * and the device begins again with both. */
static ll_status check_rest(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                            const struct arrival *arrival, bool *out_is_dropped,
                            struct ll_error *err)
{
    struct edge_upload_session_layer *draft = &session->draft.layers[chunk->layer];
    *out_is_dropped = false;
    if (edge_blob_data(arrival->layer->blob) || edge_blob_data(draft->blob)) {
        return LL_OK;
    }
    if (!draft->was_rejected) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: the rest of the frame at %" PRIu64
                       ", but the draft's blob is not here",
                       chunk->layer, chunk->offset);
    }
    *out_is_dropped = true;
    if (!arrival->layer->was_rejected || (chunk->offset == 0 && chunk->frame_offset == 0)) {
        edge_upload_session_send_again(session, arrival->side, (int)chunk->layer,
                                       "the draft's blob, which it needs, was rejected");
    }
    return LL_OK;
}

/* Whether the chunk is what comes next of its layer; else it is to be dropped. */
static ll_status check_order(struct edge_upload_session *session, struct edge_upload_side *side,
                             struct edge_upload_session_layer *layer,
                             const Layerlift__V1__Chunk *chunk, bool *out_is_next,
                             struct ll_error *err)
{
    bool is_framed = edge_upload_frames_has(chunk->encoding);
    if (layer->was_rejected && chunk->offset == 0 && chunk->frame_offset == 0) {
        session->stored_bytes += edge_upload_frames_drop(session, layer);
        layer->next_offset = 0;
    }
    if (layer->told_offset > layer->next_offset && chunk->frame_offset == 0 &&
        chunk->offset == (uint64_t)layer->told_offset) {
        session->stored_bytes += edge_upload_frames_drop(session, layer);
        edge_upload_session_go_on(session, side, (int)chunk->layer);
    }
    bool is_open = edge_upload_frames_is_open(layer);
    /* Of a frame whose beginning was dropped the rest is, too. */
    bool is_rest = is_framed && !is_open && chunk->frame_offset > 0;
    *out_is_next = chunk->offset == (uint64_t)layer->next_offset;
    if ((layer->was_rejected && (!*out_is_next || is_rest)) ||
        edge_upload_session_was_filled(session, chunk)) {
        *out_is_next = false;
        return LL_OK;
    }
    if (!*out_is_next) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: out of order, it begins at %" PRIu64 " instead of %lld",
                       chunk->layer, chunk->offset, (long long)layer->next_offset);
    }
    if (is_open && !is_framed) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: raw bytes at %" PRIu64
                       ", where a frame has begun and is not whole",
                       chunk->layer, chunk->offset);
    }
    return LL_OK;
}

/* Takes an encoded chunk; where its frame is whole, it is decoded. */
static ll_status take_frame(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                            struct arrival *arrival, struct ll_error *err)
{
    struct edge_upload_session_layer *layer = arrival->layer;
    struct ll_frame frame;
    ll_status status = edge_upload_frames_take(session, layer, chunk, &frame, err);
    if (status != LL_OK || !frame.data) {
        return status;
    }
    int64_t left = edge_blob_bytes(layer->blob) - (int64_t)chunk->offset;
    arrival->bytes = left < LL_FRAME_BYTES ? (size_t)left : LL_FRAME_BYTES;
    arrival->payload_bytes = frame.bytes;
    /* What has become available meanwhile is not wanted. */
    if (!edge_blob_data(layer->blob)) {
        status = edge_upload_frames_decode(session, layer, chunk, &frame, arrival->bytes,
                                           &arrival->data, err);
    }
    edge_upload_frames_drop(session, layer);
    return status;
}

/* Whether a chunk keeps the rules, and whether it is what comes next; else it is to be dropped. */
static ll_status check_chunk(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                             struct arrival *arrival, int64_t arrived_ns, bool *out_is_next,
                             struct ll_error *err)
{
    bool is_dropped = false;
    *out_is_next = false;
    ll_status status = find_layer(session, chunk, arrival, err);
    if (status == LL_OK) {
        status = edge_upload_frames_has(chunk->encoding) ? check_frame(arrival->layer, chunk, err)
                                                         : check_raw(arrival->layer, chunk, err);
    }
    if (status == LL_OK && chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME) {
        status = check_rest(session, chunk, arrival, &is_dropped, err);
        if (status == LL_OK && !is_dropped) {
            status = edge_upload_session_fill(session, (int)chunk->layer, (int64_t)chunk->offset,
                                              arrived_ns, err);
        }
    }
    if (status != LL_OK || is_dropped || session->is_over) {
        return status;
    }
    return check_order(session, arrival->side, arrival->layer, chunk, out_is_next, err);
}

/* Takes a chunk. `arrival` has nothing where there is nothing to bring yet. */
static ll_status take_chunk(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                            struct arrival *arrival, int64_t arrived_ns, struct ll_error *err)
{
    bool is_next = false;
    ll_status status = check_chunk(session, chunk, arrival, arrived_ns, &is_next, err);
    if (status != LL_OK) {
        return status;
    }
    if (!is_next) {
        session->stored_bytes += chunk->data.len;
        return LL_OK;
    }
    if (edge_upload_frames_has(chunk->encoding)) {
        status = take_frame(session, chunk, arrival, err);
    } else {
        arrival->data = chunk->data.data;
        arrival->bytes = chunk->data.len;
        arrival->payload_bytes = chunk->data.len;
    }
    arrival->layer->next_offset += (int64_t)arrival->bytes;
    return status;
}

void edge_upload_session_chunk(struct edge_upload_session *session,
                               const Layerlift__V1__Chunk *chunk, int64_t arrived_ns)
{
    struct ll_error err = {.text = ""};
    struct arrival arrival = {.data = NULL};
    if (session->is_over || !session->exact.model) {
        return;
    }
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    ll_status status = take_chunk(session, chunk, &arrival, arrived_ns, &err);
    if (status == LL_OK && arrival.data) {
        const struct edge_upload_piece piece = {.layer = (int)chunk->layer,
                                                .offset = (int64_t)chunk->offset,
                                                .data = arrival.data,
                                                .bytes = arrival.bytes,
                                                .arrived_ns = arrived_ns};
        status = edge_upload_session_bring(session, arrival.side, &piece, &outcome, &err);
    }
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    if (session->is_over) {
        return;
    }
    session->received_bytes += chunk->data.len;
    session->received_at_ns = arrived_ns;
    if (arrival.payload_bytes > 0) {
        edge_upload_stored_await(session, arrival.layer, arrival.layer->next_offset,
                                 arrival.payload_bytes);
    }
    edge_upload_session_progress(session, (int64_t)chunk->data.len, arrived_ns);
    if (outcome == EDGE_WRITE_COMPLETED && edge_creator_is_inline(session->sessions->creator)) {
        edge_upload_session_send_credit_now(session);
    } else {
        edge_upload_session_send_credit(session);
    }
    if (arrival.data) {
        edge_upload_session_brought(session, arrival.side, (int)chunk->layer, outcome);
    }
    /* What is left of a blob that has begun may be in the draft. */
    bool has_begun = arrival.data && !session->is_over &&
                     session->exact.layers[chunk->layer].next_offset > 0 &&
                     (outcome == EDGE_WRITE_KEPT || outcome == EDGE_WRITE_COMPLETED);
    if (has_begun) {
        status = edge_upload_session_fill(session, (int)chunk->layer, INT64_MAX, arrived_ns, &err);
    }
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
    }
}
