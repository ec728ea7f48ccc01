#include "tools/lab/lab_seed.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_digest.h"
#include "darknet_backend/dkb_engine.h"
#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"
#include "engine/ll_probe.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "lab_seed";

static const char small[] = "[net]\nwidth=8\nheight=8\nchannels=3\n"
                            "[conv]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\n"
                            "activation=leaky\n"
                            "[batchnorm]\n"
                            "[maxpool]\nsize=2\nstride=2\n"
                            "[local]\nfilters=2\nsize=2\nactivation=tanh\n"
                            "[connected]\noutput=5\nactivation=linear\n"
                            "[softmax]\n";
enum { SMALL_LAYERS = 6 };

static bool same(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

static struct ll_network *parse(const char *cfg)
{
    struct ll_network *network = NULL;
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(dkb_network_parse(cfg, strlen(cfg), &network, &err), LL_OK);
    return network;
}

/* SHA-256 of all blobs one after the other. */
static void digest_of(const char *cfg, uint64_t seed, char out_text[LL_DIGEST_TEXT_BYTES])
{
    struct ll_network *network = parse(cfg);
    struct ll_buf *blobs[SMALL_LAYERS];
    CU_ASSERT_EQUAL_FATAL(network->table.layer_count, SMALL_LAYERS);
    CU_ASSERT_EQUAL_FATAL(lab_seed_blobs(network, seed, blobs, NULL), LL_OK);
    unsigned char bytes[8192];
    size_t count = 0;
    for (int i = 0; i < SMALL_LAYERS; i++) {
        int64_t expected = network->table.layers[i].blob_bytes;
        CU_ASSERT_EQUAL_FATAL(blobs[i] ? (int64_t)ll_buf_bytes(blobs[i]) : 0, expected);
        CU_ASSERT_FATAL(count + (size_t)expected <= sizeof(bytes));
        if (blobs[i]) {
            memcpy(bytes + count, ll_buf_data(blobs[i]), (size_t)expected);
        }
        count += (size_t)expected;
    }
    struct ll_digest digest;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(bytes, count, &digest), LL_OK);
    ll_digest_format(&digest, out_text);
    dkb_weights_unref(blobs, SMALL_LAYERS);
    ll_network_unref(network);
}

/* A promise to whoever compares runs of different machines. */
static void test_blobs_same_on_every_machine(void)
{
    char text[LL_DIGEST_TEXT_BYTES];
    digest_of(small, 1, text);
    CU_ASSERT_STRING_EQUAL(
        text, "sha256:eb75359bbc4f5dd2e1afbdc0958961b720b3fc469bcc78fc18cd32f9893fd538");
    char other[LL_DIGEST_TEXT_BYTES];
    digest_of(small, 2, other);
    CU_ASSERT_STRING_NOT_EQUAL(text, other);
    digest_of(small, 2, text);
    CU_ASSERT_STRING_EQUAL(text, other);
}

static void test_input_from_0_to_1(void)
{
    const struct ll_table table = {.in_c = 3, .in_h = 40, .in_w = 50, .in_floats = 6000};
    float values[6000];
    float again[6000];
    lab_seed_input(&table, 3, values);
    lab_seed_input(&table, 3, again);
    CU_ASSERT(same(values, again, sizeof(values) / sizeof(values[0])));
    double sum = 0;
    for (int i = 0; i < 6000; i++) {
        CU_ASSERT_FATAL(values[i] >= 0 && values[i] <= 1);
        sum += (double)values[i];
    }
    CU_ASSERT_DOUBLE_EQUAL(sum / 6000, .5, .1);
    lab_seed_input(&table, 4, again);
    CU_ASSERT_FALSE(same(values, again, sizeof(values) / sizeof(values[0])));
}

/* ll_probe.made: counts layers whose values are far from 1. */
static void check_scale(void *arg, int name, const float *data, int64_t floats)
{
    int *bad = arg;
    double squares = 0;
    for (int64_t i = 0; i < floats; i++) {
        squares += (double)data[i] * (double)data[i];
    }
    double size = sqrt(squares / (double)floats);
    (void)name;
    *bad += !(size > .03 && size < 30);
}

static int count_bad_layers(const char *cfg)
{
    const struct ll_engine_config config = {.name = "darknet", .threads = 1};
    struct ll_network *network = parse(cfg);
    int count = network->table.layer_count;
    struct ll_buf **blobs = calloc((size_t)count, sizeof(struct ll_buf *));
    float *input = calloc((size_t)network->table.in_floats, sizeof(float));
    CU_ASSERT_FATAL(blobs && input);
    lab_seed_input(&network->table, 1, input);
    struct ll_engine *engine = NULL;
    struct ll_engine_model *model = NULL;
    struct ll_engine_context *context = NULL;
    CU_ASSERT_EQUAL_FATAL(lab_seed_blobs(network, 1, blobs, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(dkb_engine_create(&config, &engine, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_create(engine, network, &model, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_model_extend(model, count, blobs, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_engine_context_create(model, &context, NULL), LL_OK);
    int bad = 0;
    const struct ll_probe probe = {.made = check_scale, .arg = &bad};
    ll_probe_set(context, &probe);
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, network->table.in_floats, input};
    const struct ll_run run = {.end = count, .inputs = &in, .input_count = 1};
    CU_ASSERT_EQUAL_FATAL(ll_engine_run(context, &run, NULL), LL_OK);
    ll_engine_context_destroy(context);
    ll_engine_model_destroy(model);
    ll_engine_destroy(engine);
    dkb_weights_unref(blobs, count);
    free(blobs);
    free(input);
    ll_network_unref(network);
    return bad;
}

/* Appends `text` `times` times. */
static void append(char *cfg, size_t bytes, const char *text, int times)
{
    for (int i = 0; i < times; i++) {
        strncat(cfg, text, bytes - strlen(cfg) - 1);
    }
}

static void test_scale_stays_in_a_deep_network(void)
{
    char cfg[32768] = "[net]\nwidth=12\nheight=12\nchannels=3\n";
    append(cfg, sizeof(cfg),
           "[conv]\nbatch_normalize=1\nfilters=32\nsize=3\npad=1\nactivation=leaky\n", 60);
    append(cfg, sizeof(cfg), "[conv]\nfilters=32\nsize=3\npad=1\nactivation=relu\n", 30);
    CU_ASSERT_EQUAL(count_bad_layers(cfg), 0);
}

static void test_scale_stays_with_shortcuts(void)
{
    char cfg[32768] = "[net]\nwidth=8\nheight=8\nchannels=3\n"
                      "[conv]\nbatch_normalize=1\nfilters=24\nsize=3\npad=1\nactivation=leaky\n";
    append(cfg, sizeof(cfg),
           "[conv]\nbatch_normalize=1\nfilters=12\nsize=1\nactivation=leaky\n"
           "[conv]\nbatch_normalize=1\nfilters=24\nsize=3\npad=1\nactivation=linear\n"
           "[shortcut]\nfrom=-3\nactivation=leaky\n",
           40);
    CU_ASSERT_EQUAL(count_bad_layers(cfg), 0);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_blobs_same_on_every_machine),
    LL_TEST(test_input_from_0_to_1),
    LL_TEST(test_scale_stays_in_a_deep_network),
    LL_TEST(test_scale_stays_with_shortcuts),
    {NULL, NULL},
};
