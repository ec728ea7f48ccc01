#include "core/link/ll_pacer.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_pacer";

/* 20 Mbit/s. */
#define RATE 2.5e6

static void test_ready_without_limit_is_now(void)
{
    struct ll_pacer pacer;
    ll_pacer_init(&pacer, 0, 1000);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(ll_pacer_ready_ns(&pacer, 1 << 20, 1000), 1000);
        ll_pacer_spend(&pacer, 1 << 20);
    }
}

/* Sends messages as soon as allowed, each `late_ns` after it was due; returns when the last one
 * left. */
static int64_t send_all(struct ll_pacer *pacer, int64_t now_ns, int count, int64_t bytes,
                        int64_t late_ns)
{
    for (int i = 0; i < count; i++) {
        int64_t ready_ns = ll_pacer_ready_ns(pacer, bytes, now_ns);
        if (ready_ns > now_ns) {
            now_ns = ready_ns + late_ns;
            CU_ASSERT_TRUE(ll_pacer_ready_ns(pacer, bytes, now_ns) <= now_ns);
        }
        ll_pacer_spend(pacer, bytes);
    }
    return now_ns;
}

static void test_ready_back_to_back_keeps_the_rate(void)
{
    struct ll_pacer pacer;
    const int64_t start_ns = 5 * LL_NS_PER_S;
    ll_pacer_init(&pacer, RATE, start_ns);
    int64_t end_ns = send_all(&pacer, start_ns, 1000, 8192, 0);
    double seconds = (double)(end_ns - start_ns) / 1e9;
    /* Never faster, from the first byte on, and hardly slower. */
    CU_ASSERT_TRUE(1000 * 8192 / seconds <= RATE);
    CU_ASSERT_TRUE(1000 * 8192 / seconds >= RATE * 0.9999);
}

static void test_ready_late_timer_catches_up(void)
{
    struct ll_pacer pacer;
    ll_pacer_init(&pacer, RATE, 1);
    int64_t end_ns = send_all(&pacer, 1, 1000, 8192, LL_PACER_BURST_NS / 2);
    double seconds = (double)(end_ns - 1) / 1e9;
    CU_ASSERT_TRUE(1000 * 8192 / seconds <= RATE);
    CU_ASSERT_TRUE(1000 * 8192 / seconds >= RATE * 0.99);
}

static void test_ready_after_a_pause_begins_anew(void)
{
    struct ll_pacer pacer;
    ll_pacer_init(&pacer, RATE, 1);
    int64_t now_ns = 1;
    for (int i = 0; i < 5; i++) {
        int64_t start_ns = now_ns + 100 * LL_NS_PER_S;
        now_ns = send_all(&pacer, start_ns, 10, 8192, 0);
        CU_ASSERT_TRUE(10 * 8192 <= (double)(now_ns - start_ns) / 1e9 * RATE);
    }
}

static void test_ready_message_above_burst_passes(void)
{
    struct ll_pacer pacer;
    ll_pacer_init(&pacer, RATE, 1);
    int64_t ready_ns = ll_pacer_ready_ns(&pacer, 2500000, 1);
    CU_ASSERT_TRUE(ready_ns >= LL_NS_PER_S && ready_ns <= LL_NS_PER_S + 10);
    CU_ASSERT_TRUE(ll_pacer_ready_ns(&pacer, 2500000, ready_ns) <= ready_ns);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_ready_without_limit_is_now),       LL_TEST(test_ready_back_to_back_keeps_the_rate),
    LL_TEST(test_ready_late_timer_catches_up),      LL_TEST(test_ready_after_a_pause_begins_anew),
    LL_TEST(test_ready_message_above_burst_passes), {NULL, NULL},
};
