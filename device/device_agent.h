/* The agent: a user of the device's client (device_client.h) that runs queries one after the other
 * while the model uploads, until it has done what was asked, and reports what happens.
 *
 * Threads: create, run and destroy on one thread; stop from any. */
#ifndef DEVICE_AGENT_H
#define DEVICE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/client/device_client.h"
#include "device/device_json.h"
#include "device/device_report.h"

struct device_agent;

typedef enum {
    /* `count` queries. */
    DEVICE_UNTIL_COUNT,
    /* `count` queries that were issued after the whole model was ready, or after every edge refused
     * it. */
    DEVICE_UNTIL_UPLOADED,
    /* `duration_ns` from the start. */
    DEVICE_UNTIL_TIME,
} device_until;

struct device_agent_config {
    /* Engine, network, weights, edges, limits, what queries are to do. The agent puts itself in as
     * the one whom events are told; the input is everyone's unless there is `pick`. */
    struct device_client_config client;
    /* Gives another input to each query, from 1, and its name or NULL; both until the next call. */
    ll_status (*pick)(void *owner, int64_t id, struct device_query_input *out_input,
                      const char **out_name, struct ll_error *err);
    device_until until;
    int64_t count;
    int64_t duration_ns;
    /* DEVICE_UNTIL_UPLOADED: how long to wait for any edge before `count` queries do; 0: for ever.
     */
    int64_t patience_ns;
    /* From one query's issue to the next one's; 0: back to back. */
    int64_t interval_ns;
    /* Finds what a query shows of its outputs; what `out_view` points at lives until the next call.
     */
    void (*look)(void *owner, const struct device_query_result *result,
                 struct device_view *out_view);
    void *owner;
    struct device_report *report;
};

/* Creates the client. `config`'s things outlive the agent.
 *
 * Errors: those of device_client_create. */
LL_MUST_USE ll_status device_agent_create(const struct device_agent_config *config,
                                          struct device_agent **out_agent, struct ll_error *err);
/* NULL is allowed. */
void device_agent_destroy(struct device_agent *agent);

/* Runs to the end and prints it.
 *
 * Errors: the device's own and those of `pick` (a query was lost then), LL_E_PRECONDITION where the
 * model was to be uploaded and every edge refuses it, and what writing JSON says. */
LL_MUST_USE ll_status device_agent_run(struct device_agent *agent, struct ll_error *err);

/* Ends the run after the query under way, which waits for nothing any more. */
void device_agent_stop(struct device_agent *agent);

/* The last query's outputs, valid until destroy; NULL before the first. After run. */
const float *device_agent_outputs(const struct device_agent *agent, int64_t *out_floats);

#endif
