#include "device/choose/device_estimate.h"

#include <stdbool.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_estimate";

/* 2 MB up at 16 Mbit/s, 0.5 MB down at 8 Mbit/s, a round trip of 10 ms, an edge that takes twice
 * its layers' times. */
static const struct device_effort effort = {
    .up_bytes = 2000000, .down_bytes = 500000, .edge_ns = 50e6};
static const struct device_spent spent = {.up_ns = 1010 * LL_NS_PER_MS,
                                          .down_ns = 500 * LL_NS_PER_MS,
                                          .queued_ns = 4 * LL_NS_PER_MS,
                                          .computed_ns = 100 * LL_NS_PER_MS};
static const struct device_link_state no_link = {0};
static const struct device_link_state ten_ms = {.rtt_ns = 10 * LL_NS_PER_MS};

static struct device_estimate estimate;
static int64_t now_ns;
static uint64_t connection;

static void begin(double limit_bytes_per_s)
{
    now_ns = 1000 * LL_NS_PER_S;
    device_estimate_init(&estimate, limit_bytes_per_s);
}

static struct device_rates rates_on(const struct device_link_state *link)
{
    struct device_rates rates;
    device_estimate_look(&estimate, connection, link, &rates);
    return rates;
}

static void answered(const struct device_spent *how)
{
    device_estimate_answered(&estimate, &effort, how, &ten_ms, now_ns);
}

static double predicted_ms(void)
{
    double ns = rates_on(&ten_ms).fixed_ns + rates_on(&ten_ms).up_ns * (double)effort.up_bytes +
                rates_on(&no_link).down_ns * (double)effort.down_bytes +
                estimate.edge_factor.value * effort.edge_ns;
    return ns * 1e-6;
}

static double allowance_ms(double remote_ms)
{
    struct device_rates rates = rates_on(&no_link);
    return ll_clock_ms(device_rates_allowance_ns(&rates, remote_ms * 1e6, 4e9));
}

static void test_a_link_is_assumed_until_something_is_known(void)
{
    begin(0);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).up_ns, 100, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).down_ns, 100, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).fixed_ns, 0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&ten_ms).fixed_ns, 10e6, 1e-6);
    /* The upload's rate, then a query's. */
    struct device_link_state link = {.bytes_per_s = 50e6};
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&link).up_ns, 20, 1e-6);
    answered(&spent);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&link).up_ns, 500, 30);
}

static void test_a_limit_is_never_passed(void)
{
    begin(1e6);
    struct device_link_state link = {.bytes_per_s = 50e6};
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).up_ns, 1000, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&link).up_ns, 1000, 1e-6);
    for (int i = 0; i < 10; i++) {
        answered(&spent);
    }
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&link).up_ns, 1000, 1e-6);
}

static void test_the_first_answer_counts_alone(void)
{
    begin(0);
    answered(&spent);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), 1614, 80);
    CU_ASSERT_DOUBLE_EQUAL(estimate.edge_factor.value, 2, 0.05);
    CU_ASSERT_DOUBLE_EQUAL(estimate.queue_ns.value, 4e6, 1);
}

static void test_answers_alike_are_predicted(void)
{
    begin(0);
    for (int i = 0; i < 50; i++) {
        answered(&spent);
        now_ns += LL_NS_PER_S;
    }
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), 1614, 5);
}

static void test_fresh_samples_count_a_quarter(void)
{
    begin(0);
    answered(&spent);
    struct device_spent queued = spent;
    queued.queued_ns = 0;
    answered(&queued);
    CU_ASSERT_DOUBLE_EQUAL(estimate.queue_ns.value, 3e6, 1);
    /* After ten seconds, nearly everything. */
    now_ns += 10 * LL_NS_PER_S;
    answered(&queued);
    CU_ASSERT_TRUE(estimate.queue_ns.value < 0.15e6);
}

