#include "edge/upload/edge_upload_frames.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_state.h"

const Layerlift__V1__Encoding edge_upload_encodings[EDGE_UPLOAD_ENCODINGS] = {
    LAYERLIFT__V1__ENCODING__ENCODING_RAW,         LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME, LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
    LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME,
};

/* What has come of a frame in several chunks. */
struct edge_upload_frame {
    Layerlift__V1__Encoding encoding;
    uint32_t bytes;
    uint32_t received_bytes;
    uint8_t data[];
};

struct edge_upload_decoder {
    struct ll_frame_coder *coder;
    uint32_t decoded[LL_FRAME_BYTES / sizeof(uint32_t)];
};

/* ---- Encodings ---- */

bool edge_upload_frames_has(Layerlift__V1__Encoding encoding)
{
    return encoding != LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED &&
           encoding != LAYERLIFT__V1__ENCODING__ENCODING_RAW;
}

/* The encoding's bit in a session's; 0 where the edge does not take it, or where it needs no
 * agreement. */
static uint32_t bit_of(Layerlift__V1__Encoding encoding)
{
    for (int i = 0; i < EDGE_UPLOAD_ENCODINGS; i++) {
        if (edge_upload_encodings[i] == encoding && edge_upload_frames_has(encoding)) {
            return 1U << encoding;
        }
    }
    return 0;
}

void edge_upload_frames_agree(struct edge_upload_session *session, size_t count,
                              const Layerlift__V1__Encoding *encodings)
{
    for (size_t i = 0; i < count; i++) {
        session->encodings |= bit_of(encodings[i]);
    }
}

bool edge_upload_frames_agreed(const struct edge_upload_session *session,
                               Layerlift__V1__Encoding encoding)
{
    return !edge_upload_frames_has(encoding) || (session->encodings & bit_of(encoding)) != 0;
}

/* ---- Frames in several chunks ---- */

bool edge_upload_frames_is_open(const struct edge_upload_session_layer *layer)
{
    return layer->frame != NULL;
}

uint64_t edge_upload_frames_drop(struct edge_upload_session *session,
                                 struct edge_upload_session_layer *layer)
{
    if (!layer->frame) {
        return 0;
    }
    uint64_t received_bytes = layer->frame->received_bytes;
    free(layer->frame);
    layer->frame = NULL;
    session->frames--;
    return received_bytes;
}

static ll_status begin(struct edge_upload_session *session, struct edge_upload_session_layer *layer,
                       const Layerlift__V1__Chunk *chunk, struct ll_error *err)
{
    if (session->frames == EDGE_UPLOAD_FRAMES) {
        return ll_fail_limit(err, "upload_frames", EDGE_UPLOAD_FRAMES, 0,
                             "chunk of layer %u: too many frames have begun and are not whole: "
                             "limit upload_frames is %d",
                             chunk->layer, EDGE_UPLOAD_FRAMES);
    }
    layer->frame = malloc(sizeof(*layer->frame) + chunk->frame_bytes);
    if (!layer->frame) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a frame");
    }
    session->frames++;
    layer->frame->encoding = chunk->encoding;
    layer->frame->bytes = chunk->frame_bytes;
    layer->frame->received_bytes = 0;
    return LL_OK;
}

/* Whether the chunk goes on where the frame's last one ended. */
static ll_status check_next(const struct edge_upload_session_layer *layer,
                            const Layerlift__V1__Chunk *chunk, struct ll_error *err)
{
    const struct edge_upload_frame *frame = layer->frame;
    uint32_t expected = frame ? frame->received_bytes : 0;
    if (frame && (frame->encoding != chunk->encoding || frame->bytes != chunk->frame_bytes)) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: the frame at %" PRIu64
                       " began with %u bytes in encoding %d, not %u in %d",
                       chunk->layer, chunk->offset, frame->bytes, (int)frame->encoding,
                       chunk->frame_bytes, (int)chunk->encoding);
    }
    if (chunk->frame_offset != expected) {
        return ll_fail(err, LL_E_INVALID,
                       "chunk of layer %u: out of order, it is byte %u of the frame at %" PRIu64
                       " instead of %u",
                       chunk->layer, chunk->frame_offset, chunk->offset, expected);
    }
    return LL_OK;
}

