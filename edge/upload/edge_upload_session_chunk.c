/* Chunks as they come: whether they keep the rules, and the bytes in them. What becomes of those is
 * edge_upload_session_bring.c's. */
#include "edge/upload/edge_upload_session_chunk.h"

#include <inttypes.h>

#include "edge/upload/edge_upload_session_bring.h"
#include "edge/upload/edge_upload_session_copy.h"
#include "edge/upload/edge_upload_session_places.h"

/* Whether the chunk keeps the rules, and whether it is what comes next; else it is to be dropped.
 */
static ll_status check_chunk(struct edge_upload_session *session, const Layerlift__V1__Chunk *chunk,
                             bool *out_is_new, struct ll_error *err)
{
    const struct ll_table *table = edge_model_table(session->exact.model);
    *out_is_new = false;
    if (chunk->layer >= (uint32_t)table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "chunk: there is no layer %u, the model has %d",
                       chunk->layer, table->layer_count);
    }
    if (chunk->encoding != LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED &&
        chunk->encoding != LAYERLIFT__V1__ENCODING__ENCODING_RAW) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: encoding %d is not known here",
                       chunk->layer, (int)chunk->encoding);
    }
    struct edge_upload_session_layer *layer = &session->exact.layers[chunk->layer];
    struct edge_blob *blob = edge_model_blob(session->exact.model, (int)chunk->layer);
    if (!blob || layer->was_here) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: %s", chunk->layer,
                       blob ? "its blob was here when the upload began" : "it has no weights");
    }
    uint64_t size = (uint64_t)edge_blob_bytes(blob);
    if (chunk->offset > size || chunk->data.len > size - chunk->offset) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: %zu bytes at %" PRIu64 " lie beyond its blob of %" PRIu64
                       " bytes",
                       chunk->layer, chunk->data.len, chunk->offset, size);
    }
    if (layer->was_rejected && chunk->offset == 0) {
        layer->next_offset = 0;
    }
    if (layer->told_offset > layer->next_offset && chunk->offset == (uint64_t)layer->told_offset) {
        edge_upload_session_go_on(session, &session->exact, (int)chunk->layer);
    }
    if (chunk->offset == (uint64_t)layer->next_offset) {
        layer->next_offset += (int64_t)chunk->data.len;
        *out_is_new = true;
        return LL_OK;
    }
    if (layer->was_rejected) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_INVALID,
                   "chunk of layer %u: out of order, it begins at %" PRIu64 " instead of %lld",
                   chunk->layer, chunk->offset, (long long)layer->next_offset);
}

void edge_upload_session_chunk(struct edge_upload_session *session,
                               const Layerlift__V1__Chunk *chunk, int64_t arrived_ns)
{
    struct ll_error err = {.text = ""};
    bool is_new = false;
    if (session->is_over || !session->exact.model) {
        return;
    }
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    ll_status status = check_chunk(session, chunk, &is_new, &err);
    if (status == LL_OK && is_new) {
        const struct edge_upload_piece piece = {.layer = (int)chunk->layer,
                                                .offset = (int64_t)chunk->offset,
                                                .data = chunk->data.data,
                                                .bytes = chunk->data.len,
                                                .arrived_ns = arrived_ns};
        status = edge_upload_session_bring(session, &session->exact, &piece, &outcome, &err);
    }
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    session->received_bytes += chunk->data.len;
    session->received_at_ns = arrived_ns;
    edge_upload_session_progress(session, (int64_t)chunk->data.len, arrived_ns);
    if (outcome == EDGE_WRITE_COMPLETED && edge_creator_is_inline(session->sessions->creator)) {
        edge_upload_session_send_credit_now(session);
    } else {
        edge_upload_session_send_credit(session);
    }
    if (is_new) {
        edge_upload_session_brought(session, &session->exact, (int)chunk->layer, outcome);
    }
}
