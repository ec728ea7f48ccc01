/* The agent's events as JSON, one object a line (docs: the command line's promise). Fields may be
 * added, never renamed.
 *
 * Threads: one at a time per writer. */
#ifndef DEVICE_JSON_H
#define DEVICE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli_answer.h"
#include "core/ll_status.h"
#include "device/device_writer.h"
#include "device/edge_link/device_session.h"
#include "device/query/device_query.h"

/* What stands beside every result that it touched. */
struct device_terms {
    /* 1: none. */
    double slowdown;
    /* 10^6 bit/s; 0: none. */
    double limit_mbps;
};

/* What is shown of a query's outputs; boxes come before the best values where the network finds
 * any. */
struct device_view {
    /* The query's picture, or NULL. */
    const char *image;
    struct cli_answer answer;
};

struct device_json {
    struct device_writer *writer;
    /* Times count from here. */
    int64_t origin_ns;
    int layer_count;
    struct device_terms terms;
};

/* Each hands one line over to the writer. Errors: LL_E_NO_MEMORY. */
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
