/* A job with a draft runs in two parts where the model's own layers reach some of the way: the
 * first one makes outputs(first, border), of which the second one reads what it needs, besides what
 * the query brought. What the answer has of them is made where the answer wants it. */
#include "edge/edge_job_run.h"

#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_memory.h"

/* One run of a model's layers, of which the job's times become more. */
static ll_status run_part(struct edge_job *job, struct edge_model *model, struct ll_run *run)
{
    int64_t *layer_ns = calloc((size_t)(run->end - run->first), sizeof(*layer_ns));
    if (!layer_ns) {
        return LL_E_NO_MEMORY;
    }
    struct ll_engine_context *context = NULL;
    ll_status status = edge_model_take_context(model, &context, &job->err);
    if (status == LL_OK) {
        run->layer_ns = layer_ns;
        run->stop = &job->stop;
        int64_t began_ns = ll_clock_now_ns();
        status = ll_engine_run(context, run, &job->err);
        job->computed_ns += ll_clock_now_ns() - began_ns;
        edge_model_put_context(model, context);
    }
    if (status == LL_OK) {
        edge_model_add_run(model, run->first, run->end, layer_ns);
    }
    free(layer_ns);
    return status;
}

/* What passes from the first part to the second. */
struct handover {
    /* outputs(first, border): their names, their values, and buffers for those that the answer does
     * not have. */
    struct ll_names made;
    struct ll_tensor_out *outs;
    struct ll_buf **bufs;
    /* What those take of the engine's budget: no query's limits count them. */
    struct ll_memory *memory;
    int64_t bytes;
    /* inputs(border, reached). */
    struct ll_names read;
    struct ll_tensor_in *ins;
};

static void finish_handover(struct handover *handover)
{
    for (int i = 0; handover->bufs && i < handover->made.count; i++) {
        ll_buf_unref(handover->bufs[i]);
    }
    ll_memory_give(handover->memory, handover->bytes);
    free(handover->bufs);
    free(handover->outs);
    free(handover->ins);
    ll_names_finish(&handover->made);
    ll_names_finish(&handover->read);
}

/* Where the answer wants a tensor, or NULL. */
static void *find_output(const struct edge_job *job, const struct ll_tensor_out *outputs, int name)
{
    for (int i = 0; i < job->names.count; i++) {
        if (outputs[i].name == name) {
            return outputs[i].data;
        }
    }
    return NULL;
}

/* Memory for what the answer does not have. */
static ll_status reserve(struct edge_job *job, const struct ll_tensor_out *outputs,
                         struct handover *handover)
{
    int64_t bytes = 0;
    for (int i = 0; i < handover->made.count; i++) {
        int name = handover->made.names[i];
        bytes += find_output(job, outputs, name)
                     ? 0
                     : ll_table_tensor_floats(edge_model_table(job->model), name) *
                           (int64_t)sizeof(float);
    }
    handover->memory =
        ll_engine_memory(ll_engine_model_engine(edge_model_engine_model(job->model)));
    ll_status status = ll_memory_take(handover->memory, bytes, "what passes to a draft", &job->err);
    handover->bytes = status == LL_OK ? bytes : 0;
    return status;
}

static ll_status make_outs(const struct edge_job *job, const struct ll_tensor_out *outputs,
                           struct handover *handover)
{
    const struct ll_table *table = edge_model_table(job->model);
    size_t count = (size_t)handover->made.count;
    handover->outs = calloc(count + 1, sizeof(*handover->outs));
    handover->bufs = calloc(count + 1, sizeof(struct ll_buf *));
    ll_status status = handover->outs && handover->bufs ? LL_OK : LL_E_NO_MEMORY;
    for (size_t i = 0; status == LL_OK && i < count; i++) {
        int name = handover->made.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        void *data = find_output(job, outputs, name);
        if (!data) {
            status = ll_buf_create((size_t)floats * sizeof(float), &handover->bufs[i]);
            data = status == LL_OK ? ll_buf_writable(handover->bufs[i]) : NULL;
        }
        handover->outs[i] = (struct ll_tensor_out){.name = name, .floats = floats, .data = data};
    }
    return status;
}

/* Each is what the first part makes, or what the query brought. */
static ll_status make_ins(const struct edge_job *job, struct handover *handover)
{
    size_t count = (size_t)handover->read.count;
    handover->ins = calloc(count + 1, sizeof(*handover->ins));
    if (!handover->ins) {
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        int name = handover->read.names[i];
        for (int n = 0; n < job->input_count; n++) {
            if (job->inputs[n].name == name) {
                handover->ins[i] = job->inputs[n];
            }
        }
        for (int n = 0; n < handover->made.count; n++) {
            const struct ll_tensor_out *out = &handover->outs[n];
            if (out->name == name) {
                handover->ins[i] =
                    (struct ll_tensor_in){.name = name, .floats = out->floats, .data = out->data};
            }
        }
    }
    return LL_OK;
}

static ll_status init_handover(struct edge_job *job, const struct ll_tensor_out *outputs,
                               struct handover *handover)
{
    const struct ll_table *table = edge_model_table(job->model);
    *handover = (struct handover){.outs = NULL};
    ll_status status = ll_table_outputs(table, job->first, job->exact_reached, &handover->made);
    if (status == LL_OK) {
        status = ll_table_inputs(table, job->exact_reached, job->reached, &handover->read);
    }
    if (status == LL_OK) {
        status = reserve(job, outputs, handover);
    }
    if (status == LL_OK) {
        status = make_outs(job, outputs, handover);
    }
    return status == LL_OK ? make_ins(job, handover) : status;
}

static ll_status run_both(struct edge_job *job, const struct ll_tensor_out *outputs)
{
    struct handover handover;
    /* Those of the second part: names follow the order of layers in no particular way. */
    struct ll_tensor_out *rest = calloc((size_t)job->names.count + 1, sizeof(*rest));
    int rest_count = 0;
    ll_status status = init_handover(job, outputs, &handover);
    if (status == LL_OK && !rest) {
        status = LL_E_NO_MEMORY;
    }
    if (status == LL_OK) {
        struct ll_run run = {.first = job->first,
                             .end = job->exact_reached,
                             .inputs = job->inputs,
                             .input_count = job->input_count,
                             .outputs = handover.outs,
                             .output_count = handover.made.count};
        status = run_part(job, job->model, &run);
    }
    if (status == LL_OK) {
        for (int i = 0; i < job->names.count; i++) {
            if (outputs[i].name >= job->exact_reached) {
                rest[rest_count++] = outputs[i];
            }
        }
        struct ll_run run = {.first = job->exact_reached,
                             .end = job->reached,
                             .inputs = handover.ins,
                             .input_count = handover.read.count,
                             .outputs = rest,
                             .output_count = rest_count};
        status = run_part(job, job->draft, &run);
    }
    finish_handover(&handover);
    free(rest);
    return status;
}

ll_status edge_job_run_layers(struct edge_job *job, const struct ll_tensor_out *outputs)
{
    bool has_draft_layers = job->exact_reached < job->reached;
    if (has_draft_layers && job->exact_reached > job->first) {
        return run_both(job, outputs);
    }
    struct ll_run run = {.first = job->first,
                         .end = job->reached,
                         .inputs = job->inputs,
                         .input_count = job->input_count,
                         .outputs = outputs,
                         .output_count = job->names.count};
    ll_status status = run_part(job, has_draft_layers ? job->draft : job->model, &run);
    if (status == LL_OK && has_draft_layers) {
        /* It was a query of the model nevertheless. */
        edge_model_add_run(job->model, job->first, job->first, NULL);
    }
    return status;
}
