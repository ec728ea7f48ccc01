/* A device and an edge whose true times are known to the test alone: queries teach the advisor, and
 * its choices become those that are right. */
#include "device/device_advisor.h"

#include <stdbool.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_advisor";

/* Legal cuts: 0, 1, 2, 4, 5; the tensor at 2 is small. */
static const char cfg[] = "fake\n"
                          "input 100000\n"
                          "layer 200000 4\n"
                          "layer 1000 4\n"
                          "layer 100000 4 joined\n"
                          "layer 50000 4\n"
                          "layer 10 4\n";
enum { LAYERS = 5 };

/* The truth, in ns. */
struct truth {
    double device_layer_ns;
    double edge_layer_ns;
    double up_ns_per_byte;
    double down_ns_per_byte;
    double rtt_ns;
};

static struct fake_model model;
static struct device_profile *profile;
static struct device_advisor *advisor;
static struct truth truth;
static int64_t now_ns;

static void begin_limited(double limit_bytes_per_s)
{
    truth = (struct truth){.device_layer_ns = 100e6,
                           .edge_layer_ns = 5e6,
                           .up_ns_per_byte = 100,
                           .down_ns_per_byte = 100,
                           .rtt_ns = 5e6};
    now_ns = 1000 * LL_NS_PER_S;
    fake_model_init(&model, cfg, 1);
    const struct ll_table *table = &model.network->table;
    CU_ASSERT_EQUAL_FATAL(device_profile_create(table, 1, &profile), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_profile_set(profile, i, (int64_t)truth.device_layer_ns, 5), LL_OK);
    }
    struct device_advisor_config config = {
        .profile = profile, .slowdown = 1, .limit_bytes_per_s = limit_bytes_per_s};
    CU_ASSERT_EQUAL_FATAL(device_advisor_create(&config, &advisor), LL_OK);
}

static void begin(void)
{
    begin_limited(0);
}

static void end(void)
{
    device_advisor_destroy(advisor);
    device_profile_destroy(profile);
    fake_model_finish(&model);
}

static int64_t bytes_of(int first, int end_layer, bool is_up)
{
    struct ll_names names = {0};
    const struct ll_table *table = &model.network->table;
    ll_status status = is_up ? ll_table_inputs(table, first, end_layer, &names)
                             : ll_table_outputs(table, first, end_layer, &names);
    CU_ASSERT_EQUAL_FATAL(status, LL_OK);
    int64_t bytes = ll_names_bytes(table, &names);
    ll_names_finish(&names);
    return bytes;
}

/* What a remote part costs. */
static void exchange_of(int first, int range_end, struct device_exchange *out_exchange,
                        struct device_spent *out_spent)
{
    *out_exchange = (struct device_exchange){.first = first,
                                             .end = range_end,
                                             .up_bytes = bytes_of(first, range_end, true),
                                             .down_bytes = bytes_of(first, range_end, false)};
    *out_spent = (struct device_spent){
        .up_ns = (int64_t)(truth.rtt_ns + truth.up_ns_per_byte * (double)out_exchange->up_bytes),
        .down_ns = (int64_t)(truth.down_ns_per_byte * (double)out_exchange->down_bytes),
        .computed_ns = (int64_t)(truth.edge_layer_ns * (range_end - first)),
    };
}

/* The edge is asked for a range and may take `allowance_ns`. Returns how long the device waits. */
static int64_t ask(const struct device_advice *advice, const struct device_range *range,
                   int64_t allowance_ns)
{
    struct device_link_state link = {.rtt_ns = (int64_t)truth.rtt_ns};
    struct device_exchange exchange;
    struct device_spent spent;
    exchange_of(range->first, range->end, &exchange, &spent);
    int64_t remote_ns = spent.up_ns + spent.down_ns + spent.computed_ns;
    if (remote_ns <= allowance_ns) {
        device_advisor_answered(advisor, &exchange, &spent, &link, now_ns);
        return remote_ns;
    }
    struct device_miss miss = {
        .waited_ns = allowance_ns,
        .sent_bytes = (int64_t)((double)allowance_ns / truth.up_ns_per_byte),
        .is_sent = spent.up_ns < allowance_ns,
    };
    device_advisor_missed(advisor, advice, &miss, now_ns);
    return allowance_ns + (int64_t)(truth.device_layer_ns * (range->end - range->first));
}