static void test_half_and_twice_weigh_the_same(void)
{
    begin(0);
    for (int i = 0; i < 200; i++) {
        struct device_spent how = spent;
        how.computed_ns = i % 2 ? 50 * LL_NS_PER_MS : 200 * LL_NS_PER_MS;
        answered(&how);
    }
    CU_ASSERT_TRUE(estimate.edge_factor.value > 1.5 && estimate.edge_factor.value < 2.7);
}

static void test_short_transfers_teach_the_fixed_time(void)
{
    begin(0);
    struct device_effort small = {.up_bytes = 1000, .down_bytes = 100, .edge_ns = 1e6};
    struct device_spent took = {.up_ns = 25 * LL_NS_PER_MS, .computed_ns = LL_NS_PER_MS};
    for (int i = 0; i < 30; i++) {
        device_estimate_answered(&estimate, &small, &took, &ten_ms, now_ns);
        now_ns += LL_NS_PER_S;
    }
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&ten_ms).fixed_ns, 25e6, 1e6);
    CU_ASSERT_TRUE(rates_on(&ten_ms).up_ns < 300);
}

static void test_queries_shorten_a_round_trip_that_was_only_bounded(void)
{
    begin(0);
    /* All that is known is that the edge took 200 ms to accept the model. */
    struct device_link_state accepted = {.rtt_ns = 200 * LL_NS_PER_MS};
    struct device_effort small = {.up_bytes = 1000};
    struct device_spent took = {.up_ns = 2 * LL_NS_PER_MS};
    device_estimate_answered(&estimate, &small, &took, &accepted, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&accepted).fixed_ns, 2e6, 0.5e6);
}

static void test_a_part_on_the_device_corrects_its_times(void)
{
    begin(0);
    device_estimate_computed(&estimate, 100e6, 300 * LL_NS_PER_MS, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(estimate.device_factor.value, 3, 0.05);
    /* A layer that takes next to nothing says next to nothing. */
    device_estimate_computed(&estimate, 1e3, 100 * LL_NS_PER_MS, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(estimate.device_factor.value, 3, 0.05);
}

static void test_allowances(void)
{
    begin(0);
    CU_ASSERT_EQUAL(allowance_ms(1), 4000);
    struct device_rates unproven = rates_on(&no_link);
    CU_ASSERT_EQUAL(ll_clock_ms(device_rates_allowance_ns(&unproven, 1e6, 1e6)), 1000);
    answered(&spent);
    CU_ASSERT_EQUAL(allowance_ms(1), 200);
    CU_ASSERT_DOUBLE_EQUAL(allowance_ms(1000), 3000, 1);
    /* Whatever is predicted, the time stays finite. */
    CU_ASSERT_EQUAL(allowance_ms(1e300), 600000);
}

static void test_missed_deadlines_make_the_next_longer_and_the_edge_slower(void)
{
    begin(0);
    answered(&spent);
    double before_ms = predicted_ms();
    struct device_miss miss = {.late_ns = 700 * LL_NS_PER_MS, .sent_bytes = 1, .is_sent = true};
    device_estimate_missed(&estimate, &miss, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), before_ms + 1400, 1);
    CU_ASSERT_DOUBLE_EQUAL(allowance_ms(predicted_ms()), 3 * (before_ms + 700), 1);
    /* The worst one counts. */
    miss.late_ns = 500 * LL_NS_PER_MS;
    device_estimate_missed(&estimate, &miss, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), before_ms + 1400, 1);
    answered(&spent);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), before_ms, 50);
    CU_ASSERT_DOUBLE_EQUAL(allowance_ms(predicted_ms()), 3 * before_ms, 150);
    device_estimate_failed(&estimate, 300 * LL_NS_PER_MS);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(), before_ms + 600, 50);
}

