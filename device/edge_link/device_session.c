/* One connection's life, all of it on the loop's thread:
 *
 *   timer -> connect: channel, Upload stream  --accepted-->  up: Offload stream, requests are open
 *   any of the two streams ends, nothing is accepted in time, or the edge falls silent  -->  lose:
 *   the edge is down, queries under way fail (and go on locally), the other stream is cancelled
 *   all streams have ended  -->  settle: the next edge is chosen, comes next, and when
 *
 * A busy edge refuses the upload, but says when to ask again:
 *
 *   Upload is refused --> WatchModel --the edge has of the model--> used: Offload stream, requests
 *                     |              are open, and Upload again after a while
 *                                    --> lose: its turn comes again after a while
 *
 * What belongs to a connection is destroyed by the next connect, never inside its own callbacks. */
#include "device/edge_link/device_session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_container.h"
#include "device/edge_link/device_session_state.h"

/* ---- Silence ---- */

static void on_silent(void *owner)
{
    device_session_lose(owner, LL_E_UNAVAILABLE, "it does not answer");
}

/* Equal bits are promised where all three are the same. */
static void on_informed(void *owner, const Layerlift__V1__ServerInfo *info)
{
    struct device_session *session = owner;
    const struct ll_engine *engine = session->config.engine;
    device_edge_state_set_same_engine(
        session->edge, engine && strcmp(info->engine, ll_engine_name(engine)) == 0 &&
                           strcmp(info->instruction_set, ll_engine_instruction_set(engine)) == 0 &&
                           info->threads == (uint32_t)ll_engine_threads(engine));
}

static void on_question_closed(void *owner)
{
    struct device_session *session = owner;
    if (session->is_losing) {
        device_session_settle(session);
    }
}

/* ---- Connecting ---- */

static void drop_connection(struct device_session *session)
{
    device_session_drop_uploader(session);
    device_offload_destroy(session->offload);
    device_follow_destroy(session->follow);
    rpc_channel_destroy(session->channel);
    session->offload = NULL;
    session->follow = NULL;
    session->channel = NULL;
}

static void connect_now(void *arg)
{
    struct device_session *session = arg;
    drop_connection(session);
    if (session->is_stopping) {
        return;
    }
    device_send_scheduler_reset(session->scheduler);
    session->is_losing = false;
    session->is_distrusted = false;
    session->opened_ns = ll_clock_now_ns();
    if (!session->was_accepted) {
        /* The upload begins with the connection that takes it. */
        session->start_ns = session->opened_ns;
    }
    struct ll_error err = {.text = ""};
    ll_status status =
        rpc_channel_create(session->loop, device_session_address(session), &session->channel, &err);
    if (status == LL_OK) {
        status = device_session_open_upload(session);
        if (status != LL_OK) {
            (void)ll_fail(&err, status, "out of memory");
        }
    }
    if (status != LL_OK) {
        device_session_lose(session, status, err.text);
    }
}

static void accept_late(void *arg)
{
    device_session_lose(arg, LL_E_UNAVAILABLE, "it does not answer");
}

/* ---- Tasks ---- */

static void run_start(struct rpc_task *task)
{
    connect_now(LL_CONTAINER_OF(task, struct device_session, start_task));
}

static void run_kick(struct rpc_task *task)
{
    struct device_session *session = LL_CONTAINER_OF(task, struct device_session, kick_task);
    atomic_flag_clear(&session->is_kick_posted);
    struct ll_error accusation;
    if (session->is_up && device_edge_state_is_accused(session->edge, &accusation)) {
        session->is_distrusted = true;
        device_session_lose(session, LL_E_INTERNAL, accusation.text);
        return;
    }
    device_silence_kick(session->silence);
    device_send_scheduler_pump(session->scheduler);
}

static void run_encoded(struct rpc_task *task)
{
    struct device_session *session = LL_CONTAINER_OF(task, struct device_session, encoded_task);
    atomic_flag_clear(&session->is_encoded_posted);
    device_send_scheduler_pump(session->scheduler);
}

static void run_stop(struct rpc_task *task)
{
    struct device_session *session = LL_CONTAINER_OF(task, struct device_session, stop_task);
    session->is_stopping = true;
    rpc_timer_destroy(session->connect_timer);
    rpc_timer_destroy(session->accept_timer);
    rpc_timer_destroy(session->place_timer);
    session->connect_timer = NULL;
    session->accept_timer = NULL;
    session->place_timer = NULL;
    device_send_scheduler_close(session->scheduler);
    device_silence_end(session->silence);
    session->is_losing = true;
    session->is_up = false;
    device_session_cancel_streams(session);
    device_session_settle(session);
}

static void run_stopped(struct rpc_task *task)
{
    struct device_session *session = LL_CONTAINER_OF(task, struct device_session, stopped_task);
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

static void on_encoded(void *owner)
{
    struct device_session *session = owner;
    if (!atomic_flag_test_and_set(&session->is_encoded_posted)) {
        rpc_loop_post(session->loop, &session->encoded_task);
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
    session->encoded_task.run = run_encoded;
    atomic_flag_clear(&session->is_kick_posted);
    atomic_flag_clear(&session->is_encoded_posted);
    ll_mutex_init(&session->lock);
    ll_cond_init(&session->stopped);
    device_next_edge_init(&session->next_edge, config->edge_count);
    ll_status status = rpc_loop_create(&session->loop);
    if (status == LL_OK) {
        status = device_edge_state_create(config->model->table->layer_count, kick, session,
                                          &session->edge);
    }
    if (status == LL_OK) {
        status = device_requests_create(config->model, kick, session, &session->requests);
    }
    if (status == LL_OK) {
        status = device_send_scheduler_create(session->loop, config->limit_bytes_per_s, config->log,
                                              &session->scheduler);
    }
    if (status == LL_OK) {
        struct device_silence_config silence = {
            .loop = session->loop,
            .edge = session->edge,
            .requests = session->requests,
            .scheduler = session->scheduler,
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
        status = rpc_timer_create(session->loop, device_session_ask_for_place, session,
                                  &session->place_timer);
    }
    if (status == LL_OK) {
        struct device_encoder_config encoder = {
            .model = config->model, .ready = on_encoded, .owner = session};
        status = device_encoder_create(&encoder, &session->encoder);
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

void device_session_interrupt(struct device_session *session)
{
    device_edge_state_stop(session->edge);
    device_requests_stop(session->requests);
}

void device_session_stop(struct device_session *session)
{
    device_session_interrupt(session);
    ll_mutex_lock(&session->lock);
    bool is_first = session->is_started && !session->is_stopped;
    session->is_started = false;
    ll_mutex_unlock(&session->lock);
    if (!is_first) {
        return;
    }
    /* Nothing comes of it behind the stop. */
    device_encoder_stop(session->encoder);
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
    if (session->requests) {
        device_session_stop(session);
    }
    rpc_timer_destroy(session->connect_timer);
    rpc_timer_destroy(session->accept_timer);
    rpc_timer_destroy(session->place_timer);
    device_send_scheduler_destroy(session->scheduler);
    device_silence_destroy(session->silence);
    drop_connection(session);
    rpc_loop_destroy(session->loop);
    device_encoder_destroy(session->encoder);
    device_requests_destroy(session->requests);
    device_edge_state_destroy(session->edge);
    ll_cond_finish(&session->stopped);
    ll_mutex_finish(&session->lock);
    free(session);
}

struct device_edge_state *device_session_edge(struct device_session *session)
{
    return session->edge;
}

struct device_requests *device_session_requests(struct device_session *session)
{
    return session->requests;
}
