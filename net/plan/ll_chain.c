/* The table's collapse: one sweep over the cuts with the set of tensors that layers behind the cut
 * read. The set itself is not needed, only how many there are and, where it is one, which: the sum
 * of their names. */
#include "net/plan/ll_chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/ll_limits.h"

ll_status ll_chain_init(struct ll_chain *chain, int count)
{
    *chain = (struct ll_chain){.count = count};
    chain->elements = calloc(count > 0 ? (size_t)count : 1, sizeof(*chain->elements));
    return chain->elements ? LL_OK : LL_E_NO_MEMORY;
}

void ll_chain_finish(struct ll_chain *chain)
{
    free(chain->elements);
    *chain = (struct ll_chain){0};
}

/* The sweep's state before layer `cut`. */
struct sweep {
    const struct ll_table *table;
    /* By name + 1: the last layer that reads the tensor, -1 if none does. Unlike the table's
     * last_reader the end does not count. */
    int *last_reads;
    int alive_count;
    int64_t alive_sum;
};

static ll_status sweep_init(struct sweep *sweep, const struct ll_table *table)
{
    int count = table->layer_count;
    *sweep = (struct sweep){.table = table};
    sweep->last_reads = calloc((size_t)count + 1, sizeof(int));
    if (!sweep->last_reads) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i <= count; i++) {
        sweep->last_reads[i] = -1;
    }
    for (int i = 0; i < count; i++) {
        for (int r = 0; r < table->layers[i].read_count; r++) {
            sweep->last_reads[table->layers[i].reads[r] + 1] = i;
        }
    }
    if (sweep->last_reads[LL_TENSOR_INPUT + 1] >= 0) {
        sweep->alive_count = 1;
        sweep->alive_sum = LL_TENSOR_INPUT;
    }
    return LL_OK;
}

/* Goes on from the cut before layer `index` to the one behind it. */
static void sweep_pass(struct sweep *sweep, int index)
{
    const struct ll_layer *layer = &sweep->table->layers[index];
    for (int r = 0; r < layer->read_count; r++) {
        if (sweep->last_reads[layer->reads[r] + 1] == index) {
            sweep->alive_count--;
            sweep->alive_sum -= layer->reads[r];
        }
    }
    if (sweep->last_reads[index + 1] > index) {
        sweep->alive_count++;
        sweep->alive_sum += index;
    }
}

static int64_t tensor_bytes(const struct ll_table *table, int name)
{
    return ll_table_tensor_floats(table, name) * (int64_t)sizeof(float);
}

/* Fills what follows from the layers. `makers` has, for each element, the layer that makes what
 * crosses at its end; -1 where nothing does. */
static void fill_elements(const struct ll_table *table, const int *makers, struct ll_chain *chain)
{
    int64_t crossing_bytes =
        table->input_last_reader < 0 ? 0 : tensor_bytes(table, LL_TENSOR_INPUT);
    for (int e = 0; e < chain->count; e++) {
        struct ll_chain_element *element = &chain->elements[e];
        int maker = makers[e];
        bool is_last = e == chain->count - 1;
        element->input_bytes = crossing_bytes;
        crossing_bytes = maker < 0 ? 0 : tensor_bytes(table, maker);
        for (int i = element->first; i < element->end; i++) {
            const struct ll_layer *layer = &table->layers[i];
            element->weight_bytes += layer->blob_bytes;
            if (layer->is_output && !(is_last && i == maker)) {
                element->early_bytes += tensor_bytes(table, i);
            }
        }
        /* An output that later layers read as well comes back in any case. */
        bool is_early = !is_last && maker >= 0 && table->layers[maker].is_output;
        element->output_bytes = is_early ? 0 : crossing_bytes;
        int named = maker < 0 ? element->end - 1 : maker;
        snprintf(element->name, sizeof(element->name), "%s %d", table->layers[named].type, named);
    }
}

/* The last output that is made in [first, layer_count); -1 if none is. */
static int last_output(const struct ll_table *table, int first)
{
    int last = table->layer_count - 1;
    while (last >= first && !table->layers[last].is_output) {
        last--;
    }
    return last >= first ? last : -1;
}

/* Finds the elements' layers; `makers` as above. */
static void find_borders(struct sweep *sweep, struct ll_chain *chain, int *makers)
{
    const struct ll_table *table = sweep->table;
    struct ll_chain_element *elements = chain->elements;
    int count = 0;
    int first = 0;
    for (int cut = 1; cut < table->layer_count; cut++) {
        sweep_pass(sweep, cut - 1);
        int name = (int)sweep->alive_sum;
        if (!ll_table_is_legal_cut(table, cut) || sweep->alive_count != 1 ||
            name == LL_TENSOR_INPUT) {
            continue;
        }
        if (count > 0 && makers[count - 1] == name) {
            elements[count - 1].end = cut;
        } else {
            makers[count] = name;
            elements[count].first = first;
            elements[count].end = cut;
            count++;
        }
        first = cut;
    }
    makers[count] = last_output(table, first);
    elements[count].first = first;
    elements[count].end = table->layer_count;
    chain->count = count + 1;
}

