/* Shapes, sizes, what reads what, and groups. */
#include "darknet_backend/network/dkb_network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

#define NET "[net]\nwidth=8\nheight=6\nchannels=4\n"

static struct ll_network *parse(const char *text)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    if (dkb_network_parse(text, strlen(text), &network, &err) != LL_OK) {
        fprintf(stderr, "%s\n-> %s\n", text, err.text);
        CU_FAIL_FATAL("the test's cfg was refused");
    }
    return network;
}

/* The last layer of a cfg: its output, blob and scratch memory. */
struct expected_layer {
    const char *cfg;
    int c, h, w;
    int64_t floats;
    int64_t blob_floats;
    size_t workspace_floats;
    int64_t flops;
};

static void test_shapes_are_darknets(void)
{
    static const struct expected_layer cases[] = {
        {NET "[conv]\n", 1, 6, 8, 48, 5, 0, 384},
        {NET "[conv]\nfilters=3\nsize=3\npad=1\n", 3, 6, 8, 144, 111, 1728, 10368},
        {NET "[conv]\nfilters=3\nsize=3\n", 3, 4, 6, 72, 111, 864, 5184},
        /* pad=1 stands for size/2 whatever padding says. */
        {NET "[conv]\nsize=5\npad=1\npadding=7\n", 1, 6, 8, 48, 101, 4800, 9600},
        {NET "[conv]\nsize=5\npad=0\npadding=7\nstride=2\n", 1, 8, 9, 72, 101, 7200, 14400},
        {NET "[conv]\nsize=3\nstride=2\npad=1\n", 1, 3, 4, 12, 37, 432, 864},
        {NET "[conv]\nsize=1\nstride=2\npad=1\nfilters=2\n", 2, 3, 4, 24, 10, 0, 192},
        {NET "[conv]\ngroups=4\nfilters=8\nsize=3\npad=1\nbatch_normalize=1\n", 8, 6, 8, 384, 104,
         432, 6912},
        {NET "[conv]\nbinary=1\n", 1, 6, 8, 48, 5, 0, 384},
        {NET "[deconv]\nfilters=2\nsize=4\nstride=2\npadding=1\n", 2, 12, 16, 384, 130, 1536,
         12288},
        {NET "[deconvolutional]\nbatch_normalize=1\n", 1, 6, 8, 48, 8, 48, 384},
        {NET "[local]\nfilters=2\nsize=3\nstride=2\npad=1\n", 2, 3, 4, 24, 888, 432, 1728},
        {NET "[local]\nsize=3\n", 1, 4, 6, 24, 888, 864, 1728},
        {NET "[conn]\noutput=10\n", 10, 1, 1, 10, 1930, 0, 3840},
        {NET "[connected]\noutput=10\nbatch_normalize=1\n", 10, 1, 1, 10, 1960, 0, 3840},
        {NET "[batchnorm]\n", 4, 6, 8, 192, 12, 0, 768},
        {NET "[maxpool]\n", 4, 6, 8, 192, 0, 0, 192},
        {NET "[max]\nsize=2\nstride=2\n", 4, 3, 4, 48, 0, 0, 192},
        {NET "[max]\nsize=3\nstride=2\n", 4, 3, 4, 48, 0, 0, 432},
        {NET "[max]\nsize=3\nstride=2\npadding=0\n", 4, 2, 3, 24, 0, 0, 216},
        {NET "[max]\nsize=2\nstride=1\n", 4, 6, 8, 192, 0, 0, 768},
        {NET "[max]\nstride=3\n", 4, 2, 3, 24, 0, 0, 216},
        {NET "[avg]\n", 4, 1, 1, 4, 0, 0, 192},
        {NET "[upsample]\n", 4, 12, 16, 768, 0, 0, 768},
        {NET "[upsample]\nstride=-2\n", 4, 3, 4, 48, 0, 0, 192},
        {NET "[reorg]\nstride=2\n", 16, 3, 4, 192, 0, 0, 192},
        {NET "[reorg]\nstride=2\nreverse=1\n", 1, 12, 16, 192, 0, 0, 192},
        {NET "[reorg]\nflatten=1\n", 4, 6, 8, 192, 0, 0, 192},
        {NET "[reorg]\nextra=8\n", 0, 0, 0, 200, 0, 0, 200},
        {NET "[crop]\ncrop_height=5\ncrop_width=3\n", 4, 5, 3, 60, 0, 0, 120},
        {NET "[crop]\n", 4, 1, 1, 4, 0, 0, 8},
        {NET "[softmax]\ngroups=4\n", 0, 0, 0, 192, 0, 0, 768},
        {NET "[soft]\n[activation]\n", 0, 0, 0, 192, 0, 0, 192},
        {NET "[activation]\nactivation=relu\n", 4, 6, 8, 192, 0, 0, 192},
        {NET "[logistic]\n", 4, 6, 8, 192, 0, 0, 192},
        {NET "[l2norm]\n", 4, 6, 8, 192, 0, 0, 576},
        {NET "[lrn]\nsize=9\n", 4, 6, 8, 192, 0, 0, 1536},
        {NET "[conv]\n[dropout]\n", 1, 6, 8, 48, 0, 0, 0},
        {NET "[conv]\n[cost]\n", 0, 0, 0, 48, 0, 0, 0},
        {NET "[conv]\n[route]\nlayers=-1,0\n", 2, 6, 8, 96, 0, 0, 96},
        {NET "[conv]\n[max]\nstride=2\n[route]\nlayers=0,1\n", 0, 0, 0, 60, 0, 0, 60},
        {NET "[max]\nstride=2\n[conv]\n[upsample]\n[shortcut]\nfrom=0\n", 1, 6, 8, 48, 0, 0, 96},
        {"[net]\nwidth=2\nheight=3\nchannels=14\n[yolo]\nclasses=2\nnum=2\n", 14, 3, 2, 84, 0, 0,
         336},
        {"[net]\nwidth=2\nheight=3\nchannels=14\n[region]\nclasses=2\nnum=2\n", 14, 3, 2, 84, 0, 0,
         336},
        {"[network]\ninputs=54\n[detection]\nside=3\nclasses=1\nnum=1\ncoords=4\n", 0, 0, 0, 54, 0,
         0, 54},
        {"[net]\ninputs=5\n[conn]\noutput=2\n", 2, 1, 1, 2, 12, 0, 20},
        {"[net]\nwidth=5\ninputs=5\n[conn]\noutput=2\n", 2, 1, 1, 2, 12, 0, 20},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct expected_layer *expected = &cases[i];
        struct ll_network *network = parse(expected->cfg);
        int last = network->table.layer_count - 1;
        const struct ll_layer *row = &network->table.layers[last];
        size_t workspace = network->layers[last].workspace_floats;
        if (row->out_c != expected->c || row->out_h != expected->h || row->out_w != expected->w ||
            row->out_floats != expected->floats || row->blob_bytes != 4 * expected->blob_floats ||
            workspace != expected->workspace_floats || row->flops != expected->flops) {
            fprintf(stderr,
                    "%s\n-> %d x %d x %d, %lld floats, %lld of weights, %zu of scratch, "
                    "%lld operations\n",
                    expected->cfg, row->out_c, row->out_h, row->out_w, (long long)row->out_floats,
                    (long long)row->blob_bytes / 4, workspace, (long long)row->flops);
            CU_FAIL("another layer than expected");
        }
        ll_network_unref(network);
    }
}

