/* How a query's tensors are written on the wire, and what becomes of that: both conversions run on
 * an executor's thread, so that a large tensor does not hold up the loop. */
#include <stdlib.h>

#include "core/ll_container.h"
#include "edge/offload/edge_query.h"

static struct edge_query *query_of(struct edge_job *job)
{
    return LL_CONTAINER_OF(job, struct edge_query, job);
}

void edge_query_expand_inputs(struct edge_job *job)
{
    struct edge_query *query = query_of(job);
    for (int i = 0; i < query->input_names.count; i++) {
        ll_dtype_expand(query->input_dtypes[i], ll_buf_writable(query->input_bufs[i]),
                        query->inputs[i].floats);
    }
}

/* The network's outputs stay floats, and so does what halves do not hold. */
static ll_status encode_output(struct edge_query *query, int index)
{
    struct edge_job *job = &query->job;
    const struct ll_layer *layer = &edge_model_table(job->model)->layers[job->names.names[index]];
    if (layer->is_output) {
        return LL_OK;
    }
    size_t bytes = (size_t)layer->out_floats * (size_t)ll_dtype_bytes(query->answer_dtype);
    struct ll_buf *encoded = NULL;
    ll_status status = ll_buf_create(bytes, &encoded);
    if (status != LL_OK) {
        return status;
    }
    if (!ll_dtype_encode(query->answer_dtype, ll_buf_data(job->outputs[index]), layer->out_floats,
                         ll_buf_writable(encoded))) {
        ll_buf_unref(encoded);
        return LL_OK;
    }
    ll_buf_unref(job->outputs[index]);
    job->outputs[index] = encoded;
    query->output_dtypes[index] = query->answer_dtype;
    return LL_OK;
}

ll_status edge_query_encode_outputs(struct edge_job *job)
{
    struct edge_query *query = query_of(job);
    if (query->answer_dtype == LL_F32) {
        return LL_OK;
    }
    query->output_dtypes = calloc((size_t)job->names.count + 1, sizeof(*query->output_dtypes));
    ll_status status = query->output_dtypes ? LL_OK : LL_E_NO_MEMORY;
    for (int i = 0; status == LL_OK && i < job->names.count; i++) {
        status = encode_output(query, i);
    }
    return status;
}
