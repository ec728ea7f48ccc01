#include "edge/offload/edge_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_head.h"
#include "proto/wire/wire_pack.h"
#include "proto/wire/wire_tensor.h"
#include "proto/wire/wire_text.h"
#include "rpc/rpc_details.h"

struct edge_query *edge_query_create(uint64_t id)
{
    struct edge_query *query = calloc(1, sizeof(*query));
    if (query) {
        query->id = id;
        query->state = EDGE_QUERY_RECEIVING;
    }
    return query;
}

void edge_query_leave_model(struct edge_query *query)
{
    if (query->job.model) {
        if (query->job.draft) {
            edge_catalog_leave_draft(query->catalog, query->job.draft);
            query->job.draft = NULL;
        }
        edge_model_release(query->job.model);
        edge_model_unref(query->job.model);
        query->job.model = NULL;
    }
}

static void drop_inputs(struct edge_query *query)
{
    for (int i = 0; query->input_bufs && i < query->input_names.count; i++) {
        ll_buf_unref(query->input_bufs[i]);
    }
    free(query->input_bufs);
    free(query->inputs);
    free(query->input_forms);
    free(query->input_received);
    query->input_bufs = NULL;
    query->input_forms = NULL;
    query->inputs = NULL;
    query->input_received = NULL;
    ll_names_finish(&query->input_names);
}

void edge_query_destroy(struct edge_query *query)
{
    if (query) {
        edge_query_leave_model(query);
        drop_inputs(query);
        edge_job_finish(&query->job);
        rpc_timer_destroy(query->timer);
        free(query->output_forms);
        free(query->head);
        free(query);
    }
}

/* ---- The head ---- */

static ll_status check_range(const Layerlift__V1__Query *head, const struct ll_table *table,
                             struct ll_error *err)
{
    uint32_t count = (uint32_t)table->layer_count;
    if (head->first > head->end || head->end > count) {
        return ll_fail(err, LL_E_INVALID, "query: layers [%u, %u) of a model with %u", head->first,
                       head->end, count);
    }
    for (int i = 0; i < 2; i++) {
        uint32_t cut = i == 0 ? head->first : head->end;
        if (!ll_table_is_legal_cut(table, (int)cut)) {
            return ll_fail(err, LL_E_INVALID,
                           "query: %u is not a legal cut (Model.legal_cuts lists them)", cut);
        }
    }
    if (head->least_prefix > head->end) {
        return ll_fail(err, LL_E_INVALID, "query: least_prefix %u is above end %u",
                       head->least_prefix, head->end);
    }
    return LL_OK;
}

/* One head. Bytes are for the network's input. */
static ll_status check_tensor(const Layerlift__V1__Tensor *head, const struct ll_table *table,
                              struct wire_form *out_form, struct ll_error *err)
{
    int64_t floats = ll_table_tensor_floats(table, head->name);
    ll_status status = wire_tensor_check(head, floats, out_form, err);
    if (status == LL_OK && out_form->dtype == LL_U8 && head->name != LL_TENSOR_INPUT) {
        status =
            ll_fail(err, LL_E_INVALID, "tensor %d: only the network's input may be U8", head->name);
    }
    if (status != LL_OK) {
        ll_error_prefix(err, "query");
    }
    return status;
}

