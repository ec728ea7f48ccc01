/* What an edge that is there tells of the upload, and the queries' stream: all of it goes to where
 * queries look (device_edge_state.h, device_requests.h) and to the session's owner. */
#include "core/ll_clock.h"
#include "device/edge_link/device_session_state.h"

/* The edge says how long it took: the sum must not overflow whatever it says. */
static int64_t add_ns(int64_t a, int64_t b)
{
    return ll_clock_deadline(a, b);
}

void device_session_tell_progress(struct device_session *session)
{
    struct ll_window *window = device_send_scheduler_window(session->scheduler);
    struct device_progress progress = {
        .model_bytes = session->config.model->table->blob_bytes,
        .payload_bytes = session->uploader ? device_uploader_received_bytes(session->uploader) : 0,
        .bytes_per_s = ll_window_bytes_per_s(window),
        .prefix = session->prefix,
        .draft_prefix = session->draft_prefix,
    };
    int64_t left = session->left_bytes - session->acked_now;
    progress.acked_bytes = progress.model_bytes - (left > 0 ? left : 0);
    session->config.events->progress(session->config.owner, &progress);
}

static void on_offload_closed(void *owner, ll_status status, const char *message)
{
    struct device_session *session = owner;
    session->is_offload_open = false;
    device_session_lose(session, status == LL_OK ? LL_E_UNAVAILABLE : status,
                        status == LL_OK ? "the edge ended the queries' stream" : message);
}

bool device_session_open_offload(struct device_session *session)
{
    struct device_offload_config config = {
        .channel = session->channel,
        .edge = session->edge,
        .requests = session->requests,
        .scheduler = session->scheduler,
        .closed = on_offload_closed,
        .owner = session,
    };
    if (session->is_offload_open) {
        return true;
    }
    if (device_offload_create(&config, &session->offload) != LL_OK) {
        device_session_lose(session, LL_E_NO_MEMORY, "out of memory");
        return false;
    }
    session->is_offload_open = true;
    return true;
}

void device_session_begin_use(struct device_session *session, int prefix, int64_t left_bytes)
{
    session->is_up = true;
    session->prefix = prefix;
    session->has_draft = false;
    session->draft_prefix = 0;
    session->left_bytes = left_bytes;
    session->acked_now = 0;
    session->acked_ns = ll_clock_now_ns();
    device_next_edge_reached(&session->next_edge);
    device_silence_begin(session->silence, session->channel);
}

/* How far the edge runs queries, with whatever weights. */
static int usable_prefix(const struct device_session *session)
{
    return session->draft_prefix > session->prefix ? session->draft_prefix : session->prefix;
}

void device_session_come_up(struct device_session *session)
{
    /* Those that see it up must find it open. */
    device_requests_open(session->requests, usable_prefix(session));
    device_requests_set_draft(session->requests, session->has_draft);
    device_edge_state_set(session->edge, DEVICE_EDGE_UP, session->prefix);
    device_edge_state_set_draft_prefix(session->edge, session->draft_prefix);
}

/* The model needs no draft any more: the edge forgets it. */
static void drop_draft(struct device_session *session)
{
    session->has_draft = false;
    session->draft_prefix = 0;
    device_requests_set_draft(session->requests, false);
    device_edge_state_set_draft_prefix(session->edge, 0);
}

void device_session_reach(struct device_session *session, int prefix)
{
    session->prefix = prefix;
    device_edge_state_heard(session->edge);
    device_requests_set_prefix(session->requests, prefix);
    device_edge_state_set_prefix(session->edge, prefix);
    if (session->has_draft && prefix == session->config.model->table->layer_count) {
        drop_draft(session);
    }
}

static int64_t draft_bytes(const struct device_session *session)
{
    return session->draft_before + device_uploader_draft_bytes(session->uploader);
}

/* Tells it where the draft has just become whole. */
static void check_draft(struct device_session *session)
{
    int layers = session->config.model->table->layer_count;
    if (session->draft_prefix < layers || session->prefix == layers ||
        session->draft_ready_ns > 0) {
        return;
    }
    session->draft_ready_ns = ll_clock_now_ns();
    struct device_drafted drafted = {
        .start_ns = session->start_ns,
        .ready_ns = session->draft_ready_ns,
        .sent_draft_bytes = draft_bytes(session),
    };
    session->config.events->drafted(session->config.owner, &drafted);
}

/* Layers take as long with a draft's weights as with the model's. */
void device_session_on_draft_ready(void *owner, const struct device_creation *creation)
{
    struct device_session *session = owner;
    if (!session->has_draft) {
        return;
    }
    int prefix = creation->prefix;
    if (creation->time_count > 0) {
        device_edge_state_set_times(session->edge, creation->time_count, creation->times);
    }
    session->draft_prefix = prefix;
    device_edge_state_heard(session->edge);
    device_requests_set_prefix(session->requests, prefix);
    device_edge_state_set_draft_prefix(session->edge, prefix);
    device_session_tell_progress(session);
    check_draft(session);
}

