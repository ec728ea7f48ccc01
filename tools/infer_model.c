#include "tools/infer_model.h"

#include <stdlib.h>
#include <time.h>

#include "core/ll_clock.h"

static ll_status allocate(struct infer_model *model, struct ll_error *err)
{
    const struct ll_table *table = &model->file.network->table;
    ll_status status = ll_table_network_outputs(table, &model->names);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    model->floats = ll_names_bytes(table, &model->names) / (int64_t)sizeof(float);
    model->values = calloc((size_t)model->floats, sizeof(*model->values));
    model->outputs = calloc((size_t)model->names.count, sizeof(*model->outputs));
    if (!model->values || !model->outputs) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    float *data = model->values;
    for (int i = 0; i < model->names.count; i++) {
        int name = model->names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        model->outputs[i] = (struct ll_tensor_out){name, floats, data};
        data += floats;
    }
    return LL_OK;
}

ll_status infer_model_load(struct infer_model *model, const char *cfg, const char *weights,
                           struct ll_error *err)
{
    ll_status status = dkb_model_file_load(cfg, weights, &model->file, err);
    return status == LL_OK ? allocate(model, err) : status;
}

/* Processor time of all threads. */
static int64_t cpu_now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * LL_NS_PER_S + now.tv_nsec;
}

ll_status infer_model_create(struct infer_model *model, const struct ll_engine_config *config,
                             struct ll_error *err)
{
    struct ll_network *network = model->file.network;
    ll_status status = dkb_engine_create(config, &model->engine, err);
    int64_t start_ns = ll_clock_now_ns();
    int64_t start_cpu_ns = cpu_now_ns();
    if (status == LL_OK) {
        status = ll_engine_model_create(model->engine, network, &model->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(model->model, network->table.layer_count, model->file.blobs,
                                        err);
    }
    model->create_ns = ll_clock_now_ns() - start_ns;
    model->create_cpu_ns = cpu_now_ns() - start_cpu_ns;
    if (status == LL_OK) {
        status = ll_engine_context_create(model->model, &model->context, err);
    }
    return status;
}

ll_status infer_model_run(struct infer_model *model, const float *input, struct ll_error *err)
{
    const struct ll_table *table = &model->file.network->table;
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, table->in_floats, input};
    const struct ll_run run = {
        .end = table->layer_count,
        .inputs = &in,
        .input_count = 1,
        .outputs = model->outputs,
        .output_count = model->names.count,
    };
    return ll_engine_run(model->context, &run, err);
}

void infer_model_finish(struct infer_model *model)
{
    ll_engine_context_destroy(model->context);
    ll_engine_model_destroy(model->model);
    ll_engine_destroy(model->engine);
    ll_names_finish(&model->names);
    free(model->outputs);
    free(model->values);
    dkb_model_file_finish(&model->file);
    *model = (struct infer_model){0};
}
