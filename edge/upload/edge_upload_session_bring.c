/* A session's bytes go where no other's do (edge_upload_session_copy.c): what is wrong with them
 * costs that session alone. It is told to send the blob again, or, where the beginning is of
 * somebody who has gone, that beginning. A device that sends right bytes sends none of them twice,
 * but for a beginning that others lied about, and only because it was told of that. */
#include "edge/upload/edge_upload_session_bring.h"

#include "core/ll_log.h"
#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_places.h"

/* Rejected blobs after which a session ends: the device's file does not have its digests. */
enum { LIMIT_REJECTIONS = 16 };

/* Wrong bytes of a device's own for one blob after which its session ends: once may be chance. */
enum { LIMIT_FAULTS = 2 };

/* Tells the device to send a layer's blob again, or bytes [0, end) of it, if that is not 0. */
static void reject_layer(struct edge_upload_session *session, struct edge_upload_side *side,
                         int index, int64_t end, const char *reason)
{
    struct edge_upload_session_layer *layer = &side->layers[index];
    session->stored_bytes += edge_upload_frames_drop(session, layer);
    edge_upload_stored_forget(session, layer);
    layer->was_rejected = true;
    layer->next_offset = 0;
    Layerlift__V1__BlobRejected rejected = LAYERLIFT__V1__BLOB_REJECTED__INIT;
    rejected.layer = (uint32_t)index;
    rejected.reason = (char *)reason;
    rejected.is_draft = side == &session->draft;
    rejected.end = (uint64_t)end;
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_REJECTED;
    event.blob_rejected = &rejected;
    edge_upload_session_send(session, &event);
}

static void wake_creator(void *arg, struct edge_model *model)
{
    struct edge_upload_sessions *sessions = arg;
    edge_catalog_notify(sessions->catalog, model, EDGE_CHANGE_BLOB);
    edge_creator_wake(sessions->creator, model);
}

/* Store or disk are full: models that nobody uses make room, and idle uploads. */
static bool make_room(struct edge_upload_session *session, struct edge_upload_side *side,
                      int64_t now_ns)
{
    return edge_catalog_evict_for(session->sessions->catalog, side->model) ||
           edge_upload_session_make_way(session, now_ns);
}

/* Into what the piece goes: NULL where the bytes before it are lost. */
static ll_status find_target(struct edge_upload_session *session, struct edge_upload_side *side,
                             const struct edge_upload_piece *piece, struct edge_blob **out_target,
                             struct ll_error *err)
{
    edge_upload_aim aim = edge_upload_session_aim(session, side, piece, out_target);
    if (aim == EDGE_UPLOAD_AIM_IS_LOST) {
        *out_target = NULL;
    }
    ll_status status = LL_OK;
    if (aim == EDGE_UPLOAD_AIM_NEEDS_COPY) {
        status = edge_upload_session_may_copy(session, piece, err);
        if (status != LL_OK) {
            return status;
        }
        do {
            status = edge_upload_session_begin_copy(session, side, piece, out_target, err);
        } while (status == LL_E_EXHAUSTED && make_room(session, side, piece->arrived_ns));
    }
    return status;
}

static ll_status write_piece(struct edge_upload_session *session, struct edge_upload_side *side,
                             const struct edge_upload_piece *piece, edge_write_outcome *out_outcome,
                             struct ll_error *err)
{
    struct edge_blob *target = NULL;
    *out_outcome = EDGE_WRITE_BEYOND;
    ll_status status = find_target(session, side, piece, &target, err);
    if (status != LL_OK || !target) {
        return status;
    }
    do {
        status =
            edge_blob_write(target, piece->offset, piece->data, piece->bytes, out_outcome, err);
    } while (status == LL_E_EXHAUSTED && make_room(session, side, piece->arrived_ns));
    return status;
}

ll_status edge_upload_session_bring(struct edge_upload_session *session,
                                    struct edge_upload_side *side,
                                    const struct edge_upload_piece *piece,
                                    edge_write_outcome *out_outcome, struct ll_error *err)
{
    side->latest = piece->layer;
    session->share.bytes += (int64_t)piece->bytes;
    session->share.dealt_bytes += side->layers[piece->layer].is_dealt ? (int64_t)piece->bytes : 0;
    ll_status status = write_piece(session, side, piece, out_outcome, err);
    if (status == LL_OK && *out_outcome == EDGE_WRITE_KEPT) {
        edge_upload_session_rejoin(session, side, piece->layer);
    }
    return status;
}

/* ---- Outcomes ---- */

/* Sends away whoever brought other bytes than the right ones. */
static void end_wrong(struct edge_upload_sessions *sessions)
{
    for (struct edge_upload_session *s = sessions->first; s; s = s->next) {
        if (s->is_wrong) {
            edge_upload_session_end(
                s, LL_E_INVALID, "layer %d: the bytes are not those of its digest", s->wrong_layer);
        }
    }
}

static void complete_blob(struct edge_upload_session *session, struct edge_upload_side *side,
                          int index)
{
    struct edge_upload_sessions *sessions = session->sessions;
    struct edge_upload_session_layer *layer = &side->layers[index];
    struct edge_blob *blob = edge_blob_ref(edge_model_blob(side->model, index));
    struct edge_blob *right = edge_blob_ref(layer->copy ? layer->copy : blob);
    edge_upload_sessions_settle(sessions, blob, right);
    if (right != blob) {
        edge_blob_adopt(blob, right);
    }
    edge_blob_unref(layer->copy);
    layer->copy = NULL;
    edge_blob_unref(right);
    layer->is_known = true;
    end_wrong(sessions);
    sessions->is_share_due = true;
    /* The session, and with it the model, may end here. */
    edge_upload_drafts_check(sessions, blob);
    edge_upload_session_update(session);
    edge_catalog_with_blob(sessions->catalog, blob, wake_creator, sessions);
    edge_blob_unref(blob);
}

/* The whole that the session completed is wrong. Where others brought its beginning the session's
 * own bytes are kept, and the beginning is to come from it as well. */
static void reject_bytes(struct edge_upload_session *session, struct edge_upload_side *side,
                         int index)
{
    struct edge_upload_session_layer *layer = &side->layers[index];
    int64_t end = layer->own_first;
    ll_log(LL_LOG_WARN, "upload", "session %u: layer %d's bytes%s do not have its digest",
           session->number, index, end > 0 ? ", the first ones of others," : "");
    layer->own_first = 0;
    if (end == 0) {
        session->rejections++;
        layer->faults++;
        /* The blob is free for whoever comes first. */
        layer->is_owner = false;
    }
    reject_layer(session, side, index, end, "the bytes do not have the digest of the manifest");
    edge_upload_session_send_credit(session);
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
    reject_layer(session, side, layer, 0, reason);
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
        reject_layer(session, side, layer, 0, "the bytes before these were lost");
        edge_upload_session_send_credit(session);
        break;
    }
    end_if_rejected(session);
}
