/* The fake edge's Upload service. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/device/device_fake_edge_state.h"

enum { EDGE_LAYERS = 64 };

static void send_event(struct fake_edge *edge, Layerlift__V1__UploadEvent__KindCase kind,
                       void *content)
{
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = kind;
    /* All members of the union are pointers. */
    event.accepted = content;
    fake_edge_send(edge->upload, &event.base);
}

static void add_times(uint64_t layer_ns, Layerlift__V1__LayerTime *times,
                      Layerlift__V1__LayerTime **list, Layerlift__V1__PrefixReady *ready)
{
    for (uint32_t i = ready->first; layer_ns > 0 && i < EDGE_LAYERS; i++) {
        layerlift__v1__layer_time__init(&times[i]);
        times[i].layer = i;
        times[i].ns = layer_ns;
        list[ready->n_layer_times++] = &times[i];
    }
    ready->layer_times = list;
}

static void send_progress(struct fake_edge *edge)
{
    int prefix = fake_edge_prefix(edge);
    Layerlift__V1__LayerTime times[EDGE_LAYERS];
    Layerlift__V1__LayerTime *list[EDGE_LAYERS];
    if (prefix > edge->told_prefix) {
        Layerlift__V1__PrefixReady ready = LAYERLIFT__V1__PREFIX_READY__INIT;
        ready.prefix = (uint32_t)prefix;
        ready.first = (uint32_t)edge->told_prefix;
        ready.partitions = 1;
        ready.creation_ns = 1000000;
        add_times(fake_edge_script(edge).layer_ns, times, list, &ready);
        edge->told_prefix = prefix;
        send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY, &ready);
        fake_edge_serve(edge);
    }
    int draft_prefix = fake_edge_draft_prefix(edge);
    if (draft_prefix > edge->told_draft) {
        Layerlift__V1__PrefixReady ready = LAYERLIFT__V1__PREFIX_READY__INIT;
        ready.prefix = (uint32_t)draft_prefix;
        ready.first = (uint32_t)edge->told_draft;
        edge->told_draft = draft_prefix;
        send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY, &ready);
        fake_edge_serve(edge);
    }
    if (prefix == fake_edge_table(edge)->layer_count) {
        Layerlift__V1__UploadComplete complete = LAYERLIFT__V1__UPLOAD_COMPLETE__INIT;
        complete.model_id = (char *)edge->model->id_text;
        complete.layers = (uint32_t)prefix;
        complete.creations = 1;
        send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE, &complete);
        rpc_stream_finish(edge->upload, LL_OK, NULL);
    }
}

/* What is here of a model or a draft. */
struct layers_here {
    uint32_t whole[EDGE_LAYERS];
    Layerlift__V1__BlobOffset offsets[EDGE_LAYERS];
    Layerlift__V1__BlobOffset *list[EDGE_LAYERS];
    size_t whole_count;
    size_t partial_count;
};

static void add_partial(struct layers_here *here, uint32_t layer, Layerlift__V1__Encoding encoding,
                        uint64_t bytes)
{
    Layerlift__V1__BlobOffset *offset = &here->offsets[here->partial_count];
    layerlift__v1__blob_offset__init(offset);
    offset->layer = layer;
    offset->encoding = encoding;
    offset->offset = bytes;
    here->list[here->partial_count++] = offset;
}

/* `bytes`: how many there are of each layer. */
static void list_here(struct fake_edge *edge, const int64_t *bytes,
                      Layerlift__V1__Encoding encoding, struct layers_here *out_here)
{
    const struct ll_table *table = fake_edge_table(edge);
    out_here->whole_count = out_here->partial_count = 0;
    ll_mutex_lock(&edge->lock);
    for (int i = 0; i < table->layer_count; i++) {
        if (bytes[i] > 0 && bytes[i] == table->layers[i].blob_bytes) {
            out_here->whole[out_here->whole_count++] = (uint32_t)i;
        } else if (bytes[i] > 0) {
            add_partial(out_here, (uint32_t)i, encoding, (uint64_t)bytes[i]);
        }
    }
    ll_mutex_unlock(&edge->lock);
}