static int64_t compute(int first, int range_end)
{
    int64_t took_ns = (int64_t)(truth.device_layer_ns * (range_end - first));
    device_advisor_computed(advisor, first, range_end, took_ns, now_ns);
    return took_ns;
}

static struct device_outlook outlook_of(int prefix)
{
    return (struct device_outlook){.link = {.rtt_ns = (int64_t)truth.rtt_ns},
                                   .prefix = prefix,
                                   .input_width = 4,
                                   .up_width = 4,
                                   .down_width = 4};
}

/* Runs a query as advised, in the world of `truth`; returns its latency in ms. */
static double query(int prefix, struct device_advice *out_advice)
{
    struct device_outlook outlook = outlook_of(prefix);
    struct device_advice advice;
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    const struct device_range *range = &advice.range;
    CU_ASSERT_TRUE_FATAL(range->first <= range->end && range->end <= prefix);
    int64_t latency_ns = compute(0, range->first);
    if (range->first < range->end) {
        latency_ns += ask(&advice, range, device_advisor_allowance_ns(advisor, &advice));
    }
    latency_ns += compute(range->end, LAYERS);
    if (advice.tries == DEVICE_TRY_EDGE) {
        CU_ASSERT_EQUAL(range->first, range->end);
        (void)ask(&advice, &advice.asked, latency_ns);
    }
    now_ns += latency_ns;
    device_advisor_ended(advisor, &advice, latency_ns);
    if (out_advice) {
        *out_advice = advice;
    }
    return ll_clock_ms(latency_ns);
}

static void test_without_an_edge_everything_runs_here(void)
{
    begin();
    struct device_advice advice;
    CU_ASSERT_DOUBLE_EQUAL(query(0, &advice), 500, 1);
    CU_ASSERT_EQUAL(advice.range.end, 0);
    CU_ASSERT_DOUBLE_EQUAL(advice.range.latency_ns, 500e6, 1);
    CU_ASSERT_EQUAL(advice.tries, DEVICE_TRY_NOTHING);
    end();
}

static void test_the_first_query_uses_an_edge_that_should_help(void)
{
    begin();
    struct device_advice advice;
    query(LAYERS, &advice);
    CU_ASSERT_EQUAL(advice.range.first, 0);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    CU_ASSERT_EQUAL(advice.tries, DEVICE_TRY_NOTHING);
    end();
}

static void test_predictions_become_right(void)
{
    begin();
    truth.edge_layer_ns = 30e6;
    truth.up_ns_per_byte = 400;
    struct device_advice advice;
    for (int i = 0; i < 20; i++) {
        query(LAYERS, NULL);
    }
    double latency_ms = query(LAYERS, &advice);
    CU_ASSERT_DOUBLE_EQUAL(advice.range.latency_ns * 1e-6, latency_ms, 0.02 * latency_ms);
    end();
}

static void test_a_slow_link_is_crossed_where_little_crosses(void)
{
    begin();
    /* 0.4 MB take 2 s, 4 kB take 20 ms. */
    truth.up_ns_per_byte = 5000;
    truth.down_ns_per_byte = 5000;
    struct device_advice advice;
    for (int i = 0; i < 10; i++) {
        query(LAYERS, NULL);
    }
    query(LAYERS, &advice);
    CU_ASSERT_EQUAL(advice.range.first, 2);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    end();
}

static void test_a_hopeless_link_is_left_alone(void)
{
    begin();
    truth.up_ns_per_byte = 1e6;
    truth.down_ns_per_byte = 1e6;
    truth.rtt_ns = 1e9;
    int tries = 0;
    for (int i = 0; i < 20; i++) {
        query(LAYERS, NULL);
    }
    for (int i = 0; i < 1000; i++) {
        struct device_advice advice;
        CU_ASSERT_DOUBLE_EQUAL(query(LAYERS, &advice), 500, 1);
        tries += advice.tries == DEVICE_TRY_EDGE ? 1 : 0;
    }
    /* 500 s, a try every minute. */
    CU_ASSERT_TRUE(tries > 5 && tries < 20);
    end();
}

