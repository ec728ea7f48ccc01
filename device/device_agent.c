#include "device/device_agent.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "device/choose/device_plan.h"
#include "device/edge_link/device_session.h"
#include "device/query/device_encode.h"
#include "device/query/device_local.h"
#include "device/times/device_layer_times.h"

struct device_agent {
    struct device_agent_config config;
    struct device_model model;
    struct ll_plan plan;
    struct device_layer_times *profile;
    /* The profile as it was last kept; 0: never. */
    uint64_t kept_version;
    struct device_local *local;
    struct device_session *session;
    struct device_querier querier;
    struct device_query_result last;
    int64_t start_ns;
    /* That queries stay on the device was said. */
    bool is_stay_told;
    /* Guards what is below. */
    struct ll_mutex lock;
    struct ll_cond changed;
    bool is_stopped LL_GUARDED_BY(lock);
    bool is_uploaded LL_GUARDED_BY(lock);
    bool is_limited LL_GUARDED_BY(lock);
    bool is_refused LL_GUARDED_BY(lock);
    struct ll_error refusal LL_GUARDED_BY(lock);
    /* Since when no edge is up; 0: one is. */
    int64_t alone_since_ns LL_GUARDED_BY(lock);
};

/* ---- What the session tells ---- */

static void on_up(void *owner, const char *address, int64_t left_bytes, bool is_return)
{
    struct device_agent *agent = owner;
    ll_mutex_lock(&agent->lock);
    agent->is_refused = false;
    agent->alone_since_ns = 0;
    ll_mutex_unlock(&agent->lock);
    device_report_line(agent->config.report, "edge %s is %s: %.1f MB to upload", address,
                       is_return ? "back" : "there", (double)left_bytes * 1e-6);
}

static void on_busy(void *owner, const struct device_edge_busy *busy)
{
    struct device_agent *agent = owner;
    ll_mutex_lock(&agent->lock);
    /* It answers, and will have room. */
    agent->is_refused = false;
    agent->alone_since_ns = busy->is_used ? 0 : ll_clock_now_ns();
    ll_mutex_unlock(&agent->lock);
    if (!busy->is_new) {
        return;
    }
    if (busy->is_used) {
        device_report_line(agent->config.report,
                           "edge %s is busy (%s): using the %d layers that it has", busy->address,
                           busy->reason->text, busy->prefix);
    } else {
        device_report_line(agent->config.report,
                           "edge %s is busy (%s): going on on the device until it has room",
                           busy->address, busy->reason->text);
    }
}

static void on_down(void *owner, const struct device_edge_loss *loss)
{
    struct device_agent *agent = owner;
    const char *what = loss->is_distrust  ? "is not believed"
                       : loss->is_refusal ? "refuses"
                       : loss->was_up     ? "is gone"
                                          : "is not there";
    device_report_line(agent->config.report, "edge %s %s (%s): going on on the device alone",
                       loss->address, what, loss->reason);
    if (loss->was_up) {
        ll_mutex_lock(&agent->lock);
        agent->alone_since_ns = ll_clock_now_ns();
        ll_mutex_unlock(&agent->lock);
    }
    if (loss->all_refuse) {
        ll_mutex_lock(&agent->lock);
        agent->is_refused = true;
        (void)ll_fail(&agent->refusal, LL_E_PRECONDITION, "edge %.100s refuses: %.300s",
                      loss->address, loss->reason);
        ll_cond_broadcast(&agent->changed);
        ll_mutex_unlock(&agent->lock);
    }
}

static void on_progress(void *owner, const struct device_progress *progress)
{
    struct device_agent *agent = owner;
    device_report_progress(agent->config.report, progress);
}

static void on_ready(void *owner, const struct device_creation *creation)
{
    struct device_agent *agent = owner;
    device_report_ready(agent->config.report, creation);
}

static void on_uploaded(void *owner, const struct device_uploaded *uploaded)
{
    struct device_agent *agent = owner;
    device_report_upload(agent->config.report, uploaded);
    ll_mutex_lock(&agent->lock);
    agent->is_uploaded = true;
    ll_mutex_unlock(&agent->lock);
}

