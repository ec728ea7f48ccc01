#include "tools/conformance_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_buf.h"
#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_model_file.h"
#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"
#include "engine/ll_probe.h"
#include "net/ll_table.h"
#include "tools/lab/lab_reference.h"
#include "tools/lab/lab_seed.h"

struct check {
    const struct conformance_config *config;
    struct conformance_result *result;
    struct ll_error *err;
    struct ll_buf *cfg;
    char weights_path[4096];
    struct dkb_model_file file;
    const struct ll_table *table;
    struct ll_engine *engine;
    struct ll_engine_model *model;
    struct ll_engine_context *context;
    struct lab_reference *reference;
    float *input;
    /* What our whole run made; NULL for a dropout. */
    float **made;
    ll_status made_status;
};

/* A range's tensors, ready for a run. */
struct range {
    int first;
    int end;
    struct ll_names inputs;
    struct ll_names outputs;
    struct ll_tensor_in *in;
    struct ll_tensor_out *out;
};

static ll_status no_memory(struct check *check)
{
    return ll_fail(check->err, LL_E_NO_MEMORY, "out of memory");
}

static void range_finish(struct range *range)
{
    for (int i = 0; range->out && i < range->outputs.count; i++) {
        free(range->out[i].data);
    }
    free(range->in);
    free(range->out);
    ll_names_finish(&range->inputs);
    ll_names_finish(&range->outputs);
}

static ll_status range_allocate(struct check *check, struct range *range)
{
    range->in = calloc((size_t)range->inputs.count + 1, sizeof(*range->in));
    range->out = calloc((size_t)range->outputs.count + 1, sizeof(*range->out));
    if (!range->in || !range->out) {
        return no_memory(check);
    }
    for (int i = 0; i < range->outputs.count; i++) {
        int name = range->outputs.names[i];
        int64_t floats = ll_table_tensor_floats(check->table, name);
        float *data = malloc((size_t)floats * sizeof(float));
        if (!data) {
            return no_memory(check);
        }
        memset(data, 0xff, (size_t)floats * sizeof(float));
        range->out[i] = (struct ll_tensor_out){name, floats, data};
    }
    return LL_OK;
}

/* Room for the range's outputs, and its inputs from the whole run. */
static ll_status range_init(struct check *check, struct range *range, int first, int end)
{
    *range = (struct range){.first = first, .end = end};
    ll_status status = ll_table_inputs(check->table, first, end, &range->inputs);
    if (status == LL_OK) {
        status = ll_table_outputs(check->table, first, end, &range->outputs);
    }
    if (status != LL_OK) {
        return no_memory(check);
    }
    status = range_allocate(check, range);
    for (int i = 0; status == LL_OK && i < range->inputs.count; i++) {
        int name = range->inputs.names[i];
        range->in[i] = (struct ll_tensor_in){
            .name = name,
            .floats = ll_table_tensor_floats(check->table, name),
            .data = name == LL_TENSOR_INPUT ? check->input : check->made[name],
        };
    }
    return status;
}

static ll_status range_run(struct check *check, const struct range *range)
{
    const struct ll_run run = {
        .first = range->first,
        .end = range->end,
        .inputs = range->in,
        .input_count = range->inputs.count,
        .outputs = range->out,
        .output_count = range->outputs.count,
    };
    return ll_engine_run(check->context, &run, check->err);
}

/* Whether the range gave what the whole run gave. */
static ll_status range_compare(struct check *check, const struct range *range)
{
    for (int i = 0; i < range->outputs.count; i++) {
        const struct ll_tensor_out *out = &range->out[i];
        if (memcmp(out->data, check->made[out->name], (size_t)out->floats * sizeof(float)) != 0) {
            return ll_fail(check->err, LL_E_INTERNAL,
                           "layers %d to %d by themselves give another tensor %d", range->first,
                           range->end, out->name);
        }
    }
    return LL_OK;
}

