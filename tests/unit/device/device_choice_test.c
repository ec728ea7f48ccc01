/* Choices against brute force over the cuts, with bytes straight from the table's definition. */
#include "device/choose/device_choice.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_choice";

/* The device's and the edge's time of a layer, and what a value costs. */
static const double device_layer_ns = 1000;
static const double edge_layer_ns = 100;

struct costs {
    double *device_ns;
    double *edge_ns;
    struct device_costs costs;
};

static void costs_init(struct costs *costs, const struct ll_table *table)
{
    size_t count = (size_t)table->layer_count + 1;
    costs->device_ns = calloc(count, sizeof(double));
    costs->edge_ns = calloc(count, sizeof(double));
    CU_ASSERT_FATAL(costs->device_ns && costs->edge_ns);
    for (int i = 0; i < table->layer_count; i++) {
        costs->device_ns[i + 1] = costs->device_ns[i] + device_layer_ns;
        costs->edge_ns[i + 1] = costs->edge_ns[i] + edge_layer_ns;
    }
    costs->costs = (struct device_costs){
        .device_ns = costs->device_ns,
        .edge_ns = costs->edge_ns,
        .input_ns = 1,
        .up_ns = 2,
        .down_ns = 3,
        .output_ns = 5,
        .fixed_ns = 7,
    };
}

static void costs_finish(struct costs *costs)
{
    free(costs->device_ns);
    free(costs->edge_ns);
}

/* A range's latency by the definition. */
static double latency_ns(const struct ll_table *table, const struct device_costs *costs, int first,
                         int end)
{
    double ns = costs->device_ns[table->layer_count];
    if (first == end) {
        return ns;
    }
    struct ll_names in = {0};
    struct ll_names out = {0};
    CU_ASSERT_EQUAL_FATAL(ll_table_inputs(table, first, end, &in), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_table_outputs(table, first, end, &out), LL_OK);
    ns += costs->fixed_ns + costs->edge_ns[end] - costs->edge_ns[first] - costs->device_ns[end] +
          costs->device_ns[first];
    for (int i = 0; i < in.count; i++) {
        double floats = (double)ll_table_tensor_floats(table, in.names[i]);
        ns += floats * (in.names[i] == LL_TENSOR_INPUT ? costs->input_ns : costs->up_ns);
    }
    for (int i = 0; i < out.count; i++) {
        double floats = (double)ll_table_tensor_floats(table, out.names[i]);
        bool is_output = table->layers[out.names[i]].is_output;
        ns += floats * (is_output ? costs->output_ns : costs->down_ns);
    }
    ll_names_finish(&in);
    ll_names_finish(&out);
    return ns;
}

static void expect_best(const struct ll_table *table, const struct device_choice *choice,
                        const struct device_costs *costs, int prefix)
{
    double best_ns = costs->device_ns[table->layer_count];
    bool has_remote = false;
    for (int first = 0; first <= prefix; first++) {
        for (int end = first + 1; end <= prefix; end++) {
            if (ll_table_is_legal_cut(table, first) && ll_table_is_legal_cut(table, end)) {
                double ns = latency_ns(table, costs, first, end);
                has_remote = has_remote || ns < best_ns;
                best_ns = fmin(best_ns, ns);
            }
        }
    }
    struct device_range range;
    device_choice_best(choice, costs, prefix, &range);
    CU_ASSERT_DOUBLE_EQUAL(range.latency_ns, best_ns, 1e-6 * best_ns);
    CU_ASSERT_EQUAL(range.first < range.end, has_remote);
    CU_ASSERT_TRUE(range.end <= prefix);
    CU_ASSERT_DOUBLE_EQUAL(latency_ns(table, costs, range.first, range.end), best_ns,
                           1e-6 * best_ns);
    struct device_range same;
    CU_ASSERT_EQUAL(device_choice_predict(choice, costs, range.first, range.end, &same), LL_OK);
    CU_ASSERT_DOUBLE_EQUAL(same.latency_ns, best_ns, 1e-6 * best_ns);
    CU_ASSERT_DOUBLE_EQUAL(same.remote_ns, range.remote_ns, 1e-6 * best_ns);
}

/* All prefixes, with links from fast to hopeless. */
static void expect_brute_force(const char *cfg)
{
    struct fake_model model;
    struct device_choice *choice = NULL;
    struct costs costs;
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL_FATAL(device_choice_create(table, &choice), LL_OK);
    costs_init(&costs, table);
    double link = 0.01;
    for (int step = 0; step < 11; step++, link *= 3) {
        struct device_costs scaled = costs.costs;
        scaled.input_ns *= link;
        scaled.up_ns *= link;
        scaled.down_ns *= link;
        scaled.output_ns *= link;
        scaled.fixed_ns *= link;
        for (int prefix = 0; prefix <= table->layer_count; prefix++) {
            if (ll_table_is_legal_cut(table, prefix)) {
                expect_best(table, choice, &scaled, prefix);
            }
        }
    }
    costs_finish(&costs);
    device_choice_destroy(choice);
    fake_model_finish(&model);
}

