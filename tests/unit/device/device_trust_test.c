#include "device/query/device_trust.h"

#include <math.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_trust";

static struct ll_buf *tensor(const float *values, size_t count)
{
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(values, count * sizeof(float), &buf), LL_OK);
    return buf;
}

static double difference(const float *theirs, const float *ours, size_t count)
{
    struct ll_buf *a = tensor(theirs, count);
    struct ll_buf *b = tensor(ours, count);
    double found = device_trust_difference(a, b);
    ll_buf_unref(a);
    ll_buf_unref(b);
    return found;
}

static bool finite_at(float odd, size_t at)
{
    float values[100];
    for (size_t i = 0; i < 100; i++) {
        values[i] = (float)i - 50;
    }
    values[at] = odd;
    struct ll_buf *buf = tensor(values, 100);
    bool is_finite = device_trust_is_finite(buf);
    ll_buf_unref(buf);
    return is_finite;
}

static void test_values_that_are_not_finite_are_found(void)
{
    CU_ASSERT_TRUE(finite_at(3.4e38F, 0));
    CU_ASSERT_TRUE(finite_at(-0.0F, 99));
    CU_ASSERT_TRUE(finite_at(1e-45F, 50));
    CU_ASSERT_FALSE(finite_at(NAN, 0));
    CU_ASSERT_FALSE(finite_at(INFINITY, 99));
    CU_ASSERT_FALSE(finite_at(-INFINITY, 50));
}

static void test_differences_are_parts_of_the_largest_value(void)
{
    const float ours[] = {1, -4, 2, 0};
    const float near[] = {1, -4, 2, 1e-4F};
    const float far[] = {1, -3, 2, 0};
    const float odd[] = {1, -4, NAN, 0};
    const float minus[] = {1, -4, 2, -0.0F};
    CU_ASSERT_EQUAL(difference(ours, ours, 4), 0);
    CU_ASSERT_DOUBLE_EQUAL(difference(near, ours, 4), 2.5e-5, 1e-9);
    CU_ASSERT_EQUAL(difference(far, ours, 4), 0.25);
    CU_ASSERT_EQUAL(difference(odd, ours, 4), INFINITY);
    CU_ASSERT_EQUAL(difference(ours, odd, 4), INFINITY);
    CU_ASSERT_EQUAL(difference(odd, odd, 4), 0);
    CU_ASSERT_TRUE(difference(minus, ours, 4) > 0 && difference(minus, ours, 4) < 1e-30);
    const float nothing[] = {0, 0};
    const float little[] = {0, 1e-30F};
    CU_ASSERT_EQUAL(difference(little, nothing, 2), INFINITY);
}

static void test_the_promise(void)
{
    CU_ASSERT_EQUAL(device_trust_tolerance(true, LL_F32), 0);
    CU_ASSERT_EQUAL(device_trust_tolerance(false, LL_F32), 1e-4);
    CU_ASSERT_EQUAL(device_trust_tolerance(true, LL_F16), 1e-2);
    CU_ASSERT_EQUAL(device_trust_tolerance(true, LL_U8_CHANNEL), 1e-1);
}

static void test_one_answer_in_so_many(void)
{
    struct device_trust never = {0};
    struct device_trust third = {.verify_every = 3};
    int due = 0;
    for (int i = 1; i <= 9; i++) {
        CU_ASSERT_FALSE(device_trust_is_due(&never, 1));
        bool is_due = device_trust_is_due(&third, 1);
        CU_ASSERT_EQUAL(is_due, i % 3 == 0);
        due += is_due ? 1 : 0;
    }
    CU_ASSERT_EQUAL(due, 3);
}

static void test_odd_answers_are_counted_for_an_edge(void)
{
    struct device_trust trust = {0};
    CU_ASSERT_FALSE(device_trust_found_odd(&trust, false));
    /* Another connection begins anew. */
    (void)device_trust_is_due(&trust, 2);
    CU_ASSERT_FALSE(device_trust_found_odd(&trust, false));
    CU_ASSERT_TRUE(device_trust_found_odd(&trust, false));
    CU_ASSERT_FALSE(trust.is_odd_normal);
    CU_ASSERT_FALSE(device_trust_found_odd(&trust, true));
    CU_ASSERT_TRUE(trust.is_odd_normal);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_values_that_are_not_finite_are_found),
    LL_TEST(test_differences_are_parts_of_the_largest_value),
    LL_TEST(test_the_promise),
    LL_TEST(test_one_answer_in_so_many),
    LL_TEST(test_odd_answers_are_counted_for_an_edge),
    {NULL, NULL},
};