static double difference(const float *a, const float *b, int64_t floats)
{
    double largest = 0;
    for (int64_t i = 0; i < floats; i++) {
        uint32_t a_bits = 0;
        uint32_t b_bits = 0;
        memcpy(&a_bits, &a[i], sizeof(a_bits));
        memcpy(&b_bits, &b[i], sizeof(b_bits));
        if (a_bits == b_bits) {
            continue;
        }
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= largest)) {
            largest = isnan(d) ? INFINITY : d;
        }
    }
    return largest;
}

static bool is_exact(const struct check *check)
{
    return strcmp(check->config->engine.name, "darknet") == 0;
}

static double largest_of(const float *values, int64_t floats)
{
    double largest = 0;
    for (int64_t i = 0; i < floats; i++) {
        largest = fmax(largest, fabs((double)values[i]));
    }
    return largest;
}

/* An engine that computes in another order agrees within a fraction of the tensor's largest value,
 * and what counts is the network's outputs. */
static void compare_outputs(struct check *check, int name, const float *data, const float *stock,
                            int64_t floats)
{
    if (!check->table->layers[name].is_output) {
        return;
    }
    double largest = largest_of(stock, floats);
    double d = difference(data, stock, floats);
    d = d > 0 ? d / (largest > 0 ? largest : 1) : 0;
    check->result->max_difference = fmax(check->result->max_difference, d);
    if (!(d <= CONFORMANCE_TOLERANCE) && check->made_status == LL_OK) {
        check->made_status = ll_fail(check->err, LL_E_INTERNAL,
                                     "layer %d (%s) differs from stock by %g of its largest value",
                                     name, check->table->layers[name].type, d);
    }
}

static void compare_bits(struct check *check, int name, const float *data, const float *stock,
                         int64_t floats)
{
    if (memcmp(data, stock, (size_t)floats * sizeof(float)) == 0) {
        return;
    }
    double d = difference(data, stock, floats);
    if (check->made_status == LL_OK) {
        check->made_status =
            ll_fail(check->err, LL_E_INTERNAL, "layer %d (%s) differs from stock by %g", name,
                    check->table->layers[name].type, d);
    }
    check->result->max_difference = fmax(check->result->max_difference, d);
}

/* ll_probe.made during the whole run. */
static void keep_made(void *arg, int name, const float *data, int64_t floats)
{
    struct check *check = arg;
    size_t bytes = (size_t)floats * sizeof(float);
    const float *stock = lab_reference_output(check->reference, name);
    if (is_exact(check)) {
        compare_bits(check, name, data, stock, floats);
    } else {
        compare_outputs(check, name, data, stock, floats);
    }
    check->made[name] = malloc(bytes > 0 ? bytes : 1);
    if (check->made[name]) {
        memcpy(check->made[name], data, bytes);
    } else {
        check->made_status = no_memory(check);
    }
}

static ll_status run_whole(struct check *check)
{
    const struct ll_probe keep = {.poison = true, .made = keep_made, .arg = check};
    ll_probe_set(check->context, &keep);
    struct range whole = {0};
    ll_status status = range_init(check, &whole, 0, check->table->layer_count);
    if (status == LL_OK) {
        status = range_run(check, &whole);
    }
    if (status == LL_OK) {
        status = check->made_status;
    }
    for (int i = 0; status == LL_OK && i < check->table->layer_count; i++) {
        /* Fused layers make nothing within their group. */
        bool must = is_exact(check) || check->table->layers[i].ends_group;
        if (must && check->table->layers[i].makes == i && !check->made[i]) {
            status = ll_fail(check->err, LL_E_INTERNAL, "layer %d made nothing", i);
        }
    }
    if (status == LL_OK) {
        status = range_compare(check, &whole);
    }
    range_finish(&whole);
    const struct ll_probe poison = {.poison = true};
    ll_probe_set(check->context, &poison);
    return status;
}

