#include "device/client/device_client.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "device/choose/device_plan.h"
#include "device/query/device_input_forms.h"
#include "device/query/device_local.h"
#include "device/times/device_layer_times.h"

struct device_client {
    struct device_client_config config;
    struct device_model model;
    struct ll_plan plan;
    struct device_layer_times *times;
    /* The layer times as they were last kept; 0: never. */
    uint64_t kept_version;
    struct device_local *local;
    struct device_session *session;
    struct device_querier querier;
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    struct device_client_view view LL_GUARDED_BY(lock);
};

/* ---- What the session tells: the owner first, so that whoever sees a change in the view knows
 *      that it was told ---- */

static void on_up(void *owner, const char *address, int64_t left_bytes, bool is_return)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->up) {
        events->up(client->config.owner, address, left_bytes, is_return);
    }
    ll_mutex_lock(&client->lock);
    client->view.is_refused = false;
    client->view.alone_since_ns = 0;
    ll_mutex_unlock(&client->lock);
}

static void on_busy(void *owner, const struct device_edge_busy *busy)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->busy) {
        events->busy(client->config.owner, busy);
    }
    ll_mutex_lock(&client->lock);
    /* It answers, and will have room. */
    client->view.is_refused = false;
    client->view.alone_since_ns = busy->is_used ? 0 : ll_clock_now_ns();
    ll_mutex_unlock(&client->lock);
}

static void on_down(void *owner, const struct device_edge_loss *loss)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->down) {
        events->down(client->config.owner, loss);
    }
    ll_mutex_lock(&client->lock);
    if (loss->was_up) {
        client->view.alone_since_ns = ll_clock_now_ns();
    }
    if (loss->all_refuse) {
        client->view.is_refused = true;
        (void)ll_fail(&client->view.refusal, LL_E_PRECONDITION, "edge %.100s refuses: %.300s",
                      loss->address, loss->reason);
        ll_cond_broadcast(&client->changed);
    }
    ll_mutex_unlock(&client->lock);
}

static void on_progress(void *owner, const struct device_progress *progress)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->progress) {
        events->progress(client->config.owner, progress);
    }
}

static void on_ready(void *owner, const struct device_creation *creation)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->ready) {
        events->ready(client->config.owner, creation);
    }
}

static void on_drafted(void *owner, const struct device_drafted *drafted)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->drafted) {
        events->drafted(client->config.owner, drafted);
    }
}

static void on_draftless(void *owner, const char *address)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->draftless) {
        events->draftless(client->config.owner, address);
    }
}

static void on_uploaded(void *owner, const struct device_uploaded *uploaded)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->uploaded) {
        events->uploaded(client->config.owner, uploaded);
    }
    ll_mutex_lock(&client->lock);
    client->view.is_uploaded = true;
    ll_cond_broadcast(&client->changed);
    ll_mutex_unlock(&client->lock);
}

static void on_limited(void *owner)
{
    struct device_client *client = owner;
    const struct device_session_events *events = client->config.events;
    if (events && events->limited) {
        events->limited(client->config.owner);
    }
    ll_mutex_lock(&client->lock);
    client->view.is_limited = true;
    ll_cond_broadcast(&client->changed);
    ll_mutex_unlock(&client->lock);
}

static const struct device_session_events session_events = {
    .up = on_up,
    .busy = on_busy,
    .down = on_down,
    .progress = on_progress,
    .ready = on_ready,
    .drafted = on_drafted,
    .draftless = on_draftless,
    .uploaded = on_uploaded,
    .limited = on_limited,
};

/* ---- Lifetime ---- */

static ll_status create_times(struct device_client *client)
{
    const struct device_client_config *config = &client->config;
    ll_status status = device_layer_times_create(config->model->table,
                                                 ll_engine_threads(config->engine), &client->times);
    if (status != LL_OK || !config->times_store) {
        return status;
    }
    device_layer_times_store_set_log(config->times_store, config->log);
    if (device_layer_times_store_load(config->times_store, client->times)) {
        client->kept_version = device_layer_times_version(client->times);
    }
    return LL_OK;
}

