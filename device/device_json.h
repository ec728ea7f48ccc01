/* The agent's events as JSON, one object a line (docs: the command line's promise). Fields may be
 * added, never renamed.
 *
 * Threads: one at a time per file. */
#ifndef DEVICE_JSON_H
#define DEVICE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/ll_status.h"
#include "device/device_query.h"
#include "device/device_session.h"

/* What stands beside every result that it touched. */
struct device_terms {
    /* 1: none. */
    double slowdown;
    /* 10^6 bit/s; 0: none. */
    double limit_mbps;
};

/* One of the network's best values. */
struct device_top {
    const char *label;
    float value;
};

/* What the network saw in the picture, and where, in the picture's pixels. */
struct device_box {
    const char *label;
    float p;
    float left, top, right, bottom;
};

/* What is shown of a query's outputs. */
struct device_view {
    const struct device_top *top;
    int top_count;
    /* Whether the network finds boxes; they come before the best values then. */
    bool has_boxes;
    const struct device_box *boxes;
    int box_count;
};

struct device_json {
    FILE *file;
    /* Times count from here. */
    int64_t origin_ns;
    int layer_count;
    struct device_terms terms;
};

/* Each writes one line and flushes it. Errors: LL_E_NO_MEMORY, LL_E_IO. */
LL_MUST_USE ll_status device_json_query(const struct device_json *json, int64_t id,
                                        const struct device_query_result *result,
                                        const struct device_view *view);
LL_MUST_USE ll_status device_json_ready(const struct device_json *json, int64_t at_ns,
                                        const struct device_creation *creation);
LL_MUST_USE ll_status device_json_upload(const struct device_json *json,
                                         const struct device_uploaded *uploaded);
LL_MUST_USE ll_status device_json_summary(const struct device_json *json, int64_t queries,
                                          int64_t lost, int64_t fallbacks);

#endif
