/* Our engine against stock Darknet, bit for bit (other engines than `darknet`: as close as
 * conformance_check.h says): every layer type with its options in small networks of our own, and
 * some of the cfgs that Darknet ships. $LL_TEST_ENGINE names the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_sync.h"
#include "tests/support/ll_test.h"
#include "tools/conformance_check.h"

const char *const ll_test_suite = "dkb_conformance";

/* Enough for every pair of cuts of the small networks, few for the shipped ones. */
static const int64_t test_pairs_flops = 500000000;

static const char *engine_name(void)
{
    const char *name = getenv("LL_TEST_ENGINE");
    return name ? name : "darknet";
}

static void check_file(const char *path, bool want_all_pairs)
{
    ll_thread_flush_denormals();
    const struct conformance_config config = {
        .engine = {.name = engine_name(), .threads = 1},
        .seed = 5,
        .pairs_flops = test_pairs_flops,
        .folder = ll_test_folder(),
    };
    struct conformance_result result;
    struct ll_error err = {.text = ""};
    ll_status status = conformance_check(path, &config, &result, &err);
    if (status != LL_OK) {
        fprintf(stderr, "%s: %s: %s\n", path, ll_status_name(status), err.text);
    }
    CU_ASSERT_EQUAL(status, LL_OK);
    bool exact = strcmp(engine_name(), "darknet") == 0;
    CU_ASSERT(result.max_difference <= (exact ? 0 : CONFORMANCE_TOLERANCE));
    CU_ASSERT(result.ranges > 0);
    CU_ASSERT(!want_all_pairs || result.all_pairs);
}

static void check_text(const char *cfg)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/net.cfg", ll_test_folder());
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_FATAL(fputs(cfg, file) >= 0);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
    check_file(path, true);
    unlink(path);
}

static void test_convolutional(void)
{
    check_text("[net]\nbatch=8\nsubdivisions=2\nwidth=13\nheight=11\nchannels=4\n"
               "[convolutional]\nbatch_normalize=1\nfilters=6\nsize=3\nstride=1\npad=1\n"
               "activation=leaky\n"
               "[conv]\nfilters=9\ngroups=3\nsize=3\nstride=2\npadding=2\nactivation=relu\n"
               "[convolutional]\nbatch_normalize=1\nfilters=9\ngroups=9\nsize=3\npad=1\n"
               "activation=linear\n"
               "[convolutional]\nfilters=8\nsize=1\nactivation=leaky\n"
               "[convolutional]\nfilters=8\nsize=1\nstride=2\nactivation=linear\n"
               "[convolutional]\nbatch_normalize=1\ndontloadscales=1\nfilters=5\nsize=2\npad=1\n"
               "activation=leaky\n"
               "[convolutional]\nflipped=1\nfilters=7\nsize=3\nactivation=leaky\n");
}

static void test_activations(void)
{
    static const char *const names[] = {
        "logistic", "loggy", "relu", "elu",    "selu",  "relie", "plse",
        "hardtan",  "lhtan", "ramp", "linear", "leaky", "tanh",  "stair",
    };
    char cfg[8192] = "[net]\nwidth=6\nheight=5\nchannels=3\n";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(cfg);
        snprintf(cfg + length, sizeof(cfg) - length,
                 "[conv]\nfilters=4\nsize=3\npad=1\nactivation=%s\n[activation]\nactivation=%s\n",
                 names[i], names[(i + 5) % (sizeof(names) / sizeof(names[0]))]);
    }
    check_text(cfg);
}

static void test_connected(void)
{
    check_text("[network]\nwidth=5\nheight=4\nchannels=2\n"
               "[connected]\noutput=30\nactivation=relu\n"
               "[dropout]\nprobability=.5\n"
               "[conn]\nbatch_normalize=1\noutput=24\nactivation=leaky\n"
               "[dropout]\n"
               "[dropout]\n"
               "[connected]\nbatch_normalize=1\ndontloadscales=1\noutput=12\nactivation=tanh\n"
               "[softmax]\ngroups=3\ntemperature=2\n"
               "[cost]\ntype=sse\n");
}

