#include "tests/support/fake_model.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"

static unsigned next_value(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 16;
}

/* Bytes of any kind, or little-endian floats in (-0.5, 0.5), small ones as frequent as in weights.
 */
static void fill_blob(void *data, size_t bytes, bool is_weights, unsigned state)
{
    if (!is_weights) {
        for (size_t i = 0; i < bytes; i++) {
            ((unsigned char *)data)[i] = (unsigned char)next_value(&state);
        }
        return;
    }
    for (size_t i = 0; i < bytes / sizeof(float); i++) {
        int value = (int)(next_value(&state) << 8) - (128 << 16) + (int)(next_value(&state) & 255);
        ((float *)data)[i] = (float)value / (float)(1 << 24);
    }
}

static void name_blob(struct fake_model *model, int layer)
{
    struct ll_buf *blob = model->blobs[layer];
    size_t bytes = blob ? ll_buf_bytes(blob) : 0;
    struct ll_blob_name *name = &model->manifest.blobs[layer];
    name->bytes = (int64_t)bytes;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(blob ? ll_buf_data(blob) : "", bytes, &name->digest), LL_OK);
}

static void make_blob(struct fake_model *model, int layer, bool is_weights, unsigned seed)
{
    size_t bytes = (size_t)model->network->table.layers[layer].blob_bytes;
    if (bytes > 0) {
        CU_ASSERT_EQUAL_FATAL(ll_buf_create(bytes, &model->blobs[layer]), LL_OK);
        fill_blob(ll_buf_writable(model->blobs[layer]), bytes, is_weights,
                  seed * 7919U + (unsigned)layer * 104729U + (unsigned)bytes);
    }
    name_blob(model, layer);
}

static void init(struct fake_model *model, const char *cfg, bool is_weights, unsigned seed)
{
    *model = (struct fake_model){.engine = fake_engine_create()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(model->engine);
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(ll_engine_parse(model->engine, cfg, strlen(cfg), &model->network, &err),
                          LL_OK);
    int count = model->network->table.layer_count;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&model->manifest, cfg, strlen(cfg), count), LL_OK);
    model->blobs = calloc((size_t)count, sizeof(struct ll_buf *));
    CU_ASSERT_PTR_NOT_NULL_FATAL(model->blobs);
    for (int i = 0; i < count; i++) {
        make_blob(model, i, is_weights, seed);
    }
    fake_model_rename(model);
}

void fake_model_init(struct fake_model *model, const char *cfg, unsigned seed)
{
    init(model, cfg, false, seed);
}

void fake_model_init_weights(struct fake_model *model, const char *cfg, unsigned seed)
{
    init(model, cfg, true, seed);
}

void fake_model_rename(struct fake_model *model)
{
    for (int i = 0; i < model->network->table.layer_count; i++) {
        name_blob(model, i);
    }
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(&model->manifest, &model->id), LL_OK);
    ll_digest_format(&model->id, model->id_text);
}

void fake_model_finish(struct fake_model *model)
{
    for (int i = 0; model->blobs && i < model->network->table.layer_count; i++) {
        ll_buf_unref(model->blobs[i]);
    }
    free(model->blobs);
    ll_manifest_finish(&model->manifest);
    ll_network_unref(model->network);
    ll_engine_destroy(model->engine);
    *model = (struct fake_model){0};
}

void fake_model_copy_manifest(const struct fake_model *model, struct ll_manifest *out_manifest)
{
    const struct ll_manifest *from = &model->manifest;
    CU_ASSERT_EQUAL_FATAL(
        ll_manifest_init(out_manifest, from->cfg, from->cfg_bytes, from->blob_count), LL_OK);
    memcpy(out_manifest->blobs, from->blobs, (size_t)from->blob_count * sizeof(*from->blobs));
}

