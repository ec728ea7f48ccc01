#include "net/ll_table.h"

#include <assert.h>
#include <stdlib.h>

#include "core/ll_limits.h"

ll_status ll_table_init(struct ll_table *table, int layer_count)
{
    *table = (struct ll_table){.layer_count = layer_count};
    table->layers = calloc(layer_count > 0 ? (size_t)layer_count : 1, sizeof(*table->layers));
    return table->layers ? LL_OK : LL_E_NO_MEMORY;
}

void ll_table_finish(struct ll_table *table)
{
    for (int i = 0; table->layers && i < table->layer_count; i++) {
        free(table->layers[i].reads);
    }
    free(table->layers);
    *table = (struct ll_table){0};
}

static int *last_reader_of(struct ll_table *table, int name)
{
    return name == LL_TENSOR_INPUT ? &table->input_last_reader : &table->layers[name].last_reader;
}

/* Notes that layer `index` reads what it says it reads. */
static ll_status seal_reads(struct ll_table *table, int index, struct ll_error *err)
{
    const struct ll_layer *layer = &table->layers[index];
    for (int r = 0; r < layer->read_count; r++) {
        int name = layer->reads[r];
        if (name < LL_TENSOR_INPUT || name >= index ||
            (name >= 0 && table->layers[name].makes != name)) {
            return ll_fail(err, LL_E_INVALID, "layer %d (%s, line %d) reads tensor %d", index,
                           layer->type, layer->line, name);
        }
        *last_reader_of(table, name) = index;
    }
    return LL_OK;
}

static ll_status seal_layer(struct ll_table *table, int index, struct ll_error *err)
{
    struct ll_layer *layer = &table->layers[index];
    if (layer->out_floats <= 0 || layer->out_floats > LL_LIMIT_TENSOR_BYTES / 4) {
        return ll_fail_limit(err, "tensor_bytes", LL_LIMIT_TENSOR_BYTES, 0,
                             "layer %d (%s, line %d) makes %lld floats, the limit is %lld", index,
                             layer->type, layer->line, (long long)layer->out_floats,
                             (long long)(LL_LIMIT_TENSOR_BYTES / 4));
    }
    if (layer->blob_bytes < 0 || layer->blob_bytes > LL_LIMIT_BLOB_BYTES) {
        return ll_fail_limit(err, "blob_bytes", LL_LIMIT_BLOB_BYTES, 0,
                             "layer %d (%s, line %d) has %lld bytes of weights, the limit is %lld",
                             index, layer->type, layer->line, (long long)layer->blob_bytes,
                             (long long)LL_LIMIT_BLOB_BYTES);
    }
    if (layer->exact_bytes < 0 || layer->exact_bytes > layer->blob_bytes ||
        layer->exact_tail_bytes < 0 ||
        layer->exact_tail_bytes > layer->blob_bytes - layer->exact_bytes) {
        return ll_fail(err, LL_E_INVALID,
                       "layer %d (%s, line %d) has %lld and %lld exact bytes in a blob of %lld",
                       index, layer->type, layer->line, (long long)layer->exact_bytes,
                       (long long)layer->exact_tail_bytes, (long long)layer->blob_bytes);
    }
    table->blob_bytes += layer->blob_bytes;
    if (table->blob_bytes > LL_LIMIT_MODEL_BYTES) {
        return ll_fail_limit(err, "model_bytes", LL_LIMIT_MODEL_BYTES, 0,
                             "layer %d (%s, line %d) brings the model above %lld bytes of weights",
                             index, layer->type, layer->line, (long long)LL_LIMIT_MODEL_BYTES);
    }
    if (__builtin_add_overflow(table->flops, layer->flops, &table->flops)) {
        table->flops = INT64_MAX;
    }
    return seal_reads(table, index, err);
}