static void accept_layers(struct fake_edge *edge, const struct fake_edge_script *script,
                          struct layers_here *here, Layerlift__V1__UploadAccepted *accepted)
{
    list_here(edge, edge->here, LAYERLIFT__V1__ENCODING__ENCODING_RAW, here);
    if (script->upload == FAKE_UPLOAD_OFFSET_BEYOND) {
        here->partial_count = 0;
        add_partial(here, 0, LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED, UINT64_MAX);
    }
    accepted->n_available_layers = here->whole_count;
    accepted->available_layers = here->whole;
    accepted->n_partial = here->partial_count;
    accepted->partial = here->list;
    edge->told_prefix = fake_edge_prefix(edge);
    accepted->prefix =
        script->upload == FAKE_UPLOAD_ILLEGAL_PREFIX ? UINT32_MAX : (uint32_t)edge->told_prefix;
}

static void accept_draft(struct fake_edge *edge, const struct device_draft *draft,
                         struct layers_here *here, Layerlift__V1__UploadAccepted *accepted)
{
    list_here(edge, edge->drafted, LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME, here);
    accepted->draft_id = (char *)draft->id;
    accepted->n_available_drafts = here->whole_count;
    accepted->available_drafts = here->whole;
    accepted->n_partial_drafts = here->partial_count;
    accepted->partial_drafts = here->list;
    edge->told_draft = fake_edge_draft_prefix(edge);
    accepted->draft_prefix = (uint32_t)edge->told_draft;
}

/* What the edge takes; of each kind something that no device knows, too. */
static void accept_forms(const struct fake_edge_script *script,
                         Layerlift__V1__UploadAccepted *accepted)
{
    static Layerlift__V1__DataType data_types[] = {LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16,
                                                   (Layerlift__V1__DataType)77,
                                                   LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8};
    static Layerlift__V1__TensorCoding codings[] = {
        (Layerlift__V1__TensorCoding)77, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES};
    static Layerlift__V1__Encoding encodings[] = {(Layerlift__V1__Encoding)77,
                                                  LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
                                                  LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME,
                                                  LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME,
                                                  LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME};
    static Layerlift__V1__PictureFormat pictures[] = {
        (Layerlift__V1__PictureFormat)99, LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG};
    if (script->takes_encodings) {
        accepted->n_data_types = sizeof(data_types) / sizeof(data_types[0]);
        accepted->data_types = data_types;
    }
    if (script->takes_planes) {
        accepted->n_tensor_codings = sizeof(codings) / sizeof(codings[0]);
        accepted->tensor_codings = codings;
    }
    if (script->takes_frames) {
        accepted->n_encodings = sizeof(encodings) / sizeof(encodings[0]);
        accepted->encodings = encodings;
    }
    if (script->refuses_pictures) {
        accepted->n_picture_formats = sizeof(pictures) / sizeof(pictures[0]);
        accepted->picture_formats = pictures;
    }
}

static void send_accepted(struct fake_edge *edge, const struct fake_edge_script *script)
{
    const struct ll_table *table = fake_edge_table(edge);
    Layerlift__V1__UploadAccepted accepted = LAYERLIFT__V1__UPLOAD_ACCEPTED__INIT;
    struct layers_here layers;
    struct layers_here drafts;
    uint32_t bases[EDGE_LAYERS];
    accepted.model_id = (char *)edge->model->id_text;
    if (script->upload == FAKE_UPLOAD_OTHER_MODEL) {
        accepted.model_id = (char *)"sha256:00";
    }
    accept_layers(edge, script, &layers, &accepted);
    if (script->draft) {
        accept_draft(edge, script->draft, &drafts, &accepted);
    }
    accept_forms(script, &accepted);
    accepted.delta_layers = bases;
    for (int i = 0; script->base && i < table->layer_count; i++) {
        if (table->layers[i].blob_bytes > 0) {
            bases[accepted.n_delta_layers++] = (uint32_t)i;
        }
    }
    edge->credit = script->credit_bytes > 0 ? script->credit_bytes : UINT64_MAX;
    accepted.credit_bytes = edge->credit;
    send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED, &accepted);
    send_progress(edge);
}

