#include "edge/upload/edge_upload_session_fill.h"

#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_bring.h"

/* Whether the frame at `offset` of a layer of the model is the draft's, which is here. */
static bool is_in_draft(const struct edge_upload_session *session, int layer, int64_t offset)
{
    if (!edge_upload_draft_rounds(session, layer) ||
        !edge_blob_data(session->draft.layers[layer].blob)) {
        return false;
    }
    const struct ll_draft_blob blob = edge_model_draft_blob(session->draft.model, layer);
    return offset % LL_FRAME_BYTES == 0 && offset < blob.bytes &&
           ll_draft_frame_is_exact(&blob, offset);
}

ll_status edge_upload_session_fill(struct edge_upload_session *session, int index, int64_t until,
                                   int64_t now_ns, struct ll_error *err)
{
    struct edge_upload_session_layer *layer = &session->exact.layers[index];
    while (!session->is_over && layer->next_offset < until &&
           is_in_draft(session, index, layer->next_offset)) {
        int64_t left = edge_blob_bytes(layer->blob) - layer->next_offset;
        const char *rounded = ll_buf_data(edge_blob_data(session->draft.layers[index].blob));
        const struct edge_upload_piece piece = {
            .layer = index,
            .offset = layer->next_offset,
            .data = rounded + layer->next_offset,
            .bytes = left < LL_FRAME_BYTES ? (size_t)left : LL_FRAME_BYTES,
            .arrived_ns = now_ns,
        };
        edge_write_outcome outcome = EDGE_WRITE_KEPT;
        ll_status status =
            edge_upload_session_bring(session, &session->exact, &piece, &outcome, err);
        if (status != LL_OK) {
            return status;
        }
        layer->next_offset += (int64_t)piece.bytes;
        edge_upload_session_brought(session, &session->exact, index, outcome);
        if (outcome != EDGE_WRITE_KEPT) {
            return LL_OK;
        }
    }
    return LL_OK;
}

ll_status edge_upload_session_fill_all(struct edge_upload_session *session, int64_t now_ns,
                                       struct ll_error *err)
{
    ll_status status = LL_OK;
    for (int i = 0; status == LL_OK && i < edge_upload_side_layers(&session->draft); i++) {
        if (session->exact.layers[i].next_offset > 0) {
            status = edge_upload_session_fill(session, i, INT64_MAX, now_ns, err);
        }
    }
    return status;
}

bool edge_upload_session_was_filled(const struct edge_upload_session *session,
                                    const Layerlift__V1__Chunk *chunk)
{
    if (chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME) {
        return false;
    }
    /* Of a frame all is taken, or nothing. */
    int64_t frame = (int64_t)(chunk->offset - chunk->offset % LL_FRAME_BYTES);
    int64_t last = edge_upload_frames_has(chunk->encoding)
                       ? frame
                       : (int64_t)(chunk->offset + chunk->data.len) - 1;
    return last < session->exact.layers[chunk->layer].next_offset &&
           is_in_draft(session, (int)chunk->layer, frame);
}
