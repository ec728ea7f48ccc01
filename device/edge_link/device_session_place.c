/* The place that the upload asks for, and the wait for one at an edge that has none now:
 * meanwhile what it has of the model is watched and used. */
#include <string.h>

#include "core/ll_clock.h"
#include "device/edge_link/device_session_state.h"

/* Time for an edge to answer `open`; where there are others to try, less at first. */
#define SESSION_ACCEPT_NS (5 * LL_NS_PER_S)
#define SESSION_FIRST_ACCEPT_NS LL_NS_PER_S

/* ---- A busy edge ---- */

/* Edges that send no details say in words that they are busy. */
static bool says_busy(const char *text)
{
    static const char *const words[] = {"limit upload_sessions is ", "limit models is ",
                                        "the store is full"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(text, words[i])) {
            return true;
        }
    }
    return false;
}

static bool is_busy(ll_status status, struct ll_error *err)
{
    if (ll_status_to_grpc(status) != ll_status_to_grpc(LL_E_EXHAUSTED)) {
        return false;
    }
    if (err->retry_ms == 0 && !err->limit[0] && says_busy(err->text)) {
        err->retry_ms = LL_RETRY_MS;
    }
    return err->retry_ms > 0;
}

/* Whether to use a busy edge's layers without a place for an upload: those of the whole model
 * always; fewer of them where no other edge takes the model; even none of them where there is no
 * other edge, since somebody else may bring some. */
static bool is_worth_using(const struct device_session *session, int prefix)
{
    if (session->config.edge_count == 1) {
        return true;
    }
    bool has_tried_all = session->next_edge.failures + 1 >= session->config.edge_count;
    return prefix == session->config.model->table->layer_count || (prefix > 0 && has_tried_all);
}

/* Where nothing is left to bring, nothing is asked for. */
static void ask_later(struct device_session *session)
{
    if (session->prefix < session->config.model->table->layer_count) {
        rpc_timer_set(session->place_timer,
                      ll_clock_deadline(ll_clock_now_ns(), device_session_wait_ns(session)));
    }
}

static void on_followed(void *owner, const struct device_followed *followed)
{
    struct device_session *session = owner;
    int layers = session->config.model->table->layer_count;
    if (session->is_losing) {
        return;
    }
    if (!session->is_upload_open) {
        rpc_timer_cancel(session->accept_timer);
    }
    bool is_first = !session->is_up;
    if (is_first && !is_worth_using(session, followed->prefix)) {
        device_session_lose_with(session, session->busy_status, &session->busy_reason, true);
        return;
    }
    if (is_first && !device_session_open_offload(session)) {
        return;
    }
    if (is_first) {
        device_session_begin_use(session, followed->prefix,
                                 session->config.model->table->blob_bytes -
                                     followed->received_bytes);
        /* Without an upload it owes answers to queries alone. */
        device_silence_set_uploading(session->silence, false);
        device_edge_state_set_link(session->edge, session->acked_ns - session->opened_ns, 0);
        device_session_come_up(session);
        device_session_tell_busy(session, device_session_address(session));
        ask_later(session);
    }
    if (followed->prefix < session->prefix) {
        return;
    }
    device_session_reach(session, followed->prefix);
    if (followed->prefix == layers) {
        /* Others have brought all of it: there is nothing to upload. */
        rpc_timer_cancel(session->place_timer);
        device_session_on_complete(session, &(struct device_upload_done){0});
    } else {
        device_session_tell_progress(session);
    }
}

static void on_follow_closed(void *owner, ll_status status, const char *message)
{
    struct device_session *session = owner;
    session->is_follow_open = false;
    if (session->is_losing) {
        device_session_settle(session);
    } else if (!session->is_up || status == LL_E_UNSUPPORTED) {
        /* The edge does not know the model, or does not tell. */
        device_session_lose_with(session, session->busy_status, &session->busy_reason, true);
    } else if (status != LL_E_CANCELLED) {
        device_session_lose(session, status, message);
    }
}