static void send_credit(struct fake_edge *edge, const struct fake_edge_script *script)
{
    Layerlift__V1__Credit credit = LAYERLIFT__V1__CREDIT__INIT;
    if (script->credit_bytes > 0) {
        edge->credit = edge->stream_bytes + script->credit_bytes;
    }
    credit.credit_bytes = edge->credit;
    credit.received_bytes = edge->stream_bytes;
    if (script->upload == FAKE_UPLOAD_LYING_CREDIT) {
        credit.received_bytes += 1000000;
    }
    send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT, &credit);
}

/* What is rejected of a blob where it is a beginning. */
enum { FAKE_BEGINNING_BYTES = 100 };

static void claim_elsewhere(struct fake_edge *edge)
{
    const struct ll_table *table = fake_edge_table(edge);
    Layerlift__V1__BlobsElsewhere elsewhere = LAYERLIFT__V1__BLOBS_ELSEWHERE__INIT;
    uint32_t largest = 0;
    for (uint32_t i = 1; i < (uint32_t)table->layer_count; i++) {
        largest = table->layers[i].blob_bytes > table->layers[largest].blob_bytes ? i : largest;
    }
    elsewhere.n_layers = 1;
    elsewhere.layers = &largest;
    send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_ELSEWHERE, &elsewhere);
}

static void reject(struct fake_edge *edge, int layer, bool is_draft)
{
    Layerlift__V1__BlobRejected rejected = LAYERLIFT__V1__BLOB_REJECTED__INIT;
    rejected.layer = (uint32_t)layer;
    rejected.is_draft = is_draft;
    rejected.end =
        fake_edge_script(edge).upload == FAKE_UPLOAD_REJECT_BEGINNINGS ? FAKE_BEGINNING_BYTES : 0;
    rejected.reason = (char *)"made up";
    send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED, &rejected);
}

/* Bytes of a blob that a chunk makes whole. */
struct fake_arrival {
    const uint8_t *data;
    size_t bytes;
};

static bool is_raw(const Layerlift__V1__Chunk *chunk)
{
    return chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_RAW;
}

static bool is_draft(const Layerlift__V1__Chunk *chunk)
{
    return chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME;
}

/* A frame of the draft's blob, or of the model's behind the whole one of the draft. */
static ll_status decode_draft_locked(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk,
                                     const struct ll_frame *frame, size_t bytes)
{
    struct ll_error err = {.text = ""};
    const struct ll_layer *layer = &fake_edge_table(edge)->layers[chunk->layer];
    struct ll_draft_blob blob = device_draft_blob(edge->script.draft, layer);
    struct ll_frame_draft how = ll_draft_frame(&blob, (int64_t)chunk->offset);
    uint8_t **rounded = &edge->rounded[chunk->layer];
    if (!*rounded) {
        *rounded = calloc(1, (size_t)layer->blob_bytes);
    }
    if (!*rounded || !edge->script.draft->is_rounded[chunk->layer]) {
        return LL_E_INVALID;
    }
    uint8_t *at = *rounded + chunk->offset;
    if (!is_draft(chunk)) {
        const struct ll_frame whole = {.data = at, .bytes = bytes};
        edge->counts.rests++;
        return edge->drafted[chunk->layer] == layer->blob_bytes
                   ? ll_frame_decode_rest(edge->coder, frame, &how, &whole, edge->decoded, &err)
                   : LL_E_INVALID;
    }
    edge->counts.drafts++;
    ll_status status = ll_frame_decode_draft(edge->coder, frame, &how, bytes, at, &err);
    memcpy(edge->decoded, at, bytes);
    return status;
}

