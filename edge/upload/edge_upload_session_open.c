#include "edge/upload/edge_upload_session_open.h"

#include <stdlib.h>

#include "core/ll_log.h"
#include "edge/model/edge_catalog_stored.h"
#include "edge/upload/edge_upload_bases.h"
#include "edge/upload/edge_upload_drafts.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_fill.h"
#include "edge/upload/edge_upload_session_places.h"
#include "edge/upload/edge_upload_session_share.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_form.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_plan.h"

static ll_status open_model(struct edge_upload_session *session,
                            const Layerlift__V1__UploadOpen *open, int64_t now_ns,
                            struct ll_error *err)
{
    struct ll_manifest manifest = {0};
    if (!open->manifest) {
        return ll_fail(err, LL_E_INVALID, "open has no manifest");
    }
    ll_status status = wire_manifest_read(open->manifest, &manifest, err);
    if (status == LL_OK) {
        status = wire_plan_read(open->n_plan, open->plan, &session->plan, err);
    }
    if (status == LL_OK) {
        status = edge_upload_session_take_place(session, &manifest, now_ns, err);
    }
    if (status == LL_OK) {
        status = edge_catalog_open(session->sessions->catalog, &manifest, &session->plan,
                                   &session->exact.model, err);
    }
    ll_manifest_finish(&manifest);
    return status;
}

/* What the session needs for its model's layers, and what it knows of them before it is told. */
static ll_status begin_layers(struct edge_upload_session *session,
                              const Layerlift__V1__UploadOpen *open, struct ll_error *err)
{
    struct edge_upload_side *side = &session->exact;
    int count = edge_model_table(side->model)->layer_count;
    side->layers = calloc((size_t)count, sizeof(*side->layers));
    session->reported = calloc((size_t)session->plan.count, sizeof(bool));
    if (!side->layers || !session->reported) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a session");
    }
    for (int i = 0; i < count; i++) {
        side->layers[i].blob = edge_model_blob(side->model, i);
    }
    /* Inline creation, the earlier system, sends what it always did. */
    if (!edge_creator_is_inline(session->sessions->creator)) {
        edge_upload_frames_agree(session, open->n_encodings, open->encodings);
    }
    ll_status status = edge_upload_bases_find(session, open, err);
    return status == LL_OK ? edge_upload_draft_open(session, open, err) : status;
}

/* What the edge has of one side's layers, in `accepted`'s form. */
struct lists {
    uint32_t *available;
    size_t available_count;
    Layerlift__V1__BlobOffset *offsets;
    Layerlift__V1__BlobOffset **partial;
    size_t partial_count;
    uint32_t *deltas;
    size_t delta_count;
};

static ll_status init_lists(struct lists *lists, size_t count)
{
    *lists = (struct lists){
        .available = calloc(count, sizeof(*lists->available)),
        .offsets = calloc(count, sizeof(*lists->offsets)),
        .partial = calloc(count, sizeof(Layerlift__V1__BlobOffset *)),
        .deltas = calloc(count, sizeof(*lists->deltas)),
    };
    return lists->available && lists->offsets && lists->partial && lists->deltas ? LL_OK
                                                                                 : LL_E_NO_MEMORY;
}

static void finish_lists(struct lists *lists)
{
    free(lists->available);
    free(lists->offsets);
    free(lists->partial);
    free(lists->deltas);
}

/* From where on a blob is to be sent. */
static int64_t resume_at(const struct edge_upload_session *session, const struct edge_blob *blob)
{
    int64_t here = edge_blob_resumable(blob);
    return session->encodings != 0 ? here - here % LL_FRAME_BYTES : here;
}

/* Notes what is here of each layer, and lists it. */
static void fill_lists(struct edge_upload_session *session, struct edge_upload_side *side,
                       struct lists *lists)
{
    for (int i = 0; i < edge_upload_side_layers(side); i++) {
        struct edge_upload_session_layer *layer = &side->layers[i];
        bool is_other = side == &session->draft && !edge_upload_draft_rounds(session, i);
        if (!layer->blob || is_other) {
            /* There is nothing to send, or it is the model's, and listed there. */
            layer->is_known = true;
            continue;
        }
        if (edge_model_is_available(side->model, i)) {
            layer->is_known = layer->was_here = true;
            layer->next_offset = edge_blob_bytes(layer->blob);
            lists->available[lists->available_count++] = (uint32_t)i;
            continue;
        }
        layer->next_offset = resume_at(session, layer->blob);
        if (layer->next_offset > 0) {
            Layerlift__V1__BlobOffset *offset = &lists->offsets[lists->partial_count];
            layerlift__v1__blob_offset__init(offset);
            offset->layer = (uint32_t)i;
            offset->encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW;
            offset->offset = (uint64_t)layer->next_offset;
            lists->partial[lists->partial_count++] = offset;
        }
        if (layer->base) {
            lists->deltas[lists->delta_count++] = (uint32_t)i;
        }
    }
}

static size_t fill_encodings(const struct edge_upload_session *session,
                             Layerlift__V1__Encoding encodings[EDGE_UPLOAD_ENCODINGS])
{
    size_t count = 0;
    for (int i = 0; session->encodings != 0 && i < EDGE_UPLOAD_ENCODINGS; i++) {
        if (edge_upload_frames_agreed(session, edge_upload_encodings[i])) {
            encodings[count++] = edge_upload_encodings[i];
        }
    }
    return count;
}

