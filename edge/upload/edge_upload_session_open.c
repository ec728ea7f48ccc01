#include "edge/upload/edge_upload_session_open.h"

#include <stdlib.h>

#include "core/ll_log.h"
#include "edge/upload/edge_upload_session_events.h"
#include "edge/upload/edge_upload_session_places.h"
#include "edge/upload/edge_upload_session_share.h"
#include "proto/wire/wire_dtype.h"
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

/* Notes what is here of each layer, and lists it. */
static void fill_accepted(struct edge_upload_session *session,
                          Layerlift__V1__UploadAccepted *accepted,
                          Layerlift__V1__BlobOffset *offsets)
{
    int count = edge_model_table(session->exact.model)->layer_count;
    for (int i = 0; i < count; i++) {
        struct edge_upload_session_layer *layer = &session->exact.layers[i];
        struct edge_blob *blob = edge_model_blob(session->exact.model, i);
        if (!blob) {
            layer->is_known = true;
        } else if (edge_blob_data(blob)) {
            layer->is_known = layer->was_here = true;
            layer->next_offset = edge_blob_bytes(blob);
            accepted->available_layers[accepted->n_available_layers++] = (uint32_t)i;
        } else if (edge_blob_written(blob) > 0) {
            layer->next_offset = edge_blob_written(blob);
            Layerlift__V1__BlobOffset *offset = &offsets[accepted->n_partial];
            layerlift__v1__blob_offset__init(offset);
            offset->layer = (uint32_t)i;
            offset->encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW;
            offset->offset = (uint64_t)layer->next_offset;
            accepted->partial[accepted->n_partial++] = offset;
        }
    }
}

/* `is_shared`: others bring the model, too, and the device is told what before it may send. */
static ll_status send_accepted(struct edge_upload_session *session, bool is_shared)
{
    Layerlift__V1__DataType data_types[WIRE_DTYPES];
    size_t count = (size_t)edge_model_table(session->exact.model)->layer_count;
    Layerlift__V1__UploadAccepted accepted = LAYERLIFT__V1__UPLOAD_ACCEPTED__INIT;
    Layerlift__V1__BlobOffset *offsets = calloc(count, sizeof(*offsets));
    accepted.partial = calloc(count, sizeof(Layerlift__V1__BlobOffset *));
    accepted.available_layers = calloc(count, sizeof(uint32_t));
    session->exact.layers = calloc(count, sizeof(*session->exact.layers));
    session->reported = calloc((size_t)session->plan.count, sizeof(bool));
    ll_status status = LL_E_NO_MEMORY;
    if (offsets && accepted.partial && accepted.available_layers && session->exact.layers &&
        session->reported) {
        fill_accepted(session, &accepted, offsets);
        accepted.model_id = (char *)edge_model_id_text(session->exact.model);
        uint64_t granted_bytes = edge_upload_session_grant(session);
        accepted.credit_bytes = is_shared ? 0 : granted_bytes;
        accepted.prefix = (uint32_t)edge_model_prefix(session->exact.model);
        accepted.data_types = data_types;
        accepted.n_data_types = wire_dtypes(data_types);
        Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_ACCEPTED;
        event.accepted = &accepted;
        edge_upload_session_send(session, &event);
        status = LL_OK;
    }
    free(offsets);
    free(accepted.partial);
    free(accepted.available_layers);
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
    struct edge_creation creation;
    while (edge_model_creation(model, session->creations_before, &creation)) {
        session->creations_before++;
    }
    session->creations_told = session->creations_before;
    bool is_shared = edge_upload_session_shares(session);
    if (send_accepted(session, is_shared) != LL_OK) {
        edge_upload_session_end(session, LL_E_NO_MEMORY, "out of memory for a session");
        return;
    }
    int count = edge_model_table(model)->layer_count;
    ll_log(LL_LOG_INFO, "upload",
           "session %u from %s (%s): model %s, %d layers, %.1f of %.1f MB to come in %d partitions",
           session->number, rpc_stream_peer(session->stream), open->device,
           edge_model_short_id(model), count,
           (double)edge_upload_session_missing_bytes(session, count) / 1e6,
           (double)edge_model_table(model)->blob_bytes / 1e6, session->plan.count);
    int prefix = edge_model_prefix(model);
    if (prefix > 0) {
        const struct edge_creation present = {.first = prefix, .end = prefix};
        edge_upload_session_send_prefix(session, &present);
    }
    session->sessions->is_share_due = true;
    if (is_shared) {
        edge_upload_sessions_share(session->sessions, now_ns);
        edge_upload_session_send_credit_now(session);
    }
    edge_creator_wake(session->sessions->creator, model);
    edge_upload_session_update(session);
}