static ll_status decode_locked(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk,
                               const struct ll_frame *frame, size_t bytes)
{
    struct ll_error err = {.text = ""};
    if (chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME && edge->script.base) {
        const uint8_t *base = ll_buf_data(edge->script.base->blobs[chunk->layer]);
        edge->counts.deltas++;
        return ll_frame_decode_delta(edge->coder, frame, base + chunk->offset, bytes, edge->decoded,
                                     &err);
    }
    if (edge->script.draft &&
        (is_draft(chunk) || chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME)) {
        return decode_draft_locked(edge, chunk, frame, bytes);
    }
    return chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_FRAME
               ? ll_frame_decode(edge->coder, frame, bytes, edge->decoded, &err)
               : LL_E_INVALID;
}

/* Puts a frame together; false where the chunk breaks its rules. */
static bool collect_locked(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk,
                           int64_t blob_bytes, struct fake_arrival *arrival)
{
    bool is_next = chunk->frame_offset == edge->frame_used &&
                   chunk->frame_bytes <= sizeof(edge->frame) &&
                   chunk->data.len <= chunk->frame_bytes - chunk->frame_offset &&
                   chunk->offset % LL_FRAME_BYTES == 0 && chunk->offset < (uint64_t)blob_bytes;
    bool is_same = chunk->frame_offset == 0 ||
                   (chunk->layer == edge->frame_layer && chunk->offset == edge->frame_offset);
    if (!edge->script.takes_frames || !is_next || !is_same) {
        return false;
    }
    edge->frame_layer = chunk->layer;
    edge->frame_offset = chunk->offset;
    memcpy(edge->frame + edge->frame_used, chunk->data.data, chunk->data.len);
    edge->frame_used += chunk->data.len;
    if (edge->frame_used < chunk->frame_bytes) {
        return true;
    }
    struct ll_frame frame = {.data = edge->frame, .bytes = chunk->frame_bytes};
    int64_t left = blob_bytes - (int64_t)chunk->offset;
    arrival->bytes = left < LL_FRAME_BYTES ? (size_t)left : LL_FRAME_BYTES;
    arrival->data = edge->decoded;
    edge->frame_used = 0;
    edge->counts.frames++;
    return decode_locked(edge, chunk, &frame, arrival->bytes) == LL_OK;
}

/* Whether bytes that came whole are those that they should be. */
static bool is_right_locked(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk,
                            const struct fake_arrival *arrival)
{
    static uint8_t rounded[LL_FRAME_BYTES];
    const uint8_t *right =
        (const uint8_t *)ll_buf_data(edge->model->blobs[chunk->layer]) + chunk->offset;
    if (is_draft(chunk)) {
        struct ll_draft_blob blob =
            device_draft_blob(edge->script.draft, &fake_edge_table(edge)->layers[chunk->layer]);
        struct ll_frame_draft how = ll_draft_frame(&blob, (int64_t)chunk->offset);
        return ll_frame_round(right, arrival->bytes, &how, rounded) &&
               memcmp(arrival->data, rounded, arrival->bytes) == 0;
    }
    return memcmp(arrival->data, right, arrival->bytes) == 0;
}

/* A draft's blob has got longer; whether it is to be rejected. */
static bool rejects_draft_locked(struct fake_edge *edge, int layer)
{
    if (edge->drafted[layer] < fake_edge_table(edge)->layers[layer].blob_bytes ||
        edge->drafts_rejected >= edge->script.draft_rejections) {
        return false;
    }
    edge->drafts_rejected++;
    edge->drafted[layer] = 0;
    return true;
}

