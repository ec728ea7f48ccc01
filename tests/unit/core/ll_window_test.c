#include "core/ll_window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_window";

/* A link of a fixed rate and round trip with a queue in front of it, and an edge that acknowledges
 * every chunk. Time is simulated. */
struct sim {
    struct ll_window window;
    double bytes_per_s;
    int64_t rtt_ns;
    /* Acknowledgements come at multiples of this time, as from a busy edge; 0: at once. */
    int64_t grain_ns;
    int64_t now_ns;
    /* When the link is free again. */
    double free_ns;
    uint64_t sent;
    /* Chunks under way, oldest first. */
    struct {
        uint64_t upto;
        uint64_t mark;
        int64_t ack_ns;
    } acks[65536];
    unsigned head, tail;
    /* Measured from `from_ns` on. */
    int64_t from_ns;
    uint64_t acked_bytes;
    int64_t largest_wait_ns;
};

static struct sim sim;

static void sim_init(double mbps, double rtt_ms)
{
    memset(&sim, 0, sizeof(sim));
    sim.bytes_per_s = mbps * 1e6 / 8;
    sim.rtt_ns = (int64_t)(rtt_ms * 1e6);
    sim.now_ns = LL_NS_PER_S;
    ll_window_init(&sim.window, 0);
}

/* Puts bytes into the link's queue; returns when they are acknowledged. */
static int64_t sim_carry(int64_t bytes)
{
    double begin = fmax(sim.free_ns, (double)sim.now_ns);
    if (sim.now_ns >= sim.from_ns && (int64_t)begin - sim.now_ns > sim.largest_wait_ns) {
        sim.largest_wait_ns = (int64_t)begin - sim.now_ns;
    }
    sim.free_ns = begin + (double)bytes / sim.bytes_per_s * 1e9;
    int64_t ack_ns = (int64_t)sim.free_ns + sim.rtt_ns;
    return sim.grain_ns > 0 ? (ack_ns / sim.grain_ns + 1) * sim.grain_ns : ack_ns;
}

static void sim_send(void)
{
    int64_t chunk = ll_window_chunk(&sim.window);
    while (ll_window_admits(&sim.window, chunk)) {
        sim.sent += (uint64_t)chunk;
        ll_window_send(&sim.window, chunk, sim.now_ns);
        unsigned at = sim.tail++ % 65536;
        sim.acks[at].upto = sim.sent;
        sim.acks[at].mark = 0;
        sim.acks[at].ack_ns = sim_carry(chunk);
        CU_ASSERT_FATAL(sim.tail - sim.head < 65536);
    }
}

/* Runs until `until_ns`, with an upload that never ends. */
static void sim_run(int64_t until_ns)
{
    while (sim.now_ns < until_ns) {
        sim_send();
        CU_ASSERT_FATAL(sim.head != sim.tail);
        unsigned at = sim.head++ % 65536;
        uint64_t before = sim.window.acked_bytes;
        sim.now_ns = sim.acks[at].ack_ns > sim.now_ns ? sim.acks[at].ack_ns : sim.now_ns;
        if (sim.acks[at].mark) {
            ll_window_ack_mark(&sim.window, sim.acks[at].mark, sim.now_ns);
            continue;
        }
        ll_window_ack(&sim.window, sim.acks[at].upto, sim.now_ns);
        if (sim.now_ns >= sim.from_ns) {
            sim.acked_bytes += sim.window.acked_bytes - before;
        }
    }
}

static double chunk_ms(void)
{
    return (double)ll_window_chunk(&sim.window) / sim.bytes_per_s * 1e3;
}

static void check_link(double mbps, double rtt_ms)
{
    sim_init(mbps, rtt_ms);
    sim.from_ns = 5 * LL_NS_PER_S;
    sim_run(8 * LL_NS_PER_S);
    double share = (double)sim.acked_bytes / (sim.bytes_per_s * 3);
    double wait_ms = ll_clock_ms(sim.largest_wait_ns);
    printf("\n    %g Mbit/s, %g ms: %.1f %% of the link, longest wait %.2f ms (chunk %.2f ms)",
           mbps, rtt_ms, share * 100, wait_ms, chunk_ms());
    CU_ASSERT_TRUE(share >= 0.98);
    CU_ASSERT_TRUE(wait_ms <= 3.5 * chunk_ms());
}

static void test_steady_links_are_full_and_queues_short(void)
{
    const double rates[] = {5, 20, 80, 400};
    const double rtts[] = {0.2, 20, 50};
    for (int r = 0; r < 4; r++) {
        for (int t = 0; t < 3; t++) {
            check_link(rates[r], rtts[t]);
        }
    }
}

static void test_start_fills_the_link_soon(void)
{
    sim_init(80, 20);
    sim.from_ns = sim.now_ns;
    sim_run(2 * LL_NS_PER_S);
    double share = (double)sim.acked_bytes / sim.bytes_per_s;
    CU_ASSERT_TRUE(share >= 0.8);
    /* And the queue never holds more than a few round trips' worth. */
    CU_ASSERT_TRUE(sim.largest_wait_ns <= 4 * sim.rtt_ns);
}

static void test_irregular_acknowledgements_keep_the_link_full(void)
{
    /* Two chunks are 3.3 ms of this link: more is needed, but not without bounds. */
    sim_init(80, 0.3);
    sim.grain_ns = 5 * LL_NS_PER_MS;
    sim_run(4 * LL_NS_PER_S);
    sim.from_ns = sim.now_ns;
    sim.acked_bytes = 0;
    sim.largest_wait_ns = 0;
    sim_run(sim.from_ns + 2 * LL_NS_PER_S);
    CU_ASSERT_TRUE((double)sim.acked_bytes / (2 * sim.bytes_per_s) >= 0.93);
    CU_ASSERT_TRUE(ll_clock_ms(sim.largest_wait_ns) <= 14);
}

