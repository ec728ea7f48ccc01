/* The fake edge's Upload service. */
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
    if (prefix == fake_edge_table(edge)->layer_count) {
        Layerlift__V1__UploadComplete complete = LAYERLIFT__V1__UPLOAD_COMPLETE__INIT;
        complete.model_id = (char *)edge->model->id_text;
        complete.layers = (uint32_t)prefix;
        complete.creations = 1;
        send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE, &complete);
        rpc_stream_finish(edge->upload, LL_OK, NULL);
    }
}

static void send_accepted(struct fake_edge *edge, const struct fake_edge_script *script)
{
    const struct ll_table *table = fake_edge_table(edge);
    Layerlift__V1__UploadAccepted accepted = LAYERLIFT__V1__UPLOAD_ACCEPTED__INIT;
    Layerlift__V1__BlobOffset offsets[EDGE_LAYERS];
    Layerlift__V1__BlobOffset *list[EDGE_LAYERS];
    uint32_t available[EDGE_LAYERS];
    ll_mutex_lock(&edge->lock);
    for (int i = 0; i < table->layer_count; i++) {
        if (edge->here[i] == 0) {
            continue;
        }
        if (edge->here[i] == table->layers[i].blob_bytes) {
            available[accepted.n_available_layers++] = (uint32_t)i;
            continue;
        }
        Layerlift__V1__BlobOffset *offset = &offsets[accepted.n_partial];
        layerlift__v1__blob_offset__init(offset);
        offset->layer = (uint32_t)i;
        offset->encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW;
        offset->offset = (uint64_t)edge->here[i];
        list[accepted.n_partial++] = offset;
    }
    ll_mutex_unlock(&edge->lock);
    if (script->upload == FAKE_UPLOAD_OFFSET_BEYOND) {
        layerlift__v1__blob_offset__init(&offsets[0]);
        offsets[0].offset = UINT64_MAX;
        list[0] = &offsets[0];
        accepted.n_partial = 1;
    }
    Layerlift__V1__DataType data_types[] = {LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16,
                                            (Layerlift__V1__DataType)77,
                                            LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8};
    if (script->takes_encodings) {
        accepted.n_data_types = sizeof(data_types) / sizeof(data_types[0]);
        accepted.data_types = data_types;
    }
    Layerlift__V1__PictureFormat pictures[] = {(Layerlift__V1__PictureFormat)99,
                                               LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG};
    if (script->refuses_pictures) {
        accepted.n_picture_formats = sizeof(pictures) / sizeof(pictures[0]);
        accepted.picture_formats = pictures;
    }
    accepted.model_id = (char *)edge->model->id_text;
    if (script->upload == FAKE_UPLOAD_OTHER_MODEL) {
        accepted.model_id = (char *)"sha256:00";
    }
    accepted.available_layers = available;
    accepted.partial = list;
    edge->told_prefix = fake_edge_prefix(edge);
    accepted.prefix = (uint32_t)edge->told_prefix;
    if (script->upload == FAKE_UPLOAD_ILLEGAL_PREFIX) {
        accepted.prefix = UINT32_MAX;
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

static void reject(struct fake_edge *edge, int layer)
{
    Layerlift__V1__BlobRejected rejected = LAYERLIFT__V1__BLOB_REJECTED__INIT;
    rejected.layer = (uint32_t)layer;
    rejected.reason = (char *)"made up";
    send_event(edge, LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED, &rejected);
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
    }
    bool is_wrong = layer >= table->layer_count || edge->stream_bytes > edge->credit ||
                    chunk->offset != (uint64_t)edge->here[layer] ||
                    (int64_t)chunk->data.len > table->layers[layer].blob_bytes - edge->here[layer];
    if (is_wrong) {
        edge->counts.faults++;
        edge->counts.repeated_bytes += chunk->data.len;
        return -1;
    }
    const char *right = ll_buf_data(edge->model->blobs[layer]);
    if (memcmp(chunk->data.data, right + chunk->offset, chunk->data.len) != 0) {
        edge->counts.faults++;
    }
    edge->here[layer] += (int64_t)chunk->data.len;
    bool is_rejected =
        edge->script.upload == FAKE_UPLOAD_REJECT_ALL || edge->rejected < edge->script.rejections;
    if (edge->here[layer] == table->layers[layer].blob_bytes && is_rejected) {
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
            rpc_stream_finish(edge->upload, LL_E_UNAVAILABLE, "broken on purpose");
        }
        return;
    }
    send_credit(edge, &script);
    if (rejected >= 0) {
        reject(edge, rejected);
    }
    send_progress(edge);
}

static void take_open(struct fake_edge *edge)
{
    struct fake_edge_script script = fake_edge_script(edge);
    ll_mutex_lock(&edge->lock);
    edge->counts.opens++;
    edge->counts.first_offset = -1;
    if (script.available_layer >= 0) {
        edge->here[script.available_layer] =
            fake_edge_table(edge)->layers[script.available_layer].blob_bytes;
    }
    ll_cond_broadcast(&edge->changed);
    ll_mutex_unlock(&edge->lock);
    edge->stream_bytes = 0;
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
