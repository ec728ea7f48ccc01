/* A profile that lay in a file. Oracle: what is taken has a time for each layer, and is taken again
 * when it is written. */
#include <stdint.h>
#include <stdlib.h>

#include "device/times/device_layer_times_text.h"
#include "tests/fuzz/ll_fuzz.h"
#include "tests/support/fake_engine.h"

static const char cfg[] = "fake\ninput 12\nlayer 6 8\nlayer 8 0 joined\nlayer 10 8\n";
enum { LAYERS = 3 };

static void must(bool is_so)
{
    if (!is_so) {
        __builtin_trap();
    }
}

static void check_taken(const struct device_layer_times *profile, const struct ll_table *table)
{
    struct device_layer_times *again = NULL;
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    must(file && device_layer_times_write(profile, file) && fclose(file) == 0);
    must(device_layer_times_create(table, 1, &again) == LL_OK);
    must(device_layer_times_read(again, text, bytes));
    for (int i = 0; i < LAYERS; i++) {
        int samples = -1;
        int same_samples = -2;
        int64_t ns = device_layer_times_ns(profile, i, &samples);
        must(ns >= 0 && ns <= DEVICE_LAYER_TIMES_MOST_NS);
        must(samples >= 0 && samples <= DEVICE_LAYER_TIMES_SAMPLES);
        must(ns == device_layer_times_ns(again, i, &same_samples) && samples == same_samples);
    }
    device_layer_times_destroy(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ll_error err;
    struct ll_network *network = NULL;
    struct device_layer_times *profile = NULL;
    struct ll_engine *engine = fake_engine_create();
    must(engine && ll_engine_parse(engine, cfg, sizeof(cfg) - 1, &network, &err) == LL_OK);
    must(device_layer_times_create(&network->table, 1, &profile) == LL_OK);
    uint64_t version = device_layer_times_version(profile);
    if (device_layer_times_read(profile, (const char *)data, size)) {
        must(device_layer_times_is_measured(profile));
        check_taken(profile, &network->table);
    } else {
        must(device_layer_times_version(profile) == version);
    }
    device_layer_times_destroy(profile);
    ll_network_unref(network);
    ll_engine_destroy(engine);
    return 0;
}
