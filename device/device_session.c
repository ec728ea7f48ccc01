/* One connection's life, all of it on the loop's thread:
 *
 *   timer -> connect: channel, Upload stream  --accepted-->  up: Offload stream, board is up
 *   any of the two streams ends, nothing is accepted in time, or the edge falls silent  -->  lose:
 *   the board is down, queries under way fail (and go on locally), the other stream is cancelled
 *   both streams have ended  -->  settle: the route says which address comes next, and when
 *
 * What belongs to a connection is destroyed by the next connect, never inside its own callbacks. */
#include "device/device_session.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "core/ll_sync.h"
#include "device/device_link.h"
#include "device/device_offload.h"
#include "device/device_route.h"
#include "device/device_uploader.h"
#include "rpc/rpc_channel.h"
#include "rpc/rpc_loop.h"

/* Time for an edge to answer `open`. */
#define SESSION_ACCEPT_NS (5 * LL_NS_PER_S)

struct device_session {
    struct device_session_config config;
    struct rpc_loop *loop;
    struct device_board *board;
    struct device_link *link;
    struct rpc_task start_task;
    struct rpc_task stop_task;
    struct rpc_task stopped_task;
    struct rpc_task kick_task;
    atomic_flag is_kick_posted;

    /* The loop's thread only. */
    struct rpc_timer *connect_timer;
    struct rpc_timer *accept_timer;
    struct device_route route;
    struct rpc_channel *channel;
    struct device_uploader *uploader;
    struct device_offload *offload;
    bool is_upload_open;
    bool is_offload_open;
    bool is_up;
    bool is_losing;
    bool is_stopping;
    bool is_loss_told;
    bool is_refusal_told;
    ll_status loss_status;
    struct ll_error loss_reason;
    bool loss_was_up;
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

static void lose(struct device_session *session, ll_status status, const char *reason)
{
    if (!session->is_losing) {
        session->is_losing = true;
        session->loss_was_up = session->is_up;
        session->loss_status = ll_fail(&session->loss_reason, status, "%s", reason);
        session->is_up = false;
        rpc_timer_cancel(session->accept_timer);
        if (session->loss_was_up) {
            struct ll_error sentence;
            ll_status lost = ll_fail(&sentence, LL_E_UNAVAILABLE, "edge lost: %.200s",
                                     session->loss_reason.text);
            device_board_set_state(session->board, DEVICE_EDGE_DOWN, 0);
            device_board_fail_all(session->board, lost, sentence.text);
        }
        if (session->is_upload_open) {
            device_uploader_cancel(session->uploader);
        }
        if (session->is_offload_open) {
            device_offload_cancel(session->offload);
        }
    }
    settle(session);
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
        .is_refusal = is_refusal(session->loss_status),
        .all_refuse = device_route_is_refused(&session->route),
    };
    bool is_decided = session->route.failures >= session->route.edge_count || loss.is_refusal;
    bool is_new = !session->is_loss_told || (loss.all_refuse && !session->is_refusal_told);
    if (loss.was_up || (is_decided && is_new)) {
        session->is_loss_told = true;
        session->is_refusal_told = loss.all_refuse;
        session->config.events->down(session->config.owner, &loss);
    }
}

/* Goes on once nothing of the lost connection is open any more. */
static void settle(struct device_session *session)
{
    if (session->is_upload_open || session->is_offload_open) {
        return;
    }
    if (session->is_stopping) {
        /* Not here: this may be inside a stream's last callback. */
        rpc_loop_post(session->loop, &session->stopped_task);
        return;
    }
    const char *address = address_of(session);
    int64_t at_ns =
        device_route_failed(&session->route, is_refusal(session->loss_status), ll_clock_now_ns());
    if (session->route.failures >= session->route.edge_count) {
        device_board_set_state(session->board, DEVICE_EDGE_DOWN, 0);
    }
    tell_loss(session, address);
    rpc_timer_set(session->connect_timer, at_ns);
}

/* ---- Upload events ---- */

