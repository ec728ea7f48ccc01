#include "device/device_agent.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "device/client/device_client.h"

struct device_agent {
    struct device_agent_config config;
    struct device_client *client;
    struct device_query_result last;
    int64_t start_ns;
    /* That queries stay on the device was said. */
    bool is_stay_told;
};

/* ---- What the client tells ---- */

static void on_up(void *owner, const char *address, int64_t left_bytes, bool is_return)
{
    struct device_agent *agent = owner;
    device_report_line(agent->config.report, "edge %s is %s: %.1f MB to upload", address,
                       is_return ? "back" : "there", (double)left_bytes * 1e-6);
}

static void on_busy(void *owner, const struct device_edge_busy *busy)
{
    struct device_agent *agent = owner;
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

static void on_drafted(void *owner, const struct device_drafted *drafted)
{
    struct device_agent *agent = owner;
    device_report_draft(agent->config.report, drafted);
}

static void on_draftless(void *owner, const char *address)
{
    struct device_agent *agent = owner;
    device_report_line(
        agent->config.report,
        "edge %s takes no draft of this model: its answers are exact, as far as it is", address);
}

static void on_uploaded(void *owner, const struct device_uploaded *uploaded)
{
    struct device_agent *agent = owner;
    device_report_upload(agent->config.report, uploaded);
}

static void on_limited(void *owner)
{
    struct device_agent *agent = owner;
    device_report_line(agent->config.report,
                       "the upload ends at its limit of %.1f MB: queries use the layers that are "
                       "there by then",
                       (double)agent->config.client.most_upload_bytes * 1e-6);
}

static const struct device_session_events client_events = {
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

ll_status device_agent_create(const struct device_agent_config *config,
                              struct device_agent **out_agent, struct ll_error *err)
{
    struct device_agent *agent = calloc(1, sizeof(*agent));
    if (!agent) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    agent->config = *config;
    struct device_client_config client = config->client;
    client.device = "layerlift-agent";
    client.events = &client_events;
    client.owner = agent;
    ll_status status = device_client_create(&client, &agent->client, err);
    if (status != LL_OK) {
        free(agent);
        return status;
    }
    *out_agent = agent;
    return LL_OK;
}

void device_agent_destroy(struct device_agent *agent)
{
    if (agent) {
        device_client_destroy(agent->client);
        device_query_result_finish(&agent->last);
        free(agent);
    }
}

void device_agent_stop(struct device_agent *agent)
{
    /* First: whoever stops waiting for the report must find the run stopped. */
    device_client_interrupt(agent->client);
    device_report_hurry(agent->config.report);
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
    struct ll_error refusal;
    /* Nobody waits for an edge any more. */
    bool is_alone;
};

/* No edge has been there for longer than anybody waits. */
static bool has_no_patience(const struct device_agent *agent, const struct device_client_view *view)
{
    return agent->config.patience_ns > 0 && view->alone_since_ns != 0 &&
           ll_clock_now_ns() - view->alone_since_ns > agent->config.patience_ns;
}

/* Whether there is another query to run, and counts it. */
static bool begin_query(struct device_agent *agent, struct agent_run *run)
{
    struct device_client_view view;
    device_client_look(agent->client, &view);
    /* Without any edge there is nothing to wait for. */
    bool is_alone = !view.is_uploaded && has_no_patience(agent, &view);
    bool is_after = view.is_uploaded || view.is_limited || view.is_refused ||
                    agent->config.client.edge_count == 0 || is_alone;
    if (is_alone && !run->is_alone && agent->config.until == DEVICE_UNTIL_UPLOADED) {
        device_report_line(agent->config.report, "no edge for %.0f s: not waiting for the upload",
                           (double)agent->config.patience_ns * 1e-9);
    }
    run->is_alone = is_alone;
    run->is_given_up = view.is_refused && !view.is_uploaded;
    run->refusal = view.refusal;
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
    if (view.is_interrupted || !goes_on) {
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
    struct device_query_input input = {.floats = agent->config.client.input};
    struct device_view view = {0};
    ll_status status = LL_OK;
    if (agent->config.pick) {
        status = agent->config.pick(agent->config.owner, id, &input, &view.image, err);
    }
    if (status == LL_OK) {
        status = device_client_query_picture(agent->client, &input, &result, err);
    }
    if (status != LL_OK) {
        device_report_lost(agent->config.report, id, err->text);
        return status;
    }
    device_query_result_finish(&agent->last);
    agent->last = result;
    agent->config.look(agent->config.owner, &result, &view);
    tell_stay(agent, &result);
    device_report_query(agent->config.report, id, &result, &view);
    return LL_OK;
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
    const struct ll_table *table = agent->config.client.model->table;
    device_report_line(agent->config.report, "%d layers, %.1f MB of weights", table->layer_count,
                       (double)table->blob_bytes * 1e-6);
    if (agent->config.client.edge_count == 0) {
        device_report_line(agent->config.report, "no --edge: everything runs on this device");
    }
    device_client_start(agent->client);
    struct agent_run run = {0};
    ll_status status = LL_OK;
    while (status == LL_OK && begin_query(agent, &run)) {
        status = run_query(agent, run.issued, err);
        if (status == LL_OK && agent->config.interval_ns > 0) {
            device_client_rest(agent->client, next_issue_ns(agent));
        }
    }
    device_client_stop(agent->client);
    ll_status reported = device_report_end(agent->config.report, LL_CLOCK_NEVER);
    if (status != LL_OK) {
        return status;
    }
    if (agent->config.until == DEVICE_UNTIL_UPLOADED && run.is_given_up) {
        return ll_fail(err, LL_E_PRECONDITION, "%s", run.refusal.text);
    }
    return reported == LL_OK ? LL_OK : ll_fail(err, reported, "JSON: %s", ll_status_text(reported));
}
