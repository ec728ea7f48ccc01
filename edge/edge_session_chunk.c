/* Two sessions with the same blob: each device's chunks must follow each other; the store takes the
 * bytes of whoever reaches its frontier first and drops the others'. No device waits for another,
 * and when one vanishes the other is at the frontier with its next chunk. */
#include <inttypes.h>

#include "core/ll_log.h"
#include "edge/edge_session.h"

/* Rejected blobs after which a session ends: the device's file does not have its digests. */
enum { LIMIT_REJECTIONS = 16 };

/* Where the chunk belongs. LL_OK with a NULL blob: to be dropped. */
static ll_status check_chunk(struct edge_session *session, const Layerlift__V1__Chunk *chunk,
                             struct edge_blob **out_blob, struct ll_error *err)
{
    const struct ll_table *table = edge_model_table(session->model);
    *out_blob = NULL;
    if (chunk->layer >= (uint32_t)table->layer_count) {
        return ll_fail(err, LL_E_INVALID, "chunk: there is no layer %u, the model has %d",
                       chunk->layer, table->layer_count);
    }
    if (chunk->encoding != LAYERLIFT__V1__ENCODING__ENCODING_UNSPECIFIED &&
        chunk->encoding != LAYERLIFT__V1__ENCODING__ENCODING_RAW) {
        return ll_fail(err, LL_E_INVALID, "chunk of layer %u: encoding %d is not known here",
                       chunk->layer, (int)chunk->encoding);
    }
    struct edge_session_layer *layer = &session->layers[chunk->layer];
    struct edge_blob *blob = edge_model_blob(session->model, (int)chunk->layer);
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
    if (chunk->offset == (uint64_t)layer->next_offset) {
        layer->next_offset += (int64_t)chunk->data.len;
        *out_blob = blob;
        return LL_OK;
    }
    if (layer->was_rejected) {
        return LL_OK;
    }
    return ll_fail(err, LL_E_INVALID,
                   "chunk of layer %u: out of order, it begins at %" PRIu64 " instead of %lld",
                   chunk->layer, chunk->offset, (long long)layer->next_offset);
}

/* Tells the device to send a layer's blob again. */
static void reject_layer(struct edge_session *session, int index, const char *reason)
{
    struct edge_session_layer *layer = &session->layers[index];
    layer->was_rejected = true;
    layer->next_offset = 0;
    Layerlift__V1__BlobRejected rejected = LAYERLIFT__V1__BLOB_REJECTED__INIT;
    rejected.layer = (uint32_t)index;
    rejected.reason = (char *)reason;
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED;
    event.blob_rejected = &rejected;
    edge_session_send(session, &event);
}

/* The blob's bytes are forgotten: every device that has it begins again. */
static void reject_blob(struct edge_sessions *sessions, const struct edge_blob *blob,
                        const char *reason)
{
    for (struct edge_session *s = sessions->first; s; s = s->next) {
        int count = s->model ? edge_model_table(s->model)->layer_count : 0;
        for (int i = 0; i < count; i++) {
            /* Who has not begun need not begin again. */
            if (edge_model_blob(s->model, i) == blob && s->layers[i].next_offset > 0) {
                reject_layer(s, i, reason);
            }
        }
        edge_session_send_credit(s);
    }
}

static void wake_creator(void *arg, struct edge_model *model)
{
    struct edge_sessions *sessions = arg;
    edge_models_notify(sessions->models, model, EDGE_CHANGE_BLOB);
    edge_creator_wake(sessions->creator, model);
}

static ll_status write_chunk(struct edge_session *session, const Layerlift__V1__Chunk *chunk,
                             struct edge_blob *blob, edge_write_outcome *out_outcome,
                             struct ll_error *err)
{
    ll_status status = edge_blob_write(blob, (int64_t)chunk->offset, chunk->data.data,
                                       chunk->data.len, out_outcome, err);
    /* Store or disk are full: models that nobody uses make room. */
    while (status == LL_E_EXHAUSTED && edge_models_evict(session->sessions->models)) {
        status = edge_blob_write(blob, (int64_t)chunk->offset, chunk->data.data, chunk->data.len,
                                 out_outcome, err);
    }
    return status;
}

static void deal_with_outcome(struct edge_session *session, int layer, struct edge_blob *blob,
                              edge_write_outcome outcome)
{
    struct edge_sessions *sessions = session->sessions;
    switch (outcome) {
    case EDGE_WRITE_KEPT:
        edge_models_notify(sessions->models, session->model, EDGE_CHANGE_BYTES);
        break;
    case EDGE_WRITE_COMPLETED:
        session->layers[layer].is_known = true;
        edge_session_update(session);
        edge_models_with_blob(sessions->models, blob, wake_creator, sessions);
        break;
    case EDGE_WRITE_REJECTED:
        ll_log(LL_LOG_WARN, "upload", "session %u: layer %d's bytes do not have its digest",
               session->number, layer);
        reject_blob(sessions, blob, "the bytes do not have the digest of the manifest");
        session->rejections += session->layers[layer].was_begun ? 0 : 1;
        session->layers[layer].was_begun = false;
        break;
    case EDGE_WRITE_BEYOND:
        reject_layer(session, layer, "the bytes before these were lost");
        edge_session_send_credit(session);
        break;
    }
    if (session->rejections >= LIMIT_REJECTIONS) {
        edge_session_end(session, LL_E_INVALID, "%d blobs did not have their digests",
                         session->rejections);
    }
}

void edge_session_chunk(struct edge_session *session, const Layerlift__V1__Chunk *chunk,
                        int64_t arrived_ns)
{
    struct ll_error err = {.text = ""};
    struct edge_blob *blob = NULL;
    if (session->is_over || !session->model) {
        return;
    }
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    ll_status status = check_chunk(session, chunk, &blob, &err);
    if (status == LL_OK && blob) {
        status = write_chunk(session, chunk, blob, &outcome, &err);
    }
    if (status != LL_OK) {
        edge_session_fail(session, status, &err);
        return;
    }
    session->received_bytes += chunk->data.len;
    session->received_at_ns = arrived_ns;
    edge_session_send_credit(session);
    if (blob) {
        deal_with_outcome(session, (int)chunk->layer, blob, outcome);
    }
}
