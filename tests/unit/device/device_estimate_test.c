#include "device/device_estimate.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_estimate";

static const struct device_effort effort = {
    .up_bytes = 600000, .down_bytes = 4000, .flops = 1000000000};

static void test_allowance_without_samples_is_generous(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    CU_ASSERT_EQUAL(device_estimate_allowance_ns(&estimate, &effort, 0), 10 * LL_NS_PER_S);
}

static void test_allowance_is_three_times_what_was_seen(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    struct device_spent spent = {.up_ns = 240 * LL_NS_PER_MS,
                                 .down_ns = LL_NS_PER_MS,
                                 .queued_ns = 9 * LL_NS_PER_MS,
                                 .computed_ns = 50 * LL_NS_PER_MS};
    device_estimate_answered(&estimate, &effort, &spent);
    double ms = ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 0));
    CU_ASSERT_DOUBLE_EQUAL(ms, 900, 0.1);
    ms = ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 100 * LL_NS_PER_MS));
    CU_ASSERT_DOUBLE_EQUAL(ms, 1200, 0.1);
    /* Twice the work takes twice the time, but for the queue. */
    struct device_effort twice = {1200000, 8000, 2000000000};
    ms = ll_clock_ms(device_estimate_allowance_ns(&estimate, &twice, 0));
    CU_ASSERT_DOUBLE_EQUAL(ms, 3 * (2 * 291 + 9), 0.1);
}

static void test_allowance_is_200_ms_at_least(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    struct device_spent spent = {.up_ns = 1000, .computed_ns = 1000};
    device_estimate_answered(&estimate, &effort, &spent);
    CU_ASSERT_EQUAL(device_estimate_allowance_ns(&estimate, &effort, 0), 200 * LL_NS_PER_MS);
}

static void test_estimates_rise_at_once_and_fall_slowly(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    struct device_spent slow = {.up_ns = LL_NS_PER_S};
    struct device_spent fast = {.up_ns = LL_NS_PER_S / 2};
    device_estimate_answered(&estimate, &effort, &fast);
    device_estimate_answered(&estimate, &effort, &slow);
    CU_ASSERT_DOUBLE_EQUAL(ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 0)), 3000,
                           1);
    device_estimate_answered(&estimate, &effort, &fast);
    CU_ASSERT_DOUBLE_EQUAL(ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 0)), 2700,
                           1);
}

static void test_missed_deadlines_make_the_next_longer(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    struct device_spent spent = {.up_ns = LL_NS_PER_S};
    device_estimate_answered(&estimate, &effort, &spent);
    for (int i = 0; i < 100; i++) {
        device_estimate_missed(&estimate);
    }
    CU_ASSERT_DOUBLE_EQUAL(ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 0)), 48000,
                           1);
    for (int i = 0; i < 100; i++) {
        device_estimate_answered(&estimate, &effort, &spent);
    }
    CU_ASSERT_DOUBLE_EQUAL(ll_clock_ms(device_estimate_allowance_ns(&estimate, &effort, 0)), 3000,
                           1);
}

static void test_samples_of_nothing_change_nothing(void)
{
    struct device_estimate estimate;
    device_estimate_init(&estimate);
    struct device_effort nothing = {0};
    struct device_spent spent = {.up_ns = LL_NS_PER_S, .down_ns = 5, .computed_ns = INT64_MAX};
    device_estimate_answered(&estimate, &nothing, &spent);
    CU_ASSERT_EQUAL(device_estimate_allowance_ns(&estimate, &effort, 0), 200 * LL_NS_PER_MS);
    /* Whatever an edge says, the time stays finite. */
    device_estimate_answered(&estimate, &effort, &spent);
    CU_ASSERT_EQUAL(device_estimate_allowance_ns(&estimate, &effort, INT64_MAX), 600 * LL_NS_PER_S);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_allowance_without_samples_is_generous),
    LL_TEST(test_allowance_is_three_times_what_was_seen),
    LL_TEST(test_allowance_is_200_ms_at_least),
    LL_TEST(test_estimates_rise_at_once_and_fall_slowly),
    LL_TEST(test_missed_deadlines_make_the_next_longer),
    LL_TEST(test_samples_of_nothing_change_nothing),
    {NULL, NULL},
};