static ll_status create_local(struct device_client *client, struct ll_error *err)
{
    struct device_local_config local = {
        .engine = client->config.engine,
        .network = client->config.network,
        .blobs = client->config.model->blobs,
        .slowdown = client->config.slowdown,
        .times = client->times,
    };
    return device_local_create(&local, &client->local, err);
}

/* In how many bytes a value of the input is going to be sent, to an edge that takes everything. */
static int input_width(const struct device_client_config *config)
{
    struct device_input_forms forms = {0};
    const struct device_query_input input = {.floats = config->input};
    if (config->wish.input == DEVICE_WANT_F32) {
        return (int)sizeof(float);
    }
    bool has_bytes = false;
    if (config->input) {
        device_input_forms_init(&forms, config->model->table);
        device_input_forms_set(&forms, &input);
        has_bytes = device_input_forms_bytes(&forms) != NULL;
        device_input_forms_finish(&forms);
    }
    return ll_dtype_bytes(has_bytes ? LL_U8 : config->wish.cut_dtype);
}

/* The layers have been warmed up or were measured before, or else their times are guesses. */
static ll_status create_plan(struct device_client *client, struct ll_error *err)
{
    const struct device_client_config *config = &client->config;
    struct device_plan_terms terms = {
        .partitioner = config->partitioner,
        .slowdown = config->slowdown,
        .limit_bytes_per_s = config->limit_bytes_per_s,
        .input_width = input_width(config),
        .input_bytes = config->input_file_bytes,
        .cut_width = ll_dtype_bytes(config->wish.cut_dtype),
    };
    if (client->model.plan) {
        return LL_OK;
    }
    client->model.plan = &client->plan;
    return device_plan_make(client->times, &terms, &client->plan, err);
}

static ll_status create_session(struct device_client *client)
{
    const struct device_client_config *config = &client->config;
    struct device_session_config session = {
        .model = &client->model,
        .edges = config->edges,
        .edge_count = config->edge_count,
        .limit_bytes_per_s = config->limit_bytes_per_s,
        .most_upload_bytes = config->most_upload_bytes,
        .engine = config->engine,
        .device = config->device,
        .events = &session_events,
        .owner = client,
        .log = config->log,
    };
    return config->edge_count > 0 ? device_session_create(&session, &client->session) : LL_OK;
}

static ll_status create_querier(struct device_client *client)
{
    const struct device_client_config *config = &client->config;
    client->querier = (struct device_querier){
        .model = &client->model,
        .local = client->local,
        .edge = client->session ? device_session_edge(client->session) : NULL,
        .requests = client->session ? device_session_requests(client->session) : NULL,
        .times = client->times,
        .slowdown = config->slowdown,
        .limit_bytes_per_s = config->limit_bytes_per_s,
        .wish = config->wish,
        .wait_edge_ns = config->wait_edge_ns,
        .trust = {.verify_every = config->verify_every},
    };
    return device_querier_init(&client->querier);
}

