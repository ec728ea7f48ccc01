/* The Offload service and its streams, as its parts share them: what the queries of all streams
 * take together is edge_share.c's, what becomes of a stream's queries edge_offload_stream.c's, what
 * the device sends edge_offload.c's; each stands on the one before it.
 *
 * Internal to the Offload service.
 *
 * Threads: the loop's. */
#ifndef EDGE_OFFLOAD_STATE_H
#define EDGE_OFFLOAD_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/link/ll_window.h"
#include "edge/edge_executor.h"
#include "edge/fair/edge_peer.h"
#include "edge/fair/edge_places.h"
#include "edge/model/edge_catalog.h"
#include "edge/offload/edge_coders.h"
#include "edge/offload/edge_offload.h"
#include "edge/offload/edge_pictures.h"
#include "edge/offload/edge_query.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_stream.h"

/* Error answers that may wait for a device that does not read, in multiples of most_queries. */
enum { EDGE_OFFLOAD_UNREAD_FACTOR = 4 };

/* What one peer's streams take together. */
struct edge_offload_peer {
    struct edge_peer peer;
    int streams;
    int64_t bytes;
    struct edge_offload_peer *next;
};

/* The service. */
struct edge_offloads {
    struct edge_offloads_config config;
    struct edge_coders coders;
    struct edge_pictures pictures;
    /* Ends a query that has to make room: edge_offload_refuse. */
    void (*give_way)(struct edge_query *query, ll_status status, const struct ll_error *err);
    atomic_bool is_drain_posted;
    struct rpc_task drain;
    /* The loop's. */
    bool is_draining;
    int64_t bytes;
    struct edge_offload *first;
    struct edge_offload_peer *peers;
    /* Queries whose tensors have not come yet. */
    struct edge_places receiving;
};

/* One stream. */
struct edge_offload {
    struct edge_offloads *service;
    struct edge_offload *next;
    struct rpc_stream *stream;
    struct edge_flow flow;
    struct edge_offload_peer *peer;
    /* The stream, and every job that the executor has. */
    int refs;
    bool is_over;
    bool is_cut_off;
    bool has_half_closed;
    int64_t bytes;
    int query_count;
    /* Those that receive or are submitted; and those that are answered, in turn. */
    struct edge_query *open;
    struct edge_query *answering;
    struct edge_query **answering_last;
    /* Bytes of answers sent so far. Where the device sends receipts, no more of them are under way
     * than the window admits, and the timer watches over receipts that do not come. */
    uint64_t sent_bytes;
    bool has_receipts;
    /* Sent before that: nobody may have counted them. */
    uint64_t unwatched_bytes;
    struct ll_window window;
    struct rpc_timer *timer;
    /* Queries that were answered before all of their tensors had come, whose chunks may still be on
     * their way: the last `answered_room` of them. A device that knows of none of these answers has
     * no more queries in flight than the stream allows. */
    uint64_t *answered;
    unsigned answered_room;
    /* Watches over tensors that do not come and answers that are not read; when, or LL_CLOCK_NEVER.
     */
    struct rpc_timer *idle_timer;
    int64_t watched_ns;
    /* When an answer's message was last taken by the stream, or there was none. */
    int64_t answer_progress_ns;
    unsigned answered_count;
};

#endif
