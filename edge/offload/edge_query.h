/* One query of an Offload stream: its head checked, its tensors put together from chunks, its
 * answer packed in chunks.
 *
 * Internal to the Offload service (edge_offload.c).
 *
 * Threads: the loop's, but for the job, which is the executor's between submission and `done`. */
#ifndef EDGE_QUERY_H
#define EDGE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_status.h"
#include "edge/edge_executor.h"
#include "edge/fair/edge_places.h"
#include "edge/model/edge_catalog.h"
#include "edge/offload/edge_coders.h"
#include "edge/offload/edge_pictures.h"
#include "layerlift/v1/offload.pb-c.h"
#include "net/ll_dtype.h"
#include "proto/wire/wire_form.h"
#include "rpc/rpc_loop.h"
#include "rpc/rpc_stream.h"

struct edge_offload;

typedef enum {
    EDGE_QUERY_RECEIVING,
    /* The executor has its job. */
    EDGE_QUERY_SUBMITTED,
    /* Its answer is being sent. */
    EDGE_QUERY_ANSWERING,
} edge_query_state;

struct edge_query {
    struct edge_job job;
    uint64_t id;
    edge_query_state state;
    /* Nobody waits for the answer any more; only the executor still knows the query. */
    bool is_abandoned;
    struct edge_offload *offload;
    /* Whose model it uses. */
    struct edge_catalog *catalog;
    struct rpc_task done;
    /* The device acknowledges the answer's bytes. */
    bool takes_receipts;
    /* NULL without a deadline. */
    struct rpc_timer *timer;
    struct edge_query *next;

    /* inputs(first, end): tensors, how they are written, their buffers (wire_form_room), and how
     * many bytes of each have come. Floats are made of them before the run. */
    struct ll_names input_names;
    struct ll_tensor_in *inputs;
    struct wire_form *input_forms;
    struct ll_buf **input_bufs;
    int64_t *input_received;
    int inputs_missing;
    /* What the query may take: inputs and outputs(first, end). */
    int64_t bytes;
    /* The same as of its submission: the executor's, while the loop may give the query up. */
    int64_t submitted_bytes;
    /* What it takes now: what came of its inputs, from its submission on all of it, then the
     * answer. */
    int64_t held_bytes;
    /* Held while tensors are missing. */
    struct edge_place place;

    /* What the device wants back, and what each output became; NULL: floats. */
    ll_dtype answer_dtype;
    bool may_code_answer;
    struct wire_form *output_forms;
    /* The service's. */
    struct edge_coders *coders;
    struct edge_pictures *pictures;

    /* The answer's head, packed; and how far the answer is sent: the head, then byte `sent_bytes`
     * of output `sending`. */
    uint8_t *head;
    size_t head_bytes;
    bool has_sent_head;
    int sending;
    int64_t sent_bytes;
};

/* A query with nothing but its id. NULL without memory. */
struct edge_query *edge_query_create(uint64_t id);
/* Gives the model back; the query needs it no more. Harmless without one. */
void edge_query_leave_model(struct edge_query *query);
void edge_query_destroy(struct edge_query *query);

/* What the tensors of a stream's queries may take, and do. */
struct edge_query_room {
    int64_t most_bytes;
    int64_t used_bytes;
};

/* Checks a head, whose tensors are to fit `room`. Memory for a tensor is taken when its first
 * bytes come. Uses the model on LL_OK.
 *
 * Errors: LL_E_NOT_FOUND, LL_E_INVALID, LL_E_EXHAUSTED, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_query_open(struct edge_query *query, const Layerlift__V1__Query *head,
                                      struct edge_catalog *catalog,
                                      const struct edge_query_room *room, struct ll_error *err);

/* The job's hooks: edge_query_values.c. Errors: LL_E_INVALID naming the tensor whose bytes are not
 * what its head says, LL_E_NO_MEMORY, those of edge_pictures_expand. */
LL_MUST_USE ll_status edge_query_expand_inputs(struct edge_job *job);
LL_MUST_USE ll_status edge_query_encode_outputs(struct edge_job *job);

/* Takes a piece of a tensor. All are here once inputs_missing is 0.
 *
 * Errors: LL_E_INVALID naming tensor and offsets, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_query_chunk(struct edge_query *query,
                                       const Layerlift__V1__TensorChunk *chunk,
                                       struct ll_error *err);

/* Makes the query's answer an error, with the limit and the time of `err`. */
void edge_query_fail(struct edge_query *query, ll_status status, const struct ll_error *err);

/* The job has ended or failed: packs the answer's head, lets go of inputs and model, and begins to
 * answer. Once more after an edge_query_fail while the head has not been sent. Errors:
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_query_answer(struct edge_query *query);

/* Payload bytes of the answer's next message with chunks of `chunk_bytes`; 0 for its head. */
int64_t edge_query_next_bytes(const struct edge_query *query, int64_t chunk_bytes);

/* Sends the answer's head, or the next chunk of `bytes`, as edge_query_next_bytes said.
 * `out_is_last` says whether that was all. Errors: those of rpc_stream_send; LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_query_send(struct edge_query *query, struct rpc_stream *stream,
                                      int64_t bytes, bool *out_is_last);

#endif
