#include "core/link/ll_ack_delay.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_ack_delay";

/* The peer's clock is far from this one. */
#define CLOCK_NS (77 * LL_NS_PER_S)

static int64_t late_ms(struct ll_ack_delay *way, int64_t peer_ms, int64_t took_ms)
{
    return ll_ack_delay_late_ns(way, (uint64_t)(CLOCK_NS + peer_ms * LL_NS_PER_MS),
                                (peer_ms + took_ms) * LL_NS_PER_MS) /
           LL_NS_PER_MS;
}

static void test_the_fastest_is_not_late(void)
{
    struct ll_ack_delay way = {0};
    CU_ASSERT_EQUAL(late_ms(&way, 100, 30), 0);
    CU_ASSERT_EQUAL(late_ms(&way, 110, 50), 20);
    CU_ASSERT_EQUAL(late_ms(&way, 120, 10), 0);
    CU_ASSERT_EQUAL(late_ms(&way, 130, 30), 20);
    CU_ASSERT_EQUAL(late_ms(&way, 130, 10), 0);
}

static void test_the_least_is_forgotten_after_two_spells(void)
{
    struct ll_ack_delay way = {0};
    late_ms(&way, 0, 10);
    CU_ASSERT_EQUAL(late_ms(&way, 4000, 15), 5);
    CU_ASSERT_EQUAL(late_ms(&way, 6000, 15), 5);
    CU_ASSERT_EQUAL(late_ms(&way, 10000, 15), 5);
    CU_ASSERT_EQUAL(late_ms(&way, 12000, 15), 0);
    CU_ASSERT_EQUAL(late_ms(&way, 13000, 18), 3);
}

static void test_clocks_that_are_not_told_or_nonsense_say_nothing(void)
{
    struct ll_ack_delay way = {0};
    CU_ASSERT_EQUAL(late_ms(&way, 100, 30), 0);
    CU_ASSERT_EQUAL(ll_ack_delay_late_ns(&way, 0, 500), 0);
    CU_ASSERT_EQUAL(ll_ack_delay_late_ns(&way, UINT64_MAX, 500), 0);
    CU_ASSERT_EQUAL(ll_ack_delay_late_ns(&way, INT64_MAX, 500), 0);
    CU_ASSERT_EQUAL(late_ms(&way, 200, 40), 10);
    /* A clock that leaps: never early, and nothing overflows. */
    CU_ASSERT_TRUE(ll_ack_delay_late_ns(&way, 1, LL_CLOCK_NEVER / 4) >= 0);
    CU_ASSERT_TRUE(ll_ack_delay_late_ns(&way, ((uint64_t)1 << 61) - 1, LL_CLOCK_NEVER / 4) >= 0);
    CU_ASSERT_TRUE(ll_ack_delay_late_ns(&way, 1, LL_CLOCK_NEVER / 4) >= 0);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_the_fastest_is_not_late),
    LL_TEST(test_the_least_is_forgotten_after_two_spells),
    LL_TEST(test_clocks_that_are_not_told_or_nonsense_say_nothing),
    {NULL, NULL},
};
