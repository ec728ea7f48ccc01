#include "device/choose/device_plan.h"

#include <stdio.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_plan";

static struct fake_model model;
static struct device_layer_times *profile;
static struct device_plan_terms terms;
static struct ll_plan plan;
static struct ll_error err;

static void begin(const char *cfg, int64_t layer_ns)
{
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(table, 1, &profile), LL_OK);
    for (int i = 0; layer_ns > 0 && i < table->layer_count; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(profile, i, layer_ns, 1), LL_OK);
    }
    terms = (struct device_plan_terms){
        .partitioner = "efficiency", .slowdown = 1, .input_width = 4, .cut_width = 4};
}

static void make(void)
{
    CU_ASSERT_EQUAL_FATAL(device_plan_make(profile, &terms, &plan, &err), LL_OK);
    CU_ASSERT_EQUAL(ll_plan_check(&model.network->table, &plan, &err), LL_OK);
}

static void end(void)
{
    ll_plan_finish(&plan);
    device_layer_times_destroy(profile);
    fake_model_finish(&model);
}

/* Each layer takes 100 ms; the input crosses in 4 ms at 8 Mbit/s, the last tensors in less, and
 * each layer's weights in a second. */
static const char shrinking[] = "fake\ninput 1000\nlayer 500 1000000\nlayer 200 1000000\n"
                                "layer 100 1000000\nlayer 10 1000000\n";

static void test_partitions_are_small_where_each_helps(void)
{
    begin(shrinking, 100000000);
    terms.limit_bytes_per_s = 1e6;
    make();
    CU_ASSERT_TRUE(plan.count > 1);
    ll_plan_finish(&plan);
    terms.partitioner = "ionn";
    make();
    end();
}

static void test_names_without_times_cut_as_they_say(void)
{
    begin(shrinking, 100000000);
    terms.partitioner = "whole";
    make();
    CU_ASSERT_EQUAL(plan.count, 1);
    ll_plan_finish(&plan);
    terms.partitioner = "layer";
    make();
    CU_ASSERT_EQUAL(plan.count, 4);
    ll_plan_finish(&plan);
    terms.partitioner = "odd";
    CU_ASSERT_EQUAL(device_plan_make(profile, &terms, &plan, &err), LL_E_INVALID);
    end();
}

static void test_encodings_count(void)
{
    /* Every tensor takes 0.4 s and more, longer than the device: nothing is worth its while, and
     * the plan does not know where to cut. As bytes the input takes 0.2 s. */
    begin("fake\ninput 200000\nlayer 100000 1000\nlayer 100000 1000\nlayer 10 1000\n", 100000000);
    terms.limit_bytes_per_s = 1e6;
    make();
    CU_ASSERT_EQUAL(plan.count, 3);
    ll_plan_finish(&plan);
    terms.input_width = 1;
    make();
    CU_ASSERT_EQUAL(plan.count, 1);
    end();
}

static void test_times_beyond_every_limit_are_no_obstacle(void)
{
    begin(shrinking, DEVICE_LAYER_TIMES_MOST_NS);
    terms.slowdown = 1e6;
    terms.limit_bytes_per_s = 1;
    make();
    ll_plan_finish(&plan);
    terms.limit_bytes_per_s = 1e15;
    make();
    end();
}

static void test_guesses_do(void)
{
    begin(shrinking, 0);
    make();
    end();
}

/* Groups of 10 MB, some of two layers with 20 MB, then one of 50 MB. */
static void begin_large(int64_t layer_ns)
{
    char cfg[4096];
    size_t used = (size_t)snprintf(cfg, sizeof(cfg), "fake\ninput 1000000\n");
    for (int i = 0; i < 12; i++) {
        used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, "layer 1000000 10000000%s\n",
                                 i % 5 == 2 ? " joined" : "");
    }
    snprintf(cfg + used, sizeof(cfg) - used, "layer 10 50000000\n");
    begin(cfg, layer_ns);
}

static void test_large_partitions_are_divided(void)
{
    /* The edge helps, but with all of it alone: a tensor takes 60 ms, the device 130 ms. */
    begin_large(10000000);
    terms.limit_bytes_per_s = 66e6;
    make();
    for (int i = 0; i < plan.count; i++) {
        int64_t bytes = ll_plan_partition_bytes(&model.network->table, &plan.partitions[i]);
        CU_ASSERT_TRUE(i == plan.count - 1 || bytes <= DEVICE_PLAN_MOST_BYTES);
    }
    CU_ASSERT_TRUE(plan.count > 5 && plan.count < 11);
    CU_ASSERT_EQUAL(plan.partitions[plan.count - 1].first, 12);
    end();
}

static void test_what_nobody_gains_from_is_divided_into_groups(void)
{
    begin_large(1);
    make();
    CU_ASSERT_EQUAL(plan.count, 11);
    end();
}

static void test_a_very_long_chain_is_cut_by_layers(void)
{
    enum { LAYERS = DEVICE_PLAN_ELEMENTS + 1 };
    static char cfg[LAYERS * 16 + 64];
    size_t used = (size_t)snprintf(cfg, sizeof(cfg), "fake\ninput 10\n");
    for (int i = 0; i < LAYERS; i++) {
        used += (size_t)snprintf(cfg + used, sizeof(cfg) - used, "layer 10 4\n");
    }
    begin(cfg, 10000000);
    make();
    CU_ASSERT_EQUAL(plan.count, LAYERS);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_partitions_are_small_where_each_helps),
    LL_TEST(test_names_without_times_cut_as_they_say),
    LL_TEST(test_encodings_count),
    LL_TEST(test_times_beyond_every_limit_are_no_obstacle),
    LL_TEST(test_guesses_do),
    LL_TEST(test_large_partitions_are_divided),
    LL_TEST(test_a_very_long_chain_is_cut_by_layers),
    LL_TEST(test_what_nobody_gains_from_is_divided_into_groups),
    {NULL, NULL},
};
