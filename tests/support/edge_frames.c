#include "tests/support/edge_frames.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

static struct ll_draft_blob blob_of(const struct fake_model *model, int layer, int mantissa_bits)
{
    const struct ll_layer *row = &model->network->table.layers[layer];
    return (struct ll_draft_blob){.mantissa_bits = mantissa_bits,
                                  .bytes = row->blob_bytes,
                                  .exact_bytes = row->exact_bytes,
                                  .exact_tail_bytes = row->exact_tail_bytes};
}

void edge_frames_init_draft(struct fake_model *draft, const struct fake_model *model,
                            int mantissa_bits)
{
    char *cfg = strndup(model->manifest.cfg, model->manifest.cfg_bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cfg);
    fake_model_init_weights(draft, cfg, 1);
    free(cfg);
    for (int i = 0; i < model->network->table.layer_count; i++) {
        const struct ll_draft_blob blob = blob_of(model, i, mantissa_bits);
        const struct ll_frame_draft how = ll_draft_whole(&blob);
        if (!model->blobs[i]) {
            continue;
        }
        char *data = ll_buf_writable(draft->blobs[i]);
        memcpy(data, ll_buf_data(model->blobs[i]), (size_t)blob.bytes);
        if (ll_draft_has_blob(&blob)) {
            CU_ASSERT_FATAL(ll_frame_round(data, (size_t)blob.bytes, &how, data));
        }
    }
    fake_model_rename(draft);
}

static size_t encode(const struct edge_frames *frames, const struct ll_frame *frame, int64_t offset,
                     uint8_t *out)
{
    struct ll_frame_coder *coder = NULL;
    const struct ll_draft_blob blob = blob_of(frames->model, frames->layer, frames->mantissa_bits);
    const struct ll_frame_draft draft = ll_draft_frame(&blob, offset);
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    switch (frames->encoding) {
    case LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME:
        bytes = ll_frame_encode_delta(
            coder, frame, (const char *)ll_buf_data(frames->base->blobs[frames->layer]) + offset,
            out);
        break;
    case LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME:
        bytes = ll_frame_encode_draft(coder, frame, &draft, out);
        break;
    case LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME:
        bytes = ll_frame_encode_rest(coder, frame, &draft, out);
        break;
    default:
        bytes = ll_frame_encode(coder, frame, out);
        break;
    }
    ll_frame_coder_destroy(coder);
    return bytes;
}

void edge_frames_encode(const struct edge_frames *frames, int64_t offset, uint8_t *out,
                        Layerlift__V1__Chunk *out_chunk)
{
    const struct ll_buf *blob = frames->model->blobs[frames->layer];
    size_t left = ll_buf_bytes(blob) - (size_t)offset;
    const struct ll_frame frame = {.data = (const char *)ll_buf_data(blob) + offset,
                                   .bytes = left < LL_FRAME_BYTES ? left : LL_FRAME_BYTES};
    size_t bytes = frame.bytes % 4 == 0 ? encode(frames, &frame, offset, out) : 0;
    layerlift__v1__chunk__init(out_chunk);
    out_chunk->layer = (uint32_t)frames->layer;
    out_chunk->offset = (uint64_t)offset;
    out_chunk->encoding = bytes > 0 ? frames->encoding : LAYERLIFT__V1__ENCODING__ENCODING_RAW;
    out_chunk->frame_bytes = (uint32_t)bytes;
    out_chunk->data.data = bytes > 0 ? out : (uint8_t *)frame.data;
    out_chunk->data.len = bytes > 0 ? bytes : frame.bytes;
}

size_t edge_frames_send(struct edge_call *upload, const struct edge_frames *frames, int64_t offset,
                        size_t chunk_bytes)
{
    uint8_t encoded[LL_FRAME_ENCODED_BYTES];
    Layerlift__V1__Chunk chunk;
    edge_frames_encode(frames, offset, encoded, &chunk);
    const uint8_t *data = chunk.data.data;
    size_t bytes = chunk.data.len;
    for (size_t at = 0; at < bytes; at += chunk_bytes) {
        if (chunk.frame_bytes > 0) {
            chunk.frame_offset = (uint32_t)at;
        } else {
            chunk.offset = (uint64_t)offset + at;
        }
        chunk.data.data = (uint8_t *)data + at;
        chunk.data.len = bytes - at < chunk_bytes ? bytes - at : chunk_bytes;
        edge_call_send_any_chunk(upload, &chunk);
    }
    return bytes;
}

size_t edge_frames_send_from(struct edge_call *upload, const struct edge_frames *frames,
                             int64_t offset, size_t chunk_bytes)
{
    size_t sent = 0;
    int64_t size = (int64_t)ll_buf_bytes(frames->model->blobs[frames->layer]);
    for (int64_t at = offset; at < size; at += LL_FRAME_BYTES) {
        sent += edge_frames_send(upload, frames, at, chunk_bytes);
    }
    return sent;
}

size_t edge_frames_send_draft_layer(struct edge_call *upload, const struct fake_model *model,
                                    int layer, int mantissa_bits, bool is_rest)
{
    enum { CHUNK_BYTES = 20000 };
    const struct ll_draft_blob blob = blob_of(model, layer, mantissa_bits);
    const struct edge_frames frames = {
        .model = model,
        .layer = layer,
        .encoding = is_rest ? LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME
                            : LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
        .mantissa_bits = mantissa_bits,
    };
    size_t sent = 0;
    if (!ll_draft_has_blob(&blob)) {
        if (!is_rest && blob.bytes > 0) {
            edge_call_send_part(upload, model, layer, 0, blob.bytes);
            sent = (size_t)blob.bytes;
        }
        return sent;
    }
    for (int64_t at = 0; at < blob.bytes; at += LL_FRAME_BYTES) {
        if (!is_rest || !ll_draft_frame_is_exact(&blob, at)) {
            sent += edge_frames_send(upload, &frames, at, CHUNK_BYTES);
        }
    }
    return sent;
}

size_t edge_frames_send_layers(struct edge_call *upload, const struct fake_model *model, int first,
                               int end)
{
    size_t sent = 0;
    for (int i = first; i < end; i++) {
        const struct edge_frames frames = {
            .model = model, .layer = i, .encoding = LAYERLIFT__V1__ENCODING__ENCODING_FRAME};
        sent += model->blobs[i] ? edge_frames_send_from(upload, &frames, 0, 20000) : 0;
    }
    return sent;
}
