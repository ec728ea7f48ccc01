/* What the edge has is the store's and the model's; a session adds what its device knows of it, and
 * tells it the rest. edge_upload_session_update compares the two and sends the difference, whoever
 * caused it: this session's chunks, another session's, or a creation. It may run at any time.
 *
 * Two sessions with the same blob: see edge_upload_session_chunk.c.
 *
 * Credit: a device may be `window_bytes` beyond what was dealt with. With inline creation it gets
 * no credit across the end of the first partition that is not created: see grant(). */
#include "edge/upload/edge_upload_session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/ll_log.h"
#include "edge/edge_send.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_plan.h"

enum {
    /* Credit events wait while the stream has more than this to send. */
    QUEUED_EVENTS = 1,
    /* Other events wait while it has more than this: a device that does not read costs little. */
    QUEUED_MOST = 64,
};

void edge_upload_session_init(struct edge_upload_session *session, struct edge_sessions *sessions,
                              struct rpc_stream *stream, unsigned number)
{
    *session =
        (struct edge_upload_session){.sessions = sessions, .stream = stream, .number = number};
    edge_peer_parse(rpc_stream_peer(stream), &session->peer);
    atomic_init(&session->granted_bytes, 0);
}

/* Gives the model back. Creations may go on without this session's borders. */
static void leave_model(struct edge_upload_session *session)
{
    struct edge_model *model = session->model;
    if (!model) {
        return;
    }
    edge_upload_session_drop_copies(session);
    session->model = NULL;
    edge_model_close_upload(model, &session->plan);
    edge_creator_wake(session->sessions->creator, model);
    edge_model_release(model);
    edge_model_unref(model);
}

