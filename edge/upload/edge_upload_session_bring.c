/* Two sessions with the same blob: each device's chunks must follow each other; the store takes the
 * bytes of whoever reaches its frontier first and drops the others'. No device waits for another,
 * and when one vanishes the other is at the frontier with its next chunk.
 *
 * If such bytes of several devices are wrong, nobody knows whose fault it is. From then on the
 * model's blobs are contested: whoever begins one writes a copy of his own, and the first copy with
 * the right digest becomes the blob. So a device that sends right bytes sends them twice at most,
 * whatever others send; and whose copy differs from the right one is a liar and is sent away. */
#include "edge/upload/edge_upload_session_bring.h"

#include "core/ll_log.h"
#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_places.h"

/* Rejected blobs after which a session ends: the device's file does not have its digests. */
enum { LIMIT_REJECTIONS = 16 };

/* Wrong bytes of a device's own for one blob after which its session ends: once may be chance. */
enum { LIMIT_FAULTS = 2 };

/* Tells the device to send a layer's blob again. */
static void reject_layer(struct edge_upload_session *session, struct edge_upload_side *side,
                         int index, const char *reason)
{
    struct edge_upload_session_layer *layer = &side->layers[index];
    session->stored_bytes += edge_upload_frames_drop(session, layer);
    edge_upload_stored_forget(session, layer);
    layer->was_rejected = true;
    layer->next_offset = 0;
    layer->brought_bytes = 0;
    Layerlift__V1__BlobRejected rejected = LAYERLIFT__V1__BLOB_REJECTED__INIT;
    rejected.layer = (uint32_t)index;
    rejected.reason = (char *)reason;
    rejected.is_draft = side == &session->draft;
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED;
    event.blob_rejected = &rejected;
    edge_upload_session_send(session, &event);
}

/* The blob's bytes are forgotten: every device that has it begins again. */
static void reject_blob(struct edge_upload_sessions *sessions, const struct edge_blob *blob,
                        const char *reason)
{
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        for (int n = 0; n < EDGE_UPLOAD_SIDES; n++) {
            struct edge_upload_side *side = edge_upload_session_side(s, n);
            for (int i = 0; i < edge_upload_side_layers(side); i++) {
                /* Who has not begun, or writes a copy, need not begin again. */
                if (side->layers[i].blob == blob && side->layers[i].next_offset > 0 &&
                    !side->layers[i].copy) {
                    reject_layer(s, side, i, reason);
                }
            }
        }
        edge_upload_session_send_credit(s);
    }
}

static void wake_creator(void *arg, struct edge_model *model)
{
    struct edge_upload_sessions *sessions = arg;
    edge_catalog_notify(sessions->catalog, model, EDGE_CHANGE_BLOB);
    edge_creator_wake(sessions->creator, model);
}

/* ---- Contested blobs ---- */

/* Where a layer's bytes go: into the blob, or into the device's copy of a contested one, which it
 * has from its beginning on. NULL without memory. */
static struct edge_blob *target_of(struct edge_upload_session *session,
                                   struct edge_upload_session_layer *layer, int64_t offset,
                                   struct edge_blob *blob)
{
    if (edge_blob_data(blob)) {
        return blob;
    }
    if (!layer->copy && offset == 0 && edge_blob_is_contested(blob) &&
        edge_catalog_copy_blob(session->sessions->catalog, blob, &layer->copy) != LL_OK) {
        return NULL;
    }
    return layer->copy ? layer->copy : blob;
}

static void settle_side(struct edge_upload_session *session, struct edge_upload_side *side,
                        const struct edge_blob *blob)
{
    /* Ending the session empties the side. */
    for (int i = 0; i < edge_upload_side_layers(side); i++) {
        struct edge_blob *copy = side->layers[i].copy;
        if (!copy || side->layers[i].blob != blob) {
            continue;
        }
        side->layers[i].copy = NULL;
        if (!edge_blob_agrees(copy, blob)) {
            edge_upload_session_end(session, LL_E_INVALID,
                                    "layer %d: the bytes are not those of its digest", i);
        }
        edge_blob_unref(copy);
    }
}

/* The blob is available: nobody needs a copy any more, and who wrote another one is found out. */
static void settle_copies(struct edge_upload_sessions *sessions, const struct edge_blob *blob)
{
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        for (int n = 0; n < EDGE_UPLOAD_SIDES; n++) {
            settle_side(s, edge_upload_session_side(s, n), blob);
        }
    }
}

/* Bytes of several devices were wrong together. */
static void contest(struct edge_model *model)
{
    for (int i = 0; i < edge_model_table(model)->layer_count; i++) {
        if (!edge_model_is_available(model, i)) {
            edge_blob_contest(edge_model_blob(model, i));
        }
    }
}