/* Each of inputs(first, end) once, and nothing else; keeps how they are written. */
static ll_status check_tensors(struct edge_query *query, const Layerlift__V1__Query *head,
                               const struct ll_table *table, struct ll_error *err)
{
    const struct ll_names *names = &query->input_names;
    query->input_forms = calloc((size_t)names->count + 1, sizeof(*query->input_forms));
    if (!query->input_forms) {
        return LL_E_NO_MEMORY;
    }
    if (!wire_dtype_parse(head->answer_dtype, &query->answer_dtype) ||
        query->answer_dtype == LL_U8) {
        return ll_fail(err, LL_E_INVALID, "query: answer_dtype %d is not F32, F16 or U8_CHANNEL",
                       (int)head->answer_dtype);
    }
    query->may_code_answer = wire_has_coding(head->n_answer_codings, head->answer_codings,
                                             LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
    if (head->n_tensors != (size_t)names->count) {
        return ll_fail(err, LL_E_INVALID, "query: %zu tensors; layers [%u, %u) read %d",
                       head->n_tensors, head->first, head->end, names->count);
    }
    for (int i = 0; i < names->count; i++) {
        const Layerlift__V1__Tensor *found = NULL;
        for (size_t t = 0; t < head->n_tensors && !found; t++) {
            found = head->tensors[t]->name == names->names[i] ? head->tensors[t] : NULL;
        }
        if (!found) {
            return ll_fail(err, LL_E_INVALID, "query: tensor %d is missing", names->names[i]);
        }
        ll_status status = check_tensor(found, table, &query->input_forms[i], err);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

/* Whether `bytes` more fit. What others have is given back; what is more than all is final. */
static ll_status check_room(int64_t bytes, const char *limit, int64_t most_bytes,
                            int64_t used_bytes, struct ll_error *err)
{
    int64_t free_bytes = most_bytes > used_bytes ? most_bytes - used_bytes : 0;
    if (bytes <= free_bytes) {
        return LL_OK;
    }
    if (bytes > most_bytes) {
        return ll_fail_limit(err, limit, most_bytes, 0,
                             "query: %lld bytes of tensors: limit %s is %lld", (long long)bytes,
                             limit, (long long)most_bytes);
    }
    return ll_fail_limit(err, limit, most_bytes, LL_RETRY_MS,
                         "query: %lld bytes of tensors; %lld of limit %s (%lld) are free",
                         (long long)bytes, (long long)free_bytes, limit, (long long)most_bytes);
}

static ll_status measure(struct edge_query *query, const struct ll_table *table,
                         const struct edge_query_room *room, struct ll_error *err)
{
    struct ll_names outputs;
    ll_status status = ll_table_outputs(table, query->job.first, query->job.end, &outputs);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory for a query");
    }
    int64_t bytes = ll_names_bytes(table, &query->input_names) + ll_names_bytes(table, &outputs);
    ll_names_finish(&outputs);
    for (int i = 0; i < query->input_names.count; i++) {
        /* It stays until the input is made of it. */
        bytes += edge_pictures_has(&query->input_forms[i]) ? query->input_forms[i].bytes : 0;
    }
    status = check_room(bytes, "query_bytes", room->most_bytes, room->used_bytes, err);
    query->bytes = status == LL_OK ? bytes : 0;
    return status;
}

static ll_status make_inputs(struct edge_query *query, const struct ll_table *table)
{
    size_t count = (size_t)query->input_names.count;
    query->inputs = calloc(count + 1, sizeof(*query->inputs));
    query->input_bufs = calloc(count + 1, sizeof(struct ll_buf *));
    query->input_received = calloc(count + 1, sizeof(int64_t));
    if (!query->inputs || !query->input_bufs || !query->input_received) {
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        int name = query->input_names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        query->inputs[i] = (struct ll_tensor_in){.name = name, .floats = floats};
    }
    query->inputs_missing = (int)count;
    query->job.inputs = query->inputs;
    query->job.input_count = (int)count;
    query->job.before_run = edge_query_expand_inputs;
    query->job.after_run = edge_query_encode_outputs;
    return LL_OK;
}

/* The draft that the device names, where it takes its answers and where that is still here. */
static ll_status open_draft(struct edge_query *query, const Layerlift__V1__Query *head,
                            struct ll_error *err)
{
    if (head->precision != LAYERLIFT__V1__PRECISION__PRECISION_EXACT &&
        head->precision != LAYERLIFT__V1__PRECISION__PRECISION_DRAFT) {
        return ll_fail(err, LL_E_INVALID, "query: precision %d is neither EXACT nor DRAFT",
                       (int)head->precision);
    }
    if (head->precision == LAYERLIFT__V1__PRECISION__PRECISION_EXACT || head->draft_id[0] == '\0') {
        return LL_OK;
    }
    ll_status status = edge_catalog_use_draft(query->catalog, query->job.model, head->draft_id,
                                              &query->job.draft, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "query");
    }
    return status;
}

ll_status edge_query_open(struct edge_query *query, const Layerlift__V1__Query *head,
                          struct edge_catalog *catalog, const struct edge_query_room *room,
                          struct ll_error *err)
{
    struct edge_model *model = NULL;
    ll_status status = edge_catalog_use(catalog, head->model_id, &model, err);
    if (status != LL_OK) {
        return status;
    }
    edge_catalog_want(catalog, model);
    query->job.model = model;
    query->job.prefix = edge_model_prefix(model);
    query->catalog = catalog;
    const struct ll_table *table = edge_model_table(model);
    status = check_range(head, table, err);
    if (status == LL_OK) {
        status = open_draft(query, head, err);
    }
    if (status == LL_OK) {
        query->job.first = (int)head->first;
        query->job.end = (int)head->end;
        query->job.least_prefix = (int)head->least_prefix;
        status = ll_table_inputs(table, query->job.first, query->job.end, &query->input_names);
    }
    if (status == LL_OK) {
        status = check_tensors(query, head, table, err);
    }
    if (status == LL_OK) {
        status = measure(query, table, room, err);
    }
    if (status == LL_OK) {
        status = make_inputs(query, table);
    }
    if (status == LL_E_NO_MEMORY) {
        ll_fail(err, status, "out of memory for a query");
    }
    if (status != LL_OK) {
        edge_query_leave_model(query);
    }
    return status;
}

/* A tensor's buffer, made for its first bytes; NULL without memory. */
static struct ll_buf *input_buf(struct edge_query *query, int at)
{
    if (!query->input_bufs[at]) {
        int64_t bytes = wire_form_room(&query->input_forms[at], query->inputs[at].floats);
        if (ll_buf_create((size_t)bytes, &query->input_bufs[at]) != LL_OK) {
            return NULL;
        }
    }
    return query->input_bufs[at];
}

ll_status edge_query_chunk(struct edge_query *query, const Layerlift__V1__TensorChunk *chunk,
                           struct ll_error *err)
{
    int at = 0;
    while (at < query->input_names.count && query->input_names.names[at] != chunk->name) {
        at++;
    }
    if (at == query->input_names.count) {
        return ll_fail(err, LL_E_INVALID, "chunk of query %" PRIu64 ": it has no tensor %d",
                       query->id, chunk->name);
    }
    int64_t received = query->input_received[at];
    int64_t whole = query->input_forms[at].bytes;
    ll_status status = wire_tensor_check_chunk(chunk, received, whole, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "chunk of query %" PRIu64, query->id);
        return status;
    }
    struct ll_buf *buf = input_buf(query, at);
    if (!buf) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory for a query's tensors");
    }
    wire_tensor_place_chunk(chunk, whole, buf);
    query->input_received[at] += (int64_t)chunk->data.len;
    query->inputs_missing -= query->input_received[at] == whole;
    return LL_OK;
}