static void on_limited(void *owner)
{
    struct device_agent *agent = owner;
    device_report_line(agent->config.report,
                       "the upload ends at its limit of %.1f MB: queries use the layers that are "
                       "there by then",
                       (double)agent->config.most_upload_bytes * 1e-6);
    ll_mutex_lock(&agent->lock);
    agent->is_limited = true;
    ll_mutex_unlock(&agent->lock);
}

static const struct device_session_events session_events = {
    .up = on_up,
    .busy = on_busy,
    .down = on_down,
    .progress = on_progress,
    .ready = on_ready,
    .uploaded = on_uploaded,
    .limited = on_limited,
};

/* ---- Lifetime ---- */

static ll_status create_session(struct device_agent *agent)
{
    const struct device_agent_config *config = &agent->config;
    if (config->edge_count == 0) {
        return LL_OK;
    }
    struct device_session_config session = {
        .model = &agent->model,
        .edges = config->edges,
        .edge_count = config->edge_count,
        .limit_bytes_per_s = config->terms.limit_mbps * 1e6 / 8,
        .most_upload_bytes = config->most_upload_bytes,
        .engine = config->engine,
        .device = "layerlift-agent",
        .events = &session_events,
        .owner = agent,
    };
    return device_session_create(&session, &agent->session);
}

