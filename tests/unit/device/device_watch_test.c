#include "device/edge_link/device_watch.h"

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_watch";

#define TICK DEVICE_WATCH_TICK_NS
#define S LL_NS_PER_S

static const struct device_debt fast = {.is_owed = true, .rtt_ns = S / 1000, .bytes_per_s = 1e8};

/* Looks in time until the verdict is another one than FINE; returns when that was. */
static int64_t look_on(struct device_watch *watch, const struct device_debt *debt, int64_t *now_ns,
                       device_watch_verdict *out_verdict)
{
    int64_t began_ns = *now_ns;
    do {
        *now_ns += TICK;
        *out_verdict = device_watch_look(watch, debt, *now_ns);
    } while (*out_verdict == DEVICE_WATCH_FINE && *now_ns - began_ns < 1000 * S);
    return *now_ns - began_ns;
}

static void test_a_silent_edge_is_asked_then_given_up(void)
{
    struct device_watch watch = {0};
    device_watch_verdict verdict;
    int64_t now_ns = 5 * S;
    device_watch_connect(&watch, now_ns);
    CU_ASSERT_EQUAL(look_on(&watch, &fast, &now_ns, &verdict), S / 2);
    CU_ASSERT_EQUAL(verdict, DEVICE_WATCH_ASK);
    CU_ASSERT_EQUAL(look_on(&watch, &fast, &now_ns, &verdict), S / 2);
    CU_ASSERT_EQUAL(verdict, DEVICE_WATCH_SILENT);
}

/* An answer to the question is enough, again and again, however long a run takes. */
static void test_an_edge_that_answers_the_question_stays(void)
{
    struct device_watch watch = {0};
    device_watch_verdict verdict;
    int64_t now_ns = 0;
    device_watch_connect(&watch, now_ns);
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(look_on(&watch, &fast, &now_ns, &verdict), S / 2);
        CU_ASSERT_EQUAL(verdict, DEVICE_WATCH_ASK);
        device_watch_heard(&watch, false);
    }
}

static void test_silence_of_an_edge_that_owes_nothing_is_none(void)
{
    struct device_watch watch = {0};
    struct device_debt nothing = fast;
    device_watch_verdict verdict;
    int64_t now_ns = 0;
    nothing.is_owed = false;
    device_watch_connect(&watch, now_ns);
    look_on(&watch, &nothing, &now_ns, &verdict);
    CU_ASSERT_EQUAL(verdict, DEVICE_WATCH_FINE);
    /* Queries that are given up one after the other add up. */
    for (int i = 0; i < 4; i++) {
        now_ns += TICK;
        CU_ASSERT_EQUAL(device_watch_look(&watch, &fast, now_ns), DEVICE_WATCH_FINE);
        now_ns += 10 * S;
        CU_ASSERT_EQUAL(device_watch_look(&watch, &nothing, now_ns), DEVICE_WATCH_FINE);
        device_watch_begin(&watch, now_ns);
    }
    now_ns += TICK;
    CU_ASSERT_EQUAL(device_watch_look(&watch, &fast, now_ns), DEVICE_WATCH_ASK);
}

/* A laptop that was closed for an hour. */
static void test_a_device_that_slept_does_not_blame_the_edge(void)
{
    struct device_watch watch = {0};
    device_watch_connect(&watch, 0);
    CU_ASSERT_EQUAL(device_watch_look(&watch, &fast, 3600 * S), DEVICE_WATCH_FINE);
}

static void test_patience_follows_the_link(void)
{
    struct device_watch watch = {0};
    struct device_debt debt = fast;
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &debt), S);
    debt.rtt_ns = S / 4;
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &debt), 2 * S);
    debt.rtt_ns = 0;
    debt.bytes_per_s = 1e5;
    debt.under_way_bytes = 50000;
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &debt), 3 * S);
    /* Nothing is known of the rate. */
    debt.bytes_per_s = 0;
    debt.under_way_bytes = 125000;
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &debt), 5 * S);
    debt.under_way_bytes = INT64_MAX;
    debt.rtt_ns = INT64_MAX;
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &debt), DEVICE_WATCH_MOST_NS);
}

static void test_giving_up_in_vain_takes_longer_each_time(void)
{
    struct device_watch watch = {0};
    device_watch_verdict verdict = DEVICE_WATCH_FINE;
    int64_t now_ns = 0;
    const int64_t expected[] = {S, 2 * S, 4 * S, 8 * S, 8 * S};
    for (int i = 0; i < 5; i++) {
        device_watch_connect(&watch, now_ns);
        CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &fast), expected[i]);
        while (verdict != DEVICE_WATCH_SILENT) {
            look_on(&watch, &fast, &now_ns, &verdict);
        }
        verdict = DEVICE_WATCH_FINE;
    }
    device_watch_heard(&watch, false);
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &fast), 8 * S);
    device_watch_heard(&watch, true);
    CU_ASSERT_EQUAL(device_watch_patience_ns(&watch, &fast), S);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_silent_edge_is_asked_then_given_up),
    LL_TEST(test_an_edge_that_answers_the_question_stays),
    LL_TEST(test_silence_of_an_edge_that_owes_nothing_is_none),
    LL_TEST(test_a_device_that_slept_does_not_blame_the_edge),
    LL_TEST(test_patience_follows_the_link),
    LL_TEST(test_giving_up_in_vain_takes_longer_each_time),
    {NULL, NULL},
};
