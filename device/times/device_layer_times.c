#include "device/times/device_layer_times.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The guess: what one thread of a middling processor computes and moves in a second. */
#define PROFILE_FLOPS 5e9
#define PROFILE_BYTES 4e9

struct times_layer {
    int64_t guess_ns;
    /* Before the first sample that counts; -1: none. */
    int64_t cold_ns;
    int64_t samples_ns[DEVICE_LAYER_TIMES_SAMPLES];
    int sample_count;
    /* Its first run in this process is over. */
    bool has_run;
};

struct device_layer_times {
    const struct ll_table *table;
    struct times_layer *layers;
    uint64_t version;
};

static int64_t guess_ns(const struct ll_table *table, int index, int threads)
{
    const struct ll_layer *layer = &table->layers[index];
    double floats = (double)layer->out_floats + (double)layer->blob_bytes / sizeof(float);
    for (int r = 0; r < layer->read_count; r++) {
        floats += (double)ll_table_tensor_floats(table, layer->reads[r]);
    }
    double ns = (double)layer->flops / PROFILE_FLOPS / threads * 1e9 +
                floats * sizeof(float) / PROFILE_BYTES * 1e9;
    return (int64_t)fmin(ns, (double)DEVICE_LAYER_TIMES_MOST_NS);
}

ll_status device_layer_times_create(const struct ll_table *table, int threads,
                                    struct device_layer_times **out_times)
{
    struct device_layer_times *times = calloc(1, sizeof(*times));
    struct times_layer *layers = calloc((size_t)table->layer_count, sizeof(*layers));
    if (!times || !layers) {
        free(times);
        free(layers);
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < table->layer_count; i++) {
        layers[i] = (struct times_layer){.guess_ns = guess_ns(table, i, threads), .cold_ns = -1};
    }
    *times = (struct device_layer_times){.table = table, .layers = layers, .version = 1};
    *out_times = times;
    return LL_OK;
}

void device_layer_times_destroy(struct device_layer_times *times)
{
    if (times) {
        free(times->layers);
        free(times);
    }
}

/* ---- Learning ---- */

static bool is_time(int64_t ns)
{
    return ns >= 0 && ns <= DEVICE_LAYER_TIMES_MOST_NS;
}

void device_layer_times_add(struct device_layer_times *times, int first, int end,
                            const int64_t *layer_ns)
{
    for (int i = first; i < end; i++) {
        struct times_layer *layer = &times->layers[i];
        int64_t ns = layer_ns[i - first];
        bool is_cold = !layer->has_run;
        layer->has_run = true;
        if (!is_time(ns) || layer->sample_count == DEVICE_LAYER_TIMES_SAMPLES) {
            continue;
        }
        if (!is_cold) {
            layer->samples_ns[layer->sample_count++] = ns;
            times->version++;
        } else if (layer->cold_ns < 0) {
            layer->cold_ns = ns;
            times->version++;
        }
    }
}

void device_layer_times_warm(struct device_layer_times *times, const int64_t *layer_ns)
{
    for (int i = 0; i < times->table->layer_count; i++) {
        struct times_layer *layer = &times->layers[i];
        layer->has_run = true;
        if (is_time(layer_ns[i]) && layer->cold_ns < 0) {
            layer->cold_ns = layer_ns[i];
            times->version++;
        }
    }
}

ll_status device_layer_times_set(struct device_layer_times *times, int layer, int64_t ns,
                                 int64_t samples)
{
    if (layer < 0 || layer >= times->table->layer_count || !is_time(ns) || samples < 0 ||
        samples > DEVICE_LAYER_TIMES_SAMPLES) {
        return LL_E_INVALID;
    }
    struct times_layer *known = &times->layers[layer];
    known->cold_ns = ns;
    known->sample_count = (int)samples;
    for (int i = 0; i < known->sample_count; i++) {
        known->samples_ns[i] = ns;
    }
    times->version++;
    return LL_OK;
}

/* ---- Asking ---- */

static int compare_ns(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int64_t device_layer_times_ns(const struct device_layer_times *times, int layer, int *out_samples)
{
    const struct times_layer *known = &times->layers[layer];
    *out_samples = known->sample_count;
    if (known->sample_count == 0) {
        return known->cold_ns >= 0 ? known->cold_ns : known->guess_ns;
    }
    int64_t sorted_ns[DEVICE_LAYER_TIMES_SAMPLES];
    memcpy(sorted_ns, known->samples_ns, sizeof(sorted_ns));
    qsort(sorted_ns, (size_t)known->sample_count, sizeof(sorted_ns[0]), compare_ns);
    /* Of an even number the lower one: what is too long was disturbed. */
    return sorted_ns[(known->sample_count - 1) / 2];
}

bool device_layer_times_is_measured(const struct device_layer_times *times)
{
    for (int i = 0; i < times->table->layer_count; i++) {
        if (times->layers[i].sample_count == 0 && times->layers[i].cold_ns < 0) {
            return false;
        }
    }
    return true;
}

int device_layer_times_least_samples(const struct device_layer_times *times)
{
    int least = DEVICE_LAYER_TIMES_SAMPLES;
    for (int i = 0; i < times->table->layer_count; i++) {
        int count = times->layers[i].sample_count;
        least = count < least ? count : least;
    }
    return least;
}

uint64_t device_layer_times_version(const struct device_layer_times *times)
{
    return times->version;
}

const struct ll_table *device_layer_times_table(const struct device_layer_times *times)
{
    return times->table;
}