static void test_chunk_takes_1_7_ms_at_most(void)
{
    struct ll_window window;
    const struct {
        double mbps;
        int64_t chunk;
    } cases[] = {{1, 8192}, {20, 8192}, {80, 16384}, {200, 32768}, {400, 65536}, {4000, 65536}};
    for (int i = 0; i < 6; i++) {
        ll_window_init(&window, cases[i].mbps * 1e6 / 8);
        CU_ASSERT_EQUAL(ll_window_chunk(&window), cases[i].chunk);
    }
}

static void test_bound_grows_where_the_link_becomes_faster(void)
{
    sim_init(20, 20);
    sim_run(3 * LL_NS_PER_S);
    sim.bytes_per_s *= 4;
    sim.free_ns = (double)sim.now_ns;
    sim_run(6 * LL_NS_PER_S);
    sim.from_ns = sim.now_ns;
    sim.acked_bytes = 0;
    sim.largest_wait_ns = 0;
    sim_run(sim.from_ns + LL_NS_PER_S);
    CU_ASSERT_TRUE((double)sim.acked_bytes / sim.bytes_per_s >= 0.95);
}

static void test_bound_shrinks_where_the_link_becomes_slower(void)
{
    sim_init(80, 20);
    sim_run(3 * LL_NS_PER_S);
    sim.bytes_per_s /= 4;
    sim_run(6 * LL_NS_PER_S);
    sim.from_ns = sim.now_ns;
    sim.largest_wait_ns = 0;
    sim_run(sim.from_ns + LL_NS_PER_S);
    CU_ASSERT_TRUE(ll_clock_ms(sim.largest_wait_ns) <= 3.5 * chunk_ms());
}

static void test_pause_without_credit_keeps_the_bandwidth(void)
{
    sim_init(80, 20);
    sim_run(3 * LL_NS_PER_S);
    double before = ll_window_bytes_per_s(&sim.window);
    /* Everything that is under way arrives, then nothing is sent for ten seconds. */
    ll_window_starve(&sim.window);
    while (sim.head != sim.tail) {
        unsigned at = sim.head++ % 65536;
        sim.now_ns = sim.acks[at].ack_ns;
        ll_window_ack(&sim.window, sim.acks[at].upto, sim.now_ns);
    }
    sim.now_ns += 10 * LL_NS_PER_S;
    sim.from_ns = sim.now_ns;
    sim.acked_bytes = 0;
    sim_run(sim.from_ns + LL_NS_PER_S);
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.window) >= 0.9 * before);
    CU_ASSERT_TRUE((double)sim.acked_bytes / sim.bytes_per_s >= 0.95);
}

static void test_query_bytes_count_for_the_bandwidth(void)
{
    sim_init(80, 20);
    sim_run(3 * LL_NS_PER_S);
    double before = ll_window_bytes_per_s(&sim.window);
    /* Queries take half of the link for three seconds. */
    while (sim.now_ns < 6 * LL_NS_PER_S) {
        unsigned at = sim.tail++ % 65536;
        sim.acks[at].mark = ll_window_send_beside(&sim.window, 500000, sim.now_ns);
        sim.acks[at].ack_ns = sim_carry(500000);
        sim_run(sim.now_ns + 100 * LL_NS_PER_MS);
    }
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.window) >= 0.9 * before);
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.window) <= 1.1 * before);
}

static void test_ack_of_nonsense_is_ignored(void)
{
    struct ll_window window;
    ll_window_init(&window, 0);
    ll_window_send(&window, 1000, 1);
    ll_window_ack(&window, 5000, 2);
    CU_ASSERT_EQUAL(window.acked_bytes, 0);
    ll_window_ack(&window, 600, 3);
    ll_window_ack(&window, 500, 4);
    CU_ASSERT_EQUAL(window.acked_bytes, 600);
    ll_window_ack_mark(&window, 70000, 5);
    CU_ASSERT_EQUAL(window.acked_mark, 0);
    CU_ASSERT_EQUAL(ll_window_rtt_ns(&window), 0);
}

static void test_stall_grows_the_bound_of_a_full_window_only(void)
{
    struct ll_window window;
    ll_window_init(&window, 0);
    CU_ASSERT_EQUAL(ll_window_stall_ns(&window), LL_CLOCK_NEVER);
    int64_t now_ns = LL_NS_PER_S;
    while (ll_window_admits(&window, 8192)) {
        ll_window_send(&window, 8192, now_ns);
    }
    int64_t stall_ns = ll_window_stall_ns(&window);
    CU_ASSERT_TRUE(stall_ns > now_ns && stall_ns < now_ns + LL_NS_PER_S);
    ll_window_stall(&window, stall_ns - 1);
    CU_ASSERT_FALSE(ll_window_admits(&window, 8192));
    ll_window_stall(&window, stall_ns);
    CU_ASSERT_TRUE(ll_window_admits(&window, 8192));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_steady_links_are_full_and_queues_short),
    LL_TEST(test_start_fills_the_link_soon),
    LL_TEST(test_irregular_acknowledgements_keep_the_link_full),
    LL_TEST(test_chunk_takes_1_7_ms_at_most),
    LL_TEST(test_bound_grows_where_the_link_becomes_faster),
    LL_TEST(test_bound_shrinks_where_the_link_becomes_slower),
    LL_TEST(test_pause_without_credit_keeps_the_bandwidth),
    LL_TEST(test_query_bytes_count_for_the_bandwidth),
    LL_TEST(test_ack_of_nonsense_is_ignored),
    LL_TEST(test_stall_grows_the_bound_of_a_full_window_only),
    {NULL, NULL},
};
