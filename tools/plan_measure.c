#include "tools/plan_measure.h"

#include <math.h>
#include <stdlib.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "tools/lab/lab_seed.h"

enum { SEED = 1 };

/* Everything that a measurement holds; finish takes it half-built. */
struct measure {
    const struct plan_measure_config *config;
    /* Without a weights file: network and blobs alone. */
    struct dkb_model_file file;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    float *input;
    /* By layer: the least time of a run, the device's part in it, creation; the last run. */
    int64_t *edge_ns;
    int64_t *device_ns;
    int64_t *create_ns;
    int64_t *run_ns;
};

static void measure_finish(struct measure *measure)
{
    ll_engine_context_destroy(measure->context);
    ll_engine_model_destroy(measure->model);
    ll_engine_destroy(measure->engine);
    dkb_model_file_finish(&measure->file);
    free(measure->input);
    free(measure->edge_ns);
    free(measure->device_ns);
    free(measure->create_ns);
    free(measure->run_ns);
}

static ll_status out_of_memory(struct ll_error *err)
{
    return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

static ll_status seed_model(struct measure *measure, struct ll_error *err)
{
    struct dkb_model_file *file = &measure->file;
    const char *path = measure->config->cfg;
    struct ll_buf *cfg = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_CFG_BYTES, &cfg, err);
    if (status != LL_OK) {
        return status;
    }
    status = dkb_network_parse(ll_buf_data(cfg), ll_buf_bytes(cfg), &file->network, err);
    ll_buf_unref(cfg);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
        return status;
    }
    file->blobs = calloc((size_t)file->network->table.layer_count, sizeof(struct ll_buf *));
    return file->blobs ? lab_seed_blobs(file->network, SEED, file->blobs, err) : out_of_memory(err);
}

static ll_status load(struct measure *measure, struct ll_error *err)
{
    const struct plan_measure_config *config = measure->config;
    ll_status status = config->weights
                           ? dkb_model_file_load(config->cfg, config->weights, &measure->file, err)
                           : seed_model(measure, err);
    if (status != LL_OK) {
        return status;
    }
    const struct ll_table *table = &measure->file.network->table;
    size_t layers = (size_t)table->layer_count;
    measure->input = calloc((size_t)table->in_floats, sizeof(float));
    measure->edge_ns = calloc(layers, sizeof(int64_t));
    measure->device_ns = calloc(layers, sizeof(int64_t));
    measure->create_ns = calloc(layers, sizeof(int64_t));
    measure->run_ns = calloc(layers, sizeof(int64_t));
    if (!measure->input || !measure->edge_ns || !measure->device_ns || !measure->create_ns ||
        !measure->run_ns) {
        return out_of_memory(err);
    }
    lab_seed_input(table, SEED, measure->input);
    return LL_OK;
}

/* Creates group by group; a group's time stands at its last layer. */
static ll_status create(struct measure *measure, struct ll_error *err)
{
    const struct ll_table *table = &measure->file.network->table;
    ll_status status = dkb_engine_create(&measure->config->engine, &measure->engine, err);
    if (status == LL_OK) {
        status =
            ll_engine_model_create(measure->engine, measure->file.network, &measure->model, err);
    }
    int first = 0;
    for (int end = 1; status == LL_OK && end <= table->layer_count; end++) {
        if (ll_table_is_legal_cut(table, end)) {
            int64_t start_ns = ll_clock_now_ns();
            status = ll_engine_model_extend(measure->model, end, measure->file.blobs + first, err);
            measure->create_ns[end - 1] = ll_clock_now_ns() - start_ns;
            first = end;
        }
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(measure->model, &measure->context, err);
    }
    return status;
}

static ll_status run(struct measure *measure, struct ll_error *err)
{
    const struct ll_table *table = &measure->file.network->table;
    const struct ll_tensor_in input = {LL_TENSOR_INPUT, table->in_floats, measure->input};
    const struct ll_run run = {
        .end = table->layer_count,
        .inputs = &input,
        .input_count = 1,
        .layer_ns = measure->run_ns,
    };
    /* The first run warms caches up and does not count. */
    ll_status status = ll_engine_run(measure->context, &run, err);
    for (int i = 0; status == LL_OK && i < measure->config->repeat; i++) {
        status = ll_engine_run(measure->context, &run, err);
        for (int k = 0; k < table->layer_count; k++) {
            if (i == 0 || measure->run_ns[k] < measure->edge_ns[k]) {
                measure->edge_ns[k] = measure->run_ns[k];
            }
        }
    }
    for (int k = 0; k < table->layer_count; k++) {
        /* What is out of range is for the chain to refuse. */
        double device_ns = (double)measure->edge_ns[k] * measure->config->slowdown;
        measure->device_ns[k] = llround(fmin(device_ns, 2.0 * (double)LL_LIMIT_CHAIN_NS));
    }
    return status;
}

ll_status plan_measure(const struct plan_measure_config *config, struct ll_chain *out_chain,
                       struct plan_machine *out_machine, struct ll_error *err)
{
    struct measure measure = {.config = config};
    ll_status status = load(&measure, err);
    if (status == LL_OK) {
        status = create(&measure, err);
    }
    if (status == LL_OK) {
        status = run(&measure, err);
    }
    if (status == LL_OK) {
        const struct ll_layer_times times = {
            .device_ns = measure.device_ns,
            .edge_ns = measure.edge_ns,
            .create_ns = measure.create_ns,
        };
        status = ll_chain_make(&measure.file.network->table, &times, out_chain, err);
    }
    if (status == LL_OK) {
        *out_machine = (struct plan_machine){
            .engine = ll_engine_name(measure.engine),
            .instruction_set = ll_engine_instruction_set(measure.engine),
            .threads = ll_engine_threads(measure.engine),
        };
    }
    measure_finish(&measure);
    return status;
}
