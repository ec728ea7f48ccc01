/* Plain layers as Darknet's functions compute them: what an engine falls back to. */
#include "engine/ll_plain_layers.h"

#include <string.h>

#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/reference/dkb_plain.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_plain_layers";

static const char cfg[] = "[net]\nwidth=2\nheight=1\nchannels=1\n"
                          "[activation]\nactivation=relu\n"
                          "[route]\nlayers=-1,0,-1\n"
                          "[shortcut]\nfrom=0\nactivation=linear\n"
                          "[conv]\nfilters=1\nsize=1\nstride=1\nactivation=linear\n";

static struct ll_network *parse(void)
{
    struct ll_network *network = NULL;
    CU_ASSERT_EQUAL_FATAL(dkb_network_parse(cfg, sizeof(cfg) - 1, &network, NULL), LL_OK);
    return network;
}

static void test_sources_are_listed(void)
{
    struct ll_network *network = parse();
    CU_ASSERT_EQUAL(ll_plain_source_count(network, 0), 0);
    CU_ASSERT_EQUAL(ll_plain_source_count(network, 1), 3);
    CU_ASSERT_EQUAL(ll_plain_source(network, 1, 0), 0);
    CU_ASSERT_EQUAL(ll_plain_source(network, 1, 2), 0);
    CU_ASSERT_EQUAL(ll_plain_source_count(network, 2), 1);
    CU_ASSERT_EQUAL(ll_plain_source(network, 2, 0), 0);
    CU_ASSERT_EQUAL(ll_plain_most_sources(network), 3);
    ll_network_unref(network);
}

/* Runs layer `index` in scratch memory that is NaN before. */
static void run(const struct ll_plain_layers *layers, const struct ll_network *network, int index,
                struct ll_plain_tensors tensors)
{
    _Alignas(64) static float scratch[1 << 16];
    int64_t floats = dkb_plain_ops.scratch_floats(&network->layers[index]);
    CU_ASSERT_FATAL(floats <= (int64_t)(sizeof(scratch) / sizeof(scratch[0])));
    memset(scratch, 0xff, sizeof(scratch));
    tensors.scratch = scratch;
    dkb_plain_ops.run(layers, index, &tensors);
}

static void test_layers_run_one_by_one(void)
{
    struct ll_network *network = parse();
    struct ll_plain_layers *layers = NULL;
    CU_ASSERT_EQUAL_FATAL(dkb_plain_ops.create(network, &layers, NULL), LL_OK);
    CU_ASSERT(dkb_plain_ops.bytes(network) > 0);
    /* The bias, then a weight for each of the sum's channels. */
    const float weights[] = {0.5F, 1, 10, 100};
    for (int i = 0; i < 4; i++) {
        dkb_plain_ops.fill(layers, i, i == 3 ? weights : NULL);
    }
    const float input[] = {-1, 3};
    float relu[2] = {0};
    float list[6] = {0};
    float sum[6] = {0};
    float answer[2] = {0};
    run(layers, network, 0, (struct ll_plain_tensors){.input = input, .output = relu});
    CU_ASSERT_EQUAL(relu[0], 0);
    CU_ASSERT_EQUAL(relu[1], 3);
    const float *thrice[] = {relu, relu, relu};
    run(layers, network, 1, (struct ll_plain_tensors){.sources = thrice, .output = list});
    const float expected_list[] = {0, 3, 0, 3, 0, 3};
    CU_ASSERT_EQUAL(memcmp(list, expected_list, sizeof(list)), 0);
    run(layers, network, 2,
        (struct ll_plain_tensors){.input = list, .sources = thrice, .output = sum});
    const float expected_sum[] = {0, 6, 0, 3, 0, 3};
    CU_ASSERT_EQUAL(memcmp(sum, expected_sum, sizeof(sum)), 0);
    run(layers, network, 3, (struct ll_plain_tensors){.input = sum, .output = answer});
    CU_ASSERT_EQUAL(answer[0], 0.5F);
    CU_ASSERT_EQUAL(answer[1], 6 + 30 + 300 + 0.5F);
    dkb_plain_ops.destroy(layers);
    dkb_plain_ops.destroy(NULL);
    ll_network_unref(network);
}

static void test_activations_in_place(void)
{
    float values[] = {-2, 0.25F, 7};
    dkb_plain_ops.activate(values, 3, LL_ACTIVATION_HARDTAN);
    CU_ASSERT_EQUAL(values[0], -1);
    CU_ASSERT_EQUAL(values[1], 0.25F);
    CU_ASSERT_EQUAL(values[2], 1);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_sources_are_listed),
    LL_TEST(test_layers_run_one_by_one),
    LL_TEST(test_activations_in_place),
    {NULL, NULL},
};
