#include "tests/unit/engine/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_weights.h"
#include "engine/ll_probe.h"
#include "tests/support/ll_test.h"
#include "tools/lab/lab_seed.h"

static void must(ll_status status, const struct ll_error *err)
{
    if (status != LL_OK) {
        fprintf(stderr, "%s: %s\n", ll_status_name(status), err->text);
        CU_FAIL_FATAL("the fixture could not be made");
    }
}

static void *must_allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
    return memory;
}

const char *engine_fixture_engine(void)
{
    const char *name = getenv("LL_TEST_ENGINE");
    return name ? name : "darknet";
}

void engine_fixture_init(struct engine_fixture *fixture, const char *cfg)
{
    engine_fixture_init_as(fixture, engine_fixture_engine(), cfg);
}

void engine_fixture_init_as(struct engine_fixture *fixture, const char *engine, const char *cfg)
{
    struct ll_error err = {.text = ""};
    *fixture = (struct engine_fixture){0};
    bool is_bf16 = strcmp(engine, "onednn-bf16") == 0;
    const struct ll_engine_config config = {
        .name = is_bf16 ? "onednn" : engine,
        .threads = 1,
        .compute = is_bf16 ? LL_COMPUTE_BF16 : LL_COMPUTE_F32,
    };
    must(dkb_engine_create(&config, &fixture->engine, &err), &err);
    must(ll_engine_parse(fixture->engine, cfg, strlen(cfg), &fixture->network, &err), &err);
    fixture->table = &fixture->network->table;
    fixture->blobs = must_allocate((size_t)fixture->table->layer_count, sizeof(struct ll_buf *));
    must(lab_seed_blobs(fixture->network, 7, fixture->blobs, &err), &err);
    must(ll_engine_model_create(fixture->engine, fixture->network, &fixture->model, &err), &err);
    fixture->input = must_allocate((size_t)fixture->table->in_floats, sizeof(float));
    lab_seed_input(fixture->table, 7, fixture->input);
}

void engine_fixture_finish(struct engine_fixture *fixture)
{
    ll_engine_model_destroy(fixture->model);
    ll_engine_destroy(fixture->engine);
    dkb_weights_unref(fixture->blobs, fixture->table->layer_count);
    free(fixture->blobs);
    free(fixture->input);
    ll_network_unref(fixture->network);
}

ll_status engine_fixture_extend(struct engine_fixture *fixture, int end, struct ll_error *err)
{
    return ll_engine_model_extend(fixture->model, end,
                                  fixture->blobs + ll_engine_model_prefix(fixture->model), err);
}

int engine_fixture_next_cut(const struct engine_fixture *fixture, int cut)
{
    do {
        cut++;
    } while (!ll_table_is_legal_cut(fixture->table, cut));
    return cut;
}

/* A range's tensors out of `values`, the outputs into new memory. */
struct fixture_run {
    struct ll_names inputs;
    struct ll_names outputs;
    struct ll_tensor_in *in;
    struct ll_tensor_out *out;
    struct ll_run run;
};

static void run_init(struct fixture_run *run, const struct engine_values *values,
                     const struct ll_table *table, int first, int end)
{
    struct ll_error none = {.text = "out of memory"};
    must(ll_table_inputs(table, first, end, &run->inputs), &none);
    must(ll_table_outputs(table, first, end, &run->outputs), &none);
    run->in = must_allocate((size_t)run->inputs.count, sizeof(*run->in));
    run->out = must_allocate((size_t)run->outputs.count, sizeof(*run->out));
    for (int i = 0; i < run->inputs.count; i++) {
        int name = run->inputs.names[i];
        run->in[i] = (struct ll_tensor_in){name, ll_table_tensor_floats(table, name),
                                           values->values[name + 1]};
    }
    for (int i = 0; i < run->outputs.count; i++) {
        int name = run->outputs.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        float *data = must_allocate((size_t)floats, sizeof(float));
        memset(data, 0xff, (size_t)floats * sizeof(float));
        run->out[i] = (struct ll_tensor_out){name, floats, data};
    }
    run->run = (struct ll_run){
        .first = first,
        .end = end,
        .inputs = run->in,
        .input_count = run->inputs.count,
        .outputs = run->out,
        .output_count = run->outputs.count,
    };
}

static void run_finish(struct fixture_run *run)
{
    for (int i = 0; i < run->outputs.count; i++) {
        free(run->out[i].data);
    }
    free(run->in);
    free(run->out);
    ll_names_finish(&run->inputs);
    ll_names_finish(&run->outputs);
}

/* ll_probe.made */
static void keep(void *arg, int name, const float *data, int64_t floats)
{
    struct engine_values *values = arg;
    if (!values->values[name + 1]) {
        values->values[name + 1] = must_allocate((size_t)floats, sizeof(float));
        memcpy(values->values[name + 1], data, (size_t)floats * sizeof(float));
    }
}

void engine_values_init(struct engine_values *values, struct engine_fixture *fixture)
{
    struct ll_error err = {.text = ""};
    values->count = fixture->table->layer_count + 1;
    values->values = must_allocate((size_t)values->count, sizeof(float *));
    values->values[0] = must_allocate((size_t)fixture->table->in_floats, sizeof(float));
    memcpy(values->values[0], fixture->input, (size_t)fixture->table->in_floats * sizeof(float));
    struct ll_engine_context *context = NULL;
    must(ll_engine_context_create(fixture->model, &context, &err), &err);
    const struct ll_probe probe = {.made = keep, .arg = values};
    ll_probe_set(context, &probe);
    int end = 0;
    for (int first = 0; first < ll_engine_model_prefix(fixture->model); first = end) {
        end = engine_fixture_next_cut(fixture, first);
        struct fixture_run run = {0};
        run_init(&run, values, fixture->table, first, end);
        must(ll_engine_run(context, &run.run, &err), &err);
        run_finish(&run);
    }
    ll_engine_context_destroy(context);
}

void engine_values_finish(struct engine_values *values)
{
    for (int i = 0; i < values->count; i++) {
        free(values->values[i]);
    }
    free(values->values);
}

bool engine_values_hold(const struct engine_values *values, struct ll_engine_context *context,
                        int first, int end)
{
    struct fixture_run run = {0};
    run_init(&run, values, &ll_engine_model_network(ll_engine_context_model(context))->table, first,
             end);
    struct ll_error err = {.text = ""};
    bool same = ll_engine_run(context, &run.run, &err) == LL_OK;
    for (int i = 0; same && i < run.outputs.count; i++) {
        const struct ll_tensor_out *out = &run.out[i];
        same = memcmp(out->data, values->values[out->name + 1],
                      (size_t)out->floats * sizeof(float)) == 0;
    }
    run_finish(&run);
    return same;
}
