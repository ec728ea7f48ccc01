/* How a query's tensors are written on the wire, and what becomes of that: both conversions run on
 * an executor's thread, so that a large tensor does not hold up the loop, and hostile bytes cost
 * nobody else anything. */
#include <stdlib.h>

#include "core/ll_container.h"
#include "edge/offload/edge_query.h"
#include "proto/wire/wire_tensor.h"

static struct edge_query *query_of(struct edge_job *job)
{
    return LL_CONTAINER_OF(job, struct edge_query, job);
}

static bool has_coded_inputs(const struct edge_query *query)
{
    for (int i = 0; i < query->input_names.count; i++) {
        if (query->input_forms[i].coding == LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES) {
            return true;
        }
    }
    return false;
}

/* A coder where one is needed, else NULL. */
static ll_status take_coder(struct edge_query *query, bool is_needed, struct ll_planes **out_planes)
{
    *out_planes = NULL;
    return is_needed ? edge_coders_take(query->coders, out_planes) : LL_OK;
}

static ll_status expand_input(struct edge_query *query, int at, struct ll_planes *planes)
{
    struct edge_job *job = &query->job;
    const struct wire_form *form = &query->input_forms[at];
    struct ll_buf **buf = &query->input_bufs[at];
    ll_status status =
        edge_pictures_has(form)
            ? edge_pictures_expand(query->pictures, form, edge_model_table(job->model),
                                   query->submitted_bytes, buf, &job->err)
            : wire_form_expand(form, query->inputs[at].floats, planes, buf, &job->err);
    if (status != LL_OK) {
        ll_error_prefix(&job->err, "query: tensor %d", query->input_names.names[at]);
        return status;
    }
    query->inputs[at].data = ll_buf_data(*buf);
    return LL_OK;
}

ll_status edge_query_expand_inputs(struct edge_job *job)
{
    struct edge_query *query = query_of(job);
    struct ll_planes *planes = NULL;
    ll_status status = take_coder(query, has_coded_inputs(query), &planes);
    for (int i = 0; i < query->input_names.count && status == LL_OK; i++) {
        status = expand_input(query, i, planes);
    }
    edge_coders_put(query->coders, planes);
    return status;
}

/* The network's outputs stay floats, and so does what the data type does not hold. */
static ll_status encode_output(struct edge_query *query, struct ll_planes *planes, int index)
{
    struct edge_job *job = &query->job;
    const struct ll_table *table = edge_model_table(job->model);
    int name = job->names.names[index];
    ll_dtype dtype = table->layers[name].is_output ? LL_F32 : query->answer_dtype;
    struct ll_buf *encoded = NULL;
    ll_status status = wire_form_encode(job->outputs[index], wire_tensor_channels(table, name),
                                        dtype, planes, &encoded, &query->output_forms[index]);
    if (status == LL_OK) {
        ll_buf_unref(job->outputs[index]);
        job->outputs[index] = encoded;
    }
    return status;
}

ll_status edge_query_encode_outputs(struct edge_job *job)
{
    struct edge_query *query = query_of(job);
    struct ll_planes *planes = NULL;
    if (query->answer_dtype == LL_F32 && !query->may_code_answer) {
        return LL_OK;
    }
    query->output_forms = calloc((size_t)job->names.count + 1, sizeof(*query->output_forms));
    ll_status status = query->output_forms ? LL_OK : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = take_coder(query, query->may_code_answer, &planes);
    }
    for (int i = 0; status == LL_OK && i < job->names.count; i++) {
        status = encode_output(query, planes, i);
    }
    edge_coders_put(query->coders, planes);
    return status;
}