static void test_a_link_that_becomes_good_is_found(void)
{
    begin();
    truth.up_ns_per_byte = 3000;
    truth.down_ns_per_byte = 3000;
    truth.edge_layer_ns = 200e6;
    struct device_advice advice;
    for (int i = 0; i < 100; i++) {
        query(LAYERS, NULL);
    }
    query(LAYERS, &advice);
    CU_ASSERT_EQUAL(advice.range.end, 0);
    truth.up_ns_per_byte = 10;
    truth.down_ns_per_byte = 10;
    truth.edge_layer_ns = 5e6;
    int queries = 0;
    do {
        query(LAYERS, &advice);
        queries++;
    } while (queries < 5000 && advice.range.end == 0);
    /* After 50 s, it takes at most as long. */
    CU_ASSERT_TRUE(queries < 100);
    for (int i = 0; i < 5; i++) {
        query(LAYERS, &advice);
    }
    CU_ASSERT_EQUAL(advice.range.first, 0);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    end();
}

/* Not a byte leaves for half a minute: no estimate that comes of it may last for ever. */
static void test_a_link_that_stalled_is_found_again(void)
{
    begin();
    struct device_advice advice;
    for (int i = 0; i < 20; i++) {
        query(LAYERS, &advice);
    }
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    double rate = truth.up_ns_per_byte;
    truth.up_ns_per_byte = 1e12;
    int64_t until_ns = now_ns + 30 * LL_NS_PER_S;
    while (now_ns < until_ns) {
        query(LAYERS, &advice);
    }
    CU_ASSERT_EQUAL(advice.range.end, 0);
    truth.up_ns_per_byte = rate;
    until_ns = now_ns + 300 * LL_NS_PER_S;
    do {
        query(LAYERS, &advice);
    } while (now_ns < until_ns && advice.range.end == 0);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    end();
}

static void test_a_device_that_was_measured_too_slow_is_found(void)
{
    begin();
    /* The profile says 100 ms. */
    truth.device_layer_ns = 20e6;
    truth.edge_layer_ns = 40e6;
    truth.up_ns_per_byte = 250;
    struct device_advice advice;
    int queries = 0;
    do {
        query(LAYERS, &advice);
        queries++;
    } while (queries < 1000 && advice.range.end > 0);
    CU_ASSERT_TRUE(queries < 200);
    end();
}

static void test_the_prefix_bounds_the_range(void)
{
    begin();
    struct device_advice advice;
    for (int i = 0; i < 5; i++) {
        query(4, &advice);
    }
    CU_ASSERT_EQUAL(advice.range.first, 0);
    /* The tensor at 4 is fifty times that at 2, the two layers between are worth it. */
    CU_ASSERT_EQUAL(advice.range.end, 4);
    query(2, &advice);
    CU_ASSERT_EQUAL(advice.range.end, 2);
    end();
}

static void tell(int layer, int64_t ns)
{
    device_advisor_edge_times(advisor)[layer] = ns;
    device_advisor_told(advisor);
}

static double predicted_ms(int first, int range_end)
{
    struct device_outlook outlook = {.prefix = LAYERS};
    struct device_advice advice;
    CU_ASSERT_EQUAL(device_advisor_predict(advisor, &outlook, first, range_end, &advice), LL_OK);
    return advice.range.remote_ns * 1e-6;
}

static void test_edge_times_are_assumed_told_and_doubted(void)
{
    begin();
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 10, 0.01);
    tell(0, 25 * LL_NS_PER_MS);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 25, 0.01);
    /* A group's time is its last layer's, with what is told of the others. */
    tell(2, 3 * LL_NS_PER_MS);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(2, 4), 20, 0.01);
    tell(3, 4 * LL_NS_PER_MS);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(2, 4), 7, 0.01);
    /* Nonsense. */
    tell(0, 1);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 0.1, 0.01);
    tell(0, INT64_MAX);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 1e5, 1);
    tell(0, -3);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 10, 0.01);
    /* Another edge. */
    tell(0, 25 * LL_NS_PER_MS);
    device_advisor_connected(advisor);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 10, 0.01);
    end();
}