ll_status edge_upload_frames_take(struct edge_upload_session *session,
                                  struct edge_upload_session_layer *layer,
                                  const Layerlift__V1__Chunk *chunk, struct ll_frame *out_frame,
                                  struct ll_error *err)
{
    *out_frame = (struct ll_frame){.data = NULL};
    ll_status status = check_next(layer, chunk, err);
    if (status != LL_OK) {
        return status;
    }
    if (!layer->frame && chunk->data.len == chunk->frame_bytes) {
        *out_frame = (struct ll_frame){.data = chunk->data.data, .bytes = chunk->data.len};
        return LL_OK;
    }
    status = layer->frame ? LL_OK : begin(session, layer, chunk, err);
    if (status != LL_OK) {
        return status;
    }
    struct edge_upload_frame *frame = layer->frame;
    memcpy(frame->data + frame->received_bytes, chunk->data.data, chunk->data.len);
    frame->received_bytes += (uint32_t)chunk->data.len;
    if (frame->received_bytes == frame->bytes) {
        *out_frame = (struct ll_frame){.data = frame->data, .bytes = frame->bytes};
    }
    return LL_OK;
}

/* ---- What is in them ---- */

ll_status edge_upload_decoder_create(struct edge_upload_decoder **out_decoder)
{
    struct edge_upload_decoder *decoder = calloc(1, sizeof(*decoder));
    ll_status status = decoder ? ll_frame_coder_create(&decoder->coder) : LL_E_NO_MEMORY;
    if (status != LL_OK) {
        free(decoder);
        return status;
    }
    *out_decoder = decoder;
    return LL_OK;
}

void edge_upload_decoder_destroy(struct edge_upload_decoder *decoder)
{
    if (decoder) {
        ll_frame_coder_destroy(decoder->coder);
        free(decoder);
    }
}

static ll_status decode(struct edge_upload_session *session,
                        const struct edge_upload_session_layer *layer,
                        const Layerlift__V1__Chunk *chunk, const struct ll_frame *frame,
                        size_t bytes, struct ll_error *err)
{
    const struct edge_model *draft = session->draft.model;
    struct edge_upload_decoder *decoder = session->sessions->decoder;
    const int index = (int)chunk->layer;
    const int64_t offset = (int64_t)chunk->offset;
    struct ll_draft_blob blob;
    struct ll_frame_draft how;
    switch (chunk->encoding) {
    case LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME: {
        const char *base = ll_buf_data(edge_blob_data(layer->base));
        return ll_frame_decode_delta(decoder->coder, frame, base + offset, bytes, decoder->decoded,
                                     err);
    }
    case LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME:
        blob = edge_model_draft_blob(draft, index);
        how = ll_draft_frame(&blob, offset);
        return ll_frame_decode_draft(decoder->coder, frame, &how, bytes, decoder->decoded, err);
    case LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME: {
        const char *drafted = ll_buf_data(edge_blob_data(edge_model_blob(draft, index)));
        const struct ll_frame rounded = {.data = drafted + offset, .bytes = bytes};
        blob = edge_model_draft_blob(draft, index);
        how = ll_draft_frame(&blob, offset);
        return ll_frame_decode_rest(decoder->coder, frame, &how, &rounded, decoder->decoded, err);
    }
    default:
        return ll_frame_decode(decoder->coder, frame, bytes, decoder->decoded, err);
    }
}

ll_status edge_upload_frames_decode(struct edge_upload_session *session,
                                    const struct edge_upload_session_layer *layer,
                                    const Layerlift__V1__Chunk *chunk, const struct ll_frame *frame,
                                    struct ll_frame *out_raw, struct ll_error *err)
{
    int64_t left = edge_blob_bytes(layer->blob) - (int64_t)chunk->offset;
    size_t bytes = left < LL_FRAME_BYTES ? (size_t)left : LL_FRAME_BYTES;
    ll_status status = LL_OK;
    *out_raw = (struct ll_frame){.bytes = bytes};
    if (edge_blob_data(layer->blob)) {
        return LL_OK;
    }
    if (bytes % sizeof(uint32_t) != 0) {
        status =
            ll_fail(err, LL_E_INVALID, "%zu bytes are no whole weights: they are sent raw", bytes);
    } else {
        status = decode(session, layer, chunk, frame, bytes, err);
    }
    out_raw->data = session->sessions->decoder->decoded;
    if (status != LL_OK) {
        ll_error_prefix(err, "layer %u: the frame at %" PRIu64, chunk->layer, chunk->offset);
    }
    return status;
}