ll_status ll_table_seal(struct ll_table *table, struct ll_error *err)
{
    int count = table->layer_count;
    if (count < 1 || count > LL_LIMIT_LAYERS) {
        return ll_fail_limit(err, "layers", LL_LIMIT_LAYERS, 0,
                             "%d layers, the limits are 1 and %d", count, LL_LIMIT_LAYERS);
    }
    if (!table->layers[count - 1].ends_group) {
        return ll_fail(err, LL_E_INVALID, "the last layer does not end its group");
    }
    table->input_last_reader = -1;
    table->blob_bytes = 0;
    table->flops = 0;
    for (int i = 0; i < count; i++) {
        table->layers[i].last_reader = -1;
    }
    for (int i = 0; i < count; i++) {
        ll_status status = seal_layer(table, i, err);
        if (status != LL_OK) {
            return status;
        }
    }
    for (int i = 0; i < count; i++) {
        if (table->layers[i].is_output) {
            table->layers[i].last_reader = count;
        }
    }
    return LL_OK;
}

int64_t ll_table_tensor_floats(const struct ll_table *table, int name)
{
    assert(name >= LL_TENSOR_INPUT && name < table->layer_count);
    return name == LL_TENSOR_INPUT ? table->in_floats : table->layers[name].out_floats;
}

bool ll_table_is_legal_cut(const struct ll_table *table, int cut)
{
    if (cut < 0 || cut > table->layer_count) {
        return false;
    }
    return cut == 0 || table->layers[cut - 1].ends_group;
}

int ll_table_legal_cut_at_most(const struct ll_table *table, int cut)
{
    if (cut > table->layer_count) {
        cut = table->layer_count;
    }
    while (cut > 0 && !table->layers[cut - 1].ends_group) {
        cut--;
    }
    return cut > 0 ? cut : 0;
}

static int compare_names(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;
    return (left > right) - (left < right);
}

/* Sorts the list and drops what stands in it twice. */
static void sort_and_unique(struct ll_names *names)
{
    if (names->count < 2) {
        return;
    }
    qsort(names->names, (size_t)names->count, sizeof(int), compare_names);
    int kept = 1;
    for (int i = 1; i < names->count; i++) {
        if (names->names[i] != names->names[kept - 1]) {
            names->names[kept++] = names->names[i];
        }
    }
    names->count = kept;
}

static ll_status names_init(struct ll_names *names, int64_t capacity)
{
    names->count = 0;
    names->names = calloc(capacity > 0 ? (size_t)capacity : 1, sizeof(int));
    return names->names ? LL_OK : LL_E_NO_MEMORY;
}

ll_status ll_table_inputs(const struct ll_table *table, int first, int end,
                          struct ll_names *out_names)
{
    assert(0 <= first && first <= end && end <= table->layer_count);
    int64_t capacity = 0;
    for (int i = first; i < end; i++) {
        capacity += table->layers[i].read_count;
    }
    struct ll_names names;
    ll_status status = names_init(&names, capacity);
    if (status != LL_OK) {
        return status;
    }
    for (int i = first; i < end; i++) {
        const struct ll_layer *layer = &table->layers[i];
        for (int r = 0; r < layer->read_count; r++) {
            if (layer->reads[r] < first) {
                names.names[names.count++] = layer->reads[r];
            }
        }
    }
    sort_and_unique(&names);
    *out_names = names;
    return LL_OK;
}

ll_status ll_table_outputs(const struct ll_table *table, int first, int end,
                           struct ll_names *out_names)
{
    assert(0 <= first && first <= end && end <= table->layer_count);
    struct ll_names names;
    ll_status status = names_init(&names, end - first);
    if (status != LL_OK) {
        return status;
    }
    for (int i = first; i < end; i++) {
        const struct ll_layer *layer = &table->layers[i];
        if (layer->makes == i && layer->last_reader >= end) {
            names.names[names.count++] = i;
        }
    }
    *out_names = names;
    return LL_OK;
}

ll_status ll_table_network_outputs(const struct ll_table *table, struct ll_names *out_names)
{
    return ll_table_outputs(table, 0, table->layer_count, out_names);
}

void ll_names_finish(struct ll_names *names)
{
    free(names->names);
    *names = (struct ll_names){0};
}

int64_t ll_names_bytes(const struct ll_table *table, const struct ll_names *names)
{
    int64_t bytes = 0;
    for (int i = 0; i < names->count; i++) {
        bytes += ll_table_tensor_floats(table, names->names[i]) * (int64_t)sizeof(float);
    }
    return bytes;
}