static void test_exact_are_biases_and_normalisation(void)
{
    static const struct {
        const char *cfg;
        int64_t head_floats, weights, tail_floats;
    } cases[] = {
        {NET "[conv]\nfilters=3\nsize=3\npad=1\n", 3, 108, 0},
        {NET "[conv]\nfilters=3\nsize=3\npad=1\nbatch_normalize=1\n", 12, 108, 0},
        {NET "[conv]\nfilters=3\nsize=3\nbatch_normalize=1\ndontloadscales=1\n", 3, 108, 0},
        {NET "[deconv]\nfilters=2\nsize=4\nbatch_normalize=1\n", 8, 128, 0},
        {NET "[local]\nsize=3\n", 24, 864, 0},
        {NET "[conn]\noutput=10\n", 10, 1920, 0},
        {NET "[conn]\noutput=10\nbatch_normalize=1\n", 10, 1920, 30},
        {NET "[batchnorm]\n", 12, 0, 0},
        {NET "[max]\n", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ll_network *network = parse(cases[i].cfg);
        const struct ll_layer *row = &network->table.layers[network->table.layer_count - 1];
        CU_ASSERT_EQUAL(row->exact_bytes, 4 * cases[i].head_floats);
        CU_ASSERT_EQUAL(row->exact_tail_bytes, 4 * cases[i].tail_floats);
        CU_ASSERT_EQUAL(row->blob_bytes - row->exact_bytes - row->exact_tail_bytes,
                        4 * cases[i].weights);
        ll_network_unref(network);
    }
}

static void test_defaults_are_darknets(void)
{
    struct ll_network *network =
        parse(NET "[conv]\nfilters=4\n[shortcut]\nfrom=0\n[activation]\n[maxpool]\n[lrn]\n"
                  "[upsample]\n[softmax]\n");
    const struct ll_layer_params *layers = network->layers;
    CU_ASSERT_EQUAL(layers[0].activation, LL_ACTIVATION_LOGISTIC);
    CU_ASSERT_EQUAL(layers[0].groups, 1);
    CU_ASSERT_EQUAL(layers[0].stride, 1);
    CU_ASSERT_EQUAL(layers[1].activation, LL_ACTIVATION_LINEAR);
    CU_ASSERT_EQUAL(layers[1].alpha, 1);
    CU_ASSERT_EQUAL(layers[1].beta, 1);
    CU_ASSERT_EQUAL(layers[2].activation, LL_ACTIVATION_LINEAR);
    CU_ASSERT_EQUAL(layers[3].size, 1);
    CU_ASSERT_EQUAL(layers[3].pad, 0);
    CU_ASSERT_EQUAL(layers[4].size, 5);
    CU_ASSERT_EQUAL(layers[4].alpha, .0001F);
    CU_ASSERT_EQUAL(layers[4].beta, .75F);
    CU_ASSERT_EQUAL(layers[4].kappa, 1);
    CU_ASSERT_EQUAL(layers[5].stride, 2);
    CU_ASSERT_EQUAL(layers[5].scale, 1);
    CU_ASSERT_EQUAL(layers[6].temperature, 1);
    CU_ASSERT_EQUAL(layers[6].groups, 1);
    ll_network_unref(network);
}

static void test_every_activation_of_darknet_is_known(void)
{
    static const char *const names[] = {"logistic", "loggy", "relu",    "elu",   "selu",
                                        "relie",    "plse",  "hardtan", "lhtan", "linear",
                                        "ramp",     "leaky", "tanh",    "stair"};
    static const ll_activation activations[] = {
        LL_ACTIVATION_LOGISTIC, LL_ACTIVATION_LOGGY,  LL_ACTIVATION_RELU, LL_ACTIVATION_ELU,
        LL_ACTIVATION_SELU,     LL_ACTIVATION_RELIE,  LL_ACTIVATION_PLSE, LL_ACTIVATION_HARDTAN,
        LL_ACTIVATION_LHTAN,    LL_ACTIVATION_LINEAR, LL_ACTIVATION_RAMP, LL_ACTIVATION_LEAKY,
        LL_ACTIVATION_TANH,     LL_ACTIVATION_STAIR};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), NET "[conv]\nactivation = %s\n", names[i]);
        struct ll_network *network = parse(text);
        CU_ASSERT_EQUAL(network->layers[0].activation, activations[i]);
        ll_network_unref(network);
    }
}

