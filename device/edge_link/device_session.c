/* One connection's life, all of it on the loop's thread:
 *
 *   timer -> connect: channel, Upload stream  --accepted-->  up: Offload stream, board is up
 *   any of the two streams ends, nothing is accepted in time, or the edge falls silent  -->  lose:
 *   the board is down, queries under way fail (and go on locally), the other stream is cancelled
 *   all streams have ended  -->  settle: the route says which address comes next, and when
 *
 * A busy edge refuses the upload, but says when to ask again:
 *
 *   Upload is refused --> WatchModel --the edge has of the model--> used: Offload stream, board is
 * up, |                              and Upload again after a while
 *                                    --> lose: the route comes back to it after a while
 *
 * What belongs to a connection is destroyed by the next connect, never inside its own callbacks. */
#include "device/edge_link/device_session.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "device/edge_link/device_follow.h"
#include "device/edge_link/device_next_edge.h"
#include "device/edge_link/device_offload.h"
#include "device/edge_link/device_send_scheduler.h"
#include "device/edge_link/device_silence.h"
#include "device/edge_link/device_uploader.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"

/* Time for an edge to answer `open`; where there are others to try, less at first. */
#define SESSION_ACCEPT_NS (5 * LL_NS_PER_S)
#define SESSION_FIRST_ACCEPT_NS LL_NS_PER_S

typedef enum {
    SESSION_TOLD_NOTHING,
    SESSION_TOLD_BUSY,
    SESSION_TOLD_USED,
} session_told;

struct device_session {
    struct device_session_config config;
    struct rpc_loop *loop;
    struct device_board *board;
    struct device_send_scheduler *link;
    struct device_silence *silence;
    struct rpc_task start_task;
    struct rpc_task stop_task;
    struct rpc_task stopped_task;
    struct rpc_task kick_task;
    atomic_flag is_kick_posted;

    /* The loop's thread only. */
    struct rpc_timer *connect_timer;
    struct rpc_timer *accept_timer;
    /* When to ask a busy edge for a place again. */
    struct rpc_timer *place_timer;
    struct device_next_edge route;
    struct rpc_channel *channel;
    struct device_uploader *uploader;
    struct device_offload *offload;
    struct device_follow *follow;
    bool is_upload_open;
    bool is_offload_open;
    bool is_follow_open;
    bool is_up;
    bool is_losing;
    bool is_stopping;
    bool is_loss_told;
    bool is_refusal_told;
    bool is_distrusted;
    bool is_limit_told;
    bool loss_was_up;
    ll_status loss_status;
    struct ll_error loss_reason;
    bool loss_is_busy;
    /* What the edge said when it was busy last, and what of that was told. */
    ll_status busy_status;
    struct ll_error busy_reason;
    session_told busy_told;
    uint32_t random;
    int64_t opened_ns;
    /* The upload, over all connections. */
    bool is_uploaded;
    bool was_accepted;
    int64_t start_ns;
    int64_t acked_ns;
    int64_t sent_before;
    int creations_before, creations_now;
    int64_t creation_ns_before, creation_ns_now;
    int64_t left_bytes, acked_now;
    int prefix;

    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond stopped;
    bool is_started LL_GUARDED_BY(lock);
    bool is_stopped LL_GUARDED_BY(lock);
};

static void settle(struct device_session *session);

/* The edge says how long it took: the sum must not overflow whatever it says. */
static int64_t add_ns(int64_t a, int64_t b)
{
    return ll_clock_deadline(a, b);
}

static const char *address_of(const struct device_session *session)
{
    return session->config.edges[session->route.current];
}

/* ---- Losing an edge ---- */

static bool is_refusal(ll_status status)
{
    return status == LL_E_INVALID || status == LL_E_UNSUPPORTED || status == LL_E_EXHAUSTED ||
           status == LL_E_PRECONDITION;
}

static void cancel_streams(struct device_session *session)
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