/* Keeps the chunk; returns the layer if its blob is complete and to be rejected, else -1. */
static int keep_chunk_locked(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk)
{
    const struct ll_table *table = fake_edge_table(edge);
    int layer = (int)chunk->layer;
    edge->counts.chunk_bytes += chunk->data.len;
    if (edge->counts.first_offset < 0) {
        edge->counts.first_offset = (int64_t)chunk->offset;
        edge->counts.first_layer = layer;
        edge->counts.first_is_raw = is_raw(chunk);
    }
    bool is_wrong = layer >= table->layer_count || edge->stream_bytes > edge->credit;
    bool is_rest = chunk->encoding == LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME;
    if (!is_wrong && is_rest && edge->drafts_rejected > 0 &&
        edge->drafted[layer] < table->layers[layer].blob_bytes) {
        /* It left before the rejection came. */
        return -1;
    }
    int64_t *at = is_wrong ? NULL : is_draft(chunk) ? &edge->drafted[layer] : &edge->here[layer];
    is_wrong = is_wrong || chunk->offset != (uint64_t)*at;
    struct fake_arrival arrival = {.data = NULL};
    if (!is_wrong && is_raw(chunk)) {
        /* Between a frame's chunks there is no other. */
        is_wrong = edge->frame_used > 0;
        arrival = (struct fake_arrival){chunk->data.data, chunk->data.len};
    } else if (!is_wrong) {
        is_wrong = !collect_locked(edge, chunk, table->layers[layer].blob_bytes, &arrival);
    }
    is_wrong = is_wrong || (int64_t)arrival.bytes > table->layers[layer].blob_bytes - *at;
    if (is_wrong) {
        edge->counts.faults++;
        edge->counts.repeated_bytes += chunk->data.len;
        return -1;
    }
    if (!arrival.data) {
        return -1;
    }
    edge->counts.faults += is_right_locked(edge, chunk, &arrival) ? 0 : 1;
    *at += (int64_t)arrival.bytes;
    if (is_draft(chunk)) {
        return rejects_draft_locked(edge, layer) ? layer : -1;
    }
    bool is_rejected =
        edge->script.upload == FAKE_UPLOAD_REJECT_ALL || edge->rejected < edge->script.rejections;
    bool has_beginning = edge->script.upload == FAKE_UPLOAD_REJECT_BEGINNINGS &&
                         table->layers[layer].blob_bytes > FAKE_BEGINNING_BYTES &&
                         (edge->here[layer] == table->layers[layer].blob_bytes ||
                          edge->here[layer] == FAKE_BEGINNING_BYTES);
    if ((edge->here[layer] == table->layers[layer].blob_bytes && is_rejected) || has_beginning) {
        edge->rejected++;
        edge->here[layer] = 0;
        return layer;
    }
    return -1;
}

static void take_chunk(struct fake_edge *edge, const Layerlift__V1__Chunk *chunk)
{
    struct fake_edge_script script = fake_edge_script(edge);
    if (edge->is_dropping) {
        return;
    }
    edge->stream_bytes += chunk->data.len;
    ll_mutex_lock(&edge->lock);
    int rejected = keep_chunk_locked(edge, chunk);
    bool breaks = script.break_after_bytes > 0 && !edge->is_broken &&
                  edge->counts.chunk_bytes >= script.break_after_bytes;
    edge->is_broken = edge->is_broken || breaks;
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
    if (breaks) {
        edge->is_dropping = true;
        if (script.refusal.text[0]) {
            rpc_stream_finish_error(edge->upload, LL_E_EXHAUSTED, &script.refusal);
        } else {
            rpc_stream_finish(edge->upload,
                              script.break_status > 0 ? ll_status_from_grpc(script.break_status)
                                                      : LL_E_UNAVAILABLE,
                              "broken on purpose");
        }
        return;
    }
    send_credit(edge, &script);
    if (script.upload == FAKE_UPLOAD_ELSEWHERE) {
        claim_elsewhere(edge);
    }
    if (rejected >= 0) {
        reject(edge, rejected, is_draft(chunk));
    }
    send_progress(edge);
}

