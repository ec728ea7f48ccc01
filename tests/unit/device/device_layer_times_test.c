#include "device/times/device_layer_times.h"

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_layer_times";

enum { LAYERS = 3 };

static struct fake_model model;
static struct device_layer_times *profile;

static void begin(void)
{
    fake_model_init(&model, "fake\ninput 20\nlayer 30 40\nlayer 20 0 joined\nlayer 10 24\n", 1);
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(&model.network->table, 1, &profile), LL_OK);
}

static void end(void)
{
    device_layer_times_destroy(profile);
    fake_model_finish(&model);
}

static void add(int first, int64_t ns)
{
    int64_t times[LAYERS] = {ns, ns + 1, ns + 2};
    device_layer_times_add(profile, first, LAYERS, times);
}

static void expect(int layer, int64_t ns, int samples)
{
    int got = -1;
    CU_ASSERT_EQUAL(device_layer_times_ns(profile, layer, &got), ns);
    CU_ASSERT_EQUAL(got, samples);
}

static void test_layers_that_have_not_run_are_guessed(void)
{
    begin();
    int samples = -1;
    CU_ASSERT_TRUE(device_layer_times_ns(profile, 0, &samples) > 0);
    CU_ASSERT_EQUAL(samples, 0);
    CU_ASSERT_FALSE(device_layer_times_is_measured(profile));
    end();
}

static void test_a_cold_run_counts_until_there_is_a_warm_one(void)
{
    begin();
    uint64_t version = device_layer_times_version(profile);
    add(0, 900);
    expect(0, 900, 0);
    CU_ASSERT_TRUE(device_layer_times_is_measured(profile));
    CU_ASSERT_TRUE(device_layer_times_version(profile) > version);
    add(1, 300);
    expect(0, 900, 0);
    expect(1, 300, 1);
    expect(2, 301, 1);
    CU_ASSERT_EQUAL(device_layer_times_least_samples(profile), 0);
    end();
}

static void test_the_median_of_five_runs_stays(void)
{
    static const int64_t runs[] = {10000, 300, 100, 500, 200, 400};
    begin();
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        add(0, runs[i]);
    }
    expect(0, 300, 5);
    uint64_t version = device_layer_times_version(profile);
    add(0, 7);
    add(0, 7);
    expect(0, 300, 5);
    CU_ASSERT_EQUAL(device_layer_times_version(profile), version);
    CU_ASSERT_EQUAL(device_layer_times_least_samples(profile), 5);
    end();
}

static void test_warming_up_stands_for_the_cold_run(void)
{
    begin();
    int64_t warm[LAYERS] = {70, 0, 90};
    device_layer_times_warm(profile, warm);
    CU_ASSERT_TRUE(device_layer_times_is_measured(profile));
    expect(0, 70, 0);
    expect(1, 0, 0);
    add(0, 50);
    expect(0, 50, 1);
    end();
}

static void test_what_is_known_already_is_kept(void)
{
    begin();
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(profile, i, 1000, 2), LL_OK);
    }
    expect(0, 1000, 2);
    int64_t warm[LAYERS] = {1, 1, 1};
    device_layer_times_warm(profile, warm);
    expect(0, 1000, 2);
    end();
}

static void test_what_cannot_be_is_refused(void)
{
    begin();
    CU_ASSERT_EQUAL(device_layer_times_set(profile, -1, 1, 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_layer_times_set(profile, LAYERS, 1, 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_layer_times_set(profile, 0, -1, 1), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_layer_times_set(profile, 0, DEVICE_LAYER_TIMES_MOST_NS + 1, 1),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(device_layer_times_set(profile, 0, 1, 6), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_layer_times_set(profile, 0, 1, -1), LL_E_INVALID);
    int64_t odd[LAYERS] = {-5, INT64_MAX, 3};
    device_layer_times_add(profile, 0, LAYERS, odd);
    CU_ASSERT_FALSE(device_layer_times_is_measured(profile));
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_layers_that_have_not_run_are_guessed),
    LL_TEST(test_a_cold_run_counts_until_there_is_a_warm_one),
    LL_TEST(test_the_median_of_five_runs_stays),
    LL_TEST(test_warming_up_stands_for_the_cold_run),
    LL_TEST(test_what_is_known_already_is_kept),
    LL_TEST(test_what_cannot_be_is_refused),
    {NULL, NULL},
};