static ll_status run_range(struct check *check, int first, int end)
{
    struct range range = {0};
    ll_status status = range_init(check, &range, first, end);
    if (status == LL_OK) {
        status = range_run(check, &range);
    }
    if (status == LL_OK) {
        status = range_compare(check, &range);
    }
    range_finish(&range);
    check->result->ranges++;
    return status;
}

/* The legal cut behind `cut`. */
static int next_cut(const struct ll_table *table, int cut)
{
    do {
        cut++;
    } while (!ll_table_is_legal_cut(table, cut));
    return cut;
}

/* Operations of all ranges between legal cuts; stops at `bound`. */
static int64_t pairs_flops(const struct ll_table *table, int64_t bound)
{
    /* What a range costs apart from its operations. */
    const int64_t overhead_flops = 100000;
    int64_t sum = 0;
    for (int first = 0; first < table->layer_count; first = next_cut(table, first)) {
        int64_t range = overhead_flops;
        for (int i = first; i < table->layer_count; i++) {
            range += table->layers[i].flops;
            sum += table->layers[i].ends_group ? range : 0;
            if (sum > bound || range > bound) {
                return bound + 1;
            }
        }
    }
    return sum;
}

static ll_status run_ranges(struct check *check)
{
    const struct ll_table *table = check->table;
    int64_t bound = check->config->pairs_flops;
    bool all = pairs_flops(table, bound) <= bound;
    check->result->all_pairs = all;
    for (int first = 0; first < table->layer_count; first = next_cut(table, first)) {
        int end = first;
        do {
            end = next_cut(table, end);
            ll_status status = run_range(check, first, end);
            if (status != LL_OK) {
                return status;
            }
        } while (all && end < table->layer_count);
    }
    return LL_OK;
}

/* Feeds `second` with what `first` gave, where it did. */
static void hand_over(const struct range *first, struct range *second)
{
    for (int i = 0; i < second->inputs.count; i++) {
        for (int k = 0; k < first->outputs.count; k++) {
            if (first->out[k].name == second->in[i].name) {
                second->in[i].data = first->out[k].data;
            }
        }
    }
}

static ll_status run_split(struct check *check, int cut)
{
    struct range first = {0};
    struct range second = {0};
    ll_status status = range_init(check, &first, 0, cut);
    if (status == LL_OK) {
        status = range_init(check, &second, cut, check->table->layer_count);
    }
    if (status == LL_OK) {
        status = range_run(check, &first);
    }
    if (status == LL_OK) {
        hand_over(&first, &second);
        status = range_run(check, &second);
    }
    if (status == LL_OK) {
        status = range_compare(check, &second);
    }
    range_finish(&first);
    range_finish(&second);
    if (status != LL_OK) {
        ll_error_prefix(check->err, "split at %d", cut);
    }
    return status;
}