static void test_connected_flat_input(void)
{
    check_text("[net]\ninputs=37\n"
               "[connected]\noutput=8\nactivation=logistic\n"
               "[softmax]\n");
}

static void test_cost_in_the_middle(void)
{
    check_text("[net]\nwidth=4\nheight=4\nchannels=1\n"
               "[connected]\noutput=6\nactivation=relu\n"
               "[cost]\n"
               "[connected]\noutput=5\nactivation=tanh\n"
               "[route]\nlayers=0,1,2\n"
               "[softmax]\n");
}

static void test_pooling(void)
{
    check_text("[net]\nwidth=17\nheight=14\nchannels=3\n"
               "[maxpool]\nsize=3\nstride=2\n"
               "[maxpool]\n"
               "[max]\nsize=2\nstride=1\npadding=0\n"
               "[maxpool]\nsize=5\nstride=1\npadding=8\n"
               "[maxpool]\nsize=2\nstride=2\n"
               "[avgpool]\n");
}

static void test_normalizations(void)
{
    check_text("[net]\nwidth=7\nheight=6\nchannels=8\n"
               "[lrn]\nalpha=.5\nbeta=.6\nkappa=2\nsize=5\n"
               "[batchnorm]\n"
               "[normalization]\nsize=4\n"
               "[l2norm]\n"
               "[logistic]\n"
               "[normalization]\nsize=1\n");
}

static void test_local(void)
{
    check_text("[net]\nwidth=9\nheight=9\nchannels=4\n"
               "[local]\nfilters=5\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
               "[local]\nfilters=6\nsize=3\nstride=2\nactivation=linear\n");
}

static void test_deconvolutional(void)
{
    check_text("[net]\nwidth=5\nheight=4\nchannels=3\n"
               "[deconvolutional]\nfilters=4\nsize=3\nstride=2\nactivation=leaky\n"
               "[deconv]\nbatch_normalize=1\nfilters=5\nsize=4\nstride=2\npadding=1\n"
               "activation=relu\n"
               "[deconv]\nfilters=2\nsize=3\nstride=1\npad=1\nactivation=linear\n");
}

static void test_rearrangements(void)
{
    check_text("[net]\nwidth=16\nheight=12\nchannels=4\n"
               "[crop]\ncrop_width=12\ncrop_height=8\nflip=1\n"
               "[reorg]\nstride=2\n"
               "[reorg]\nstride=2\nreverse=1\n"
               "[upsample]\nstride=2\nscale=.5\n"
               "[upsample]\nstride=-4\n"
               "[crop]\ncrop_width=2\ncrop_height=2\nnoadjust=1\n"
               "[reorg]\nflatten=1\n"
               "[reorg]\nflatten=1\nreverse=1\n"
               "[reorg]\nextra=9\n"
               "[connected]\noutput=4\nactivation=relu\n");
}

static void test_routes(void)
{
    check_text("[net]\nwidth=6\nheight=6\nchannels=3\n"
               "[conv]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"
               "[dropout]\n"
               "[conv]\nfilters=2\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
               "[route]\nlayers=1\n"
               "[maxpool]\nsize=2\nstride=2\n"
               "[route]\nlayers=-1,2,-1\n"
               "[conv]\nfilters=3\nsize=1\nactivation=leaky\n"
               "[route]\nlayers=0,-1\n"
               "[connected]\noutput=6\nactivation=linear\n");
}

static void test_shortcuts(void)
{
    check_text("[net]\nwidth=12\nheight=12\nchannels=3\n"
               "[conv]\nbatch_normalize=1\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"
               "[conv]\nfilters=4\nsize=1\nactivation=leaky\n"
               "[conv]\nfilters=8\nsize=3\npad=1\nactivation=linear\n"
               "[shortcut]\nfrom=-3\nactivation=leaky\n"
               "[conv]\nfilters=6\nsize=3\nstride=2\npad=1\nactivation=relu\n"
               "[shortcut]\nfrom=-2\nalpha=.5\nbeta=2\nactivation=linear\n"
               "[upsample]\nstride=2\n"
               "[shortcut]\nfrom=4\nactivation=tanh\n"
               "[dropout]\n"
               "[shortcut]\nfrom=-1\nactivation=linear\n");
}