/* Watches the model without uploading it, for this reason. Returns false where the edge is lost. */
static bool follow(struct device_session *session, ll_status status, const struct ll_error *reason)
{
    session->busy_status = status;
    session->busy_reason = *reason;
    struct device_follow_config config = {
        .model = session->config.model,
        .channel = session->channel,
        .changed = on_followed,
        .closed = on_follow_closed,
        .owner = session,
    };
    device_follow_destroy(session->follow);
    session->follow = NULL;
    if (device_follow_create(&config, &session->follow) != LL_OK) {
        device_session_lose_with(session, status, reason, true);
        return false;
    }
    session->is_follow_open = true;
    rpc_timer_set(session->accept_timer, ll_clock_deadline(ll_clock_now_ns(), SESSION_ACCEPT_NS));
    return true;
}

/* The edge has no place for the upload now. */
static void wait_for_place(struct device_session *session, ll_status status,
                           const struct ll_error *reason)
{
    rpc_timer_cancel(session->accept_timer);
    if (session->is_follow_open) {
        session->busy_status = status;
        session->busy_reason = *reason;
        device_session_tell_busy(session, device_session_address(session));
        ask_later(session);
    } else if (follow(session, status, reason) && session->is_up) {
        /* Its place is lost in mid-upload. */
        device_session_tell_busy(session, device_session_address(session));
        ask_later(session);
    }
}

/* ---- The upload's stream ---- */

static void on_upload_closed(void *owner, ll_status status, const struct ll_error *err)
{
    struct device_session *session = owner;
    struct ll_error reason = *err;
    session->is_upload_open = false;
    if (status == LL_OK && !session->is_losing) {
        /* Complete: the queries' stream tells from now on whether the edge is there. */
        return;
    }
    bool is_busy_now = is_busy(status, &reason);
    if (!session->is_losing && session->is_up && session->is_limit_told &&
        !session->is_follow_open && (is_busy_now || status == LL_E_DEADLINE)) {
        /* It has sent all that it may, and needs no place; others may bring more. */
        (void)follow(session, status, &reason);
        return;
    }
    if (!session->is_losing && is_busy_now) {
        wait_for_place(session, status, &reason);
        return;
    }
    device_session_lose_with(session, status == LL_OK ? LL_E_UNAVAILABLE : status, &reason, false);
}

static const struct device_uploader_events upload_events = {
    .accepted = device_session_on_accepted,
    .progress = device_session_on_progress,
    .ready = device_session_on_ready,
    .draft_ready = device_session_on_draft_ready,
    .limited = device_session_on_limited,
    .complete = device_session_on_complete,
    .closed = on_upload_closed,
};

/* Every edge in turn has had as long; then twice that, up to what a single one gets. */
static int64_t accept_ns(const struct device_session *session)
{
    int64_t ns = SESSION_ACCEPT_NS;
    if (session->config.edge_count > 1) {
        ns = SESSION_FIRST_ACCEPT_NS;
        for (int round = session->next_edge.failures / session->config.edge_count; round > 0;
             round--) {
            ns = 2 * ns < SESSION_ACCEPT_NS ? 2 * ns : SESSION_ACCEPT_NS;
        }
    }
    return ns;
}

/* Weights that may still be sent. */
static int64_t most_bytes(const struct device_session *session)
{
    int64_t most = session->config.most_upload_bytes;
    return most > 0 ? most - session->sent_before : INT64_MAX;
}

ll_status device_session_open_upload(struct device_session *session)
{
    struct device_uploader_config config = {
        .model = session->config.model,
        .scheduler = session->scheduler,
        .encoder = session->encoder,
        .loop = session->loop,
        .channel = session->channel,
        .elsewhere_ns = session->config.elsewhere_ns,
        .most_bytes = most_bytes(session),
        .device = session->config.device,
        .events = &upload_events,
        .owner = session,
        .log = session->config.log,
    };
    ll_status status = device_uploader_create(&config, &session->uploader);
    if (status == LL_OK) {
        session->is_upload_open = true;
        rpc_timer_set(session->accept_timer,
                      ll_clock_deadline(ll_clock_now_ns(), accept_ns(session)));
    }
    return status;
}

void device_session_ask_for_place(void *arg)
{
    struct device_session *session = arg;
    if (session->is_stopping || session->is_losing || session->is_upload_open) {
        return;
    }
    device_session_drop_uploader(session);
    if (device_session_open_upload(session) != LL_OK) {
        device_session_lose(session, LL_E_NO_MEMORY, "out of memory");
    }
}