static void lose_with(struct device_session *session, ll_status status, const struct ll_error *err,
                      bool is_busy)
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
            device_board_set_state(session->board, DEVICE_EDGE_DOWN, 0);
            device_board_fail_all(session->board, lost, sentence.text);
        }
        cancel_streams(session);
    }
    settle(session);
}

static void lose(struct device_session *session, ll_status status, const char *reason)
{
    struct ll_error err;
    (void)ll_fail(&err, status, "%s", reason);
    lose_with(session, status, &err, false);
}

/* How long to leave a busy edge alone. */
static int64_t wait_ns(struct device_session *session)
{
    session->random = session->random * 1664525U + 1013904223U;
    return device_next_edge_wait_ns(session->busy_reason.retry_ms, session->random >> 8);
}

static void tell_busy(struct device_session *session, const char *address)
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
    ll_log(LL_LOG_DEBUG, "device", "edge %s: %s", address, session->loss_reason.text);
    struct device_edge_loss loss = {
        .address = address,
        .status = session->loss_status,
        .reason = session->loss_reason.text,
        .was_up = session->loss_was_up,
        .is_distrust = session->is_distrusted,
        .is_refusal = is_refusal(session->loss_status),
        .all_refuse = device_next_edge_is_refused(&session->route),
    };
    bool is_decided = session->route.failures >= session->route.edge_count || loss.is_refusal;
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

/* Goes on once nothing of the lost connection is open any more. */
static void settle(struct device_session *session)
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
    const char *address = address_of(session);
    int64_t now_ns = ll_clock_now_ns();
    if (session->is_distrusted) {
        device_next_edge_distrust(&session->route, now_ns);
    }
    int64_t at_ns =
        session->loss_is_busy
            ? device_next_edge_busy(&session->route, wait_ns(session), now_ns)
            : device_next_edge_failed(&session->route, is_refusal(session->loss_status), now_ns);
    if (session->route.failures >= session->route.edge_count) {
        device_board_set_state(session->board, DEVICE_EDGE_DOWN, 0);
    }
    if (session->loss_is_busy) {
        tell_busy(session, address);
    } else {
        tell_loss(session, address);
    }
    rpc_timer_set(session->connect_timer, at_ns);
}

/* ---- Upload events ---- */

static void tell_progress(struct device_session *session)
{
    struct ll_window *window = device_send_scheduler_window(session->link);
    struct device_progress progress = {
        .model_bytes = session->config.model->table->blob_bytes,
        .bytes_per_s = ll_window_bytes_per_s(window),
        .prefix = session->prefix,
    };
    int64_t left = session->left_bytes - session->acked_now;
    progress.acked_bytes = progress.model_bytes - (left > 0 ? left : 0);
    session->config.events->progress(session->config.owner, &progress);
}

static void on_offload_closed(void *owner, ll_status status, const char *message)
{
    struct device_session *session = owner;
    session->is_offload_open = false;
    lose(session, status == LL_OK ? LL_E_UNAVAILABLE : status,
         status == LL_OK ? "the edge ended the queries' stream" : message);
}

/* Queries can reach the edge from now on, if they could not before. False: the edge is lost. */
static bool open_offload(struct device_session *session)
{
    struct device_offload_config config = {
        .channel = session->channel,
        .board = session->board,
        .link = session->link,
        .closed = on_offload_closed,
        .owner = session,
    };
    if (session->is_offload_open) {
        return true;
    }
    if (device_offload_create(&config, &session->offload) != LL_OK) {
        lose(session, LL_E_NO_MEMORY, "out of memory");
        return false;
    }
    session->is_offload_open = true;
    return true;
}

/* The edge knows the model, and lacks `left_bytes` of it. */
static void begin_use(struct device_session *session, int prefix, int64_t left_bytes)
{
    session->is_up = true;
    session->prefix = prefix;
    session->left_bytes = left_bytes;
    session->acked_now = 0;
    session->acked_ns = ll_clock_now_ns();
    device_next_edge_reached(&session->route);
    device_silence_begin(session->silence, session->channel);
}

