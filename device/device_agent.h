/* The agent: queries one after the other while the model uploads, until it has done what was asked.
 *
 * Threads: create, run and destroy on one thread; stop and abandon from any. */
#ifndef DEVICE_AGENT_H
#define DEVICE_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_json.h"
#include "device/device_model.h"
#include "device/device_report.h"
#include "device/query/device_query.h"
#include "device/times/device_layer_times_store.h"
#include "engine/ll_engine.h"

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
    /* Its plan may be NULL: one is made then, by `partitioner`, from the device's layer times. */
    const struct device_model *model;
    const char *partitioner;
    struct ll_engine *engine;
    struct ll_network *network;
    struct ll_buf *input;
    /* Gives another input to each query, from 1, and its name or NULL; both until the next call.
     * NULL: `input` is everyone's; else it is the first one's. */
    ll_status (*pick)(void *owner, int64_t id, struct ll_buf **out_input, const char **out_name,
                      struct ll_error *err);
    /* "HOST:PORT" each; none: everything runs on the device. */
    const char *const *edges;
    int edge_count;
    struct device_terms terms;
    device_until until;
    int64_t count;
    int64_t duration_ns;
    /* DEVICE_UNTIL_UPLOADED: how long to wait for any edge before `count` queries do; 0: for ever.
     */
    int64_t patience_ns;
    /* From one query's issue to the next one's; 0: back to back. */
    int64_t interval_ns;
    /* Where layer times are kept; NULL: nowhere. */
    struct device_layer_times_store *profile_store;
    /* See struct device_querier. */
    int cut_first;
    int cut_end;
    device_choose choose;
    bool is_input_f32;
    ll_dtype cut_dtype;
    int64_t deadline_ns;
    int64_t wait_edge_ns;
    int64_t verify_every;
    /* As the session's. */
    int64_t most_upload_bytes;
    /* Finds what a query shows of its outputs; what `out_view` points at lives until the next call.
     */
    void (*look)(void *owner, const struct device_query_result *result,
                 struct device_view *out_view);
    void *owner;
    struct device_report *report;
};

/* Creates the local model. `config`'s things outlive the agent.
 *
 * Errors: those of the engine, LL_E_NO_MEMORY. */
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
