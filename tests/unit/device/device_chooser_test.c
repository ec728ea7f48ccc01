/* A device and an edge whose true times are known to the test alone: queries teach the chooser, and
 * its choices become those that are right. */
#include "device/choose/device_chooser.h"

#include <stdbool.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_chooser";

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
static struct device_layer_times *profile;
static struct device_chooser *chooser;
static int64_t edge_times_ns[LAYERS];
static struct device_prospect prospect;
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
    CU_ASSERT_EQUAL_FATAL(device_layer_times_create(table, 1, &profile), LL_OK);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT_EQUAL(device_layer_times_set(profile, i, (int64_t)truth.device_layer_ns, 5),
                        LL_OK);
    }
    struct device_chooser_config config = {
        .times = profile, .slowdown = 1, .limit_bytes_per_s = limit_bytes_per_s};
    CU_ASSERT_EQUAL_FATAL(device_chooser_create(&config, &chooser), LL_OK);
    memset(edge_times_ns, 0, sizeof(edge_times_ns));
    prospect = (struct device_prospect){.is_up = true,
                                        .prefix = LAYERS,
                                        .link = {.rtt_ns = (int64_t)truth.rtt_ns},
                                        .times_ns = edge_times_ns};
}

static void begin(void)
{
    begin_limited(0);
}