static void take_open(struct fake_edge *edge)
{
    ll_mutex_lock(&edge->lock);
    edge->counts.opens++;
    edge->script.takes_frames =
        edge->script.takes_frames || (edge->script.takes_frames_later && edge->counts.opens > 1);
    if (edge->script.forgets_draft && edge->counts.opens > 1) {
        edge->script.draft = NULL;
    }
    struct fake_edge_script script = edge->script;
    edge->counts.first_offset = -1;
    if (script.available_layer >= 0) {
        edge->here[script.available_layer] =
            fake_edge_table(edge)->layers[script.available_layer].blob_bytes;
    }
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
    edge->stream_bytes = 0;
    edge->frame_used = 0;
    edge->is_dropping = false;
    if (script.upload == FAKE_UPLOAD_REFUSE) {
        rpc_stream_finish(edge->upload, ll_status_from_grpc(script.status), "no, thanks");
    } else if (script.upload == FAKE_UPLOAD_BUSY) {
        rpc_stream_finish_error(edge->upload, LL_E_EXHAUSTED, &script.refusal);
    } else if (script.upload == FAKE_UPLOAD_GARBAGE) {
        (void)!rpc_stream_send(edge->upload, "\xff\xff\xff\xff", 4, NULL);
    } else if (script.upload == FAKE_UPLOAD_MANY_PARTS) {
        fake_edge_send_parts(edge->upload, 3);
    } else if (script.upload == FAKE_UPLOAD_EARLY_END) {
        send_accepted(edge, &script);
        rpc_stream_finish(edge->upload, LL_OK, NULL);
    } else {
        send_accepted(edge, &script);
        if (script.upload == FAKE_UPLOAD_ELSEWHERE) {
            claim_elsewhere(edge);
        }
    }
}

static void have_all(struct fake_edge *edge)
{
    const struct ll_table *table = fake_edge_table(edge);
    ll_mutex_lock(&edge->lock);
    for (int i = 0; i < table->layer_count; i++) {
        edge->here[i] = table->layers[i].blob_bytes;
    }
    ll_mutex_unlock(&edge->lock);
}

void fake_edge_watch_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                             size_t bytes)
{
    struct fake_edge *edge = owner;
    Layerlift__V1__WatchModelRequest *request =
        layerlift__v1__watch_model_request__unpack(NULL, bytes, data);
    bool is_right = request && strcmp(request->model_id, edge->model->id_text) == 0;
    layerlift__v1__watch_model_request__free_unpacked(request, NULL);
    fake_edge_must(edge, is_right);
    static char sentence[100000];
    Layerlift__V1__ModelEvent event = LAYERLIFT__V1__MODEL_EVENT__INIT;
    event.model_id = (char *)edge->model->id_text;
    event.received_bytes = UINT64_MAX;
    switch (fake_edge_script(edge).watch) {
    case FAKE_WATCH_UNKNOWN:
        rpc_stream_finish(stream, LL_E_NOT_FOUND, "no such model");
        return;
    case FAKE_WATCH_RIGHT:
        event.prefix = (uint32_t)fake_edge_prefix(edge);
        event.received_bytes = 0;
        break;
    case FAKE_WATCH_READY:
        have_all(edge);
        event.prefix = (uint32_t)fake_edge_prefix(edge);
        break;
    case FAKE_WATCH_OTHER_MODEL:
        event.model_id = "sha256:00";
        break;
    case FAKE_WATCH_ILLEGAL_PREFIX:
        event.prefix = UINT32_MAX;
        break;
    case FAKE_WATCH_LONG:
        memset(sentence, 'x', sizeof(sentence) - 1);
        event.failure = sentence;
        break;
    case FAKE_WATCH_GARBAGE:
        (void)!rpc_stream_send(stream, "\xff\xff\xff\xff", 4, NULL);
        return;
    }
    fake_edge_send(stream, &event.base);
}

void fake_edge_upload_message(void *owner, struct rpc_stream *stream, const uint8_t *data,
                              size_t bytes)
{
    struct fake_edge *edge = owner;
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    if (!request) {
        fake_edge_must(edge, false);
        return;
    }
    edge->upload = stream;
    if (request->kind_case == LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN) {
        take_open(edge);
    } else {
        take_chunk(edge, request->chunk);
    }
    layerlift__v1__upload_request__free_unpacked(request, NULL);
}