static void test_a_failing_edge_is_left_alone_but_tried(void)
{
    begin();
    struct device_outlook outlook = outlook_of(LAYERS);
    int used = 0;
    int asked = 0;
    for (int i = 0; i < 100; i++) {
        struct device_advice advice;
        device_advisor_choose(advisor, &outlook, now_ns, &advice);
        bool is_used = advice.range.first < advice.range.end;
        bool is_asked = advice.tries == DEVICE_TRY_EDGE;
        used += is_used ? 1 : 0;
        asked += is_asked ? 1 : 0;
        if (is_used || is_asked) {
            device_advisor_failed(advisor, &advice);
        }
        device_advisor_ended(advisor, &advice, 500 * LL_NS_PER_MS);
        now_ns += 500 * LL_NS_PER_MS;
    }
    CU_ASSERT_EQUAL(used, 1);
    CU_ASSERT_TRUE(asked >= 5 && asked < 10);
    end();
}

static void test_a_late_edge_counts_as_late(void)
{
    begin();
    struct device_advice advice;
    struct device_outlook outlook = outlook_of(LAYERS);
    query(LAYERS, NULL);
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_TRUE(device_advisor_allowance_ns(advisor, &advice) >= 200 * LL_NS_PER_MS);
    struct device_miss miss = {.waited_ns = 400 * LL_NS_PER_MS, .is_sent = true};
    device_advisor_missed(advisor, &advice, &miss, now_ns);
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_EQUAL(advice.range.first, advice.range.end);
    /* The try that follows is in time: that ends it. */
    CU_ASSERT_EQUAL(advice.tries, DEVICE_TRY_EDGE);
    (void)ask(&advice, &advice.asked, 500 * LL_NS_PER_MS);
    device_advisor_ended(advisor, &advice, 500 * LL_NS_PER_MS);
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    end();
}

static void test_a_slowdown_is_part_of_the_devices_times(void)
{
    begin();
    device_advisor_destroy(advisor);
    struct device_advisor_config config = {.profile = profile, .slowdown = 7};
    CU_ASSERT_EQUAL_FATAL(device_advisor_create(&config, &advisor), LL_OK);
    struct device_outlook outlook = {.prefix = 0};
    struct device_advice advice;
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_DOUBLE_EQUAL(advice.alone_ns, 3500e6, 1);
    end();
}

static void test_encodings_move_the_choice(void)
{
    begin_limited(1e6);
    /* The input takes 0.4 s as floats, 0.1 s as bytes; the device alone 0.5 s. */
    struct device_advice advice;
    struct device_outlook outlook = {.prefix = 1, .input_width = 4, .up_width = 4, .down_width = 4};
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_EQUAL(advice.range.end, 0);
    outlook =
        (struct device_outlook){.prefix = LAYERS, .input_width = 1, .up_width = 4, .down_width = 4};
    device_advisor_choose(advisor, &outlook, now_ns, &advice);
    CU_ASSERT_EQUAL(advice.range.first, 0);
    CU_ASSERT_EQUAL(advice.range.end, LAYERS);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_without_an_edge_everything_runs_here),
    LL_TEST(test_the_first_query_uses_an_edge_that_should_help),
    LL_TEST(test_predictions_become_right),
    LL_TEST(test_a_slow_link_is_crossed_where_little_crosses),
    LL_TEST(test_a_hopeless_link_is_left_alone),
    LL_TEST(test_a_link_that_becomes_good_is_found),
    LL_TEST(test_a_link_that_stalled_is_found_again),
    LL_TEST(test_a_device_that_was_measured_too_slow_is_found),
    LL_TEST(test_the_prefix_bounds_the_range),
    LL_TEST(test_edge_times_are_assumed_told_and_doubted),
    LL_TEST(test_a_failing_edge_is_left_alone_but_tried),
    LL_TEST(test_a_late_edge_counts_as_late),
    LL_TEST(test_a_slowdown_is_part_of_the_devices_times),
    LL_TEST(test_encodings_move_the_choice),
    {NULL, NULL},
};
