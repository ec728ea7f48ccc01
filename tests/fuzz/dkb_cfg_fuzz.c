/* Any bytes as a cfg. The oracle: parsing refuses with a sentence, or gives a layer table that
 * keeps its promises, with sizes within the limits, legal plans and cuts that fit together; and
 * what is taken would be refused with a key more that nobody knows. */
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_network.h"
#include "net/plan/ll_chain.h"
#include "net/plan/ll_plan.h"
#include "tests/fuzz/ll_fuzz.h"

enum { CUTS_TRIED = 40 };

static void check_refusal(ll_status status, const struct ll_error *err)
{
    REQUIRE(status == LL_E_INVALID || status == LL_E_UNSUPPORTED || status == LL_E_EXHAUSTED);
    REQUIRE(err->text[0] != '\0');
    for (const char *next = err->text; *next; next++) {
        REQUIRE(*next >= ' ' && *next <= '~');
    }
}

static void check_shape(const struct ll_layer *row, const struct ll_layer_params *layer)
{
    REQUIRE(row->out_floats >= 1 && row->out_floats <= LL_LIMIT_TENSOR_BYTES / 4);
    REQUIRE(row->out_floats == layer->outputs);
    REQUIRE(layer->inputs >= 1);
    REQUIRE(row->out_c == layer->out_c && row->out_h == layer->out_h && row->out_w == layer->out_w);
    if (row->out_c != 0 || row->out_h != 0 || row->out_w != 0) {
        REQUIRE(row->out_c >= 1 && row->out_c <= LL_LIMIT_DIM);
        REQUIRE(row->out_h >= 1 && row->out_h <= LL_LIMIT_DIM);
        REQUIRE(row->out_w >= 1 && row->out_w <= LL_LIMIT_DIM);
        REQUIRE((int64_t)row->out_c * row->out_h * row->out_w == row->out_floats);
    }
}

static void check_blob(const struct ll_layer *row, const struct ll_layer_params *layer)
{
    size_t floats = layer->nbiases + 3 * layer->nscales + layer->nweights;
    REQUIRE(row->blob_bytes == (int64_t)floats * 4);
    REQUIRE(row->blob_bytes <= LL_LIMIT_BLOB_BYTES);
    REQUIRE(layer->scales_at + 3 * layer->nscales <= floats || layer->nscales == 0);
    REQUIRE(layer->weights_at + layer->nweights <= floats || layer->nweights == 0);
    REQUIRE(layer->workspace_floats <= (uint64_t)LL_LIMIT_SCRATCH_BYTES / 4);
    REQUIRE(row->flops >= 0 && row->flops <= LL_LIMIT_MODEL_FLOPS);
}

static void check_reads(const struct ll_table *table, int index)
{
    const struct ll_layer *row = &table->layers[index];
    REQUIRE(row->makes >= 0 && row->makes <= index &&
            table->layers[row->makes].makes == row->makes);
    REQUIRE(row->read_count <= LL_LIMIT_LAYER_READS);
    for (int r = 0; r < row->read_count; r++) {
        int name = row->reads[r];
        REQUIRE(name >= LL_TENSOR_INPUT && name < index);
        REQUIRE(name < 0 || table->layers[name].makes == name);
        REQUIRE(r == 0 || row->reads[r - 1] < name);
    }
}

/* What Darknet's forward functions index by. */
static void check_convolution(const struct ll_layer_params *layer)
{
    REQUIRE(layer->groups >= 1 && layer->c % layer->groups == 0);
    REQUIRE(layer->n % layer->groups == 0 && layer->stride >= 1 && layer->size >= 1);
    REQUIRE(layer->size > 1 || (int64_t)layer->c * layer->out_w * layer->out_h <= layer->inputs);
}

static void check_route(const struct ll_network *network, int index)
{
    const struct ll_layer_params *layer = &network->layers[index];
    int64_t floats = 0;
    for (int i = 0; i < layer->n; i++) {
        REQUIRE(layer->input_layers[i] >= 0 && layer->input_layers[i] < index);
        REQUIRE(network->layers[layer->input_layers[i]].outputs == layer->input_sizes[i]);
        floats += layer->input_sizes[i];
    }
    REQUIRE(floats == layer->outputs);
}

static void check_shortcut(const struct ll_layer_params *layer, int index)
{
    REQUIRE(layer->index >= 0 && layer->index < index);
    REQUIRE(layer->w / layer->out_w == layer->h / layer->out_h);
    REQUIRE(layer->out_w / layer->w == layer->out_h / layer->h);
}

static void check_yolo(const struct ll_layer_params *layer)
{
    REQUIRE(layer->anchors != NULL);
    for (int i = 0; i < layer->n; i++) {
        REQUIRE(layer->mask[i] >= 0 && layer->mask[i] < layer->total);
    }
}

