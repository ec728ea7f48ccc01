#include "device/edge_link/device_upload_queue.h"

#include <stdlib.h>
#include <string.h>

#include "coding/ll_frame.h"

ll_status device_upload_queue_init(struct device_upload_queue *queue,
                                   const struct device_model *model, struct device_encoder *encoder)
{
    *queue = (struct device_upload_queue){.model = model, .encoder = encoder};
    return device_upload_rest_init(&queue->rest, model->table);
}

static void drop_first(struct device_upload_queue *queue)
{
    ll_buf_unref(queue->first.data);
    queue->first = (struct device_encoded){.data = NULL};
    queue->is_begun = false;
    queue->sent = 0;
}

void device_upload_queue_finish(struct device_upload_queue *queue)
{
    drop_first(queue);
    device_upload_rest_finish(&queue->rest);
    free(queue->has_base);
    *queue = (struct device_upload_queue){.model = NULL};
}

void device_upload_queue_encode(struct device_upload_queue *queue)
{
    queue->is_encoding = queue->encoder != NULL;
}

ll_status device_upload_queue_use_base(struct device_upload_queue *queue, uint64_t layer)
{
    size_t layers = (size_t)queue->model->table->layer_count;
    if (layer >= layers || !queue->model->bases || !queue->model->bases[layer]) {
        return LL_E_INVALID;
    }
    if (!queue->has_base) {
        queue->has_base = calloc(layers, sizeof(*queue->has_base));
    }
    if (!queue->has_base) {
        return LL_E_NO_MEMORY;
    }
    queue->has_base[layer] = true;
    return LL_OK;
}

ll_status device_upload_queue_use_draft(struct device_upload_queue *queue)
{
    const struct device_draft *draft = queue->model->draft;
    return device_upload_rest_use_draft(&queue->rest, draft->is_rounded, device_draft_bits(draft));
}

/* ---- Frames ahead ---- */

static bool is_raw(Layerlift__V1__Encoding encoding)
{
    return encoding == LAYERLIFT__V1__ENCODING__ENCODING_RAW;
}

/* Whole frames of floats are encoded; not what leads to a frame's border after an upload without
 * frames, nor a part that ends before one. */
static Layerlift__V1__Encoding encoding_of(const struct device_upload_queue *queue,
                                           const struct device_piece *piece)
{
    int64_t end = piece->offset + piece->bytes;
    bool is_frame = piece->offset % LL_FRAME_BYTES == 0 && piece->bytes % 4 == 0 &&
                    (piece->bytes == LL_FRAME_BYTES ||
                     end == queue->model->table->layers[piece->layer].blob_bytes);
    if (!queue->is_encoding || !is_frame) {
        return LAYERLIFT__V1__ENCODING__ENCODING_RAW;
    }
    if (piece->is_draft) {
        return LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME;
    }
    if (piece->is_rest) {
        return LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME;
    }
    return queue->has_base && queue->has_base[piece->layer]
               ? LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME
               : LAYERLIFT__V1__ENCODING__ENCODING_FRAME;
}

/* What the draft has of this frame is all of it: no rest is sent. */
static bool is_nothing(const struct device_upload_queue *queue, const struct device_piece *piece)
{
    if (!piece->is_rest || piece->offset % LL_FRAME_BYTES != 0) {
        return false;
    }
    struct ll_draft_blob blob =
        device_draft_blob(queue->model->draft, &queue->model->table->layers[piece->layer]);
    return ll_draft_frame_is_exact(&blob, piece->offset);
}

static bool take_frame(struct device_upload_queue *queue, struct device_upload_frame *out_frame)
{
    struct device_piece piece;
    do {
        if (!device_upload_rest_next(&queue->rest, LL_FRAME_BYTES, &piece)) {
            return false;
        }
        int64_t to_border = LL_FRAME_BYTES - piece.offset % LL_FRAME_BYTES;
        piece.bytes = piece.bytes < to_border ? piece.bytes : to_border;
        device_upload_rest_advance(&queue->rest, &piece);
    } while (is_nothing(queue, &piece));
    *out_frame = (struct device_upload_frame){piece, encoding_of(queue, &piece)};
    return true;
}

static struct device_frame frame_of(const struct device_upload_frame *frame)
{
    return (struct device_frame){.layer = frame->piece.layer,
                                 .encoding = frame->encoding,
                                 .offset = frame->piece.offset,
                                 .bytes = frame->piece.bytes};
}

/* Tells the encoder what comes next; the frame that has begun is the queue's. */
static void want_frames(const struct device_upload_queue *queue)
{
    struct device_frame wanted[DEVICE_ENCODER_FRAMES];
    int count = 0;
    for (int i = queue->is_begun ? 1 : 0; i < queue->count; i++) {
        if (!is_raw(queue->frames[i].encoding)) {
            wanted[count++] = frame_of(&queue->frames[i]);
        }
    }
    device_encoder_want(queue->encoder, wanted, count);
}