/* ---- The answer ---- */

void edge_query_fail(struct edge_query *query, ll_status status, const struct ll_error *err)
{
    query->job.status = status;
    query->job.err = *err;
}

static ll_status pack_head(struct edge_query *query, Layerlift__V1__Answer *answer)
{
    Layerlift__V1__OffloadResponse response = LAYERLIFT__V1__OFFLOAD_RESPONSE__INIT;
    response.kind_case = LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER;
    response.answer = answer;
    free(query->head);
    query->head = NULL;
    return wire_pack(&response.base, &query->head, &query->head_bytes);
}

/* `tensors` lives until the answer is packed. */
static ll_status fill_result(const struct edge_query *query, Layerlift__V1__Answer *answer,
                             struct wire_tensors *tensors)
{
    const struct edge_job *job = &query->job;
    answer->reached = (uint32_t)job->reached;
    answer->exact_reached = (uint32_t)job->exact_reached;
    answer->precision = job->exact_reached < job->reached
                            ? LAYERLIFT__V1__PRECISION__PRECISION_DRAFT
                            : LAYERLIFT__V1__PRECISION__PRECISION_EXACT;
    answer->queued_ns = (uint64_t)job->queued_ns;
    answer->waited_ns = (uint64_t)job->waited_ns;
    answer->computed_ns = (uint64_t)job->computed_ns;
    answer->coding_ns = (uint64_t)job->coding_ns;
    ll_status status =
        wire_tensors_init(tensors, edge_model_table(job->model), &job->names, query->output_forms);
    answer->tensors = tensors->list;
    answer->n_tensors = tensors->count;
    return status;
}