static void end(void)
{
    device_chooser_destroy(chooser);
    device_layer_times_destroy(profile);
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

/* The edge is asked for what was decided and may take `allowance_ns`. Returns how long the device
 * waits. */
static int64_t ask(const struct device_decision *decision, int64_t allowance_ns,
                   struct device_outcome *outcome)
{
    int first = decision->first;
    int range_end = decision->end;
    outcome->up_bytes = bytes_of(first, range_end, true);
    outcome->down_bytes = bytes_of(first, range_end, false);
    outcome->spent = (struct device_spent){
        .up_ns = (int64_t)(truth.rtt_ns + truth.up_ns_per_byte * (double)outcome->up_bytes),
        .down_ns = (int64_t)(truth.down_ns_per_byte * (double)outcome->down_bytes),
        .computed_ns = (int64_t)(truth.edge_layer_ns * (range_end - first)),
    };
    outcome->asked_until_ns = now_ns;
    outcome->reached = range_end;
    int64_t remote_ns = outcome->spent.up_ns + outcome->spent.down_ns + outcome->spent.computed_ns;
    if (remote_ns <= allowance_ns) {
        outcome->asked = DEVICE_ANSWERED;
        return remote_ns;
    }
    outcome->asked = DEVICE_MISSED;
    outcome->miss = (struct device_miss){
        .waited_ns = allowance_ns,
        .sent_bytes = (int64_t)((double)allowance_ns / truth.up_ns_per_byte),
        .is_sent = outcome->spent.up_ns < allowance_ns,
    };
    return allowance_ns + (int64_t)(truth.device_layer_ns * (range_end - first));
}

static int64_t compute(int first, int range_end, struct device_outcome *outcome)
{
    int64_t took_ns = (int64_t)(truth.device_layer_ns * (range_end - first));
    CU_ASSERT_TRUE_FATAL(outcome->part_count < DEVICE_OUTCOME_PARTS);
    outcome->parts[outcome->part_count++] =
        (struct device_part){.first = first, .end = range_end, .took_ns = took_ns, .at_ns = now_ns};
    return took_ns;
}

static const struct device_wish fastest = {.cut_end = -1};

static void decide(const struct device_wish *wish, struct device_decision *out_decision)
{
    CU_ASSERT_EQUAL_FATAL(device_chooser_choose(chooser, wish, &prospect, now_ns, out_decision),
                          LL_OK);
}

static bool uses_edge(const struct device_decision *decision)
{
    return decision->first < decision->end && decision->tries != DEVICE_TRY_EDGE;
}

/* Runs a query as decided, in the world of `truth`; returns its latency in ms. */
static double query(int prefix, struct device_decision *out_decision)
{
    struct device_decision decision;
    struct device_outcome outcome = {0};
    prospect.prefix = prefix;
    prospect.link.rtt_ns = (int64_t)truth.rtt_ns;
    decide(&fastest, &decision);
    CU_ASSERT_TRUE_FATAL(decision.first <= decision.end && decision.end <= prefix);
    int64_t latency_ns = 0;
    if (uses_edge(&decision)) {
        latency_ns += compute(0, decision.first, &outcome);
        latency_ns += ask(&decision, decision.allowance_ns, &outcome);
        latency_ns += compute(decision.end, LAYERS, &outcome);
    } else {
        latency_ns += compute(0, LAYERS, &outcome);
        if (decision.tries == DEVICE_TRY_EDGE) {
            (void)ask(&decision, latency_ns, &outcome);
        }
    }
    now_ns += latency_ns;
    outcome.latency_ns = latency_ns;
    device_chooser_learn(chooser, &decision, &outcome);
    if (out_decision) {
        *out_decision = decision;
    }
    return ll_clock_ms(latency_ns);
}

static void test_without_an_edge_everything_runs_here(void)
{
    begin();
    struct device_decision decision;
    CU_ASSERT_DOUBLE_EQUAL(query(0, &decision), 500, 1);
    CU_ASSERT_FALSE(uses_edge(&decision));
    CU_ASSERT_DOUBLE_EQUAL(decision.predicted_ns, 500e6, 1);
    CU_ASSERT_EQUAL(decision.tries, DEVICE_TRY_NOTHING);
    end();
}

static void test_the_first_query_uses_an_edge_that_should_help(void)
{
    begin();
    struct device_decision decision;
    query(LAYERS, &decision);
    CU_ASSERT_EQUAL(decision.first, 0);
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    CU_ASSERT_EQUAL(decision.tries, DEVICE_TRY_NOTHING);
    end();
}

static void test_predictions_become_right(void)
{
    begin();
    truth.edge_layer_ns = 30e6;
    truth.up_ns_per_byte = 400;
    struct device_decision decision;
    for (int i = 0; i < 20; i++) {
        query(LAYERS, NULL);
    }
    double latency_ms = query(LAYERS, &decision);
    CU_ASSERT_DOUBLE_EQUAL(decision.predicted_ns * 1e-6, latency_ms, 0.02 * latency_ms);
    end();
}

static void test_a_slow_link_is_crossed_where_little_crosses(void)
{
    begin();
    /* 0.4 MB take 2 s, 4 kB take 20 ms. */
    truth.up_ns_per_byte = 5000;
    truth.down_ns_per_byte = 5000;
    struct device_decision decision;
    for (int i = 0; i < 10; i++) {
        query(LAYERS, NULL);
    }
    query(LAYERS, &decision);
    CU_ASSERT_EQUAL(decision.first, 2);
    CU_ASSERT_EQUAL(decision.end, LAYERS);
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
        struct device_decision decision;
        CU_ASSERT_DOUBLE_EQUAL(query(LAYERS, &decision), 500, 1);
        tries += decision.tries == DEVICE_TRY_EDGE ? 1 : 0;
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
    struct device_decision decision;
    for (int i = 0; i < 100; i++) {
        query(LAYERS, NULL);
    }
    query(LAYERS, &decision);
    CU_ASSERT_FALSE(uses_edge(&decision));
    truth.up_ns_per_byte = 10;
    truth.down_ns_per_byte = 10;
    truth.edge_layer_ns = 5e6;
    int queries = 0;
    do {
        query(LAYERS, &decision);
        queries++;
    } while (queries < 5000 && !uses_edge(&decision));
    /* After 50 s, it takes at most as long. */
    CU_ASSERT_TRUE(queries < 100);
    for (int i = 0; i < 5; i++) {
        query(LAYERS, &decision);
    }
    CU_ASSERT_EQUAL(decision.first, 0);
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    end();
}

/* Not a byte leaves for half a minute: no estimate that comes of it may last for ever. */
static void test_a_link_that_stalled_is_found_again(void)
{
    begin();
    struct device_decision decision;
    for (int i = 0; i < 20; i++) {
        query(LAYERS, &decision);
    }
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    double rate = truth.up_ns_per_byte;
    truth.up_ns_per_byte = 1e12;
    int64_t until_ns = now_ns + 30 * LL_NS_PER_S;
    while (now_ns < until_ns) {
        query(LAYERS, &decision);
    }
    CU_ASSERT_FALSE(uses_edge(&decision));
    truth.up_ns_per_byte = rate;
    until_ns = now_ns + 300 * LL_NS_PER_S;
    do {
        query(LAYERS, &decision);
    } while (now_ns < until_ns && !uses_edge(&decision));
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    end();
}

static void test_a_device_that_was_measured_too_slow_is_found(void)
{
    begin();
    /* The profile says 100 ms. */
    truth.device_layer_ns = 20e6;
    truth.edge_layer_ns = 40e6;
    truth.up_ns_per_byte = 250;
    struct device_decision decision;
    int queries = 0;
    do {
        query(LAYERS, &decision);
        queries++;
    } while (queries < 1000 && uses_edge(&decision));
    CU_ASSERT_TRUE(queries < 200);
    end();
}

static void test_the_prefix_bounds_the_range(void)
{
    begin();
    struct device_decision decision;
    for (int i = 0; i < 5; i++) {
        query(4, &decision);
    }
    CU_ASSERT_EQUAL(decision.first, 0);
    /* The tensor at 4 is fifty times that at 2, the two layers between are worth it. */
    CU_ASSERT_EQUAL(decision.end, 4);
    query(2, &decision);
    CU_ASSERT_EQUAL(decision.end, 2);
    end();
}

static void tell(int layer, int64_t ns)
{
    edge_times_ns[layer] = ns;
    prospect.times_version++;
}

static double predicted_ms(int first, int range_end)
{
    struct device_wish wish = {.cut_first = first, .cut_end = range_end};
    struct device_decision decision;
    prospect.link.rtt_ns = 0;
    /* Transfers are the same in all predictions. */
    double transfer_ns =
        100.0 * (double)(bytes_of(first, range_end, true) + bytes_of(first, range_end, false));
    decide(&wish, &decision);
    return (decision.remote_ns - transfer_ns) * 1e-6;
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
    prospect.connection++;
    tell(0, 0);
    CU_ASSERT_DOUBLE_EQUAL(predicted_ms(0, 1), 10, 0.01);
    end();
}

static void test_a_failing_edge_is_left_alone_but_tried(void)
{
    begin();
    int used = 0;
    int asked = 0;
    for (int i = 0; i < 100; i++) {
        struct device_decision decision;
        struct device_outcome outcome = {.latency_ns = 500 * LL_NS_PER_MS};
        decide(&fastest, &decision);
        used += uses_edge(&decision) ? 1 : 0;
        asked += decision.tries == DEVICE_TRY_EDGE ? 1 : 0;
        if (decision.first < decision.end) {
            outcome.asked = DEVICE_FAILED;
        }
        device_chooser_learn(chooser, &decision, &outcome);
        now_ns += 500 * LL_NS_PER_MS;
    }
    CU_ASSERT_EQUAL(used, 1);
    CU_ASSERT_TRUE(asked >= 5 && asked < 10);
    end();
}

static void test_a_late_edge_counts_as_late(void)
{
    begin();
    struct device_decision decision;
    query(LAYERS, NULL);
    decide(&fastest, &decision);
    CU_ASSERT_TRUE(decision.allowance_ns >= 200 * LL_NS_PER_MS);
    struct device_outcome late = {
        .asked = DEVICE_MISSED,
        .asked_until_ns = now_ns,
        .miss = {.waited_ns = 400 * LL_NS_PER_MS, .is_sent = true},
        .latency_ns = 900 * LL_NS_PER_MS,
    };
    device_chooser_learn(chooser, &decision, &late);
    decide(&fastest, &decision);
    /* The try that follows is in time: that ends it. */
    CU_ASSERT_EQUAL(decision.tries, DEVICE_TRY_EDGE);
    struct device_outcome in_time = {.latency_ns = 500 * LL_NS_PER_MS};
    (void)ask(&decision, 500 * LL_NS_PER_MS, &in_time);
    device_chooser_learn(chooser, &decision, &in_time);
    decide(&fastest, &decision);
    CU_ASSERT_TRUE(uses_edge(&decision));
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    end();
}

static void test_a_slowdown_is_part_of_the_devices_times(void)
{
    begin();
    device_chooser_destroy(chooser);
    struct device_chooser_config config = {.times = profile, .slowdown = 7};
    CU_ASSERT_EQUAL_FATAL(device_chooser_create(&config, &chooser), LL_OK);
    struct device_decision decision;
    prospect.prefix = 0;
    decide(&fastest, &decision);
    CU_ASSERT_DOUBLE_EQUAL(decision.alone_ns, 3500e6, 1);
    end();
}

static void test_encodings_move_the_choice(void)
{
    begin_limited(1e6);
    /* The input takes 0.4 s as floats, 0.1 s as bytes; the device alone 0.5 s. */
    struct device_decision decision;
    prospect.link.rtt_ns = 0;
    prospect.prefix = 1;
    decide(&fastest, &decision);
    CU_ASSERT_FALSE(uses_edge(&decision));
    CU_ASSERT_EQUAL(decision.input_dtype, LL_F32);
    prospect.prefix = LAYERS;
    prospect.takes_u8 = true;
    decide(&fastest, &decision);
    CU_ASSERT_EQUAL(decision.input_dtype, LL_U8);
    CU_ASSERT_EQUAL(decision.first, 0);
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    end();
}

/* Few bytes that take long to code are for slow links, many bytes as they are for fast ones. */
static void test_the_input_leaves_in_the_form_that_is_fastest_here(void)
{
    static const struct device_offer offers[] = {{400000, 0}, {100000, 5000000}, {40000, 50000000}};
    static const struct {
        double bytes_per_s;
        int offer;
    } links[] = {{1e9, 0}, {40e6, 1}, {1e6, 2}};
    for (int i = 0; i < 3; i++) {
        begin_limited(links[i].bytes_per_s);
        struct device_decision decision;
        prospect.link.bytes_per_s = links[i].bytes_per_s;
        prospect.offers = offers;
        prospect.offer_count = 3;
        decide(&fastest, &decision);
        CU_ASSERT_EQUAL(decision.offer, links[i].offer);
        /* What it costs counts: the device alone takes 0.5 s. */
        const struct device_offer *offer = &offers[decision.offer];
        double input_ns =
            (double)offer->bytes / links[i].bytes_per_s * 1e9 + (double)offer->coding_ns;
        CU_ASSERT(decision.predicted_ns > input_ns);
        end();
    }
}

/* The tensor at cut 1 has 800 kB. */
static void test_coding_moves_the_choice(void)
{
    begin();
    struct device_wish wish = {.cut_first = 1, .cut_end = LAYERS};
    struct device_decision decision;
    decide(&wish, &decision);
    CU_ASSERT_FALSE(decision.codes_up || decision.codes_down);
    double plain_ns = decision.remote_ns;
    prospect.takes_planes = true;
    decide(&wish, &decision);
    CU_ASSERT_TRUE(decision.codes_up);
    /* Ten values come back. */
    CU_ASSERT_FALSE(decision.codes_down);
    CU_ASSERT_DOUBLE_EQUAL(decision.remote_ns, plain_ns - 800e3 * (0.2 * 100 - 8), 1e3);
    /* The edge's part is 4 layers; half of the bytes went, at 1 ns each here and 2 there. */
    struct device_outcome outcome = {
        .asked = DEVICE_ANSWERED,
        .asked_until_ns = now_ns,
        .reached = LAYERS,
        .up_bytes = 400000,
        .down_bytes = 40,
        .spent = {.up_ns = 45000000, .down_ns = 4000, .computed_ns = 20000000},
        .coded_up = {.plain_bytes = 800000, .bytes = 400000, .ns = 800000},
        .edge_coding_ns = 1600000,
        .latency_ns = 200000000,
    };
    device_chooser_learn(chooser, &decision, &outcome);
    decide(&wish, &decision);
    CU_ASSERT_TRUE(decision.codes_up);
    /* Unless the link is so fast that it would take longer: 1.6 ns a byte. */
    prospect.connection++;
    prospect.link.bytes_per_s = 625e6;
    decide(&wish, &decision);
    CU_ASSERT_FALSE(decision.codes_up);
    end();
}

static void test_a_fixed_range_is_waited_for(void)
{
    begin();
    struct device_wish wish = {.cut_first = 1, .cut_end = 4, .cut_dtype = LL_F16};
    struct device_decision decision;
    prospect.prefix = 0;
    decide(&wish, &decision);
    CU_ASSERT_EQUAL(decision.first, 1);
    CU_ASSERT_EQUAL(decision.end, 4);
    CU_ASSERT_EQUAL(decision.least_prefix, 4);
    CU_ASSERT_EQUAL(decision.cut_dtype, LL_F32);
    prospect.takes_f16 = true;
    decide(&wish, &decision);
    CU_ASSERT_EQUAL(decision.cut_dtype, LL_F16);
    prospect.is_up = false;
    decide(&wish, &decision);
    CU_ASSERT_EQUAL(decision.first, decision.end);
    CU_ASSERT_EQUAL(decision.least_prefix, 0);
    end();
}

static void test_the_furthest_range_asks_for_everything(void)
{
    begin();
    struct device_wish wish = {.cut_end = -1, .choose = DEVICE_CHOOSE_FURTHEST};
    struct device_decision decision;
    prospect.prefix = 2;
    decide(&wish, &decision);
    CU_ASSERT_EQUAL(decision.first, 0);
    CU_ASSERT_EQUAL(decision.end, LAYERS);
    prospect.prefix = 0;
    decide(&wish, &decision);
    CU_ASSERT_EQUAL(decision.end, 0);
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
    LL_TEST(test_the_input_leaves_in_the_form_that_is_fastest_here),
    LL_TEST(test_coding_moves_the_choice),
    LL_TEST(test_a_fixed_range_is_waited_for),
    LL_TEST(test_the_furthest_range_asks_for_everything),
    {NULL, NULL},
};
