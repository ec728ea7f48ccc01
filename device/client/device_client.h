/* The device's client: a network that runs here, on an edge, or in part on either, while its
 * weights are uploaded. It belongs to no program: it prints nothing, keeps nothing in globals,
 * touches neither signals nor streams, and ends no process. What it does is told by events and, for
 * whoever looks for faults, to the log sink that it is given. As many clients as wanted work side
 * by side in one process.
 *
 *   create --> start --> query, query, ... --> stop --> destroy
 *
 * Threads: all on one thread, but interrupt, look and await_uploaded on any. Events come on a
 * thread of the client's own, without locks; they must not block, and must not call the client but
 * for look and interrupt. */
#ifndef DEVICE_CLIENT_H
#define DEVICE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_log.h"
#include "core/ll_status.h"
#include "device/choose/device_chooser.h"
#include "device/device_model.h"
#include "device/edge_link/device_session.h"
#include "device/query/device_query.h"
#include "device/times/device_layer_times_store.h"
#include "engine/ll_engine.h"

struct device_client;

/* All that is pointed at outlives the client. */
struct device_client_config {
    struct ll_engine *engine;
    struct ll_network *network;
    /* Its weights and names. Its plan may be NULL: one is made then, by `partitioner`, from the
     * device's layer times. */
    const struct device_model *model;
    const char *partitioner;
    /* An input like those to come: whether bytes would say the same, which the plan is made for;
     * NULL: floats. */
    struct ll_buf *input;
    /* The bytes of its picture's file, where queries bring such; 0: they do not. */
    int64_t input_file_bytes;
    /* "HOST:PORT" each, DEVICE_NEXT_EDGE_EDGES of them at most; none: everything runs here. */
    const char *const *edges;
    int edge_count;
    /* Limits. Layers take this many times as long here as they do, at least 1 (device_local.h); the
     * bytes a second that are sent, and the weights that are sent at all, 0 for no limit. */
    double slowdown;
    double limit_bytes_per_s;
    int64_t most_upload_bytes;
    /* What queries are to do, and how long the first ones wait for an edge (device_query.h). */
    struct device_wish wish;
    int64_t wait_edge_ns;
    /* One answer in so many is computed here as well; 0: none. */
    int64_t verify_every;
    /* Where layer times are kept; NULL: nowhere. */
    struct device_layer_times_store *times_store;
    /* Who asks, for the edge's log. */
    const char *device;
    /* Any of the events may be NULL, and `events` too. */
    const struct device_session_events *events;
    void *owner;
    /* NULL: the process's log. */
    const struct ll_log_sink *log;
};

/* Makes the layers and, if need be, the plan. Nothing is connected.
 *
 * Errors: those of the engine and of the plan, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_client_create(const struct device_client_config *config,
                                           struct device_client **out_client, struct ll_error *err);
/* Stops if need be. NULL is allowed. */
void device_client_destroy(struct device_client *client);

/* Begins to look for an edge, and to upload to it. Once; nothing where there are no edges. */
void device_client_start(struct device_client *client);

/* Runs one query on `input`, the network's input as floats. Then device_query_result_finish. It may
 * be called without a start: the device computes alone then.
 *
 * Errors: only those of the device's own engine, and LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_client_query(struct device_client *client, struct ll_buf *input,
                                          struct device_query_result *out_result,
                                          struct ll_error *err);

/* The same where the picture's file is there that makes the input: it may leave in the floats'
 * place, and makes the same ones on the edge. */
LL_MUST_USE ll_status device_client_query_picture(struct device_client *client,
                                                  const struct device_query_input *input,
                                                  struct device_query_result *out_result,
                                                  struct ll_error *err);

/* How far it has come. */
struct device_client_view {
    /* An edge has, or had, the whole model. */
    bool is_uploaded;
    /* `most_upload_bytes` were sent. */
    bool is_limited;
    /* Every edge refuses the model; `refusal` says which did last, and why. */
    bool is_refused;
    struct ll_error refusal;
    /* Since when there is no edge, by ll_clock.h, from the start on; 0: there is one. */
    int64_t alone_since_ns;
    bool is_interrupted;
};
void device_client_look(struct device_client *client, struct device_client_view *out_view);

/* Waits until an edge has the whole model.
 *
 * Errors: LL_E_DEADLINE, LL_E_STOPPED after device_client_interrupt, LL_E_EXHAUSTED where
 * `most_upload_bytes` end it, LL_E_PRECONDITION where every edge refuses the model, and
 * LL_E_UNAVAILABLE where there are no edges. */
LL_MUST_USE ll_status device_client_await_uploaded(struct device_client *client,
                                                   int64_t deadline_ns, struct ll_error *err);

/* Waits until then, or until device_client_interrupt. */
void device_client_rest(struct device_client *client, int64_t until_ns);

/* Ends all waiting, now and later: the query under way is finished here. */
void device_client_interrupt(struct device_client *client);

/* Leaves the edge; no event comes after it returns. Keeps the layer times. Twice is harmless. */
void device_client_stop(struct device_client *client);

#endif
