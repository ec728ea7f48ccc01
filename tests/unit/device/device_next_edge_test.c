#include "device/edge_link/device_next_edge.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_next_edge";

#define NOW (7 * LL_NS_PER_S)

static void test_one_edge_is_tried_again_within_half_a_second(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 1);
    int64_t now_ns = NOW;
    for (int i = 0; i < 100; i++) {
        int64_t at_ns = device_next_edge_failed(&route, false, now_ns);
        CU_ASSERT_TRUE(at_ns >= now_ns + 100 * LL_NS_PER_MS);
        CU_ASSERT_TRUE(at_ns <= now_ns + 500 * LL_NS_PER_MS);
        CU_ASSERT_EQUAL(route.current, 0);
        now_ns = at_ns;
    }
    device_next_edge_reached(&route);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, now_ns), now_ns + 100 * LL_NS_PER_MS);
}

static void test_the_next_edge_is_tried_at_once(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 3);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 1);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 2);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW + 100 * LL_NS_PER_MS);
    CU_ASSERT_EQUAL(route.current, 0);
}

static void test_an_edge_that_was_reached_is_left_for_the_next(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 2);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW);
    device_next_edge_reached(&route);
    CU_ASSERT_EQUAL(route.current, 1);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 0);
}

static void test_a_refusing_edge_is_left_alone(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 2);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, true, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 1);
    CU_ASSERT_FALSE(device_next_edge_is_refused(&route));
    /* The other one is tried alone meanwhile. */
    int64_t now_ns = NOW;
    while (now_ns < NOW + 4 * LL_NS_PER_S) {
        now_ns = device_next_edge_failed(&route, false, now_ns);
        CU_ASSERT_EQUAL(route.current, 1);
    }
    now_ns = device_next_edge_failed(&route, true, now_ns);
    CU_ASSERT_EQUAL(route.current, 0);
    CU_ASSERT_TRUE(now_ns >= NOW + 5 * LL_NS_PER_S);
    CU_ASSERT_TRUE(device_next_edge_is_refused(&route));
    device_next_edge_reached(&route);
    CU_ASSERT_FALSE(device_next_edge_is_refused(&route));
}

static void test_an_edge_that_is_not_believed_is_left_for_a_minute(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 1);
    device_next_edge_reached(&route);
    device_next_edge_distrust(&route, NOW);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW + 60 * LL_NS_PER_S);
    device_next_edge_init(&route, 2);
    device_next_edge_distrust(&route, NOW);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, false, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 1);
    CU_ASSERT_FALSE(device_next_edge_is_refused(&route));
}

static void test_a_busy_edge_is_asked_again_when_it_said(void)
{
    struct device_next_edge route;
    device_next_edge_init(&route, 2);
    int64_t wait_ns = 3 * LL_NS_PER_S;
    CU_ASSERT_EQUAL(device_next_edge_busy(&route, wait_ns, NOW), NOW);
    CU_ASSERT_EQUAL(route.current, 1);
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, true, NOW), NOW + wait_ns);
    CU_ASSERT_EQUAL(route.current, 0);
    /* The other one has refused, this one has not. */
    CU_ASSERT_FALSE(device_next_edge_is_refused(&route));
    CU_ASSERT_EQUAL(device_next_edge_failed(&route, true, NOW + wait_ns), NOW + 5 * LL_NS_PER_S);
    CU_ASSERT_TRUE(device_next_edge_is_refused(&route));
    CU_ASSERT_EQUAL(route.current, 1);
    (void)device_next_edge_busy(&route, wait_ns, NOW + 5 * LL_NS_PER_S);
    CU_ASSERT_FALSE(device_next_edge_is_refused(&route));
}

static void test_waits_are_bounded_and_spread(void)
{
    CU_ASSERT_EQUAL(device_next_edge_wait_ns(1000, 0), LL_NS_PER_S);
    CU_ASSERT_EQUAL(device_next_edge_wait_ns(0, 0), LL_NS_PER_S / 10);
    CU_ASSERT_EQUAL(device_next_edge_wait_ns(INT64_MAX, 0), 60 * LL_NS_PER_S);
    for (uint32_t random = 0; random < 4000; random += 7) {
        int64_t wait_ns = device_next_edge_wait_ns(1000, random);
        CU_ASSERT_TRUE(wait_ns >= LL_NS_PER_S && wait_ns < LL_NS_PER_S * 3 / 2);
    }
    CU_ASSERT_NOT_EQUAL(device_next_edge_wait_ns(1000, 1), device_next_edge_wait_ns(1000, 2));
    CU_ASSERT_TRUE(device_next_edge_wait_ns(INT64_MAX, UINT32_MAX) < 90 * LL_NS_PER_S);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_one_edge_is_tried_again_within_half_a_second),
    LL_TEST(test_the_next_edge_is_tried_at_once),
    LL_TEST(test_an_edge_that_was_reached_is_left_for_the_next),
    LL_TEST(test_a_refusing_edge_is_left_alone),
    LL_TEST(test_an_edge_that_is_not_believed_is_left_for_a_minute),
    LL_TEST(test_a_busy_edge_is_asked_again_when_it_said),
    LL_TEST(test_waits_are_bounded_and_spread),
    {NULL, NULL},
};