/* What a refusal says to programs. `details` lives until the answer is packed. */
static void fill_refusal(struct edge_query *query, Layerlift__V1__Answer *answer,
                         struct rpc_details *details)
{
    struct edge_job *job = &query->job;
    if (job->status == LL_E_NO_MEMORY && job->err.retry_ms == 0) {
        job->err.retry_ms = LL_RETRY_MS;
    }
    rpc_details_fill(details, &job->err);
    answer->error_info = details->error_info;
    answer->retry_info = details->retry_info;
}

ll_status edge_query_answer(struct edge_query *query)
{
    const struct edge_job *job = &query->job;
    if (job->status != LL_OK) {
        edge_job_finish(&query->job);
        wire_text_clean(query->job.err.text);
    }
    Layerlift__V1__Answer answer = LAYERLIFT__V1__ANSWER__INIT;
    struct wire_tensors tensors = {0};
    struct rpc_details details;
    ll_status status = LL_OK;
    answer.id = query->id;
    answer.status = (uint32_t)ll_status_to_grpc(job->status);
    answer.message = job->status == LL_OK ? "" : query->job.err.text;
    answer.prefix = (uint32_t)job->prefix;
    answer.takes_receipts = query->takes_receipts;
    if (job->status == LL_OK) {
        status = fill_result(query, &answer, &tensors);
    } else {
        fill_refusal(query, &answer, &details);
    }
    if (status == LL_OK) {
        status = pack_head(query, &answer);
    }
    wire_tensors_finish(&tensors);
    edge_query_leave_model(query);
    drop_inputs(query);
    query->state = EDGE_QUERY_ANSWERING;
    return status;
}

static ll_status send_chunk(const struct edge_query *query, struct rpc_stream *stream,
                            size_t offset, size_t bytes)
{
    uint8_t head[WIRE_HEAD_BYTES];
    struct ll_buf *piece = NULL;
    size_t head_bytes = wire_head_tensor_chunk(
        head, query->id, query->job.names.names[query->sending], offset, bytes);
    ll_status status = ll_buf_slice(query->job.outputs[query->sending], offset, bytes, &piece);
    if (status == LL_OK) {
        status = rpc_stream_send(stream, head, head_bytes, piece);
        ll_buf_unref(piece);
    }
    return status;
}

int64_t edge_query_next_bytes(const struct edge_query *query, int64_t chunk_bytes)
{
    if (!query->has_sent_head) {
        return 0;
    }
    int64_t left = (int64_t)ll_buf_bytes(query->job.outputs[query->sending]) - query->sent_bytes;
    return left < chunk_bytes ? left : chunk_bytes;
}

ll_status edge_query_send(struct edge_query *query, struct rpc_stream *stream, int64_t bytes,
                          bool *out_is_last)
{
    int count = query->job.status == LL_OK ? query->job.names.count : 0;
    ll_status status = LL_OK;
    if (!query->has_sent_head) {
        status = rpc_stream_send(stream, query->head, query->head_bytes, NULL);
        query->has_sent_head = true;
    } else {
        int64_t whole_bytes = (int64_t)ll_buf_bytes(query->job.outputs[query->sending]);
        status = send_chunk(query, stream, (size_t)query->sent_bytes, (size_t)bytes);
        query->sent_bytes += bytes;
        if (query->sent_bytes == whole_bytes) {
            query->sent_bytes = 0;
            query->sending++;
        }
    }
    *out_is_last = query->sending == count;
    return status;
}