void edge_upload_session_finish(struct edge_upload_session *session)
{
    leave_model(session);
    edge_places_leave(&session->sessions->uploads, &session->upload_place);
    edge_places_leave(&session->sessions->streams, &session->stream_place);
    ll_plan_finish(&session->plan);
    free(session->layers);
    free(session->reported);
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
    leave_model(session);
    edge_upload_session_leave_places(session);
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

/* ---- Events ---- */

void edge_upload_session_send(struct edge_upload_session *session,
                              const Layerlift__V1__UploadEvent *event)
{
    edge_send(session->stream, &event->base);
}

/* How many bytes the device has still to send for layers before `end`. */
static int64_t missing_bytes(const struct edge_upload_session *session, int end)
{
    int64_t bytes = 0;
    for (int i = 0; i < end; i++) {
        if (!edge_model_is_available(session->model, i)) {
            bytes += edge_blob_bytes(edge_model_blob(session->model, i)) -
                     session->layers[i].next_offset;
        }
    }
    return bytes;
}

/* The end of the first partition that is not created. */
static int inline_border(const struct edge_upload_session *session)
{
    int prefix = edge_model_prefix(session->model);
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
static uint64_t grant(struct edge_upload_session *session)
{
    int64_t beyond_bytes = session->sessions->window_bytes;
    if (edge_creator_is_inline(session->sessions->creator)) {
        int64_t missing = missing_bytes(session, inline_border(session));
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
    if (!session->model) {
        return;
    }
    session->owes_credit = rpc_stream_queued(session->stream) > QUEUED_EVENTS;
    if (session->owes_credit) {
        return;
    }
    Layerlift__V1__Credit credit = LAYERLIFT__V1__CREDIT__INIT;
    credit.credit_bytes = grant(session);
    credit.received_bytes = session->received_bytes;
    credit.received_at_ns = (uint64_t)session->received_at_ns;
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_CREDIT;
    event.credit = &credit;
    edge_upload_session_send(session, &event);
}

/* Whether the stream takes an event now; if not, edge_upload_session_update comes again. */
static bool takes_events(struct edge_upload_session *session)
{
    session->owes_events = rpc_stream_queued(session->stream) > QUEUED_MOST;
    return !session->owes_events;
}

void edge_upload_session_writable(struct edge_upload_session *session)
{
    if (session->owes_events) {
        edge_upload_session_update(session);
    }
    if (session->owes_credit) {
        edge_upload_session_send_credit(session);
    }
}

static void tell_blobs(struct edge_upload_session *session)
{
    int count = edge_model_table(session->model)->layer_count;
    for (int i = 0; i < count && takes_events(session); i++) {
        if (session->layers[i].is_known || !edge_model_is_available(session->model, i)) {
            continue;
        }
        session->layers[i].is_known = true;
        Layerlift__V1__BlobAvailable available = LAYERLIFT__V1__BLOB_AVAILABLE__INIT;
        available.layer = (uint32_t)i;
        Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_BLOB_AVAILABLE;
        event.blob_available = &available;
        edge_upload_session_send(session, &event);
    }
}

static bool is_received(const struct edge_upload_session *session,
                        const struct ll_partition *partition)
{
    for (int i = partition->first; i < partition->end; i++) {
        if (!session->layers[i].is_known) {
            return false;
        }
    }
    return true;
}

static void tell_partitions(struct edge_upload_session *session)
{
    for (int i = 0; i < session->plan.count && takes_events(session); i++) {
        const struct ll_partition *partition = &session->plan.partitions[i];
        if (session->reported[i] || !is_received(session, partition)) {
            continue;
        }
        session->reported[i] = true;
        Layerlift__V1__PartitionReceived received = LAYERLIFT__V1__PARTITION_RECEIVED__INIT;
        received.partition = (uint32_t)i;
        received.first = (uint32_t)partition->first;
        received.end = (uint32_t)partition->end;
        Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_PARTITION_RECEIVED;
        event.partition_received = &received;
        edge_upload_session_send(session, &event);
    }
}

/* The times of the layers that `ready` is about, as far as they are known. The caller frees what
 * the message points to afterwards. */
static void add_layer_times(struct edge_model *model, Layerlift__V1__PrefixReady *ready)
{
    /* One that tells the present state is about all layers so far. */
    uint32_t first = ready->first < ready->prefix ? ready->first : 0;
    size_t count = ready->prefix - first;
    int64_t *times_ns = calloc(count, sizeof(*times_ns));
    Layerlift__V1__LayerTime *times = calloc(count, sizeof(*times));
    ready->layer_times = calloc(count, sizeof(Layerlift__V1__LayerTime *));
    if (!times_ns || !times || !ready->layer_times) {
        /* The device estimates by itself, as before an engine that tells nothing. */
        free(times_ns);
        free(times);
        return;
    }
    edge_model_expected_ns(model, (int)first, (int)ready->prefix, times_ns);
    for (size_t i = 0; i < count; i++) {
        if (times_ns[i] > 0) {
            Layerlift__V1__LayerTime *time = &times[ready->n_layer_times];
            layerlift__v1__layer_time__init(time);
            time->layer = first + (uint32_t)i;
            time->ns = (uint64_t)times_ns[i];
            ready->layer_times[ready->n_layer_times++] = time;
        }
    }
    if (ready->n_layer_times == 0) {
        free(times);
    }
    free(times_ns);
}

static void free_layer_times(Layerlift__V1__PrefixReady *ready)
{
    if (ready->n_layer_times > 0) {
        /* They lie in one piece. */
        free(ready->layer_times[0]);
    }
    free(ready->layer_times);
}

static void send_prefix(struct edge_upload_session *session, const struct edge_creation *creation)
{
    Layerlift__V1__PrefixReady ready = LAYERLIFT__V1__PREFIX_READY__INIT;
    ready.prefix = (uint32_t)creation->end;
    ready.first = (uint32_t)creation->first;
    ready.creation_ns = (uint64_t)creation->wall_ns;
    ready.creation_cpu_ns = (uint64_t)creation->cpu_ns;
    for (int i = 0; i < session->plan.count; i++) {
        int end = session->plan.partitions[i].end;
        ready.partitions += end > creation->first && end <= creation->end;
    }
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY;
    event.prefix_ready = &ready;
    add_layer_times(session->model, &ready);
    edge_upload_session_send(session, &event);
    free_layer_times(&ready);
}

/* The model is ready: the last event, and the end. */
static void send_complete(struct edge_upload_session *session)
{
    struct edge_model *model = edge_model_ref(session->model);
    struct edge_creation creation;
    Layerlift__V1__UploadComplete complete = LAYERLIFT__V1__UPLOAD_COMPLETE__INIT;
    complete.model_id = (char *)edge_model_id_text(model);
    complete.layers = (uint32_t)edge_model_table(model)->layer_count;
    for (int n = session->creations_before; edge_model_creation(model, n, &creation); n++) {
        complete.creations++;
        complete.creation_ns += (uint64_t)creation.wall_ns;
    }
    ll_log(LL_LOG_INFO, "upload", "session %u complete: %s is ready, %.1f MB sent, %u creations",
           session->number, edge_model_short_id(model), (double)session->received_bytes / 1e6,
           complete.creations);
    Layerlift__V1__UploadEvent event = LAYERLIFT__V1__UPLOAD_EVENT__INIT;
    event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_COMPLETE;
    event.complete = &complete;
    leave_model(session);
    edge_upload_session_send(session, &event);
    edge_upload_session_end(session, LL_OK, "%s", "");
    edge_model_unref(model);
}

void edge_upload_session_update(struct edge_upload_session *session)
{
    if (!session->model) {
        return;
    }
    /* Read before the rest: what is busy now may be done when it is told. */
    bool is_busy = edge_model_is_busy(session->model);
    if (session->upload_place.is_held && edge_upload_session_is_all_here(session->model)) {
        edge_places_leave(&session->sessions->uploads, &session->upload_place);
    }
    tell_blobs(session);
    tell_partitions(session);
    struct edge_creation creation;
    while (takes_events(session) &&
           edge_model_creation(session->model, session->creations_told, &creation)) {
        session->creations_told++;
        send_prefix(session, &creation);
        /* Inline, more may be sent now. */
        session->owes_credit = true;
    }
    if (session->owes_events) {
        return;
    }
    if (edge_model_prefix(session->model) == edge_model_table(session->model)->layer_count) {
        send_complete(session);
        return;
    }
    if (edge_model_has_failed(session->model)) {
        struct edge_model_info info;
        edge_model_get_info(session->model, &info);
        edge_upload_session_fail(session, info.failure_status, &info.failure);
        return;
    }
    if (session->owes_credit) {
        edge_upload_session_send_credit(session);
    }
    if (session->has_half_closed && !is_busy) {
        edge_upload_session_end(session, LL_OK, "%s", "");
    }
}

void edge_upload_session_half_close(struct edge_upload_session *session)
{
    session->has_half_closed = true;
    if (!session->is_over && !session->model) {
        edge_upload_session_end(session, LL_E_INVALID, "the stream ended without open");
        return;
    }
    edge_upload_session_update(session);
}

/* ---- Open ---- */

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
        status = edge_catalog_open(session->sessions->models, &manifest, &session->plan,
                                   &session->model, err);
    }
    ll_manifest_finish(&manifest);
    return status;
}

/* Notes what is here of each layer, and lists it. */
static void fill_accepted(struct edge_upload_session *session,
                          Layerlift__V1__UploadAccepted *accepted,
                          Layerlift__V1__BlobOffset *offsets)
{
    int count = edge_model_table(session->model)->layer_count;
    for (int i = 0; i < count; i++) {
        struct edge_upload_session_layer *layer = &session->layers[i];
        struct edge_blob *blob = edge_model_blob(session->model, i);
        if (!blob) {
            layer->is_known = true;
        } else if (edge_blob_data(blob)) {
            layer->is_known = layer->was_here = true;
            layer->next_offset = edge_blob_bytes(blob);
            accepted->available_layers[accepted->n_available_layers++] = (uint32_t)i;
        } else if (edge_blob_written(blob) > 0 && !edge_blob_is_contested(blob)) {
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

static ll_status send_accepted(struct edge_upload_session *session)
{
    Layerlift__V1__DataType data_types[WIRE_DTYPES];
    size_t count = (size_t)edge_model_table(session->model)->layer_count;
    Layerlift__V1__UploadAccepted accepted = LAYERLIFT__V1__UPLOAD_ACCEPTED__INIT;
    Layerlift__V1__BlobOffset *offsets = calloc(count, sizeof(*offsets));
    accepted.partial = calloc(count, sizeof(Layerlift__V1__BlobOffset *));
    accepted.available_layers = calloc(count, sizeof(uint32_t));
    session->layers = calloc(count, sizeof(*session->layers));
    session->reported = calloc((size_t)session->plan.count, sizeof(bool));
    ll_status status = LL_E_NO_MEMORY;
    if (offsets && accepted.partial && accepted.available_layers && session->layers &&
        session->reported) {
        fill_accepted(session, &accepted, offsets);
        accepted.model_id = (char *)edge_model_id_text(session->model);
        accepted.credit_bytes = grant(session);
        accepted.prefix = (uint32_t)edge_model_prefix(session->model);
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
    struct edge_model *model = session->model;
    edge_model_set_owner(model, &session->peer);
    edge_model_open_upload(model, &session->plan);
    struct edge_creation creation;
    while (edge_model_creation(model, session->creations_before, &creation)) {
        session->creations_before++;
    }
    session->creations_told = session->creations_before;
    if (send_accepted(session) != LL_OK) {
        edge_upload_session_end(session, LL_E_NO_MEMORY, "out of memory for a session");
        return;
    }
    int count = edge_model_table(model)->layer_count;
    ll_log(LL_LOG_INFO, "upload",
           "session %u from %s (%s): model %s, %d layers, %.1f of %.1f MB to come in %d partitions",
           session->number, rpc_stream_peer(session->stream), open->device,
           edge_model_short_id(model), count, (double)missing_bytes(session, count) / 1e6,
           (double)edge_model_table(model)->blob_bytes / 1e6, session->plan.count);
    int prefix = edge_model_prefix(model);
    if (prefix > 0) {
        const struct edge_creation present = {.first = prefix, .end = prefix};
        send_prefix(session, &present);
    }
    edge_creator_wake(session->sessions->creator, model);
    edge_upload_session_update(session);
}