static void test_a_miss_while_sending_tells_the_rate(void)
{
    begin(0);
    struct device_miss miss = {.waited_ns = LL_NS_PER_S, .late_ns = LL_NS_PER_S, .sent_bytes = 100};
    /* Hardly anything was sent: it may be a stall. */
    device_estimate_missed(&estimate, &miss, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).up_ns, 1000, 1);
    CU_ASSERT_EQUAL(rates_on(&no_link).fixed_ns, 0);
    /* It is a bound, and no sample where the rate is known to be lower. */
    miss.sent_bytes = 1000000;
    device_estimate_missed(&estimate, &miss, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).up_ns, 1000, 1);
    /* Much was sent, slowly. */
    begin(0);
    miss = (struct device_miss){.waited_ns = 100 * LL_NS_PER_S, .sent_bytes = 100000};
    device_estimate_missed(&estimate, &miss, now_ns);
    CU_ASSERT_DOUBLE_EQUAL(rates_on(&no_link).up_ns, 1e6, 1e6 * 0.001);
}

static void test_a_new_connection_forgets_the_edge_but_not_the_link(void)
{
    begin(0);
    for (int i = 0; i < 20; i++) {
        answered(&spent);
    }
    double up = rates_on(&no_link).up_ns;
    device_estimate_missed(&estimate, &(struct device_miss){.late_ns = 5, .is_sent = true}, now_ns);
    connection++;
    CU_ASSERT_EQUAL(rates_on(&no_link).up_ns, up);
    CU_ASSERT_EQUAL(rates_on(&no_link).edge_factor, 1);
    CU_ASSERT_EQUAL(rates_on(&ten_ms).fixed_ns, 10e6);
    CU_ASSERT_EQUAL(allowance_ms(1), 4000);
}

static bool is_sane(double value)
{
    return value >= 0 && value < 1e13;
}

static void test_nonsense_stays_within_bounds(void)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    static const int64_t bytes[] = {0, 1, INT64_MAX};
    begin(0);
    for (int round = 0; round < 5 * 5 * 3; round++) {
        struct device_effort odd = {.up_bytes = bytes[round % 3],
                                    .down_bytes = bytes[(round + 1) % 3],
                                    .edge_ns = round % 2 ? 0 : 1e300};
        struct device_spent how = {.up_ns = times[round % 5],
                                   .down_ns = times[round / 5 % 5],
                                   .queued_ns = times[(round + 2) % 5],
                                   .computed_ns = times[(round + 3) % 5]};
        device_estimate_answered(&estimate, &odd, &how, &no_link, now_ns);
        device_estimate_computed(&estimate, odd.edge_ns, how.up_ns, now_ns);
        now_ns += round % 4 == 0 ? -LL_NS_PER_S : LL_NS_PER_S;
        CU_ASSERT_TRUE(is_sane(rates_on(&ten_ms).up_ns));
        CU_ASSERT_TRUE(is_sane(rates_on(&no_link).down_ns));
        CU_ASSERT_TRUE(is_sane(rates_on(&ten_ms).fixed_ns));
        CU_ASSERT_TRUE(is_sane(estimate.edge_factor.value));
        CU_ASSERT_TRUE(is_sane(estimate.device_factor.value));
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_link_is_assumed_until_something_is_known),
    LL_TEST(test_a_limit_is_never_passed),
    LL_TEST(test_the_first_answer_counts_alone),
    LL_TEST(test_answers_alike_are_predicted),
    LL_TEST(test_fresh_samples_count_a_quarter),
    LL_TEST(test_half_and_twice_weigh_the_same),
    LL_TEST(test_short_transfers_teach_the_fixed_time),
    LL_TEST(test_queries_shorten_a_round_trip_that_was_only_bounded),
    LL_TEST(test_a_part_on_the_device_corrects_its_times),
    LL_TEST(test_allowances),
    LL_TEST(test_missed_deadlines_make_the_next_longer_and_the_edge_slower),
    LL_TEST(test_a_miss_while_sending_tells_the_rate),
    LL_TEST(test_a_new_connection_forgets_the_edge_but_not_the_link),
    LL_TEST(test_nonsense_stays_within_bounds),
    {NULL, NULL},
};