static void tell_progress(struct device_session *session)
{
    struct ll_window *window = device_link_window(session->link);
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

static void on_accepted(void *owner, const struct device_accepted *accepted)
{
    struct device_session *session = owner;
    if (session->is_losing) {
        return;
    }
    rpc_timer_cancel(session->accept_timer);
    struct device_offload_config config = {
        .channel = session->channel,
        .board = session->board,
        .link = session->link,
        .closed = on_offload_closed,
        .owner = session,
    };
    if (device_offload_create(&config, &session->offload) != LL_OK) {
        lose(session, LL_E_NO_MEMORY, "out of memory");
        return;
    }
    session->is_offload_open = true;
    session->was_accepted = true;
    session->is_up = true;
    session->prefix = accepted->prefix;
    session->left_bytes = accepted->left_bytes;
    session->acked_now = 0;
    session->acked_ns = ll_clock_now_ns();
    device_route_reached(&session->route);
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
    const struct ll_window *window = device_link_window(session->link);
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

static void on_upload_closed(void *owner, ll_status status, const char *message)
{
    struct device_session *session = owner;
    session->is_upload_open = false;
    if (status == LL_OK && !session->is_losing) {
        /* Complete: the queries' stream tells from now on whether the edge is there. */
        return;
    }
    lose(session, status == LL_OK ? LL_E_UNAVAILABLE : status, message);
}

static const struct device_uploader_events upload_events = {
    .accepted = on_accepted,
    .progress = on_progress,
    .ready = on_ready,
    .complete = on_complete,
    .closed = on_upload_closed,
};

/* ---- Connecting ---- */

static void drop_connection(struct device_session *session)
{
    if (session->uploader) {
        session->sent_before += device_uploader_sent_bytes(session->uploader);
        session->creations_before += session->creations_now;
        session->creation_ns_before = add_ns(session->creation_ns_before, session->creation_ns_now);
        session->creations_now = 0;
        session->creation_ns_now = 0;
    }
    device_uploader_destroy(session->uploader);
    device_offload_destroy(session->offload);
    rpc_channel_destroy(session->channel);
    session->uploader = NULL;
    session->offload = NULL;
    session->channel = NULL;
}

static void connect_now(void *arg)
{
    struct device_session *session = arg;
    drop_connection(session);
    if (session->is_stopping) {
        return;
    }
    device_link_reset(session->link);
    session->is_losing = false;
    session->opened_ns = ll_clock_now_ns();
    if (!session->was_accepted) {
        /* The upload begins with the connection that takes it. */
        session->start_ns = session->opened_ns;
    }
    struct ll_error err = {.text = ""};
    ll_status status =
        rpc_channel_create(session->loop, address_of(session), &session->channel, &err);
    if (status == LL_OK) {
        struct device_uploader_config config = {
            .model = session->config.model,
            .link = session->link,
            .channel = session->channel,
            .device = session->config.device,
            .events = &upload_events,
            .owner = session,
        };
        status = device_uploader_create(&config, &session->uploader);
        if (status != LL_OK) {
            (void)ll_fail(&err, status, "out of memory");
        }
    }
    if (status != LL_OK) {
        lose(session, status, err.text);
        return;
    }
    session->is_upload_open = true;
    rpc_timer_set(session->accept_timer, ll_clock_deadline(session->opened_ns, SESSION_ACCEPT_NS));
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
    if (session->is_up && device_board_is_silent(session->board)) {
        lose(session, LL_E_UNAVAILABLE, "it does not answer");
        return;
    }
    device_link_pump(session->link);
}

static void run_stop(struct rpc_task *task)
{
    struct device_session *session = SESSION_OF(task, stop_task);
    session->is_stopping = true;
    rpc_timer_destroy(session->connect_timer);
    rpc_timer_destroy(session->accept_timer);
    session->connect_timer = NULL;
    session->accept_timer = NULL;
    device_link_close(session->link);
    session->is_losing = true;
    session->is_up = false;
    if (session->is_upload_open) {
        device_uploader_cancel(session->uploader);
    }
    if (session->is_offload_open) {
        device_offload_cancel(session->offload);
    }
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
    session->start_task.run = run_start;
    session->stop_task.run = run_stop;
    session->stopped_task.run = run_stopped;
    session->kick_task.run = run_kick;
    atomic_flag_clear(&session->is_kick_posted);
    ll_mutex_init(&session->lock);
    ll_cond_init(&session->stopped);
    device_route_init(&session->route, config->edge_count);
    ll_status status = rpc_loop_create(&session->loop);
    if (status == LL_OK) {
        status = device_board_create(config->model, kick, session, &session->board);
    }
    if (status == LL_OK) {
        status = device_link_create(session->loop, config->limit_bytes_per_s, &session->link);
    }
    if (status == LL_OK) {
        status = rpc_timer_create(session->loop, connect_now, session, &session->connect_timer);
    }
    if (status == LL_OK) {
        status = rpc_timer_create(session->loop, accept_late, session, &session->accept_timer);
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
    device_link_destroy(session->link);
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