ll_status edge_upload_session_bring(struct edge_upload_session *session,
                                    struct edge_upload_side *side,
                                    const struct edge_upload_piece *piece,
                                    edge_write_outcome *out_outcome, struct ll_error *err)
{
    struct edge_upload_session_layer *layer = &side->layers[piece->layer];
    struct edge_blob *blob = edge_model_blob(side->model, piece->layer);
    struct edge_blob *target = target_of(session, layer, piece->offset, blob);
    if (!target) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a blob");
    }
    int64_t before = edge_blob_written(target);
    int64_t end = piece->offset + (int64_t)piece->bytes;
    ll_status status =
        edge_blob_write(target, piece->offset, piece->data, piece->bytes, out_outcome, err);
    /* Store or disk are full: models that nobody uses make room, and those of idle uploads. */
    while (status == LL_E_EXHAUSTED &&
           (edge_catalog_evict_for(session->sessions->catalog, side->model) ||
            edge_upload_session_make_way(session, piece->arrived_ns))) {
        status =
            edge_blob_write(target, piece->offset, piece->data, piece->bytes, out_outcome, err);
    }
    if (status == LL_OK && *out_outcome != EDGE_WRITE_BEYOND && end > before) {
        layer->brought_bytes += end - before;
    }
    return status;
}

/* ---- Outcomes ---- */

static void complete_blob(struct edge_upload_session *session, struct edge_upload_side *side,
                          int index)
{
    struct edge_upload_sessions *sessions = session->sessions;
    struct edge_upload_session_layer *layer = &side->layers[index];
    struct edge_blob *blob = edge_model_blob(side->model, index);
    if (layer->copy) {
        edge_blob_adopt(blob, layer->copy);
        edge_blob_unref(layer->copy);
        layer->copy = NULL;
    }
    settle_copies(sessions, blob);
    layer->is_known = true;
    /* The session, and with it the model, may end here. */
    edge_blob_ref(blob);
    edge_upload_drafts_check(sessions, blob);
    edge_upload_session_update(session);
    edge_catalog_with_blob(sessions->catalog, blob, wake_creator, sessions);
    edge_blob_unref(blob);
}

static void reject_bytes(struct edge_upload_session *session, struct edge_upload_side *side,
                         int index)
{
    static const char reason[] = "the bytes do not have the digest of the manifest";
    struct edge_upload_session_layer *layer = &side->layers[index];
    struct edge_blob *blob = edge_model_blob(side->model, index);
    bool is_own = layer->copy || layer->brought_bytes == edge_blob_bytes(blob);
    ll_log(LL_LOG_WARN, "upload", "session %u: layer %d's bytes%s do not have its digest",
           session->number, index, is_own ? "" : ", of several devices,");
    if (is_own) {
        session->rejections++;
        layer->faults++;
    } else {
        contest(side->model);
    }
    if (layer->copy) {
        reject_layer(session, side, index, reason);
        edge_upload_session_send_credit(session);
    } else {
        reject_blob(session->sessions, blob, reason);
    }
    if (layer->faults >= LIMIT_FAULTS) {
        edge_upload_session_end(session, LL_E_INVALID, "layer %d: wrong bytes were sent again",
                                index);
    }
}

static void end_if_rejected(struct edge_upload_session *session)
{
    if (session->rejections >= LIMIT_REJECTIONS) {
        edge_upload_session_end(session, LL_E_INVALID, "%d blobs did not have their digests",
                                session->rejections);
    }
}

void edge_upload_session_send_again(struct edge_upload_session *session,
                                    struct edge_upload_side *side, int layer, const char *reason)
{
    session->rejections++;
    reject_layer(session, side, layer, reason);
    edge_upload_session_send_credit(session);
    end_if_rejected(session);
}

void edge_upload_session_brought(struct edge_upload_session *session, struct edge_upload_side *side,
                                 int layer, edge_write_outcome outcome)
{
    struct edge_upload_sessions *sessions = session->sessions;
    switch (outcome) {
    case EDGE_WRITE_KEPT:
        edge_catalog_notify(sessions->catalog, side->model, EDGE_CHANGE_BYTES);
        break;
    case EDGE_WRITE_COMPLETED:
        complete_blob(session, side, layer);
        break;
    case EDGE_WRITE_REJECTED:
        reject_bytes(session, side, layer);
        break;
    case EDGE_WRITE_BEYOND:
        reject_layer(session, side, layer, "the bytes before these were lost");
        edge_upload_session_send_credit(session);
        break;
    }
    end_if_rejected(session);
}