static void on_accepted(void *owner, const struct device_accepted *accepted)
{
    struct device_session *session = owner;
    if (session->is_losing) {
        return;
    }
    rpc_timer_cancel(session->accept_timer);
    if (!open_offload(session)) {
        return;
    }
    if (session->is_follow_open) {
        /* There is a place now: the upload tells. */
        device_follow_cancel(session->follow);
    }
    session->was_accepted = true;
    session->busy_told = SESSION_TOLD_NOTHING;
    begin_use(session, accepted->prefix, accepted->left_bytes);
    device_board_set_link(session->board, session->acked_ns - session->opened_ns, 0);
    device_board_set_dtypes(session->board, accepted->dtype_count, accepted->dtypes);
    device_board_set_state(session->board, DEVICE_EDGE_UP, accepted->prefix);
    bool is_return = session->is_loss_told;
    session->is_loss_told = false;
    session->is_refusal_told = false;
    session->config.events->up(session->config.owner, address_of(session), accepted->left_bytes,
                               is_return);
    tell_progress(session);
}

static void on_progress(void *owner, int64_t bytes)
{
    struct device_session *session = owner;
    session->acked_now += bytes;
    session->acked_ns = ll_clock_now_ns();
    device_board_heard(session->board);
    const struct ll_window *window = device_send_scheduler_window(session->link);
    int64_t rtt_ns = ll_window_rtt_ns(window);
    if (rtt_ns > 0) {
        device_board_set_link(session->board, rtt_ns, ll_window_bytes_per_s(window));
    }
    tell_progress(session);
}

static void on_ready(void *owner, const struct device_creation *creation)
{
    struct device_session *session = owner;
    session->prefix = creation->prefix;
    device_board_heard(session->board);
    if (creation->time_count > 0) {
        device_board_set_times(session->board, creation->time_count, creation->times);
    }
    device_board_set_prefix(session->board, creation->prefix);
    if (creation->first < creation->prefix) {
        session->creations_now++;
        session->creation_ns_now = add_ns(session->creation_ns_now, creation->creation_ns);
        session->config.events->ready(session->config.owner, creation);
    }
    tell_progress(session);
}

static void on_complete(void *owner, const struct device_upload_done *done)
{
    struct device_session *session = owner;
    session->prefix = session->config.model->table->layer_count;
    device_board_heard(session->board);
    device_silence_set_uploading(session->silence, false);
    device_board_set_prefix(session->board, session->prefix);
    tell_progress(session);
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
        .sent_bytes = weights + device_board_sent_bytes(session->board),
        .sent_weight_bytes = weights,
        .partitions = session->config.model->plan->count,
        .creations = session->creations_before + done->creations,
        .creation_ns = add_ns(session->creation_ns_before, done->creation_ns),
    };
    session->config.events->uploaded(session->config.owner, &uploaded);
}

static void on_limited(void *owner)
{
    struct device_session *session = owner;
    device_silence_set_uploading(session->silence, false);
    if (!session->is_limit_told) {
        session->is_limit_told = true;
        session->config.events->limited(session->config.owner);
    }
}

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
    bool has_tried_all = session->route.failures + 1 >= session->config.edge_count;
    return prefix == session->config.model->table->layer_count || (prefix > 0 && has_tried_all);
}

/* Where nothing is left to bring, nothing is asked for. */
static void ask_later(struct device_session *session)
{
    if (session->prefix < session->config.model->table->layer_count) {
        rpc_timer_set(session->place_timer, ll_clock_deadline(ll_clock_now_ns(), wait_ns(session)));
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
        lose_with(session, session->busy_status, &session->busy_reason, true);
        return;
    }
    if (is_first && !open_offload(session)) {
        return;
    }
    if (is_first) {
        begin_use(session, followed->prefix,
                  session->config.model->table->blob_bytes - followed->received_bytes);
        /* Without an upload it owes answers to queries alone. */
        device_silence_set_uploading(session->silence, false);
        device_board_set_link(session->board, session->acked_ns - session->opened_ns, 0);
        device_board_set_state(session->board, DEVICE_EDGE_UP, followed->prefix);
        tell_busy(session, address_of(session));
        ask_later(session);
    }
    if (followed->prefix < session->prefix) {
        return;
    }
    session->prefix = followed->prefix;
    device_board_heard(session->board);
    device_board_set_prefix(session->board, followed->prefix);
    if (followed->prefix == layers) {
        /* Others have brought all of it: there is nothing to upload. */
        rpc_timer_cancel(session->place_timer);
        on_complete(session, &(struct device_upload_done){0});
    } else {
        tell_progress(session);
    }
}