/* What the edge has of the draft, if there is one. */
static void use_draft(struct device_session *session, const struct device_accepted *accepted)
{
    bool is_whole = accepted->prefix == session->config.model->table->layer_count;
    session->has_draft = accepted->has_draft && !is_whole;
    session->draft_prefix = session->has_draft ? accepted->draft_prefix : 0;
    if (session->config.model->draft && !accepted->has_draft && !is_whole &&
        !session->is_draftless_told) {
        session->is_draftless_told = true;
        session->config.events->draftless(session->config.owner, device_session_address(session));
    }
}

void device_session_on_accepted(void *owner, const struct device_accepted *accepted)
{
    struct device_session *session = owner;
    if (session->is_losing) {
        return;
    }
    rpc_timer_cancel(session->accept_timer);
    if (!device_session_open_offload(session)) {
        return;
    }
    if (session->is_follow_open) {
        /* There is a place now: the upload tells. */
        device_follow_cancel(session->follow);
    }
    session->was_accepted = true;
    session->busy_told = SESSION_TOLD_NOTHING;
    device_session_begin_use(session, accepted->prefix, accepted->left_bytes);
    use_draft(session, accepted);
    device_edge_state_set_link(session->edge, session->acked_ns - session->opened_ns, 0);
    device_edge_state_set_dtypes(session->edge, accepted->dtype_count, accepted->dtypes);
    device_edge_state_set_codings(session->edge, accepted->coding_count, accepted->codings);
    device_edge_state_set_pictures(session->edge, accepted->picture_count, accepted->pictures);
    device_session_come_up(session);
    bool is_return = session->is_loss_told;
    session->is_loss_told = false;
    session->is_refusal_told = false;
    session->config.events->up(session->config.owner, device_session_address(session),
                               accepted->left_bytes, is_return);
    device_session_tell_progress(session);
    check_draft(session);
}

void device_session_on_progress(void *owner, int64_t bytes)
{
    struct device_session *session = owner;
    session->acked_now += bytes;
    session->acked_ns = ll_clock_now_ns();
    device_edge_state_heard(session->edge);
    const struct ll_window *window = device_send_scheduler_window(session->scheduler);
    int64_t rtt_ns = ll_window_rtt_ns(window);
    if (rtt_ns > 0) {
        device_edge_state_set_link(session->edge, rtt_ns, ll_window_bytes_per_s(window));
    }
    device_session_tell_progress(session);
}

void device_session_on_ready(void *owner, const struct device_creation *creation)
{
    struct device_session *session = owner;
    if (creation->time_count > 0) {
        device_edge_state_set_times(session->edge, creation->time_count, creation->times);
    }
    device_session_reach(session, creation->prefix);
    if (creation->first < creation->prefix) {
        session->creations_now++;
        session->creation_ns_now = add_ns(session->creation_ns_now, creation->creation_ns);
        session->config.events->ready(session->config.owner, creation);
    }
    device_session_tell_progress(session);
}

void device_session_on_complete(void *owner, const struct device_upload_done *done)
{
    struct device_session *session = owner;
    device_session_reach(session, session->config.model->table->layer_count);
    /* All of it is there, whoever brought it and however. */
    session->acked_now = session->left_bytes;
    device_silence_set_uploading(session->silence, false);
    device_session_tell_progress(session);
    if (session->is_uploaded) {
        return;
    }
    session->is_uploaded = true;
    int64_t weights = session->sent_before + device_uploader_sent_bytes(session->uploader);
    struct device_uploaded uploaded = {
        .start_ns = session->start_ns,
        .acked_ns = session->acked_ns,
        .ready_ns = ll_clock_now_ns(),
        .model_bytes = session->config.model->table->blob_bytes,
        .sent_bytes = weights + device_requests_sent_bytes(session->requests),
        .sent_weight_bytes = weights,
        .sent_draft_bytes = draft_bytes(session),
        .draft_ready_ns = session->draft_ready_ns,
        .partitions = session->config.model->plan->count,
        .creations = session->creations_before + done->creations,
        .creation_ns = add_ns(session->creation_ns_before, done->creation_ns),
    };
    ll_log_to(session->config.log, LL_LOG_DEBUG, "device",
              "weights: %lld bytes sent for %lld, %.1f ms of processor time to encode them",
              (long long)weights, (long long)uploaded.model_bytes,
              ll_clock_ms(device_encoder_cpu_ns(session->encoder)));
    session->config.events->uploaded(session->config.owner, &uploaded);
}

void device_session_on_limited(void *owner)
{
    struct device_session *session = owner;
    device_silence_set_uploading(session->silence, false);
    if (!session->is_limit_told) {
        session->is_limit_told = true;
        session->config.events->limited(session->config.owner);
    }
}

void device_session_drop_uploader(struct device_session *session)
{
    if (session->uploader) {
        session->sent_before += device_uploader_sent_bytes(session->uploader);
        session->draft_before += device_uploader_draft_bytes(session->uploader);
        session->creations_before += session->creations_now;
        session->creation_ns_before = add_ns(session->creation_ns_before, session->creation_ns_now);
        session->creations_now = 0;
        session->creation_ns_now = 0;
    }
    device_uploader_destroy(session->uploader);
    session->uploader = NULL;
}
