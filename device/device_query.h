/* One inference: a part on the device, a part on the edge, the rest on the device again. Whatever
 * goes wrong with the edge's part, the device finishes from the tensors that it holds.
 *
 * Threads: one at a time. */
#ifndef DEVICE_QUERY_H
#define DEVICE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "device/device_board.h"
#include "device/device_estimate.h"
#include "device/device_local.h"
#include "device/device_model.h"

struct device_querier {
    const struct device_model *model;
    struct device_local *local;
    /* NULL: there is no edge. */
    struct device_board *board;
    /* A fixed range for the edge, legal cuts, which queries wait for; or `cut_end` -1: everything,
     * as far as the edge is ready. */
    int cut_first;
    int cut_end;
    /* The remote part's time; 0: by prediction. */
    int64_t deadline_ns;
    struct device_estimate estimate;
};

/* Fills in an estimate that knows nothing; the other fields are the caller's. */
void device_querier_init(struct device_querier *querier);

struct device_query_result {
    int64_t issued_ns;
    int64_t latency_ns;
    int64_t device_ns;
    int64_t edge_ns;
    int64_t network_ns;
    /* The edge ran [first, end), nothing where they are equal. */
    int first;
    int end;
    /* What the edge reported, or what was last known. */
    int prefix;
    /* Empty, or why the edge did not do its part. */
    struct ll_error fallback;
    /* The run was stopped meanwhile: waiting was cut short, and times tell nothing. */
    bool is_interrupted;
    /* The network's outputs in layer order, and the size of the last of them. */
    float *outputs;
    int64_t output_floats;
    int64_t last_floats;
};

/* Runs one query on `input`, the network's input. Then device_query_result_finish.
 *
 * Errors: only those of the device's own engine, and LL_E_NO_MEMORY. */
LL_MUST_USE ll_status device_query_run(struct device_querier *querier, struct ll_buf *input,
                                       struct device_query_result *out_result,
                                       struct ll_error *err);
void device_query_result_finish(struct device_query_result *result);

/* Refuses a range that is not one of legal cuts; `err` lists legal ones nearby. */
LL_MUST_USE ll_status device_query_check_cut(const struct ll_table *table, int first, int end,
                                             struct ll_error *err);

#endif
