#include "tools/bench/bench_subject.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "engine/ll_engine.h"
#include "tools/lab/lab_bare.h"
#include "tools/lab/lab_reference.h"
#include "tools/lab/lab_seed.h"
#include "vision/vision_input.h"

struct bench_subject {
    struct bench_subject_config config;
    struct ll_network *network;
    int end;
    struct vision_input input;
    /* Names of what a run gives, and room for it. */
    struct ll_names names;
    struct ll_tensor_out *outputs;
    float *values;
    int64_t floats;
    int64_t *layer_ns;
    /* An engine's. */
    struct dkb_model_file file;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    /* Or one of these. */
    struct lab_reference *reference;
    struct lab_bare *bare;
};

static bool is_bare(const struct bench_subject *subject)
{
    return strncmp(subject->config.kind, "bare", strlen("bare")) == 0;
}

static ll_status no_memory(struct ll_error *err)
{
    return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

static ll_status load_input(struct bench_subject *subject, struct ll_error *err)
{
    const struct ll_table *table = &subject->network->table;
    if (subject->config.input) {
        const struct vision_input_source source = {.input_f32 = subject->config.input};
        return vision_input_load(&source, table, &subject->input, err);
    }
    subject->input.data = calloc((size_t)table->in_floats, sizeof(float));
    if (!subject->input.data) {
        return no_memory(err);
    }
    lab_seed_input(table, 1, subject->input.data);
    return LL_OK;
}

static ll_status allocate_outputs(struct bench_subject *subject, struct ll_error *err)
{
    const struct ll_table *table = &subject->network->table;
    ll_status status = ll_table_outputs(table, 0, subject->end, &subject->names);
    if (status != LL_OK) {
        return no_memory(err);
    }
    subject->floats = ll_names_bytes(table, &subject->names) / (int64_t)sizeof(float);
    subject->values = calloc((size_t)subject->floats + 1, sizeof(*subject->values));
    subject->outputs = calloc((size_t)subject->names.count + 1, sizeof(*subject->outputs));
    subject->layer_ns = calloc((size_t)table->layer_count, sizeof(*subject->layer_ns));
    if (!subject->values || !subject->outputs || !subject->layer_ns) {
        return no_memory(err);
    }
    float *data = subject->values;
    for (int i = 0; i < subject->names.count; i++) {
        int name = subject->names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        subject->outputs[i] = (struct ll_tensor_out){name, floats, data};
        data += floats;
    }
    return LL_OK;
}

static ll_status create_engine(struct bench_subject *subject, struct ll_error *err)
{
    const struct ll_engine_config config = {
        .name = subject->config.kind,
        .threads = subject->config.threads,
        .compute = subject->config.compute,
    };
    ll_status status = dkb_engine_create(&config, &subject->engine, err);
    if (status == LL_OK) {
        status = ll_engine_model_create(subject->engine, subject->network, &subject->model, err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(subject->model, subject->network->table.layer_count,
                                        subject->file.blobs, err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(subject->model, &subject->context, err);
    }
    return status;
}

/* `cfg` is what the network was parsed from. */
static ll_status create_computer(struct bench_subject *subject, const struct ll_buf *cfg,
                                 struct ll_error *err)
{
    if (is_bare(subject)) {
        const struct lab_bare_config config = {
            .threads = subject->config.threads,
            .compute = subject->config.compute,
            .winograd = strcmp(subject->config.kind, "bare-winograd") == 0,
        };
        return lab_bare_create(subject->network, &config, &subject->bare, err);
    }
    if (strcmp(subject->config.kind, "stock") == 0) {
        return lab_reference_create(subject->network, ll_buf_data(cfg), ll_buf_bytes(cfg),
                                    subject->config.weights, &subject->reference, err);
    }
    return create_engine(subject, err);
}

static ll_status load_model(struct bench_subject *subject, const struct ll_buf *cfg,
                            struct ll_error *err)
{
    ll_status status = LL_OK;
    if (is_bare(subject)) {
        status = dkb_network_parse(ll_buf_data(cfg), ll_buf_bytes(cfg), &subject->network, err);
        if (status != LL_OK) {
            ll_error_prefix(err, "%s", subject->config.cfg);
        }
        return status;
    }
    if (!subject->config.weights) {
        return ll_fail(err, LL_E_INVALID, "'%s' needs weights", subject->config.kind);
    }
    status = dkb_model_file_load(subject->config.cfg, subject->config.weights, &subject->file, err);
    if (status == LL_OK) {
        subject->network = ll_network_ref(subject->file.network);
    }
    return status;
}

static ll_status create(struct bench_subject *subject, const struct ll_buf *cfg,
                        struct ll_error *err)
{
    ll_status status = load_model(subject, cfg, err);
    if (status != LL_OK) {
        return status;
    }
    const struct ll_table *table = &subject->network->table;
    subject->end = subject->config.end > 0 ? subject->config.end : table->layer_count;
    if (subject->end > table->layer_count || !ll_table_is_legal_cut(table, subject->end)) {
        return ll_fail(err, LL_E_INVALID, "no run ends before layer %d: that is no legal cut",
                       subject->end);
    }
    status = load_input(subject, err);
    if (status == LL_OK) {
        status = allocate_outputs(subject, err);
    }
    if (status == LL_OK) {
        status = create_computer(subject, cfg, err);
    }
    return status == LL_OK ? bench_subject_run(subject, err) : status;
}

ll_status bench_subject_create(const struct bench_subject_config *config,
                               struct bench_subject **out_subject, struct ll_error *err)
{
    struct ll_buf *cfg = NULL;
    ll_status status = ll_buf_map_file(config->cfg, LL_LIMIT_CFG_BYTES, &cfg, err);
    if (status != LL_OK) {
        return status;
    }
    struct bench_subject *subject = calloc(1, sizeof(*subject));
    if (subject) {
        subject->config = *config;
        status = create(subject, cfg, err);
    } else {
        status = no_memory(err);
    }
    ll_buf_unref(cfg);
    if (status != LL_OK) {
        bench_subject_destroy(subject);
        return status;
    }
    *out_subject = subject;
    return LL_OK;
}

void bench_subject_destroy(struct bench_subject *subject)
{
    if (!subject) {
        return;
    }
    ll_engine_context_destroy(subject->context);
    ll_engine_model_destroy(subject->model);
    ll_engine_destroy(subject->engine);
    lab_reference_destroy(subject->reference);
    lab_bare_destroy(subject->bare);
    dkb_model_file_finish(&subject->file);
    ll_network_unref(subject->network);
    ll_names_finish(&subject->names);
    vision_input_finish(&subject->input);
    free(subject->outputs);
    free(subject->values);
    free(subject->layer_ns);
    free(subject);
}

static ll_status run_engine(struct bench_subject *subject, bool timed, struct ll_error *err)
{
    const struct ll_tensor_in input = {LL_TENSOR_INPUT, subject->network->table.in_floats,
                                       subject->input.data};
    const struct ll_run run = {
        .end = subject->end,
        .inputs = &input,
        .input_count = 1,
        .outputs = subject->outputs,
        .output_count = subject->names.count,
        .layer_ns = timed ? subject->layer_ns : NULL,
    };
    return ll_engine_run(subject->context, &run, err);
}

ll_status bench_subject_run(struct bench_subject *subject, struct ll_error *err)
{
    if (subject->bare) {
        return lab_bare_run(subject->bare, NULL, err);
    }
    if (subject->reference) {
        lab_reference_predict(subject->reference, subject->input.data);
        return LL_OK;
    }
    return run_engine(subject, false, err);
}

const float *bench_subject_output(const struct bench_subject *subject, int64_t *out_floats)
{
    *out_floats = subject->bare ? 0 : subject->floats;
    if (subject->bare) {
        return NULL;
    }
    for (int i = 0; subject->reference && i < subject->names.count; i++) {
        const struct ll_tensor_out *output = &subject->outputs[i];
        memcpy(output->data, lab_reference_output(subject->reference, output->name),
               (size_t)output->floats * sizeof(float));
    }
    return subject->values;
}

ll_status bench_subject_profile(struct bench_subject *subject,
                                struct bench_layer_sum out_sums[LAB_KIND_COUNT],
                                struct ll_error *err)
{
    if (subject->reference) {
        return ll_fail(err, LL_E_UNSUPPORTED, "stock Darknet does not time its layers");
    }
    ll_status status = subject->bare ? lab_bare_run(subject->bare, subject->layer_ns, err)
                                     : run_engine(subject, true, err);
    if (status != LL_OK) {
        return status;
    }
    const struct ll_table *table = &subject->network->table;
    memset(out_sums, 0, LAB_KIND_COUNT * sizeof(*out_sums));
    enum lab_kind kind = LAB_KIND_REST;
    for (int i = 0; i < subject->end; i++) {
        bool begins = i == 0 || table->layers[i - 1].ends_group;
        if (begins) {
            kind = lab_kind_of(subject->network, i);
            out_sums[kind].groups++;
            out_sums[kind].flops += table->layers[i].flops;
        }
        out_sums[kind].ns += subject->layer_ns[i];
    }
    return LL_OK;
}