static void on_follow_closed(void *owner, ll_status status, const char *message)
{
    struct device_session *session = owner;
    session->is_follow_open = false;
    if (session->is_losing) {
        settle(session);
    } else if (!session->is_up) {
        /* The edge does not know the model, or does not tell. */
        lose_with(session, session->busy_status, &session->busy_reason, true);
    } else if (status == LL_E_UNSUPPORTED) {
        lose_with(session, session->busy_status, &session->busy_reason, true);
    } else if (status != LL_E_CANCELLED) {
        lose(session, status, message);
    }
}

/* The edge has no place for the upload now. */
static void wait_for_place(struct device_session *session, ll_status status,
                           const struct ll_error *reason)
{
    session->busy_status = status;
    session->busy_reason = *reason;
    rpc_timer_cancel(session->accept_timer);
    if (session->is_follow_open) {
        tell_busy(session, address_of(session));
        ask_later(session);
        return;
    }
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
        lose_with(session, status, reason, true);
        return;
    }
    session->is_follow_open = true;
    rpc_timer_set(session->accept_timer, ll_clock_deadline(ll_clock_now_ns(), SESSION_ACCEPT_NS));
    if (session->is_up) {
        /* Its place is lost in mid-upload. */
        tell_busy(session, address_of(session));
        ask_later(session);
    }
}

static void on_upload_closed(void *owner, ll_status status, const struct ll_error *err)
{
    struct device_session *session = owner;
    struct ll_error reason = *err;
    session->is_upload_open = false;
    if (status == LL_OK && !session->is_losing) {
        /* Complete: the queries' stream tells from now on whether the edge is there. */
        return;
    }
    if (!session->is_losing && is_busy(status, &reason)) {
        wait_for_place(session, status, &reason);
        return;
    }
    lose_with(session, status == LL_OK ? LL_E_UNAVAILABLE : status, &reason, false);
}

static const struct device_uploader_events upload_events = {
    .accepted = on_accepted,
    .progress = on_progress,
    .ready = on_ready,
    .limited = on_limited,
    .complete = on_complete,
    .closed = on_upload_closed,
};

/* ---- Silence ---- */

static void on_silent(void *owner)
{
    lose(owner, LL_E_UNAVAILABLE, "it does not answer");
}

/* Equal bits are promised where all three are the same. */
static void on_informed(void *owner, const Layerlift__V1__ServerInfo *info)
{
    struct device_session *session = owner;
    const struct ll_engine *engine = session->config.engine;
    device_board_set_same_engine(
        session->board, engine && strcmp(info->engine, ll_engine_name(engine)) == 0 &&
                            strcmp(info->instruction_set, ll_engine_instruction_set(engine)) == 0 &&
                            info->threads == (uint32_t)ll_engine_threads(engine));
}

static void on_question_closed(void *owner)
{
    struct device_session *session = owner;
    if (session->is_losing) {
        settle(session);
    }
}

/* ---- Connecting ---- */

/* Every edge in turn has had as long; then twice that, up to what a single one gets. */
static int64_t accept_ns(const struct device_session *session)
{
    int64_t ns = SESSION_ACCEPT_NS;
    if (session->config.edge_count > 1) {
        ns = SESSION_FIRST_ACCEPT_NS;
        for (int round = session->route.failures / session->config.edge_count; round > 0; round--) {
            ns = 2 * ns < SESSION_ACCEPT_NS ? 2 * ns : SESSION_ACCEPT_NS;
        }
    }
    return ns;
}

