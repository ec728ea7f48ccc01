/* Two tables hold, for each pair of candidates, the values of cut tensors that cross upward and
 * downward. The rest needs no table: the network's input crosses as soon as a layer of the range
 * reads it, and the network's outputs within a range are a difference of sums. */
#include "device/choose/device_choice.h"

#include <assert.h>
#include <stdlib.h>

struct device_choice {
    const struct ll_table *table;
    /* Candidates, ascending: the first is 0, the last layer_count. */
    int count;
    int *cuts;
    /* count x count, row by `first`; as float, which makes a row a quick sum and is exact enough.
     */
    float *up;
    float *down;
    /* By candidate: the end from which on a range that begins here reads the network's input;
     * layer_count + 1 where none does. */
    int *input_end;
    /* By candidate: values of the network's outputs that the layers before it make. */
    double *outputs;
};

/* ---- The tables ---- */

static ll_status find_cuts(struct device_choice *choice)
{
    const struct ll_table *table = choice->table;
    int *cuts = calloc((size_t)table->layer_count + 1, sizeof(*cuts));
    if (!cuts) {
        return LL_E_NO_MEMORY;
    }
    int legal = 0;
    for (int cut = 0; cut <= table->layer_count; cut++) {
        if (ll_table_is_legal_cut(table, cut)) {
            cuts[legal++] = cut;
        }
    }
    choice->cuts = cuts;
    choice->count = legal;
    if (legal > DEVICE_CHOICE_CUTS) {
        for (int i = 0; i < DEVICE_CHOICE_CUTS; i++) {
            cuts[i] = cuts[(int64_t)i * (legal - 1) / (DEVICE_CHOICE_CUTS - 1)];
        }
        choice->count = DEVICE_CHOICE_CUTS;
    }
    return LL_OK;
}

/* A walk over the layers from `first` on, with what crosses where it has come to. */
struct choice_walk {
    int first;
    int end;
    int64_t up;
    int64_t down;
    /* By tensor: the walk that read it last (its `first` + 1). */
    int *seen;
    int input_end;
};

/* What the next layer reads comes from before the walk, once, or is read for the last time. */
static void walk_reads(const struct ll_table *table, struct choice_walk *walk)
{
    const struct ll_layer *layer = &table->layers[walk->end];
    for (int r = 0; r < layer->read_count; r++) {
        int name = layer->reads[r];
        if (name == LL_TENSOR_INPUT) {
            walk->input_end = walk->end < walk->input_end ? walk->end + 1 : walk->input_end;
            continue;
        }
        const struct ll_layer *maker = &table->layers[name];
        if (name < walk->first && walk->seen[name] != walk->first + 1) {
            walk->seen[name] = walk->first + 1;
            walk->up += maker->out_floats;
        } else if (name >= walk->first && !maker->is_output && maker->last_reader == walk->end) {
            walk->down -= maker->out_floats;
        }
    }
}

static void walk_layer(const struct ll_table *table, struct choice_walk *walk)
{
    const struct ll_layer *layer = &table->layers[walk->end];
    walk_reads(table, walk);
    if (layer->makes == walk->end && !layer->is_output && layer->last_reader >= 0) {
        walk->down += layer->out_floats;
    }
    walk->end++;
}

static void fill_row(struct device_choice *choice, int i, struct choice_walk walk)
{
    const struct ll_table *table = choice->table;
    walk.first = walk.end = choice->cuts[i];
    walk.input_end = table->layer_count + 1;
    size_t row = (size_t)i * (size_t)choice->count;
    for (int j = i + 1; j < choice->count; j++) {
        while (walk.end < choice->cuts[j]) {
            walk_layer(table, &walk);
        }
        choice->up[row + (size_t)j] = (float)walk.up;
        choice->down[row + (size_t)j] = (float)walk.down;
    }
    choice->input_end[i] = walk.input_end;
}

static void fill_outputs(struct device_choice *choice)
{
    const struct ll_table *table = choice->table;
    int layer = 0;
    double outputs = 0;
    for (int i = 0; i < choice->count; i++) {
        for (; layer < choice->cuts[i]; layer++) {
            outputs += table->layers[layer].is_output ? (double)table->layers[layer].out_floats : 0;
        }
        choice->outputs[i] = outputs;
    }
}

static ll_status fill(struct device_choice *choice)
{
    assert(choice->count >= 2);
    size_t count = (size_t)choice->count;
    choice->up = calloc(count * count + 1, sizeof(*choice->up));
    choice->down = calloc(count * count + 1, sizeof(*choice->down));
    choice->input_end = calloc(count + 1, sizeof(*choice->input_end));
    choice->outputs = calloc(count + 1, sizeof(*choice->outputs));
    int *seen = calloc((size_t)choice->table->layer_count + 1, sizeof(*seen));
    if (!choice->up || !choice->down || !choice->input_end || !choice->outputs || !seen) {
        free(seen);
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < choice->count; i++) {
        fill_row(choice, i, (struct choice_walk){.seen = seen});
    }
    fill_outputs(choice);
    free(seen);
    return LL_OK;
}

