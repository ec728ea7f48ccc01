#include "tools/lab/lab_bare.h"

#include <string.h>

#include "core/ll_sync.h"
#include "darknet_backend/network/dkb_network.h"
#include "tests/support/ll_test.h"
#include "tools/lab/lab_kinds.h"

const char *const ll_test_suite = "lab_bare";

/* A layer of each kind, and a scale that the engine folds into the convolution before it. */
static const char cfg[] = "[net]\nwidth=12\nheight=12\nchannels=3\n"
                          "[conv]\nfilters=16\nsize=3\npad=1\nactivation=leaky\n"
                          "[conv]\nfilters=16\ngroups=16\nsize=3\npad=1\nactivation=hardtan\n"
                          "[conv]\nfilters=16\ngroups=16\nsize=1\nactivation=linear\n"
                          "[maxpool]\nsize=2\nstride=2\n"
                          "[conv]\nfilters=8\nsize=1\nstride=2\nactivation=relu\n"
                          "[conv]\nfilters=8\ngroups=2\nsize=3\npad=1\nactivation=relu\n"
                          "[conv]\nfilters=4\nsize=2\nactivation=relu\n"
                          "[connected]\noutput=5\n";
enum { LAYERS = 8 };

static struct ll_network *parse(const char *text)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(dkb_network_parse(text, strlen(text), &network, &err), LL_OK);
    return network;
}

static void check_times(int threads, bool winograd)
{
    static const bool runs[LAYERS] = {true, true, false, false, true, true, true, false};
    const struct lab_bare_config config = {.threads = threads, .winograd = winograd};
    struct ll_network *network = parse(cfg);
    struct lab_bare *bare = NULL;
    struct ll_error err = {.text = ""};
    ll_thread_flush_denormals();
    CU_ASSERT_EQUAL_FATAL(network->table.layer_count, LAYERS);
    CU_ASSERT_EQUAL_FATAL(lab_bare_create(network, &config, &bare, &err), LL_OK);
    int64_t layer_ns[LAYERS];
    memset(layer_ns, 0xff, sizeof(layer_ns));
    CU_ASSERT_EQUAL(lab_bare_run(bare, NULL, &err), LL_OK);
    CU_ASSERT_EQUAL(lab_bare_run(bare, layer_ns, &err), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT(runs[i] ? layer_ns[i] > 0 : layer_ns[i] == 0);
    }
    lab_bare_destroy(bare);
    ll_network_unref(network);
}

static void test_run_times_every_convolution_that_is_not_folded(void)
{
    check_times(1, false);
}

static void test_run_with_winograd_and_threads(void)
{
    check_times(2, true);
}

static void test_run_without_convolutions_does_nothing(void)
{
    struct ll_network *network = parse("[net]\nwidth=2\nheight=2\nchannels=1\n[avgpool]\n");
    const struct lab_bare_config config = {.threads = 1};
    struct lab_bare *bare = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(lab_bare_create(network, &config, &bare, &err), LL_OK);
    CU_ASSERT_EQUAL(lab_bare_run(bare, NULL, &err), LL_OK);
    lab_bare_destroy(bare);
    ll_network_unref(network);
}

static void test_kinds_tell_convolutions_apart(void)
{
    static const enum lab_kind kinds[LAYERS] = {
        LAB_KIND_CONV_3X3, LAB_KIND_DEPTHWISE, LAB_KIND_DEPTHWISE,  LAB_KIND_REST,
        LAB_KIND_CONV_1X1, LAB_KIND_CONV_3X3,  LAB_KIND_CONV_OTHER, LAB_KIND_CONNECTED,
    };
    struct ll_network *network = parse(cfg);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(lab_kind_of(network, i), kinds[i]);
    }
    for (int i = 0; i < LAB_KIND_COUNT; i++) {
        CU_ASSERT(strlen(lab_kind_name(i)) > 0);
    }
    ll_network_unref(network);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_run_times_every_convolution_that_is_not_folded),
    LL_TEST(test_run_with_winograd_and_threads),
    LL_TEST(test_run_without_convolutions_does_nothing),
    LL_TEST(test_kinds_tell_convolutions_apart),
    {NULL, NULL},
};