static void test_yolo_early_outputs(void)
{
    check_text("[net]\nwidth=16\nheight=16\nchannels=3\n"
               "[conv]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
               "[conv]\nfilters=24\nsize=1\nactivation=linear\n"
               "[yolo]\nmask=0,1,2\nanchors=1,2,3,4,5,6,7,8,9,10,11,12\nclasses=3\nnum=6\n"
               "[route]\nlayers=0\n"
               "[upsample]\nstride=2\n"
               "[conv]\nfilters=16\nsize=3\npad=1\nactivation=linear\n"
               "[yolo]\nmask=3,4\nanchors=1,2,3,4,5,6,7,8,9,10,11,12\nclasses=3\nnum=6\n"
               "[conv]\nfilters=5\nsize=1\nactivation=linear\n");
}

static void test_region(void)
{
    check_text("[net]\nwidth=8\nheight=6\nchannels=3\n"
               "[conv]\nfilters=18\nsize=3\npad=1\nactivation=linear\n"
               "[region]\nclasses=4\nnum=2\ncoords=4\nsoftmax=1\n"
               "[route]\nlayers=0\n"
               "[region]\nclasses=4\nnum=2\nbackground=1\nsoftmax=1\n"
               "[route]\nlayers=0\n"
               "[region]\nclasses=4\nnum=2\n");
}

static void test_detection(void)
{
    check_text("[net]\nwidth=8\nheight=8\nchannels=3\n"
               "[connected]\noutput=126\nactivation=linear\n"
               "[detection]\nclasses=4\ncoords=4\nside=3\nnum=2\nsoftmax=1\nsqrt=1\n"
               "[detection]\nclasses=4\ncoords=4\nside=3\nnum=2\n");
}

static void check_shipped(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "external/darknet/cfg/%s.cfg", name);
    check_file(ll_test_file(path), false);
}

static void test_shipped_cifar(void)
{
    check_shipped("cifar");
}

static void test_shipped_tiny(void)
{
    check_shipped("tiny");
}

static void test_shipped_darknet(void)
{
    check_shipped("darknet");
}

static void test_shipped_jnet(void)
{
    check_shipped("jnet-conv");
}

static void test_shipped_recurrent_refused(void)
{
    static const char *const names[] = {"rnn", "gru", "rnn.train", "darknet9000", "yolo9000"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[256];
        snprintf(path, sizeof(path), "external/darknet/cfg/%s.cfg", names[i]);
        const struct conformance_config config = {
            .engine = {.name = engine_name(), .threads = 1},
            .folder = ll_test_folder(),
        };
        struct conformance_result result;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(conformance_check(ll_test_file(path), &config, &result, &err),
                        LL_E_UNSUPPORTED);
        CU_ASSERT(result.refused);
        CU_ASSERT(strlen(err.text) > 0);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_convolutional),
    LL_TEST(test_activations),
    LL_TEST(test_connected),
    LL_TEST(test_connected_flat_input),
    LL_TEST(test_cost_in_the_middle),
    LL_TEST(test_pooling),
    LL_TEST(test_normalizations),
    LL_TEST(test_local),
    LL_TEST(test_deconvolutional),
    LL_TEST(test_rearrangements),
    LL_TEST(test_routes),
    LL_TEST(test_shortcuts),
    LL_TEST(test_yolo_early_outputs),
    LL_TEST(test_region),
    LL_TEST(test_detection),
    LL_TEST(test_shipped_cifar),
    LL_TEST(test_shipped_tiny),
    LL_TEST(test_shipped_darknet),
    LL_TEST(test_shipped_jnet),
    LL_TEST(test_shipped_recurrent_refused),
    {NULL, NULL},
};
