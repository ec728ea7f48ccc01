/* The queries in flight on one Offload stream: their jobs, and their answers in turn.
 *
 * Internal to the Offload service. edge_offload.c reads what the device sends;
 * edge_offload_stream.c does what comes after.
 *
 * Threads: the loop's. */
#ifndef EDGE_OFFLOAD_STREAM_H
#define EDGE_OFFLOAD_STREAM_H

#include "core/ll_status.h"
#include "edge/offload/edge_offload_state.h"

/* A stream with one reference, not in the service's list. `on_idle` comes with it at the time that
 * edge_share_watch sets. NULL without memory. */
struct edge_offload *edge_offload_create(struct edge_offloads *service, struct rpc_stream *stream,
                                         void (*on_idle)(void *offload));
void edge_offload_unref(struct edge_offload *offload);
/* Bytes of tensors that the stream's queries take (or give back). */
void edge_offload_account(struct edge_offload *offload, int64_t bytes);
/* Ends the call. Harmless when it has ended. */
void edge_offload_end(struct edge_offload *offload, ll_status status, const char *text);
/* The same with the sentence, the limit and the time of `err`. */
void edge_offload_fail(struct edge_offload *offload, ll_status status, const struct ll_error *err);
/* Ends a stream that has nothing more to do: after a half-close, or when the server drains. */
void edge_offload_end_if_done(struct edge_offload *offload);

/* All tensors of an open query are here: it goes to the executor, and is answered when it comes
 * back, or at once where there is no memory for it.
 */
void edge_offload_submit(struct edge_query *query);
/* Answers an open query with an error, whatever it is doing. */
void edge_offload_give_up(struct edge_query *query, ll_status status, const char *text);
/* The same with the sentence, the limit and the time of `err`. */
void edge_offload_refuse(struct edge_query *query, ll_status status, const struct ll_error *err);
/* Sends of the answers what the stream takes, one message of each in turn. */
void edge_offload_pump(struct edge_offload *offload);
/* The device has `receipt` of the answers. */
void edge_offload_receipt(struct edge_offload *offload, const Layerlift__V1__Receipt *receipt);
/* From now on the device sends receipts. */
void edge_offload_expect_receipts(struct edge_offload *offload);
/* The device cancels a query that is being answered: an answer that has not begun becomes
 * CANCELLED, one that has stops. */
void edge_offload_stop_answer(struct edge_query *query);
/* Drops all queries: the stream is closed. */
void edge_offload_drop_all(struct edge_offload *offload);

#endif