ll_status device_choice_create(const struct ll_table *table, struct device_choice **out_choice)
{
    struct device_choice *choice = calloc(1, sizeof(*choice));
    if (!choice) {
        return LL_E_NO_MEMORY;
    }
    choice->table = table;
    ll_status status = find_cuts(choice);
    if (status == LL_OK) {
        status = fill(choice);
    }
    if (status != LL_OK) {
        device_choice_destroy(choice);
        return status;
    }
    *out_choice = choice;
    return LL_OK;
}

void device_choice_destroy(struct device_choice *choice)
{
    if (choice) {
        free(choice->cuts);
        free(choice->up);
        free(choice->down);
        free(choice->input_end);
        free(choice->outputs);
        free(choice);
    }
}

/* ---- Predicting ---- */

static double up_ns(const struct device_costs *costs, int cut)
{
    return costs->up_factors ? costs->up_ns * costs->up_factors[cut] : costs->up_ns;
}

static double down_ns(const struct device_costs *costs, int cut)
{
    return costs->down_factors ? costs->down_ns * costs->down_factors[cut] : costs->down_ns;
}

/* A range's remote part without what its end alone decides. */
static double remote_ns(const struct device_choice *choice, const struct device_costs *costs, int i,
                        int j)
{
    size_t at = (size_t)i * (size_t)choice->count + (size_t)j;
    double input = choice->cuts[j] >= choice->input_end[i] ? (double)choice->table->in_floats : 0;
    int first = choice->cuts[i];
    int end = choice->cuts[j];
    return costs->fixed_ns + input * costs->input_ns +
           (double)choice->up[at] * up_ns(costs, first) + costs->edge_ns[end] -
           costs->edge_ns[first] + (double)choice->down[at] * down_ns(costs, end) +
           (choice->outputs[j] - choice->outputs[i]) * costs->output_ns;
}

void device_choice_best(const struct device_choice *choice, const struct device_costs *costs,
                        int prefix, struct device_range *out_range)
{
    double whole_ns = costs->device_ns[choice->table->layer_count];
    struct device_range best = {.latency_ns = whole_ns};
    for (int i = 0; i < choice->count; i++) {
        for (int j = i + 1; j < choice->count && choice->cuts[j] <= prefix; j++) {
            double part_ns = remote_ns(choice, costs, i, j);
            double latency_ns = whole_ns + part_ns - costs->device_ns[choice->cuts[j]] +
                                costs->device_ns[choice->cuts[i]];
            if (latency_ns < best.latency_ns) {
                best = (struct device_range){.first = choice->cuts[i],
                                             .end = choice->cuts[j],
                                             .latency_ns = latency_ns,
                                             .remote_ns = part_ns};
            }
        }
    }
    *out_range = best;
}

ll_status device_choice_crossing(const struct device_choice *choice, int first, int end,
                                 struct device_crossing *out_crossing)
{
    const struct ll_table *table = choice->table;
    struct device_crossing crossing = {0};
    struct ll_names names = {0};
    ll_status status = ll_table_inputs(table, first, end, &names);
    if (status != LL_OK) {
        return status;
    }
    for (int i = 0; i < names.count; i++) {
        int64_t floats = ll_table_tensor_floats(table, names.names[i]);
        *(names.names[i] == LL_TENSOR_INPUT ? &crossing.input : &crossing.up) += floats;
    }
    ll_names_finish(&names);
    status = ll_table_outputs(table, first, end, &names);
    if (status != LL_OK) {
        return status;
    }
    for (int i = 0; i < names.count; i++) {
        const struct ll_layer *layer = &table->layers[names.names[i]];
        *(layer->is_output ? &crossing.outputs : &crossing.down) += layer->out_floats;
    }
    ll_names_finish(&names);
    *out_crossing = crossing;
    return LL_OK;
}

ll_status device_choice_predict(const struct device_choice *choice,
                                const struct device_costs *costs, int first, int end,
                                struct device_range *out_range)
{
    assert(first <= end);
    struct device_range range = {.first = first, .end = end};
    if (first < end) {
        struct device_crossing crossing;
        ll_status status = device_choice_crossing(choice, first, end, &crossing);
        if (status != LL_OK) {
            return status;
        }
        range.remote_ns = costs->fixed_ns + (double)crossing.input * costs->input_ns +
                          (double)crossing.up * up_ns(costs, first) + costs->edge_ns[end] -
                          costs->edge_ns[first] + (double)crossing.down * down_ns(costs, end) +
                          (double)crossing.outputs * costs->output_ns;
    }
    range.latency_ns = costs->device_ns[choice->table->layer_count] - costs->device_ns[end] +
                       costs->device_ns[first] + range.remote_ns;
    *out_range = range;
    return LL_OK;
}