static void test_a_chain(void)
{
    expect_brute_force("fake\ninput 500\nlayer 900 4\nlayer 300 4\nlayer 700 0\nlayer 20 4\n"
                       "layer 400 4\nlayer 30 4\nlayer 10 4\n");
}

static void test_groups_branches_and_outputs(void)
{
    expect_brute_force("fake\ninput 200\nlayer 300 4\nlayer 200 0 output\nlayer 100 24 joined\n"
                       "layer 500 8\nlayer 120 20 reads 3 0 -1\nlayer 10 40 reads 4 1\n"
                       "layer 70 4 output\nlayer 60 4 reads 6 2 1\nlayer 5 4\n");
}

static void test_a_layer_that_nobody_reads(void)
{
    expect_brute_force("fake\ninput 50\nlayer 300 4\nlayer 200 4\nlayer 30 4 reads 0\n"
                       "layer 10 4 reads 2\n");
}

/* Layers whose reads and sizes look random. */
static void test_networks_of_many_shapes(void)
{
    unsigned state = 7;
    for (int round = 0; round < 20; round++) {
        char cfg[2048];
        size_t used = (size_t)snprintf(cfg, sizeof(cfg), "fake\ninput 300\n");
        for (int i = 0; i < 14; i++) {
            state = state * 1664525U + 1013904223U;
            int reads = (int)(state >> 8) % (i + 1) - 1;
            used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, "layer %u 4%s%s",
                                     1 + (state >> 16) % 900, state >> 28 > 12 ? " joined" : "",
                                     state >> 27 & 1 ? "" : " output");
            if (i > 0 && state >> 26 & 1) {
                used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, " reads %d %d", i - 1,
                                         reads == i - 1 ? -1 : reads);
            }
            used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, "\n");
        }
        snprintf(cfg + used, sizeof(cfg) - used, "layer 9 4\n");
        expect_brute_force(cfg);
    }
}

static void test_a_network_with_too_many_cuts_is_thinned(void)
{
    enum { LAYERS = 1500 };
    static char cfg[LAYERS * 16 + 64];
    struct fake_model model;
    struct device_choice *choice = NULL;
    struct costs costs;
    size_t used = (size_t)snprintf(cfg, sizeof(cfg), "fake\ninput 100\n");
    for (int i = 0; i < LAYERS; i++) {
        used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, "layer 100 0\n");
    }
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL_FATAL(device_choice_create(table, &choice), LL_OK);
    costs_init(&costs, table);
    struct device_range range;
    device_choice_best(choice, &costs.costs, LAYERS, &range);
    CU_ASSERT_EQUAL(range.first, 0);
    CU_ASSERT_EQUAL(range.end, LAYERS);
    /* A candidate is never more than three layers away. */
    device_choice_best(choice, &costs.costs, 1000, &range);
    CU_ASSERT_EQUAL(range.first, 0);
    CU_ASSERT_TRUE(range.end <= 1000 && range.end >= 997);
    device_choice_best(choice, &costs.costs, 0, &range);
    CU_ASSERT_EQUAL(range.end, 0);
    costs_finish(&costs);
    device_choice_destroy(choice);
    fake_model_finish(&model);
}

static void test_equal_times_stay_on_the_device(void)
{
    struct fake_model model;
    struct device_choice *choice = NULL;
    struct costs costs;
    fake_model_init(&model, "fake\ninput 5\nlayer 9 4\nlayer 3 4\n", 1);
    CU_ASSERT_EQUAL_FATAL(device_choice_create(&model.network->table, &choice), LL_OK);
    costs_init(&costs, &model.network->table);
    struct device_costs free_link = {.device_ns = costs.device_ns, .edge_ns = costs.device_ns};
    struct device_range range;
    device_choice_best(choice, &free_link, 2, &range);
    CU_ASSERT_EQUAL(range.first, range.end);
    CU_ASSERT_EQUAL(range.latency_ns, 2000);
    costs_finish(&costs);
    device_choice_destroy(choice);
    fake_model_finish(&model);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_chain),
    LL_TEST(test_groups_branches_and_outputs),
    LL_TEST(test_a_layer_that_nobody_reads),
    LL_TEST(test_networks_of_many_shapes),
    LL_TEST(test_a_network_with_too_many_cuts_is_thinned),
    LL_TEST(test_equal_times_stay_on_the_device),
    {NULL, NULL},
};
