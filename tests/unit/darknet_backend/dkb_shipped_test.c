/* The cfgs that Darknet's source ships: which of them parse, and to what. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/ll_buf.h"
#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_network.h"
#include "net/plan/ll_chain.h"
#include "net/plan/ll_plan.h"
#include "tests/support/ll_test.h"

/* Layers without [net], and the weights in units of 10^6 bytes. */
static const struct {
    const char *name;
    int layers;
    double megabytes;
} shipped[] = {
    {"alexnet", 14, 249.5},
    {"cifar", 17, 30.7},
    {"cifar.test", 17, 30.7},
    {"darknet", 16, 29.3},
    {"darknet19", 26, 83.4},
    {"darknet19_448", 26, 83.4},
    {"darknet53", 78, 166.6},
    {"darknet53_448", 78, 166.6},
    {"densenet201", 305, 68.8},
    {"extraction", 27, 93.8},
    {"extraction.conv", 27, 93.7},
    {"extraction22k", 27, 390.4},
    {"go", 16, 28.4},
    {"go.test", 16, 28.4},
    {"jnet-conv", 18, 75.5},
    {"resnet18", 29, 46.1},
    {"resnet34", 53, 86.6},
    {"resnet50", 69, 91.3},
    {"resnet101", 138, 167.5},
    {"resnet152", 205, 230.2},
    {"resnext50", 69, 89.3},
    {"resnext101-32x4d", 137, 166.6},
    {"resnext152-32x4d", 205, 226.9},
    {"strided", 26, 342.3},
    {"t1.test", 16, 146.1},
    {"tiny", 22, 4.2},
    {"vgg-16", 25, 553.4},
    {"vgg-conv", 18, 58.9},
    {"writing", 5, .1},
    {"yolov1-tiny", 16, 108.4},
    {"yolov1", 32, 789.3},
    {"yolov2-tiny-voc", 16, 63.5},
    {"yolov2-tiny", 16, 44.9},
    {"yolov2-voc", 32, 202.7},
    {"yolov2", 32, 203.9},
    {"yolov3-tiny", 24, 35.4},
    {"yolov3-voc", 107, 246.7},
    {"yolov3", 107, 248.0},
    {"yolov3-openimages", 107, 259.2},
    {"yolov3-spp", 114, 252.2},
};

static const struct {
    const char *name;
    /* Part of the sentence. */
    const char *reason;
} refused[] = {
    {"gru", "[gru]: recurrent layers are not supported"},
    {"rnn", "[rnn]: recurrent layers are not supported"},
    {"rnn.train", "[rnn]: recurrent layers are not supported"},
    {"darknet9000", "[softmax] tree=data/9k.tree: a model carries no tree file"},
    {"yolo9000", "[region] tree=data/9k.tree: a model carries no tree file"},
};

static ll_status parse_shipped(const char *name, struct ll_network **out_network,
                               struct ll_error *err)
{
    char path[128];
    snprintf(path, sizeof(path), "external/darknet/cfg/%s.cfg", name);
    struct ll_buf *cfg = NULL;
    ll_status status = ll_buf_map_file(ll_test_file(path), LL_LIMIT_CFG_BYTES, &cfg, err);
    if (status == LL_OK) {
        status = dkb_network_parse(ll_buf_data(cfg), ll_buf_bytes(cfg), out_network, err);
        ll_buf_unref(cfg);
    }
    return status;
}

static struct ll_network *must_parse(const char *name)
{
    struct ll_network *network = NULL;
    struct ll_error err = {.text = ""};
    if (parse_shipped(name, &network, &err) != LL_OK) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        CU_FAIL_FATAL("a shipped cfg was refused");
    }
    return network;
}

static void test_parse_every_shipped_cfg(void)
{
    for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
        struct ll_network *network = must_parse(shipped[i].name);
        double megabytes = (double)network->table.blob_bytes / 1e6;
        if (network->table.layer_count != shipped[i].layers ||
            fabs(megabytes - shipped[i].megabytes) > .0501) {
            fprintf(stderr, "%s: %d layers, %.3f MB\n", shipped[i].name, network->table.layer_count,
                    megabytes);
            CU_FAIL("another size than expected");
        }
        ll_network_unref(network);
    }
}

static void test_parse_refuses_recurrent_and_trees(void)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct ll_network *network = NULL;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(parse_shipped(refused[i].name, &network, &err), LL_E_UNSUPPORTED);
        CU_ASSERT_PTR_NULL(network);
        if (!strstr(err.text, refused[i].reason)) {
            fprintf(stderr, "%s: %s\n", refused[i].name, err.text);
            CU_FAIL("another reason than expected");
        }
    }
}

static void test_plans_of_shipped_cfgs_are_legal(void)
{
    static const char *const partitioners[] = {"layer", "whole", "mb:4"};
    for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
        struct ll_network *network = must_parse(shipped[i].name);
        for (int p = 0; p < 3; p++) {
            struct ll_plan plan;
            CU_ASSERT_EQUAL_FATAL(ll_plan_make(&network->table, partitioners[p], &plan, NULL),
                                  LL_OK);
            CU_ASSERT_EQUAL(ll_plan_check(&network->table, &plan, NULL), LL_OK);
            ll_plan_finish(&plan);
        }
        ll_network_unref(network);
    }
}