void fake_model_plan(const struct fake_model *model, struct ll_plan *out_plan)
{
    const struct ll_table *table = &model->network->table;
    *out_plan = (struct ll_plan){
        .partitions = calloc((size_t)table->layer_count, sizeof(struct ll_partition))};
    CU_ASSERT_PTR_NOT_NULL_FATAL(out_plan->partitions);
    int first = 0;
    for (int i = 0; i < table->layer_count; i++) {
        if (table->layers[i].ends_group) {
            out_plan->partitions[out_plan->count++] = (struct ll_partition){first, i + 1};
            first = i + 1;
        }
    }
}

static void make_room(const struct fake_model *model, struct fake_tensors *tensors)
{
    tensors->floats = ll_names_bytes(&model->network->table, &tensors->names) / 4;
    tensors->data = calloc((size_t)tensors->floats + 1, sizeof(float));
    CU_ASSERT_PTR_NOT_NULL_FATAL(tensors->data);
}

/* Runs [0, end) and gives the tensors of `names`, all made in it. */
static void run_from_input(const struct fake_model *model, unsigned input_seed, int end,
                           struct fake_tensors *tensors)
{
    const struct ll_table *table = &model->network->table;
    float *input = calloc((size_t)table->in_floats, sizeof(float));
    struct ll_tensor_out *outs = calloc((size_t)tensors->names.count + 1, sizeof(*outs));
    CU_ASSERT_FATAL(input && outs);
    for (int64_t i = 0; i < table->in_floats; i++) {
        input[i] = (float)(next_value(&input_seed) % 4096) / 4096.0F;
    }
    float *next = tensors->data;
    int out_count = 0;
    for (int i = 0; i < tensors->names.count; i++) {
        int name = tensors->names.names[i];
        int64_t floats = ll_table_tensor_floats(table, name);
        if (name == LL_TENSOR_INPUT) {
            memcpy(next, input, (size_t)floats * sizeof(float));
        } else {
            outs[out_count++] =
                (struct ll_tensor_out){.name = name, .floats = floats, .data = next};
        }
        next += floats;
    }
    struct ll_engine_model *created = NULL;
    struct ll_engine_context *context = NULL;
    const struct ll_tensor_in in = {
        .name = LL_TENSOR_INPUT, .floats = table->in_floats, .data = input};
    const struct ll_run run = {
        .end = end, .inputs = &in, .input_count = 1, .outputs = outs, .output_count = out_count};
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_create(model->engine, model->network, &created, NULL),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_extend(created, table->layer_count, model->blobs, NULL),
                          LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(created, &context, NULL), LL_OK);
    if (out_count > 0) {
        CU_ASSERT_EQUAL_FATAL(ll_engine_run(context, &run, NULL), LL_OK);
    }
    ll_engine_context_destroy(context);
    ll_engine_model_destroy(created);
    free(outs);
    free(input);
}

void fake_model_inputs(const struct fake_model *model, unsigned input_seed, int first, int end,
                       struct fake_tensors *out_tensors)
{
    const struct ll_table *table = &model->network->table;
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, first, end, &out_tensors->names), LL_OK);
    make_room(model, out_tensors);
    run_from_input(model, input_seed, first, out_tensors);
}

void fake_model_outputs(const struct fake_model *model, unsigned input_seed, int first, int end,
                        struct fake_tensors *out_tensors)
{
    const struct ll_table *table = &model->network->table;
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(table, first, end, &out_tensors->names), LL_OK);
    make_room(model, out_tensors);
    run_from_input(model, input_seed, end, out_tensors);
}

bool fake_floats_equal(const float *a, const float *b, int64_t floats)
{
    /* Bits, not values: -0 is not 0 here, and a NaN equals itself. */
    const void *left = a;
    const void *right = b;
    return memcmp(left, right, (size_t)floats * sizeof(float)) == 0;
}

void fake_tensors_finish(struct fake_tensors *tensors)
{
    ll_names_finish(&tensors->names);
    free(tensors->data);
    *tensors = (struct fake_tensors){0};
}