static void fill(struct device_upload_queue *queue)
{
    int before = queue->count;
    while (queue->count < DEVICE_ENCODER_FRAMES &&
           take_frame(queue, &queue->frames[queue->count])) {
        queue->count++;
    }
    if (queue->is_encoding && queue->count != before) {
        want_frames(queue);
    }
}

struct device_upload_rest *device_upload_queue_change(struct device_upload_queue *queue,
                                                      int64_t layer, bool is_draft)
{
    const struct device_piece *first = &queue->frames[0].piece;
    bool stays = queue->is_begun && (first->layer != layer || first->is_draft != is_draft);
    if (queue->is_begun && !stays) {
        drop_first(queue);
    }
    while (queue->count > (stays ? 1 : 0)) {
        device_upload_rest_take_back(&queue->rest, &queue->frames[--queue->count].piece);
    }
    return &queue->rest;
}

/* ---- Chunks ---- */

/* The first frame is to be sent as what the encoder has made of it. */
static device_upload_next begin_first(struct device_upload_queue *queue)
{
    const struct device_upload_frame *frame = &queue->frames[0];
    queue->first = (struct device_encoded){.encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW};
    if (!is_raw(frame->encoding)) {
        struct device_frame wanted = frame_of(frame);
        device_encoder_outcome outcome =
            device_encoder_take(queue->encoder, &wanted, &queue->first);
        if (outcome != DEVICE_ENCODER_DONE) {
            return outcome == DEVICE_ENCODER_NO_MEMORY ? DEVICE_UPLOAD_NO_MEMORY
                                                       : DEVICE_UPLOAD_LATER;
        }
    }
    queue->is_begun = true;
    queue->sent = 0;
    return DEVICE_UPLOAD_CHUNK;
}

static int64_t first_bytes(const struct device_upload_queue *queue)
{
    return queue->first.data ? (int64_t)queue->first.bytes : queue->frames[0].piece.bytes;
}

/* What the first `sent` bytes of the first frame are worth. */
static int64_t worth_of(const struct device_upload_queue *queue, int64_t sent)
{
    return device_upload_rest_worth(&queue->rest, &queue->frames[0].piece) * sent /
           first_bytes(queue);
}

device_upload_next device_upload_queue_next(struct device_upload_queue *queue, int64_t limit_bytes,
                                            struct device_chunk *out_chunk)
{
    fill(queue);
    if (queue->count == 0) {
        return DEVICE_UPLOAD_NOTHING;
    }
    if (!queue->is_begun) {
        device_upload_next outcome = begin_first(queue);
        if (outcome != DEVICE_UPLOAD_CHUNK) {
            return outcome;
        }
    }
    const struct device_piece *piece = &queue->frames[0].piece;
    int64_t left = first_bytes(queue) - queue->sent;
    int64_t bytes = left < limit_bytes ? left : limit_bytes;
    bool is_encoded = queue->first.data != NULL;
    *out_chunk = (struct device_chunk){
        .head = {.layer = (uint32_t)piece->layer,
                 .encoding = queue->first.encoding,
                 .offset = (uint64_t)(piece->offset + (is_encoded ? 0 : queue->sent)),
                 .frame_bytes = is_encoded ? (uint32_t)queue->first.bytes : 0,
                 .frame_offset = is_encoded ? (uint32_t)queue->sent : 0},
        .whole = is_encoded ? queue->first.data : queue->model->blobs[piece->layer],
        .from = is_encoded ? queue->sent : piece->offset + queue->sent,
        .bytes = bytes,
        .model_bytes = worth_of(queue, queue->sent + bytes) - worth_of(queue, queue->sent),
        .is_first_pass = piece->is_first_pass,
    };
    return DEVICE_UPLOAD_CHUNK;
}

void device_upload_queue_advance(struct device_upload_queue *queue,
                                 const struct device_chunk *chunk)
{
    queue->sent += chunk->bytes;
    if (queue->sent == first_bytes(queue)) {
        drop_first(queue);
        queue->count--;
        memmove(queue->frames, queue->frames + 1, (size_t)queue->count * sizeof(queue->frames[0]));
    }
}

bool device_upload_queue_is_idle(struct device_upload_queue *queue)
{
    struct device_piece piece;
    return queue->count == 0 && !device_upload_rest_next(&queue->rest, LL_FRAME_BYTES, &piece);
}

int64_t device_upload_queue_left(const struct device_upload_queue *queue)
{
    int64_t left = device_upload_rest_left(&queue->rest);
    for (int i = 0; i < queue->count; i++) {
        left += device_upload_rest_worth(&queue->rest, &queue->frames[i].piece);
    }
    return left - (queue->is_begun ? worth_of(queue, queue->sent) : 0);
}
