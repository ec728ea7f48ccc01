#include "core/ll_clock.h"

#include "tests/support/ll_test.h"

static void test_deadline_does_not_overflow(void)
{
    CU_ASSERT_EQUAL(ll_clock_deadline(5, 7), 12);
    CU_ASSERT_EQUAL(ll_clock_deadline(5, 0), 5);
    CU_ASSERT_EQUAL(ll_clock_deadline(5, -7), -2);
    CU_ASSERT_EQUAL(ll_clock_deadline(1, INT64_MAX - 1), LL_CLOCK_NEVER);
    CU_ASSERT_EQUAL(ll_clock_deadline(1, INT64_MAX), LL_CLOCK_NEVER);
    CU_ASSERT_EQUAL(ll_clock_deadline(INT64_MAX, 1), LL_CLOCK_NEVER);
    CU_ASSERT_EQUAL(ll_clock_deadline(LL_CLOCK_NEVER, LL_CLOCK_NEVER), LL_CLOCK_NEVER);
}

static void test_clocks_do_not_go_back(void)
{
    int64_t before_ns = ll_clock_now_ns();
    int64_t cpu_ns = ll_clock_thread_cpu_ns();
    CU_ASSERT(before_ns > 0);
    CU_ASSERT(cpu_ns >= 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now_ns = ll_clock_now_ns();
        CU_ASSERT(now_ns >= before_ns);
        before_ns = now_ns;
    }
    CU_ASSERT(ll_clock_thread_cpu_ns() >= cpu_ns);
}

static void test_milliseconds(void)
{
    CU_ASSERT_EQUAL(ll_clock_ms(1500000), 1.5);
    CU_ASSERT_EQUAL(ll_clock_ms(-LL_NS_PER_S), -1000.0);
}

const char *const ll_test_suite = "ll_clock";
const struct ll_test ll_tests[] = {
    LL_TEST(test_deadline_does_not_overflow),
    LL_TEST(test_clocks_do_not_go_back),
    LL_TEST(test_milliseconds),
    {NULL, NULL},
};