static void drop_uploader(struct device_session *session)
{
    if (session->uploader) {
        session->sent_before += device_uploader_sent_bytes(session->uploader);
        session->creations_before += session->creations_now;
        session->creation_ns_before = add_ns(session->creation_ns_before, session->creation_ns_now);
        session->creations_now = 0;
        session->creation_ns_now = 0;
    }
    device_uploader_destroy(session->uploader);
    session->uploader = NULL;
}

static void drop_connection(struct device_session *session)
{
    drop_uploader(session);
    device_offload_destroy(session->offload);
    device_follow_destroy(session->follow);
    rpc_channel_destroy(session->channel);
    session->offload = NULL;
    session->follow = NULL;
    session->channel = NULL;
}

/* Weights that may still be sent. */
static int64_t most_bytes(const struct device_session *session)
{
    int64_t most = session->config.most_upload_bytes;
    return most > 0 ? most - session->sent_before : INT64_MAX;
}

/* Asks for a place. */
static ll_status open_upload(struct device_session *session)
{
    struct device_uploader_config config = {
        .model = session->config.model,
        .link = session->link,
        .channel = session->channel,
        .most_bytes = most_bytes(session),
        .device = session->config.device,
        .events = &upload_events,
        .owner = session,
    };
    ll_status status = device_uploader_create(&config, &session->uploader);
    if (status == LL_OK) {
        session->is_upload_open = true;
        rpc_timer_set(session->accept_timer,
                      ll_clock_deadline(ll_clock_now_ns(), accept_ns(session)));
    }
    return status;
}

static void ask_for_place(void *arg)
{
    struct device_session *session = arg;
    if (session->is_stopping || session->is_losing || session->is_upload_open) {
        return;
    }
    drop_uploader(session);
    if (open_upload(session) != LL_OK) {
        lose(session, LL_E_NO_MEMORY, "out of memory");
    }
}

static void connect_now(void *arg)
{
    struct device_session *session = arg;
    drop_connection(session);
    if (session->is_stopping) {
        return;
    }
    device_send_scheduler_reset(session->link);
    session->is_losing = false;
    session->is_distrusted = false;
    session->opened_ns = ll_clock_now_ns();
    if (!session->was_accepted) {
        /* The upload begins with the connection that takes it. */
        session->start_ns = session->opened_ns;
    }
    struct ll_error err = {.text = ""};
    ll_status status =
        rpc_channel_create(session->loop, address_of(session), &session->channel, &err);
    if (status == LL_OK) {
        status = open_upload(session);
        if (status != LL_OK) {
            (void)ll_fail(&err, status, "out of memory");
        }
    }
    if (status != LL_OK) {
        lose(session, status, err.text);
    }
}

static void accept_late(void *arg)
{
    lose(arg, LL_E_UNAVAILABLE, "it does not answer");
}

/* ---- Tasks ---- */

#define SESSION_OF(task, member)                                                                   \
    ((struct device_session *)(void *)((char *)(task)-offsetof(struct device_session, member)))

static void run_start(struct rpc_task *task)
{
    connect_now(SESSION_OF(task, start_task));
}

static void run_kick(struct rpc_task *task)
{
    struct device_session *session = SESSION_OF(task, kick_task);
    atomic_flag_clear(&session->is_kick_posted);
    struct ll_error accusation;
    if (session->is_up && device_board_is_accused(session->board, &accusation)) {
        session->is_distrusted = true;
        lose(session, LL_E_INTERNAL, accusation.text);
        return;
    }
    device_silence_kick(session->silence);
    device_send_scheduler_pump(session->link);
}

static void run_stop(struct rpc_task *task)
{
    struct device_session *session = SESSION_OF(task, stop_task);
    session->is_stopping = true;
    rpc_timer_destroy(session->connect_timer);
    rpc_timer_destroy(session->accept_timer);
    rpc_timer_destroy(session->place_timer);
    session->connect_timer = NULL;
    session->accept_timer = NULL;
    session->place_timer = NULL;
    device_send_scheduler_close(session->link);
    device_silence_end(session->silence);
    session->is_losing = true;
    session->is_up = false;
    cancel_streams(session);
    settle(session);
}

