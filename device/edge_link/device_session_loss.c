/* The end of a connection, whoever ended it: its streams are cancelled, queries under way fail (and
 * go on locally), and once all streams have ended it is told and the next edge is due. */
#include "core/ll_clock.h"
#include "device/edge_link/device_session_state.h"

const char *device_session_address(const struct device_session *session)
{
    return session->config.edges[session->next_edge.current];
}

static bool is_refusal(ll_status status)
{
    return status == LL_E_INVALID || status == LL_E_UNSUPPORTED || status == LL_E_EXHAUSTED ||
           status == LL_E_PRECONDITION;
}

void device_session_cancel_streams(struct device_session *session)
{
    if (session->is_upload_open) {
        device_uploader_cancel(session->uploader);
    }
    if (session->is_offload_open) {
        device_offload_cancel(session->offload);
    }
    if (session->is_follow_open) {
        device_follow_cancel(session->follow);
    }
}

void device_session_lose_with(struct device_session *session, ll_status status,
                              const struct ll_error *err, bool is_busy)
{
    if (!session->is_losing) {
        session->is_losing = true;
        session->loss_was_up = session->is_up;
        session->loss_status = status;
        session->loss_reason = *err;
        session->loss_is_busy = is_busy;
        session->is_up = false;
        rpc_timer_cancel(session->accept_timer);
        device_silence_end(session->silence);
        rpc_timer_cancel(session->place_timer);
        if (session->loss_was_up) {
            struct ll_error sentence;
            ll_status lost = ll_fail(&sentence, LL_E_UNAVAILABLE, "edge lost: %.200s",
                                     session->loss_reason.text);
            device_edge_state_set(session->edge, DEVICE_EDGE_DOWN, 0);
            device_requests_close(session->requests, lost, sentence.text);
        }
        device_session_cancel_streams(session);
    }
    device_session_settle(session);
}

void device_session_lose(struct device_session *session, ll_status status, const char *reason)
{
    struct ll_error err;
    (void)ll_fail(&err, status, "%s", reason);
    device_session_lose_with(session, status, &err, false);
}

int64_t device_session_wait_ns(struct device_session *session)
{
    session->random = session->random * 1664525U + 1013904223U;
    return device_next_edge_wait_ns(session->busy_reason.retry_ms, session->random >> 8);
}

void device_session_tell_busy(struct device_session *session, const char *address)
{
    session_told told = session->is_up ? SESSION_TOLD_USED : SESSION_TOLD_BUSY;
    struct device_edge_busy busy = {
        .address = address,
        .reason = &session->busy_reason,
        .is_new = session->busy_told != told,
        .is_used = session->is_up,
        .prefix = session->is_up ? session->prefix : 0,
    };
    session->busy_told = told;
    session->config.events->busy(session->config.owner, &busy);
}

/* A loss is told when it happens; of attempts that fail, one, and that all edges refuse. */
static void tell_loss(struct device_session *session, const char *address)
{
    ll_log_to(session->config.log, LL_LOG_DEBUG, "device", "edge %s: %s", address,
              session->loss_reason.text);
    struct device_edge_loss loss = {
        .address = address,
        .status = session->loss_status,
        .reason = session->loss_reason.text,
        .was_up = session->loss_was_up,
        .is_distrust = session->is_distrusted,
        .is_refusal = is_refusal(session->loss_status),
        .all_refuse = device_next_edge_is_refused(&session->next_edge),
    };
    bool is_decided =
        session->next_edge.failures >= session->next_edge.edge_count || loss.is_refusal;
    bool is_new = !session->is_loss_told || (loss.all_refuse && !session->is_refusal_told);
    if (loss.was_up) {
        session->busy_told = SESSION_TOLD_NOTHING;
    }
    if (loss.was_up || (is_decided && is_new)) {
        session->is_loss_told = true;
        session->is_refusal_told = loss.all_refuse;
        session->config.events->down(session->config.owner, &loss);
    }
}

void device_session_settle(struct device_session *session)
{
    if (session->is_upload_open || session->is_offload_open || session->is_follow_open ||
        device_silence_is_open(session->silence)) {
        return;
    }
    if (session->is_stopping) {
        /* Not here: this may be inside a stream's last callback. */
        rpc_loop_post(session->loop, &session->stopped_task);
        return;
    }
    const char *address = device_session_address(session);
    int64_t now_ns = ll_clock_now_ns();
    if (session->is_distrusted) {
        device_next_edge_distrust(&session->next_edge, now_ns);
    }
    int64_t at_ns =
        session->loss_is_busy
            ? device_next_edge_busy(&session->next_edge, device_session_wait_ns(session), now_ns)
            : device_next_edge_failed(&session->next_edge, is_refusal(session->loss_status),
                                      now_ns);
    if (session->next_edge.failures >= session->next_edge.edge_count) {
        device_edge_state_set(session->edge, DEVICE_EDGE_DOWN, 0);
    }
    if (session->loss_is_busy) {
        device_session_tell_busy(session, address);
    } else {
        tell_loss(session, address);
    }
    rpc_timer_set(session->connect_timer, at_ns);
}
