/* Credit: a device may be `window_bytes` beyond what was dealt with. With inline creation it gets
 * no credit across the end of the first partition that is not created. */
#include "edge/upload/edge_upload_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "edge/edge_send.h"
#include "edge/model/edge_catalog_stored.h"
#include "edge/upload/edge_upload_session_copy.h"

/* Credit events wait while the stream has more than this to send. */
enum { QUEUED_EVENTS = 1 };

void edge_upload_session_init(struct edge_upload_session *session,
                              struct edge_upload_sessions *sessions, struct rpc_stream *stream,
                              unsigned number)
{
    *session =
        (struct edge_upload_session){.sessions = sessions, .stream = stream, .number = number};
    edge_peer_parse(rpc_stream_peer(stream), &session->peer);
    atomic_init(&session->granted_bytes, 0);
}

/* Forgets what the session has of its layers besides the model's blobs. */
static void drop_layers(struct edge_upload_session *session, struct edge_upload_side *side)
{
    int count = side->layers ? edge_upload_side_layers(side) : 0;
    for (int i = 0; i < count; i++) {
        struct edge_upload_session_layer *layer = &side->layers[i];
        edge_upload_frames_drop(session, layer);
        edge_blob_unref(layer->base);
        layer->base = NULL;
        layer->blob = NULL;
    }
    session->unstored = NULL;
}

static void leave_draft(struct edge_upload_session *session)
{
    struct edge_model *draft = session->draft.model;
    if (!draft) {
        return;
    }
    drop_layers(session, &session->draft);
    session->draft.model = NULL;
    edge_model_close_upload(draft, &session->plan);
    edge_creator_wake(session->sessions->creator, draft);
    edge_catalog_leave_draft(session->sessions->catalog, draft);
}

void edge_upload_session_leave_model(struct edge_upload_session *session)
{
    struct edge_model *model = session->exact.model;
    if (!model) {
        return;
    }
    edge_upload_session_leave_blobs(session);
    leave_draft(session);
    drop_layers(session, &session->exact);
    session->sessions->is_share_due = true;
    session->exact.model = NULL;
    edge_model_close_upload(model, &session->plan);
    edge_creator_wake(session->sessions->creator, model);
    edge_model_release(model);
    edge_model_unref(model);
}

void edge_upload_session_finish(struct edge_upload_session *session)
{
    edge_upload_session_leave_model(session);
    edge_places_leave(&session->sessions->uploads, &session->upload_place);
    edge_places_leave(&session->sessions->streams, &session->stream_place);
    ll_plan_finish(&session->plan);
    free(session->exact.layers);
    free(session->draft.layers);
    free(session->reported);
}

/* The session has ended: it holds no upload's place, and its stream's place for a short while. */
static void leave_places(struct edge_upload_session *session)
{
    struct edge_upload_sessions *sessions = session->sessions;
    edge_places_leave(&sessions->uploads, &session->upload_place);
    /* The device has as long to read its end. */
    edge_places_progress(&sessions->streams, &session->stream_place, EDGE_PLACES_STEP_BYTES,
                         ll_clock_now_ns());
}

void edge_upload_session_fail(struct edge_upload_session *session, ll_status status,
                              const struct ll_error *err)
{
    if (session->is_over) {
        return;
    }
    session->is_over = true;
    if (status != LL_OK) {
        ll_log(LL_LOG_WARN, "upload", "session %u ended: %s: %s", session->number,
               ll_status_text(status), err->text);
    }
    /* First model and place, so that a device that sees the end finds them unused. */
    edge_upload_session_leave_model(session);
    leave_places(session);
    rpc_stream_finish_error(session->stream, status, err);
}

void edge_upload_session_end(struct edge_upload_session *session, ll_status status,
                             const char *format, ...)
{
    struct ll_error err = {.text = ""};
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof(err.text), format, args);
    va_end(args);
    edge_upload_session_fail(session, status, &err);
}

/* ---- Events and credit ---- */

void edge_upload_session_send(struct edge_upload_session *session,
                              const Layerlift__V1__UploadEvent *event)
{
    edge_send(session->stream, &event->base);
}

int64_t edge_upload_session_missing_bytes(const struct edge_upload_session *session, int end)
{
    int64_t bytes = 0;
    for (int i = 0; i < end; i++) {
        if (!edge_model_is_available(session->exact.model, i)) {
            bytes += edge_blob_bytes(edge_model_blob(session->exact.model, i)) -
                     session->exact.layers[i].next_offset;
        }
    }
    return bytes;
}

/* The end of the first partition that is not created. */
static int inline_border(const struct edge_upload_session *session)
{
    int prefix = edge_model_prefix(session->exact.model);
    int end = prefix;
    for (int i = 0; i < session->plan.count && end <= prefix; i++) {
        end = session->plan.partitions[i].end;
    }
    return end;
}

/* How far the device may send now. Inline creation, the earlier system: the receiver creates a
 * partition before it receives anything behind it. Here the receiver owns no socket, so it grants
 * what is missing up to the partition's end and not one byte more until the creation, which runs on
 * this thread, is done; what the device sends in time is neither delayed nor helped. */
uint64_t edge_upload_session_grant(struct edge_upload_session *session)
{
    int64_t beyond_bytes = session->sessions->window_bytes;
    if (edge_creator_is_inline(session->sessions->creator)) {
        int64_t missing = edge_upload_session_missing_bytes(session, inline_border(session));
        beyond_bytes = missing < beyond_bytes ? missing : beyond_bytes;
    }
    uint64_t want_bytes = session->received_bytes + (uint64_t)beyond_bytes;
    uint64_t granted_bytes = atomic_load(&session->granted_bytes);
    if (want_bytes > granted_bytes) {
        granted_bytes = want_bytes;
        atomic_store(&session->granted_bytes, granted_bytes);
    }
    return granted_bytes;
}

void edge_upload_session_send_credit(struct edge_upload_session *session)
{
    if (!session->exact.model) {
        return;
    }
    session->owes_credit = rpc_stream_queued(session->stream) > QUEUED_EVENTS;
    if (!session->owes_credit) {
        edge_upload_session_send_credit_now(session);
    }
}

void edge_upload_session_send_credit_now(struct edge_upload_session *session)
{
    session->owes_credit = false;
    Layerlift__V1__Credit credit = LAYERLIFT__V1__CREDIT__INIT;
    credit.credit_bytes = edge_upload_session_grant(session);
    credit.received_bytes = session->received_bytes;
    credit.received_at_ns = (uint64_t)session->received_at_ns;
    if (edge_catalog_lasts(session->sessions->catalog)) {
        credit.stored_bytes = edge_upload_stored_bytes(session);
    }
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT;
    event.credit = &credit;
    edge_upload_session_send(session, &event);
}