static ll_status run_splits(struct check *check)
{
    uint64_t state = check->config->seed;
    for (int i = 0; i < CONFORMANCE_SPLITS; i++) {
        uint64_t at = lab_seed_next(&state) % ((uint64_t)check->table->layer_count + 1);
        int cut = ll_table_legal_cut_at_most(check->table, (int)at);
        if (cut == 0 || cut == check->table->layer_count) {
            cut = next_cut(check->table, 0);
        }
        if (cut == check->table->layer_count) {
            /* One group: there is nothing to split. */
            return LL_OK;
        }
        ll_status status = run_split(check, cut);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static ll_status seed_weights(struct check *check, const struct ll_network *network)
{
    int count = network->table.layer_count;
    struct ll_buf **blobs = calloc((size_t)count, sizeof(struct ll_buf *));
    if (!blobs) {
        return no_memory(check);
    }
    ll_status status = lab_seed_blobs(network, check->config->seed, blobs, check->err);
    if (status == LL_OK) {
        status = dkb_weights_write(network, blobs, check->weights_path, check->err);
        dkb_weights_unref(blobs, count);
    }
    free(blobs);
    return status;
}

/* Weights to a file, and from it a model as every user has it. */
static ll_status load(struct check *check, const char *cfg_path)
{
    ll_status status = ll_buf_map_file(cfg_path, LL_LIMIT_CFG_BYTES, &check->cfg, check->err);
    if (status != LL_OK) {
        return status;
    }
    struct ll_network *network = NULL;
    status =
        dkb_network_parse(ll_buf_data(check->cfg), ll_buf_bytes(check->cfg), &network, check->err);
    if (status != LL_OK) {
        check->result->refused = status == LL_E_UNSUPPORTED;
        return status;
    }
    status = seed_weights(check, network);
    ll_network_unref(network);
    if (status == LL_OK) {
        status = dkb_model_file_load(cfg_path, check->weights_path, &check->file, check->err);
    }
    if (status != LL_OK) {
        return status;
    }
    check->table = &check->file.network->table;
    check->result->layers = check->table->layer_count;
    check->result->weights_bytes = check->table->blob_bytes;
    check->input = malloc((size_t)check->table->in_floats * sizeof(float));
    check->made = calloc((size_t)check->table->layer_count, sizeof(float *));
    if (!check->input || !check->made) {
        return no_memory(check);
    }
    lab_seed_input(check->table, check->config->seed, check->input);
    return LL_OK;
}

static ll_status create(struct check *check)
{
    struct ll_network *network = check->file.network;
    ll_status status = dkb_engine_create(&check->config->engine, &check->engine, check->err);
    if (status == LL_OK) {
        status = ll_engine_model_create(check->engine, network, &check->model, check->err);
    }
    if (status == LL_OK) {
        status = ll_engine_model_extend(check->model, network->table.layer_count, check->file.blobs,
                                        check->err);
    }
    if (status == LL_OK) {
        status = ll_engine_context_create(check->model, &check->context, check->err);
    }
    return status;
}

static ll_status run_stock(struct check *check)
{
    ll_status status =
        lab_reference_create(check->file.network, ll_buf_data(check->cfg), ll_buf_bytes(check->cfg),
                             check->weights_path, &check->reference, check->err);
    /* Both sides have read or mapped it: an interrupted check leaves no gigabyte behind. */
    unlink(check->weights_path);
    if (status == LL_OK) {
        int64_t start_ns = ll_clock_now_ns();
        lab_reference_predict(check->reference, check->input);
        check->result->stock_seconds = ll_clock_ms(ll_clock_now_ns() - start_ns) / 1e3;
    }
    return status;
}

static void check_finish(struct check *check)
{
    lab_reference_destroy(check->reference);
    ll_engine_context_destroy(check->context);
    ll_engine_model_destroy(check->model);
    ll_engine_destroy(check->engine);
    for (int i = 0; check->made && i < check->table->layer_count; i++) {
        free(check->made[i]);
    }
    free(check->made);
    free(check->input);
    dkb_model_file_finish(&check->file);
    ll_buf_unref(check->cfg);
    unlink(check->weights_path);
}

ll_status conformance_check(const char *cfg_path, const struct conformance_config *config,
                            struct conformance_result *out_result, struct ll_error *err)
{
    int64_t start_ns = ll_clock_now_ns();
    struct check check = {.config = config, .result = out_result, .err = err};
    *out_result = (struct conformance_result){0};
    snprintf(check.weights_path, sizeof(check.weights_path), "%s/conformance.%ld.weights",
             config->folder, (long)getpid());
    ll_status status = load(&check, cfg_path);
    if (status == LL_OK) {
        status = create(&check);
    }
    if (status == LL_OK) {
        status = run_stock(&check);
    }
    if (status == LL_OK) {
        status = run_whole(&check);
        lab_reference_destroy(check.reference);
        check.reference = NULL;
    }
    if (status == LL_OK) {
        status = run_ranges(&check);
    }
    if (status == LL_OK) {
        status = run_splits(&check);
    }
    check_finish(&check);
    out_result->seconds = ll_clock_ms(ll_clock_now_ns() - start_ns) / 1e3;
    return status;
}