static void test_yolo_takes_masks_and_missing_anchors(void)
{
    struct ll_network *network = parse("[net]\nwidth=2\nheight=3\nchannels=14\n"
                                       "[yolo]\nclasses=2\nnum=3\nmask=2,0\nanchors=1.5,2, 3,4\n"
                                       "[region]\nclasses=2\nnum=2\nsoftmax=1\nbackground=1\n");
    const struct ll_layer_params *yolo = &network->layers[0];
    CU_ASSERT_EQUAL(yolo->n, 2);
    CU_ASSERT_EQUAL(yolo->total, 3);
    CU_ASSERT_EQUAL(yolo->mask[0], 2);
    CU_ASSERT_EQUAL(yolo->mask[1], 0);
    CU_ASSERT_EQUAL(yolo->anchors[0], 1.5F);
    CU_ASSERT_EQUAL(yolo->anchors[3], 4);
    CU_ASSERT_EQUAL(yolo->anchors[5], .5F);
    const struct ll_layer_params *region = &network->layers[1];
    CU_ASSERT_EQUAL(region->softmax, 1);
    CU_ASSERT_EQUAL(region->background, 1);
    CU_ASSERT_EQUAL(region->anchors[3], .5F);
    CU_ASSERT_EQUAL(region->temperature, 0);
    ll_network_unref(network);
}

