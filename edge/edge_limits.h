/* The server's limits, one row each: those that options change, those that only a configuration
 * does, and those of the format. GetServerInfo lists all of them, the server's defaults and the
 * table in docs/operations.md are theirs.
 *
 * Threads: any; constant. */
#ifndef EDGE_LIMITS_H
#define EDGE_LIMITS_H

#include "core/ll_option_table.h"
#include "edge/edge_server.h"

/* A server's limits as they are. The configuration comes first, so that a row's field has the same
 * place in both. */
struct edge_limit_values {
    struct edge_server_config config;
    /* What follows from it and from the machine. */
    int64_t store_mappings;
    int64_t upload_streams;
    int64_t peer_query_bytes;
};

/* Rows with `limit`, in GetServerInfo's order; fields are of struct edge_limit_values. */
extern const struct ll_option_table edge_limit_table;

#endif