static void fill_exact(Layerlift__V1__UploadAccepted *accepted, const struct lists *lists)
{
    accepted->available_layers = lists->available;
    accepted->n_available_layers = lists->available_count;
    accepted->partial = lists->partial;
    accepted->n_partial = lists->partial_count;
    accepted->delta_layers = lists->deltas;
    accepted->n_delta_layers = lists->delta_count;
}

static void fill_draft(const struct edge_upload_session *session,
                       Layerlift__V1__UploadAccepted *accepted, const struct lists *lists)
{
    const struct edge_model *draft = session->draft.model;
    if (draft) {
        accepted->draft_id = (char *)edge_model_id_text(draft);
        accepted->draft_prefix = (uint32_t)edge_model_prefix(draft);
        accepted->available_drafts = lists->available;
        accepted->n_available_drafts = lists->available_count;
        accepted->partial_drafts = lists->partial;
        accepted->n_partial_drafts = lists->partial_count;
    }
}

/* `is_shared`: others bring the model, too, and the device is told what before it may send. */
static ll_status send_accepted(struct edge_upload_session *session, bool is_shared)
{
    Layerlift__V1__DataType data_types[WIRE_DTYPES];
    Layerlift__V1__Encoding encodings[EDGE_UPLOAD_ENCODINGS];
    Layerlift__V1__TensorCoding codings[WIRE_QUERY_CODINGS];
    Layerlift__V1__PictureFormat pictures[WIRE_PICTURE_FORMATS];
    Layerlift__V1__UploadAccepted accepted = LAYERLIFT__V1__UPLOAD_ACCEPTED__INIT;
    struct lists exact;
    struct lists draft = {.available_count = 0};
    size_t count = (size_t)edge_model_table(session->exact.model)->layer_count;
    ll_status status = init_lists(&exact, count);
    if (status == LL_OK) {
        status = init_lists(&draft, count);
    }
    if (status == LL_OK) {
        fill_lists(session, &session->exact, &exact);
        fill_exact(&accepted, &exact);
        fill_lists(session, &session->draft, &draft);
        fill_draft(session, &accepted, &draft);
        accepted.model_id = (char *)edge_model_id_text(session->exact.model);
        uint64_t granted_bytes = edge_upload_session_grant(session);
        accepted.credit_bytes = is_shared ? 0 : granted_bytes;
        accepted.prefix = (uint32_t)edge_model_prefix(session->exact.model);
        accepted.data_types = data_types;
        accepted.n_data_types = wire_dtypes(data_types);
        accepted.encodings = encodings;
        accepted.n_encodings = fill_encodings(session, encodings);
        accepted.tensor_codings = codings;
        accepted.n_tensor_codings = wire_query_codings(codings);
        accepted.picture_formats = pictures;
        accepted.n_picture_formats = wire_picture_formats(pictures);
        Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED;
        event.accepted = &accepted;
        edge_upload_session_send(session, &event);
    }
    finish_lists(&exact);
    finish_lists(&draft);
    return status;
}

void edge_upload_session_open(struct edge_upload_session *session,
                              const Layerlift__V1__UploadOpen *open, int64_t now_ns)
{
    struct ll_error err = {.text = ""};
    if (session->is_over) {
        return;
    }
    if (session->sessions->is_draining) {
        edge_upload_session_end(session, LL_E_UNAVAILABLE, "the server is shutting down");
        return;
    }
    ll_status status = open_model(session, open, now_ns, &err);
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    struct edge_model *model = session->exact.model;
    edge_model_set_owner(model, &session->peer);
    edge_model_open_upload(model, &session->plan);
    /* This thread waits for the disk here alone: once for a model that is new, and for the few
     * files that it has begun, so that no device hears of bytes that a loss of power takes away. */
    status = edge_catalog_keep(session->sessions->catalog, model, &err);
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    edge_model_sync_blobs(model);
    struct edge_creation creation;
    while (edge_model_creation(model, session->creations_before, &creation)) {
        session->creations_before++;
    }
    session->creations_told = session->creations_before;
    bool is_shared = edge_upload_session_shares(session);
    status = begin_layers(session, open, &err);
    if (status == LL_OK && send_accepted(session, is_shared) != LL_OK) {
        status = ll_fail(&err, LL_E_NO_MEMORY, "out of memory for a session");
    }
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    int count = edge_model_table(model)->layer_count;
    ll_log(LL_LOG_INFO, "upload",
           "session %u from %s (%s): model %s, %d layers, %.1f of %.1f MB to come in %d partitions",
           session->number, rpc_stream_peer(session->stream), open->device,
           edge_model_short_id(model), count,
           (double)edge_upload_session_missing_bytes(session, count) / 1e6,
           (double)edge_model_table(model)->blob_bytes / 1e6, session->plan.count);
    edge_upload_session_tell_present(session);
    session->sessions->is_share_due = true;
    session->share.looked_ns = now_ns;
    session->share.is_owing = true;
    if (is_shared) {
        edge_upload_sessions_share(session->sessions, now_ns);
        edge_upload_session_send_credit_now(session);
    }
    edge_creator_wake(session->sessions->creator, model);
    if (session->draft.model) {
        edge_creator_wake(session->sessions->creator, session->draft.model);
    }
    status = edge_upload_session_fill_all(session, now_ns, &err);
    if (status != LL_OK) {
        edge_upload_session_fail(session, status, &err);
        return;
    }
    edge_upload_session_update(session);
}