/* "0:- 1:0 2:0,1!" reads: layer 1 reads tensor 0, "!" marks outputs, "=1" what a dropout passes
 * on. */
static void describe_reads(const struct ll_table *table, char *out_text, size_t bytes)
{
    size_t used = 0;
    for (int i = 0; i < table->layer_count; i++) {
        const struct ll_layer *layer = &table->layers[i];
        used += (size_t)snprintf(out_text + used, bytes - used, "%s%d:", i ? " " : "", i);
        for (int r = 0; r < layer->read_count; r++) {
            used += (size_t)snprintf(out_text + used, bytes - used, "%s%d", r ? "," : "",
                                     layer->reads[r]);
        }
        if (layer->makes != i) {
            used += (size_t)snprintf(out_text + used, bytes - used, "=%d", layer->makes);
        }
        used += (size_t)snprintf(out_text + used, bytes - used, "%s", layer->is_output ? "!" : "");
    }
}

static void check_reads(const char *cfg, const char *expected)
{
    struct ll_network *network = parse(cfg);
    char text[512];
    describe_reads(&network->table, text, sizeof(text));
    CU_ASSERT_STRING_EQUAL(text, expected);
    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "%s\n-> %s\nexpected %s\n", cfg, text, expected);
    }
    ll_network_unref(network);
}

static void test_reads_are_resolved(void)
{
    check_reads(NET "[conv]\n[max]\n", "0:-1 1:0!");
    /* A dropout's output is its predecessor's, twice over; nobody reads its own name. */
    check_reads(NET "[conv]\n[dropout]\n[dropout]\n[conv]\n[route]\nlayers=-2,-3,3\n"
                    "[shortcut]\nfrom=1\n",
                "0:-1 1:=0 2:=0 3:0 4:0,3 5:0,4!");
    /* A route reads its list alone; what is named twice is read once. */
    check_reads(NET "[conv]\n[conv]\n[route]\nlayers=0,0\n[conv]\n", "0:-1 1:0 2:0 3:2!");
    check_reads(NET "[conv]\n[shortcut]\nfrom=-1\n", "0:-1 1:0!");
    /* Cost reads nothing, and its zeros are what the next layer sees. */
    check_reads(NET "[conv]\n[cost]\n[softmax]\n[cost]\n", "0:-1 1: 2:1! 3:");
    /* The last tensor is made by the layer before the dropout. */
    check_reads(NET "[conv]\n[conv]\n[dropout]\n[cost]\n", "0:-1 1:0! 2:=1 3:");
    check_reads("[net]\nwidth=1\nheight=1\nchannels=6\n[yolo]\nclasses=1\n[region]\nclasses=1\n"
                "[detection]\nside=1\ncoords=4\n[conn]\n",
                "0:-1! 1:0! 2:1! 3:2!");
}

static void test_inputs_name_what_darknet_passes(void)
{
    struct ll_network *network =
        parse(NET "[conv]\n[dropout]\n[conv]\n[cost]\n[route]\nlayers=0\n[conv]\n");
    static const int inputs[] = {-1, 0, 0, 2, 3, 4};
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(network->layers[i].input, inputs[i]);
    }
    CU_ASSERT_EQUAL(network->layers[4].input_layers[0], 0);
    CU_ASSERT_EQUAL(network->layers[4].input_sizes[0], 48);
    ll_network_unref(network);
}

/* Lines as legal cuts: "|" stands behind every layer that ends its group. */
static void check_groups(const char *layers, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s%s", NET, layers);
    struct ll_network *network = parse(text);
    char cuts[64];
    int used = 0;
    for (int i = 0; i < network->table.layer_count; i++) {
        used += snprintf(cuts + used, sizeof(cuts) - (size_t)used, "%d%s", i,
                         network->table.layers[i].ends_group ? "|" : "");
    }
    CU_ASSERT_STRING_EQUAL(cuts, expected);
    if (strcmp(cuts, expected) != 0) {
        fprintf(stderr, "%s\n-> %s\nexpected %s\n", text, cuts, expected);
    }
    ll_network_unref(network);
}