/* Every range at the chain's beginning or end carries just what it says. */
static void check_chain(const struct ll_table *table, const struct ll_chain *chain)
{
    int last = chain->count - 1;
    int64_t early_bytes = 0;
    for (int i = 0; i <= last; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        CU_ASSERT(ll_table_is_legal_cut(table, element->end));
        early_bytes += element->early_bytes;
        struct ll_names names;
        CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, element->first, table->layer_count, &names),
                              LL_OK);
        CU_ASSERT_EQUAL(names.count, 1);
        CU_ASSERT_EQUAL(ll_names_bytes(table, &names), element->input_bytes);
        ll_names_finish(&names);
        CU_ASSERT_EQUAL_FATAL(ll_table_outputs(table, 0, element->end, &names), LL_OK);
        CU_ASSERT_EQUAL(ll_names_bytes(table, &names), element->output_bytes + early_bytes);
        ll_names_finish(&names);
    }
    CU_ASSERT_EQUAL(chain->elements[last].end, table->layer_count);
}

/* How many elements the chain of a shipped cfg has. */
static int chain_of_shipped(const char *name)
{
    struct ll_network *network = must_parse(name);
    struct ll_chain chain;
    const struct ll_layer_times none = {0};
    CU_ASSERT_EQUAL_FATAL(ll_chain_make(&network->table, &none, &chain, NULL), LL_OK);
    check_chain(&network->table, &chain);
    int count = chain.count;
    ll_chain_finish(&chain);
    ll_network_unref(network);
    return count;
}

static void test_chains_of_shipped_cfgs(void)
{
    for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
        CU_ASSERT(chain_of_shipped(shipped[i].name) > 1);
    }
    /* A convolution, a pooling, 50 residual blocks, and three layers. */
    CU_ASSERT_EQUAL(chain_of_shipped("resnet152"), 55);
    /* A dense block's layers are three each: two convolutions and a route. */
    CU_ASSERT_EQUAL(chain_of_shipped("densenet201"), 109);
    /* 15 elements of darknet53; then two tensors are alive up to the last head. */
    CU_ASSERT_EQUAL(chain_of_shipped("yolov3"), 24);
    CU_ASSERT_EQUAL(chain_of_shipped("yolov3-tiny"), 13);
}

/* Darknet prints 2 x multiply-adds of each convolution; its authors publish the sum for yolov3 at
 * 608 as 140.69 Bn. */
static void test_flops_are_darknets(void)
{
    struct ll_network *network = must_parse("yolov3");
    double convolutions = 0;
    for (int i = 0; i < network->table.layer_count; i++) {
        if (strcmp(network->table.layers[i].type, "convolutional") == 0) {
            convolutions += (double)network->table.layers[i].flops;
        }
    }
    CU_ASSERT_DOUBLE_EQUAL(convolutions / 1e9, 140.69, .01);
    CU_ASSERT((double)network->table.flops < 1.01 * convolutions);
    ll_network_unref(network);
}

static void test_yolov3_outputs_are_its_three_detectors(void)
{
    struct ll_network *network = must_parse("yolov3");
    struct ll_names names;
    CU_ASSERT_EQUAL_FATAL(ll_table_network_outputs(&network->table, &names), LL_OK);
    CU_ASSERT_EQUAL_FATAL(names.count, 3);
    CU_ASSERT_EQUAL(names.names[0], 82);
    CU_ASSERT_EQUAL(names.names[1], 94);
    CU_ASSERT_EQUAL(names.names[2], 106);
    CU_ASSERT_EQUAL(network->table.layers[106].out_h, 76);
    CU_ASSERT_EQUAL(network->table.layers[106].out_c, 255);
    ll_names_finish(&names);
    const struct ll_layer_params *yolo = &network->layers[82];
    CU_ASSERT_EQUAL(yolo->n, 3);
    CU_ASSERT_EQUAL(yolo->total, 9);
    CU_ASSERT_EQUAL(yolo->mask[2], 8);
    CU_ASSERT_EQUAL(yolo->anchors[17], 326);
    ll_network_unref(network);
}

static void test_largest_cut_of_yolov3_spp_has_six_tensors(void)
{
    struct ll_network *network = must_parse("yolov3-spp");
    int most = 0;
    for (int cut = 1; cut < network->table.layer_count; cut++) {
        struct ll_names names;
        CU_ASSERT_EQUAL_FATAL(ll_table_outputs(&network->table, 0, cut, &names), LL_OK);
        most = names.count > most ? names.count : most;
        ll_names_finish(&names);
    }
    CU_ASSERT_EQUAL(most, 6);
    ll_network_unref(network);
}

const char *const ll_test_suite = "dkb_shipped";
const struct ll_test ll_tests[] = {
    LL_TEST(test_parse_every_shipped_cfg),
    LL_TEST(test_parse_refuses_recurrent_and_trees),
    LL_TEST(test_plans_of_shipped_cfgs_are_legal),
    LL_TEST(test_chains_of_shipped_cfgs),
    LL_TEST(test_flops_are_darknets),
    LL_TEST(test_yolov3_outputs_are_its_three_detectors),
    LL_TEST(test_largest_cut_of_yolov3_spp_has_six_tensors),
    {NULL, NULL},
};
