/* What the edge has is the store's and the model's; a session adds what its device knows of it, and
 * tells it the rest. edge_upload_session_update compares the two and sends the difference, whoever
 * caused it: this session's chunks, another session's, or a creation. It may run at any time. */
#include "edge/upload/edge_upload_session_events.h"

#include <stdlib.h>

#include "core/ll_log.h"

/* Events wait while the stream has more than this to send: a device that does not read costs
 * little. */
enum { QUEUED_MOST = 64 };

/* Whether the stream takes an event now; if not, none is told any more before
 * edge_upload_session_update comes again: it empties meanwhile, and the end must not overtake what
 * was left out. */
static bool takes_events(struct edge_upload_session *session)
{
    session->owes_events = session->owes_events || rpc_stream_queued(session->stream) > QUEUED_MOST;
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

static void tell_blobs(struct edge_upload_session *session, struct edge_upload_side *side)
{
    int count = edge_upload_side_layers(side);
    for (int i = 0; i < count && takes_events(session); i++) {
        if (side->layers[i].is_known || !edge_model_is_available(side->model, i)) {
            continue;
        }
        side->layers[i].is_known = true;
        Layerlift__V1__BlobAvailable available = LAYERLIFT__V1__BLOB_AVAILABLE__INIT;
        available.layer = (uint32_t)i;
        available.is_draft = side == &session->draft;
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
        if (!session->exact.layers[i].is_known) {
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

/* Of the model or of the draft. */
static void send_prefix(struct edge_upload_session *session, struct edge_upload_side *side,
                        const struct edge_creation *creation)
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
    if (side == &session->draft) {
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_DRAFT_READY;
        event.draft_ready = &ready;
    } else {
        event.kind_case = LAYERLIFT__V1__UPLOAD_EVENT__KIND_PREFIX_READY;
        event.prefix_ready = &ready;
    }
    add_layer_times(side->model, &ready);
    edge_upload_session_send(session, &event);
    free_layer_times(&ready);
}

static void tell_present(struct edge_upload_session *session, struct edge_upload_side *side)
{
    int prefix = side->model ? edge_model_prefix(side->model) : 0;
    if (prefix > 0) {
        const struct edge_creation present = {.first = prefix, .end = prefix};
        send_prefix(session, side, &present);
    }
}

void edge_upload_session_tell_present(struct edge_upload_session *session)
{
    tell_present(session, &session->exact);
    tell_present(session, &session->draft);
}

/* The model is ready: the last event, and the end. */
static void send_complete(struct edge_upload_session *session)
{
    struct edge_model *model = edge_model_ref(session->exact.model);
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
    edge_upload_session_leave_model(session);
    edge_upload_session_send(session, &event);
    edge_upload_session_end(session, LL_OK, "%s", "");
    edge_model_unref(model);
}

/* Returns whether there were some. */
static bool tell_creations(struct edge_upload_session *session, struct edge_upload_side *side,
                           int *told)
{
    struct edge_creation creation;
    int before = *told;
    while (side->model && takes_events(session) &&
           edge_model_creation(side->model, *told, &creation)) {
        (*told)++;
        send_prefix(session, side, &creation);
    }
    return *told > before;
}

void edge_upload_session_update(struct edge_upload_session *session)
{
    if (!session->exact.model) {
        return;
    }
    session->owes_events = false;
    /* Read before the rest: what is busy now may be done when it is told. */
    bool is_busy = edge_model_is_busy(session->exact.model) ||
                   (session->draft.model && edge_model_is_busy(session->draft.model));
    if (session->upload_place.is_held && edge_model_has_all_weights(session->exact.model)) {
        edge_places_leave(&session->sessions->uploads, &session->upload_place);
    }
    tell_blobs(session, &session->exact);
    tell_blobs(session, &session->draft);
    tell_partitions(session);
    tell_creations(session, &session->draft, &session->draft_creations_told);
    if (tell_creations(session, &session->exact, &session->creations_told)) {
        /* Inline, more may be sent now. */
        session->owes_credit = true;
    }
    if (session->owes_events) {
        return;
    }
    if (edge_model_prefix(session->exact.model) ==
        edge_model_table(session->exact.model)->layer_count) {
        send_complete(session);
        return;
    }
    if (edge_model_has_failed(session->exact.model)) {
        struct edge_model_info info;
        edge_model_get_info(session->exact.model, &info);
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
    if (!session->is_over && !session->exact.model) {
        edge_upload_session_end(session, LL_E_INVALID, "the stream ended without open");
        return;
    }
    edge_upload_session_update(session);
}