static void check_parameters(const struct ll_network *network, int index)
{
    const struct ll_layer_params *layer = &network->layers[index];
    switch (layer->kind) {
    case LL_KIND_CONVOLUTIONAL:
        check_convolution(layer);
        break;
    case LL_KIND_ROUTE:
        check_route(network, index);
        break;
    case LL_KIND_SHORTCUT:
        check_shortcut(layer, index);
        break;
    case LL_KIND_YOLO:
        check_yolo(layer);
        break;
    default:
        break;
    }
}

/* What the rest needs at a cut is what the part before gives, or the input. */
static void check_cut(const struct ll_table *table, int cut)
{
    struct ll_names needed;
    struct ll_names given;
    REQUIRE(ll_table_inputs(table, cut, table->layer_count, &needed) == LL_OK);
    REQUIRE(ll_table_outputs(table, 0, cut, &given) == LL_OK);
    int g = 0;
    for (int n = 0; n < needed.count; n++) {
        if (needed.names[n] == LL_TENSOR_INPUT) {
            continue;
        }
        while (g < given.count && given.names[g] < needed.names[n]) {
            g++;
        }
        REQUIRE(g < given.count && given.names[g] == needed.names[n]);
    }
    ll_names_finish(&needed);
    ll_names_finish(&given);
}

static void check_plans(const struct ll_table *table)
{
    static const char *const partitioners[] = {"layer", "whole", "mb:1"};
    for (int i = 0; i < 3; i++) {
        struct ll_plan plan;
        REQUIRE(ll_plan_make(table, partitioners[i], &plan, NULL) == LL_OK);
        REQUIRE(ll_plan_check(table, &plan, NULL) == LL_OK);
        ll_plan_finish(&plan);
    }
}

/* What crosses the borders of the chain is what it says. */
static void check_chain(const struct ll_table *table)
{
    struct ll_chain chain;
    const struct ll_layer_times none = {0};
    REQUIRE(ll_chain_make(table, &none, &chain, NULL) == LL_OK);
    REQUIRE(ll_chain_check(&chain, NULL) == LL_OK);
    REQUIRE(chain.elements[chain.count - 1].end == table->layer_count);
    for (int i = 0; i < chain.count && i < CUTS_TRIED; i++) {
        const struct ll_chain_element *element = &chain.elements[i];
        REQUIRE(ll_table_is_legal_cut(table, element->first));
        struct ll_names names;
        REQUIRE(ll_table_inputs(table, element->first, element->end, &names) == LL_OK);
        REQUIRE(ll_names_bytes(table, &names) == element->input_bytes);
        ll_names_finish(&names);
        REQUIRE(ll_table_outputs(table, element->first, element->end, &names) == LL_OK);
        REQUIRE(ll_names_bytes(table, &names) == element->output_bytes + element->early_bytes);
        ll_names_finish(&names);
    }
    ll_chain_finish(&chain);
}

static void check_network(const struct ll_network *base)
{
    const struct ll_network *network = base;
    const struct ll_table *table = &base->table;
    REQUIRE(table->layer_count >= 1 && table->layer_count <= LL_LIMIT_LAYERS);
    REQUIRE(table->in_floats >= 1 && table->in_floats <= LL_LIMIT_TENSOR_BYTES / 4);
    REQUIRE(table->blob_bytes <= LL_LIMIT_MODEL_BYTES && table->flops <= LL_LIMIT_MODEL_FLOPS);
    int64_t floats = table->in_floats;
    for (int i = 0; i < table->layer_count; i++) {
        check_shape(&table->layers[i], &network->layers[i]);
        check_blob(&table->layers[i], &network->layers[i]);
        check_reads(table, i);
        check_parameters(network, i);
        floats += table->layers[i].makes == i ? table->layers[i].out_floats : 0;
    }
    REQUIRE(floats * 4 <= LL_LIMIT_CONTEXT_BYTES);
    REQUIRE(table->layers[table->layer_count - 1].ends_group);
    struct ll_names outputs;
    REQUIRE(ll_table_network_outputs(table, &outputs) == LL_OK);
    REQUIRE(outputs.count >= 1);
    ll_names_finish(&outputs);
    for (int cut = 0, tried = 0; cut <= table->layer_count && tried < CUTS_TRIED; cut++) {
        if (ll_table_is_legal_cut(table, cut)) {
            check_cut(table, cut);
            tried++;
        }
    }
    check_plans(table);
    check_chain(table);
}

static void check_unknown_key(const uint8_t *data, size_t size)
{
    static const char line[] = "\nnobody_knows=1\n";
    char *more = malloc(size + sizeof(line));
    REQUIRE(more != NULL);
    memcpy(more, data, size);
    memcpy(more + size, line, sizeof(line) - 1);
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    ll_status status = dkb_network_parse(more, size + sizeof(line) - 1, &network, &err);
    REQUIRE(status == LL_E_INVALID || status == LL_E_EXHAUSTED);
    REQUIRE(network == NULL);
    free(more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    ll_status status = dkb_network_parse((const char *)data, size, &network, &err);
    if (status != LL_OK) {
        REQUIRE(network == NULL);
        check_refusal(status, &err);
        return 0;
    }
    check_network(network);
    ll_network_unref(network);
    check_unknown_key(data, size);
    return 0;
}
