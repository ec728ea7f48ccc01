/* One inference: a part on the device, a part on the edge, the rest on the device again. Whatever
 * goes wrong with the edge's part, the device finishes from the tensors that it holds.
 *
 * Threads: one at a time. */
#ifndef DEVICE_QUERY_H
#define DEVICE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "coding/ll_planes.h"
#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/choose/device_chooser.h"
#include "device/device_model.h"
#include "device/edge_link/device_edge_state.h"
#include "device/edge_link/device_requests.h"
#include "device/query/device_input_forms.h"
#include "device/query/device_local.h"
#include "device/query/device_query_input.h"
#include "device/query/device_trust.h"
#include "device/times/device_layer_times.h"

struct device_querier {
    /* Set before device_querier_init; they outlive the querier. */
    const struct device_model *model;
    struct device_local *local;
    /* Both NULL: there is no edge. */
    struct device_edge_state *edge;
    struct device_requests *requests;
    struct device_layer_times *times;
    /* Those of `local`, and of the session: 0 for no limit. */
    double slowdown;
    double limit_bytes_per_s;

    /* May change between queries. */
    struct device_wish wish;
    /* How long queries wait, together and from the first one on, for the first attempt to reach an
     * edge to be decided; DEVICE_WAIT_PREDICTED: as long as that is likely to pay. A fixed range
     * waits for longer. */
    int64_t wait_edge_ns;

    /* `trust.verify_every`; the rest of it is private. */
    struct device_trust trust;

    /* Private. */
    struct device_chooser *chooser;
    struct device_input_forms forms;
    /* Codes tensors; NULL until some are. */
    struct ll_planes *planes;
    int64_t *edge_times_ns;
    uint64_t edge_times_version;
    /* What DEVICE_WAIT_PREDICTED is, and until when `wait_edge_ns` lasts; 0: no query yet. */
    int64_t predicted_wait_ns;
    int64_t wait_until_ns;
};

/* 200 ms or a tenth of what the device alone is predicted to take, whichever is longer, but half of
 * that time at most. */
#define DEVICE_WAIT_PREDICTED ((int64_t)-1)

/* Makes a querier that knows nothing of the edge yet. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_querier_init(struct device_querier *querier);
/* A zeroed one is allowed. */
void device_querier_finish(struct device_querier *querier);

struct device_query_result {
    int64_t issued_ns;
    int64_t latency_ns;
    int64_t device_ns;
    int64_t edge_ns;
    int64_t network_ns;
    /* What the latency was predicted to be. */
    int64_t predicted_ns;
    /* The query stays on the device although the edge has the whole model, and what it was
     * predicted to take with all layers there. */
    bool stays;
    int64_t there_ns;
    /* The edge ran [first, end), nothing where they are equal. */
    int first;
    int end;
    /* Bytes of tensors, to the edge as far as they left, and back. */
    int64_t up_bytes;
    int64_t down_bytes;
    /* How the network's input was sent (device_input_form_name); NULL: it was not. */
    const char *input_encoding;
    /* The query was not about all that the picture had (device_query_input.h). */
    bool is_input_lossy;
    /* What the edge reported, or what was last known. */
    int prefix;
    /* Tensors lost precision on the way, in this data type. */
    bool is_rounded;
    ll_dtype rounded_to;
    /* Some layers ran with the draft's weights. */
    bool is_draft;
    /* Nothing was rounded on the way, and whoever ran layers computes alike: the same bits as with
     * all of them here, of the input that was given. */
    bool is_exact;
    /* The device computed what the edge did as well; by how much it differs (device_trust.h), and
     * whether that is too much: the edge's part is the device's own then, and `fallback` says so.
     */
    bool is_verified;
    double difference;
    bool is_wrong;
    /* Time that this took, in device_ns and latency_ns. */
    int64_t verify_ns;
    /* What was tried beside what is predicted to be fastest (device_chooser.h). */
    device_try tries;
    /* Empty, or why the edge did not do its part. */
    struct ll_error fallback;
    /* The run was stopped meanwhile: waiting was cut short, and times tell nothing. */
    bool is_interrupted;
    /* The network's outputs in layer order, and the size of the last of them. */
    float *outputs;
    int64_t output_floats;
    int64_t last_floats;
};

/* Runs one query. Then device_query_result_finish.
 *
 * Errors: only those of the device's own engine, and LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_query_run(struct device_querier *querier,
                                       const struct device_query_input *input,
                                       struct device_query_result *out_result,
                                       struct ll_error *err);
void device_query_result_finish(struct device_query_result *result);

#endif