static void run_stopped(struct rpc_task *task)
{
    struct device_session *session = SESSION_OF(task, stopped_task);
    ll_mutex_lock(&session->lock);
    session->is_stopped = true;
    ll_cond_broadcast(&session->stopped);
    ll_mutex_unlock(&session->lock);
}

static void kick(void *owner)
{
    struct device_session *session = owner;
    if (!atomic_flag_test_and_set(&session->is_kick_posted)) {
        rpc_loop_post(session->loop, &session->kick_task);
    }
}

/* ---- Lifetime ---- */

ll_status device_session_create(const struct device_session_config *config,
                                struct device_session **out_session)
{
    struct device_session *session = calloc(1, sizeof(*session));
    if (!session) {
        return LL_E_NO_MEMORY;
    }
    session->config = *config;
    session->random = (uint32_t)(ll_clock_now_ns() ^ getpid());
    session->start_task.run = run_start;
    session->stop_task.run = run_stop;
    session->stopped_task.run = run_stopped;
    session->kick_task.run = run_kick;
    atomic_flag_clear(&session->is_kick_posted);
    ll_mutex_init(&session->lock);
    ll_cond_init(&session->stopped);
    device_next_edge_init(&session->route, config->edge_count);
    ll_status status = rpc_loop_create(&session->loop);
    if (status == LL_OK) {
        status = device_board_create(config->model, kick, session, &session->board);
    }
    if (status == LL_OK) {
        status =
            device_send_scheduler_create(session->loop, config->limit_bytes_per_s, &session->link);
    }
    if (status == LL_OK) {
        struct device_silence_config silence = {
            .loop = session->loop,
            .board = session->board,
            .link = session->link,
            .informed = on_informed,
            .silent = on_silent,
            .closed = on_question_closed,
            .owner = session,
        };
        status = device_silence_create(&silence, &session->silence);
    }
    if (status == LL_OK) {
        status = rpc_timer_create(session->loop, connect_now, session, &session->connect_timer);
    }
    if (status == LL_OK) {
        status = rpc_timer_create(session->loop, accept_late, session, &session->accept_timer);
    }
    if (status == LL_OK) {
        status = rpc_timer_create(session->loop, ask_for_place, session, &session->place_timer);
    }
    if (status != LL_OK) {
        device_session_destroy(session);
        return status;
    }
    *out_session = session;
    return LL_OK;
}

void device_session_start(struct device_session *session)
{
    ll_mutex_lock(&session->lock);
    session->is_started = true;
    ll_mutex_unlock(&session->lock);
    rpc_loop_post(session->loop, &session->start_task);
}

void device_session_stop(struct device_session *session)
{
    device_board_stop(session->board);
    ll_mutex_lock(&session->lock);
    bool is_first = session->is_started && !session->is_stopped;
    session->is_started = false;
    ll_mutex_unlock(&session->lock);
    if (!is_first) {
        return;
    }
    rpc_loop_post(session->loop, &session->stop_task);
    ll_mutex_lock(&session->lock);
    while (!session->is_stopped) {
        ll_cond_wait(&session->stopped, &session->lock, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&session->lock);
}

void device_session_destroy(struct device_session *session)
{
    if (!session) {
        return;
    }
    if (session->board) {
        device_session_stop(session);
    }
    rpc_timer_destroy(session->connect_timer);
    rpc_timer_destroy(session->accept_timer);
    rpc_timer_destroy(session->place_timer);
    device_send_scheduler_destroy(session->link);
    device_silence_destroy(session->silence);
    drop_connection(session);
    rpc_loop_destroy(session->loop);
    device_board_destroy(session->board);
    ll_cond_finish(&session->stopped);
    ll_mutex_finish(&session->lock);
    free(session);
}

struct device_board *device_session_board(struct device_session *session)
{
    return session->board;
}