ll_status ll_chain_make(const struct ll_table *table, const struct ll_layer_times *times,
                        struct ll_chain *out_chain, struct ll_error *err)
{
    struct sweep sweep = {0};
    struct ll_chain chain = {0};
    int *makers = calloc((size_t)table->layer_count, sizeof(int));
    ll_status status = makers ? sweep_init(&sweep, table) : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = ll_chain_init(&chain, table->layer_count);
    }
    if (status != LL_OK) {
        status = ll_fail(err, status, "out of memory");
        goto out;
    }
    find_borders(&sweep, &chain, makers);
    fill_elements(table, makers, &chain);
    status = ll_chain_set_times(&chain, times, err);
    if (status == LL_OK) {
        *out_chain = chain;
        chain = (struct ll_chain){0};
    }
out:
    ll_chain_finish(&chain);
    free(sweep.last_reads);
    free(makers);
    return status;
}

/* Adds a value to a sum, both within their limits. */
static ll_status add(const char *what, int64_t value, int64_t limit, int64_t sum_limit,
                     int64_t *sum, struct ll_error *err)
{
    if (value < 0) {
        return ll_fail(err, LL_E_INVALID, "%s: %lld is negative", what, (long long)value);
    }
    if (value > limit) {
        return ll_fail(err, LL_E_EXHAUSTED, "%s: %lld, the limit is %lld", what, (long long)value,
                       (long long)limit);
    }
    if (value > sum_limit - *sum) {
        return ll_fail(err, LL_E_EXHAUSTED, "%s: the sum up to here passes %lld", what,
                       (long long)sum_limit);
    }
    *sum += value;
    return LL_OK;
}

ll_status ll_chain_check_next(const struct ll_chain_element *element, struct ll_chain_element *sum,
                              struct ll_error *err)
{
    const int64_t all_tensors = LL_LIMIT_TENSOR_BYTES * LL_LIMIT_LAYERS;
    const struct {
        const char *what;
        int64_t value;
        int64_t limit;
        int64_t sum_limit;
        int64_t *sum;
    } quantities[] = {
        {"input bytes", element->input_bytes, LL_LIMIT_TENSOR_BYTES, all_tensors,
         &sum->input_bytes},
        {"output bytes", element->output_bytes, LL_LIMIT_TENSOR_BYTES, all_tensors,
         &sum->output_bytes},
        {"early output bytes", element->early_bytes, all_tensors, all_tensors, &sum->early_bytes},
        {"weight bytes", element->weight_bytes, LL_LIMIT_MODEL_BYTES, LL_LIMIT_MODEL_BYTES,
         &sum->weight_bytes},
        {"device ns", element->device_ns, LL_LIMIT_CHAIN_NS, LL_LIMIT_CHAIN_NS, &sum->device_ns},
        {"edge ns", element->edge_ns, LL_LIMIT_CHAIN_NS, LL_LIMIT_CHAIN_NS, &sum->edge_ns},
        {"creation ns", element->create_ns, LL_LIMIT_CHAIN_NS, LL_LIMIT_CHAIN_NS, &sum->create_ns},
    };
    if (element->first != sum->end || element->end <= element->first) {
        return ll_fail(err, LL_E_INVALID, "layers [%d, %d) do not follow on layer %d",
                       element->first, element->end, sum->end);
    }
    sum->end = element->end;
    ll_status status = LL_OK;
    for (size_t i = 0; status == LL_OK && i < sizeof(quantities) / sizeof(quantities[0]); i++) {
        status = add(quantities[i].what, quantities[i].value, quantities[i].limit,
                     quantities[i].sum_limit, quantities[i].sum, err);
    }
    return status;
}

ll_status ll_chain_check(const struct ll_chain *chain, struct ll_error *err)
{
    if (chain->count < 1 || chain->count > LL_LIMIT_LAYERS) {
        return ll_fail(err, LL_E_EXHAUSTED, "%d elements, the limits are 1 and %d", chain->count,
                       LL_LIMIT_LAYERS);
    }
    struct ll_chain_element sum = {0};
    for (int i = 0; i < chain->count; i++) {
        ll_status status = ll_chain_check_next(&chain->elements[i], &sum, err);
        if (status != LL_OK) {
            ll_error_prefix(err, "element %d (%s)", i, chain->elements[i].name);
            return status;
        }
    }
    return LL_OK;
}

/* The sum over the element's layers, too large to pass a check where it is too large for int64;
 * a negative time stays one. */
static int64_t sum_ns(const struct ll_chain_element *element, const int64_t *layer_ns)
{
    int64_t sum = 0;
    for (int i = element->first; layer_ns && i < element->end; i++) {
        if (layer_ns[i] < 0 || layer_ns[i] > LL_LIMIT_CHAIN_NS) {
            return layer_ns[i];
        }
        sum += layer_ns[i];
    }
    return sum;
}

ll_status ll_chain_set_times(struct ll_chain *chain, const struct ll_layer_times *times,
                             struct ll_error *err)
{
    struct ll_chain timed;
    ll_status status = ll_chain_init(&timed, chain->count);
    if (status != LL_OK) {
        return ll_fail(err, status, "out of memory");
    }
    for (int i = 0; i < chain->count; i++) {
        struct ll_chain_element *element = &timed.elements[i];
        *element = chain->elements[i];
        element->device_ns = sum_ns(element, times->device_ns);
        element->edge_ns = sum_ns(element, times->edge_ns);
        element->create_ns = sum_ns(element, times->create_ns);
    }
    status = ll_chain_check(&timed, err);
    if (status == LL_OK) {
        struct ll_chain_element *old = chain->elements;
        chain->elements = timed.elements;
        timed.elements = old;
    }
    ll_chain_finish(&timed);
    return status;
}