/* One after the other, since each needs those before it. */
static ll_status make(struct device_client *client, struct ll_error *err)
{
    if (create_times(client) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    ll_status status = create_local(client, err);
    if (status == LL_OK) {
        status = create_plan(client, err);
    }
    if (status == LL_OK && (create_session(client) != LL_OK || create_querier(client) != LL_OK)) {
        status = ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    return status;
}

ll_status device_client_create(const struct device_client_config *config,
                               struct device_client **out_client, struct ll_error *err)
{
    struct device_client *client = calloc(1, sizeof(*client));
    if (!client) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    client->config = *config;
    client->model = *config->model;
    ll_mutex_init(&client->lock);
    ll_cond_init(&client->changed);
    ll_status status = make(client, err);
    if (status != LL_OK) {
        device_client_destroy(client);
        return status;
    }
    *out_client = client;
    return LL_OK;
}

/* Keeps the layer times: as soon as there are any, so that a program that is killed does not lose
 * them, and at the end. */
static void keep_times(struct device_client *client, bool is_end)
{
    uint64_t version = device_layer_times_version(client->times);
    bool is_due = client->kept_version == 0 || (is_end && client->kept_version != version);
    if (client->config.times_store && is_due && device_layer_times_is_measured(client->times)) {
        (void)device_layer_times_store_save(client->config.times_store, client->times);
        /* Written or not: it is not tried after every query. */
        client->kept_version = version;
    }
}

void device_client_start(struct device_client *client)
{
    ll_mutex_lock(&client->lock);
    client->view.alone_since_ns = ll_clock_now_ns();
    ll_mutex_unlock(&client->lock);
    if (client->session) {
        device_session_start(client->session);
    }
}

void device_client_stop(struct device_client *client)
{
    if (client->session) {
        device_session_stop(client->session);
    }
    keep_times(client, true);
}

void device_client_destroy(struct device_client *client)
{
    if (!client) {
        return;
    }
    device_session_destroy(client->session);
    device_querier_finish(&client->querier);
    device_local_destroy(client->local);
    device_layer_times_destroy(client->times);
    ll_plan_finish(&client->plan);
    ll_cond_finish(&client->changed);
    ll_mutex_finish(&client->lock);
    free(client);
}

/* ---- Queries ---- */

ll_status device_client_query(struct device_client *client, struct ll_buf *input,
                              struct device_query_result *out_result, struct ll_error *err)
{
    const struct device_query_input floats = {.floats = input};
    return device_client_query_picture(client, &floats, out_result, err);
}

ll_status device_client_query_picture(struct device_client *client,
                                      const struct device_query_input *input,
                                      struct device_query_result *out_result, struct ll_error *err)
{
    ll_status status = device_query_run(&client->querier, input, out_result, err);
    if (status == LL_OK) {
        ll_mutex_lock(&client->lock);
        out_result->is_interrupted = client->view.is_interrupted;
        ll_mutex_unlock(&client->lock);
        keep_times(client, false);
    }
    return status;
}

/* ---- Waiting ---- */

void device_client_look(struct device_client *client, struct device_client_view *out_view)
{
    ll_mutex_lock(&client->lock);
    *out_view = client->view;
    ll_mutex_unlock(&client->lock);
}

ll_status device_client_await_uploaded(struct device_client *client, int64_t deadline_ns,
                                       struct ll_error *err)
{
    if (!client->session) {
        return ll_fail(err, LL_E_UNAVAILABLE, "there is no edge");
    }
    bool has_time = true;
    ll_mutex_lock(&client->lock);
    const struct device_client_view *view = &client->view;
    while (!view->is_uploaded && !view->is_limited && !view->is_refused && !view->is_interrupted &&
           has_time) {
        has_time = ll_cond_wait(&client->changed, &client->lock, deadline_ns);
    }
    struct device_client_view now = *view;
    ll_mutex_unlock(&client->lock);
    if (now.is_uploaded) {
        return LL_OK;
    }
    if (now.is_interrupted) {
        return ll_fail(err, LL_E_STOPPED, "stopped");
    }
    if (now.is_refused) {
        return ll_fail(err, LL_E_PRECONDITION, "%s", now.refusal.text);
    }
    return now.is_limited ? ll_fail(err, LL_E_EXHAUSTED, "the upload ended at its limit")
                          : ll_fail(err, LL_E_DEADLINE, "the upload takes longer");
}

void device_client_rest(struct device_client *client, int64_t until_ns)
{
    ll_mutex_lock(&client->lock);
    while (!client->view.is_interrupted && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&client->changed, &client->lock, until_ns);
    }
    ll_mutex_unlock(&client->lock);
}

void device_client_interrupt(struct device_client *client)
{
    /* First: whoever stops waiting because of what follows must find it set. */
    ll_mutex_lock(&client->lock);
    client->view.is_interrupted = true;
    ll_cond_broadcast(&client->changed);
    ll_mutex_unlock(&client->lock);
    device_local_interrupt(client->local);
    if (client->session) {
        device_session_interrupt(client->session);
    }
}