#define CONV "[conv]\nfilters=4\nsize=3\npad=1\nactivation=hardtan\n"
#define SCALE "[conv]\nfilters=4\ngroups=4\nactivation=linear\n"
#define SUM(from) "[shortcut]\nfrom=" from "\n"

static void test_groups_fuse_what_the_rule_names(void)
{
    check_groups(CONV CONV SUM("0"), "0|12|");
    check_groups(CONV CONV SCALE SUM("0"), "0|123|");
    check_groups(CONV SCALE CONV, "01|2|");
    /* Only one of each, in that order. */
    check_groups(CONV SCALE SCALE CONV, "01|2|3|");
    check_groups(CONV CONV SUM("0") SCALE, "0|12|3|");
    check_groups(CONV CONV SUM("0") SUM("0"), "0|12|3|");
    /* The sum's source may be anything before the group; of another layer type too. */
    check_groups("[max]\n" CONV SUM("0"), "0|12|");
    check_groups("[max]\n[dropout]\n" CONV SUM("1"), "0|1|23|");
}

static void test_groups_keep_apart_what_others_read(void)
{
    /* Read by a later layer too. */
    check_groups(CONV SCALE "[route]\nlayers=0\n", "0|1|2|");
    check_groups(CONV CONV SUM("0") "[route]\nlayers=1\n", "0|1|2|3|");
    /* The sum reads a tensor of its own group. */
    check_groups(CONV SUM("0"), "0|1|");
    check_groups(CONV SCALE SUM("1"), "01|2|");
    /* Read by the sum, so the group begins behind it, with a convolution that is a scale itself. */
    check_groups(CONV SCALE SUM("0"), "0|12|");
    check_groups(CONV SCALE SCALE SUM("0"), "0|123|");
    /* Not the next layer. */
    check_groups(CONV CONV "[dropout]\n" SUM("0"), "0|1|2|3|");
    check_groups(CONV "[route]\nlayers=0\n" SCALE, "0|1|2|");
    /* The tensor is the network's output: only a cost follows. */
    check_groups(CONV CONV "[cost]\n", "0|1|2|");
}

static void test_groups_need_the_exact_shapes(void)
{
    check_groups(CONV "[conv]\nfilters=4\ngroups=4\nactivation=relu\n", "0|1|");
    check_groups(CONV "[conv]\nfilters=4\ngroups=4\nactivation=linear\nbatch_normalize=1\n",
                 "0|1|");
    check_groups(CONV "[conv]\nfilters=4\ngroups=2\nactivation=linear\n", "0|1|");
    check_groups(CONV "[conv]\nfilters=8\ngroups=4\nactivation=linear\n", "0|1|");
    check_groups(CONV "[conv]\nfilters=4\ngroups=4\nactivation=linear\nstride=2\n", "0|1|");
    check_groups(CONV "[conv]\nfilters=4\ngroups=4\nactivation=linear\nsize=3\npad=1\n", "0|1|");
    /* Sums of other shapes, in channels and in size. */
    check_groups("[conv]\nfilters=8\n" CONV SUM("0"), "0|1|2|");
    check_groups(CONV "[conv]\nfilters=4\nsize=3\npad=1\nstride=2\n" SUM("0"), "0|1|2|");
    /* Only a convolution begins a group of several. */
    check_groups(CONV "[max]\n" SUM("0"), "0|1|2|");
    check_groups("[conn]\noutput=4\n[conn]\noutput=4\n" SUM("0"), "0|1|2|");
}

const char *const ll_test_suite = "dkb_network";
const struct ll_test ll_tests[] = {
    LL_TEST(test_shapes_are_darknets),
    LL_TEST(test_exact_are_biases_and_normalisation),
    LL_TEST(test_defaults_are_darknets),
    LL_TEST(test_every_activation_of_darknet_is_known),
    LL_TEST(test_yolo_takes_masks_and_missing_anchors),
    LL_TEST(test_reads_are_resolved),
    LL_TEST(test_inputs_name_what_darknet_passes),
    LL_TEST(test_groups_fuse_what_the_rule_names),
    LL_TEST(test_groups_keep_apart_what_others_read),
    LL_TEST(test_groups_need_the_exact_shapes),
    {NULL, NULL},
};