static ll_status create_profile(struct device_agent *agent, struct ll_error *err)
{
    const struct device_agent_config *config = &agent->config;
    if (device_layer_times_create(config->model->table, ll_engine_threads(config->engine),
                                  &agent->profile) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (config->profile_store &&
        device_layer_times_store_load(config->profile_store, agent->profile)) {
        agent->kept_version = device_layer_times_version(agent->profile);
    }
    return LL_OK;
}

static ll_status create_local(struct device_agent *agent, struct ll_error *err)
{
    struct device_local_config local = {
        .engine = agent->config.engine,
        .network = agent->config.network,
        .blobs = agent->config.model->blobs,
        .slowdown = agent->config.terms.slowdown,
        .profile = agent->profile,
    };
    return device_local_create(&local, &agent->local, err);
}

/* In how many bytes a value of the input is going to be sent, to an edge that takes everything. */
static int input_width(const struct device_agent_config *config)
{
    struct device_input_bytes cache = {0};
    if (config->is_input_f32) {
        return (int)sizeof(float);
    }
    bool has_bytes = device_input_bytes(&cache, config->input) != NULL;
    device_input_bytes_finish(&cache);
    return ll_dtype_bytes(has_bytes ? LL_U8 : config->cut_dtype);
}

/* The layers have been warmed up or were measured before, or else their times are guesses. */
static ll_status create_plan(struct device_agent *agent, struct ll_error *err)
{
    const struct device_agent_config *config = &agent->config;
    struct device_plan_terms terms = {
        .partitioner = config->partitioner,
        .slowdown = config->terms.slowdown,
        .limit_bytes_per_s = config->terms.limit_mbps * 1e6 / 8,
        .input_width = input_width(config),
        .cut_width = ll_dtype_bytes(config->cut_dtype),
    };
    if (agent->model.plan) {
        return LL_OK;
    }
    agent->model.plan = &agent->plan;
    return device_plan_make(agent->profile, &terms, &agent->plan, err);
}

static ll_status create_querier(struct device_agent *agent)
{
    const struct device_agent_config *config = &agent->config;
    agent->querier = (struct device_querier){
        .model = &agent->model,
        .local = agent->local,
        .board = agent->session ? device_session_board(agent->session) : NULL,
        .profile = agent->profile,
        .slowdown = config->terms.slowdown,
        .limit_bytes_per_s = config->terms.limit_mbps * 1e6 / 8,
        .wish = {.cut_first = config->cut_first,
                 .cut_end = config->cut_end,
                 .choose = config->choose,
                 .is_input_f32 = config->is_input_f32,
                 .cut_dtype = config->cut_dtype,
                 .deadline_ns = config->deadline_ns},
        .wait_edge_ns = config->wait_edge_ns,
        .trust = {.verify_every = config->verify_every},
    };
    return device_querier_init(&agent->querier);
}

ll_status device_agent_create(const struct device_agent_config *config,
                              struct device_agent **out_agent, struct ll_error *err)
{
    struct device_agent *agent = calloc(1, sizeof(*agent));
    if (!agent) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    agent->config = *config;
    agent->model = *config->model;
    ll_mutex_init(&agent->lock);
    ll_cond_init(&agent->changed);
    ll_status status = create_profile(agent, err);
    if (status == LL_OK) {
        status = create_local(agent, err);
    }
    if (status == LL_OK) {
        status = create_plan(agent, err);
    }
    if (status == LL_OK) {
        status = create_session(agent);
        if (status == LL_OK) {
            status = create_querier(agent);
        }
        if (status != LL_OK) {
            status = ll_fail(err, status, "out of memory");
        }
    }
    if (status != LL_OK) {
        device_agent_destroy(agent);
        return status;
    }
    *out_agent = agent;
    return LL_OK;
}

void device_agent_destroy(struct device_agent *agent)
{
    if (!agent) {
        return;
    }
    device_session_destroy(agent->session);
    device_querier_finish(&agent->querier);
    device_local_destroy(agent->local);
    device_layer_times_destroy(agent->profile);
    ll_plan_finish(&agent->plan);
    device_query_result_finish(&agent->last);
    ll_cond_finish(&agent->changed);
    ll_mutex_finish(&agent->lock);
    free(agent);
}

void device_agent_stop(struct device_agent *agent)
{
    /* First: whoever stops waiting because of what follows must find it set. */
    ll_mutex_lock(&agent->lock);
    agent->is_stopped = true;
    ll_cond_broadcast(&agent->changed);
    ll_mutex_unlock(&agent->lock);
    device_report_hurry(agent->config.report);
    device_local_interrupt(agent->local);
    if (agent->session) {
        device_board_stop(device_session_board(agent->session));
    }
}

const float *device_agent_outputs(const struct device_agent *agent, int64_t *out_floats)
{
    *out_floats = agent->last.output_floats;
    return agent->last.outputs;
}

/* ---- The run ---- */

struct agent_run {
    int64_t issued;
    /* Issued after the whole model was ready, or after every edge refused it. */
    int64_t issued_after;
    bool is_given_up;
    /* Nobody waits for an edge any more. */
    bool is_alone;
};

/* No edge has been there for longer than anybody waits. */
static bool has_no_patience_locked(const struct device_agent *agent) LL_REQUIRES(agent->lock)
{
    return agent->config.patience_ns > 0 && agent->alone_since_ns != 0 &&
           ll_clock_now_ns() - agent->alone_since_ns > agent->config.patience_ns;
}

/* Whether there is another query to run, and counts it. */
static bool begin_query(struct device_agent *agent, struct agent_run *run)
{
    ll_mutex_lock(&agent->lock);
    bool is_stopped = agent->is_stopped;
    /* Without any edge there is nothing to wait for. */
    bool is_alone = !agent->is_uploaded && has_no_patience_locked(agent);
    bool is_after =
        agent->is_uploaded || agent->is_limited || agent->is_refused || !agent->session || is_alone;
    run->is_given_up = agent->is_refused && !agent->is_uploaded;
    ll_mutex_unlock(&agent->lock);
    if (is_alone && !run->is_alone && agent->config.until == DEVICE_UNTIL_UPLOADED) {
        device_report_line(agent->config.report, "no edge for %.0f s: not waiting for the upload",
                           (double)agent->config.patience_ns * 1e-9);
    }
    run->is_alone = is_alone;
    bool goes_on = false;
    switch (agent->config.until) {
    case DEVICE_UNTIL_COUNT:
        goes_on = run->issued < agent->config.count;
        break;
    case DEVICE_UNTIL_UPLOADED:
        goes_on = !is_after || run->issued_after < agent->config.count;
        break;
    case DEVICE_UNTIL_TIME:
        goes_on = ll_clock_now_ns() - agent->start_ns < agent->config.duration_ns;
        break;
    }
    if (is_stopped || !goes_on) {
        return false;
    }
    run->issued++;
    run->issued_after += is_after ? 1 : 0;
    return true;
}

/* An edge that nobody uses looks like a mistake: once, why. */
static void tell_stay(struct device_agent *agent, const struct device_query_result *result)
{
    if (result->stays && !agent->is_stay_told) {
        agent->is_stay_told = true;
        device_report_line(agent->config.report,
                           "queries stay on the device: predicted %.1f ms there, %.1f ms with all "
                           "layers on the edge",
                           ll_clock_ms(result->predicted_ns), ll_clock_ms(result->there_ns));
    }
}

static ll_status run_query(struct device_agent *agent, int64_t id, struct ll_error *err)
{
    struct device_query_result result;
    struct ll_buf *input = agent->config.input;
    struct device_view view = {0};
    ll_status status = LL_OK;
    if (agent->config.pick) {
        status = agent->config.pick(agent->config.owner, id, &input, &view.image, err);
    }
    if (status == LL_OK) {
        status = device_query_run(&agent->querier, input, &result, err);
    }
    if (status != LL_OK) {
        device_report_lost(agent->config.report, id, err->text);
        return status;
    }
    ll_mutex_lock(&agent->lock);
    result.is_interrupted = agent->is_stopped;
    ll_mutex_unlock(&agent->lock);
    device_query_result_finish(&agent->last);
    agent->last = result;
    agent->config.look(agent->config.owner, &result, &view);
    tell_stay(agent, &result);
    device_report_query(agent->config.report, id, &result, &view);
    return LL_OK;
}

/* Keeps the layer times: as soon as there are any, so that an agent that is killed does not lose
 * them, and at the end. */
static void keep_profile(struct device_agent *agent, bool is_end)
{
    uint64_t version = device_layer_times_version(agent->profile);
    bool is_due = agent->kept_version == 0 || (is_end && agent->kept_version != version);
    if (agent->config.profile_store && is_due && device_layer_times_is_measured(agent->profile)) {
        (void)device_layer_times_store_save(agent->config.profile_store, agent->profile);
        /* Written or not: it is not tried after every query. */
        agent->kept_version = version;
    }
}

static void wait_until(struct device_agent *agent, int64_t until_ns)
{
    ll_mutex_lock(&agent->lock);
    while (!agent->is_stopped && ll_clock_now_ns() < until_ns) {
        ll_cond_wait(&agent->changed, &agent->lock, until_ns);
    }
    ll_mutex_unlock(&agent->lock);
}

/* When the next query is due, and no later than the run's end. */
static int64_t next_issue_ns(const struct device_agent *agent)
{
    int64_t at_ns = ll_clock_deadline(agent->last.issued_ns, agent->config.interval_ns);
    if (agent->config.until == DEVICE_UNTIL_TIME) {
        int64_t end_ns = ll_clock_deadline(agent->start_ns, agent->config.duration_ns);
        at_ns = at_ns < end_ns ? at_ns : end_ns;
    }
    return at_ns;
}

ll_status device_agent_run(struct device_agent *agent, struct ll_error *err)
{
    agent->start_ns = ll_clock_now_ns();
    ll_mutex_lock(&agent->lock);
    agent->alone_since_ns = agent->start_ns;
    ll_mutex_unlock(&agent->lock);
    device_report_line(agent->config.report, "%d layers, %.1f MB of weights",
                       agent->model.table->layer_count,
                       (double)agent->model.table->blob_bytes * 1e-6);
    if (agent->session) {
        device_session_start(agent->session);
    } else {
        device_report_line(agent->config.report, "no --edge: everything runs on this device");
    }
    struct agent_run run = {0};
    ll_status status = LL_OK;
    while (status == LL_OK && begin_query(agent, &run)) {
        status = run_query(agent, run.issued, err);
        keep_profile(agent, false);
        if (status == LL_OK && agent->config.interval_ns > 0) {
            wait_until(agent, next_issue_ns(agent));
        }
    }
    if (agent->session) {
        device_session_stop(agent->session);
    }
    keep_profile(agent, true);
    ll_status reported = device_report_end(agent->config.report, LL_CLOCK_NEVER);
    if (status != LL_OK) {
        return status;
    }
    if (agent->config.until == DEVICE_UNTIL_UPLOADED && run.is_given_up) {
        return ll_fail(err, LL_E_PRECONDITION, "%s", agent->refusal.text);
    }
    return reported == LL_OK ? LL_OK : ll_fail(err, reported, "JSON: %s", ll_status_text(reported));
}
