#include "core/link/ll_window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_window";

/* Two senders at the two ends of a link: a flow each way, or one of them alone. Each way is a queue
 * in front of a wire of a fixed rate and delay, and carries its flow's chunks and the other flow's
 * acknowledgements, one for each chunk, in one order. Time is simulated. */
enum { UP, DOWN, WAYS };
enum { SIM_MESSAGES = 65536, SIM_ACK_BYTES = 60 };

struct sim_message {
    int64_t bytes;
    int64_t arrives_ns;
    /* A chunk of this way's flow, or beside it: its mark is acknowledged. Neither: ballast. */
    uint64_t upto;
    uint64_t mark;
    /* An acknowledgement for the other way's sender. */
    bool is_ack;
    uint64_t peer_ns;
};

struct sim_way {
    struct ll_window window;
    bool sends;
    double bytes_per_s;
    int64_t delay_ns;
    /* When the wire is free again. */
    double free_ns;
    uint64_t sent;
    struct sim_message messages[SIM_MESSAGES];
    unsigned head, tail;
    /* Measured from sim.from_ns on: bytes that arrived, the longest wait in the queue. */
    uint64_t arrived_bytes;
    int64_t largest_wait_ns;
};

struct sim {
    struct sim_way ways[WAYS];
    /* Acknowledgements leave at multiples of this time, as from a busy peer; 0: at once. */
    int64_t grain_ns;
    /* The peers' clocks differ by so much, and more in each second; 0: they do not tell them. */
    int64_t clock_ns;
    double drift;
    int64_t now_ns;
    int64_t from_ns;
};

static struct sim sim;

static void sim_init(double mbps, double rtt_ms)
{
    memset(&sim, 0, sizeof(sim));
    sim.now_ns = LL_NS_PER_S;
    for (int i = 0; i < WAYS; i++) {
        sim.ways[i].bytes_per_s = mbps * 1e6 / 8;
        sim.ways[i].delay_ns = (int64_t)(rtt_ms * 1e6 / 2);
        ll_window_init(&sim.ways[i].window, 0);
    }
    sim.ways[UP].sends = true;
}

static void sim_measure(void)
{
    sim.from_ns = sim.now_ns;
    for (int i = 0; i < WAYS; i++) {
        sim.ways[i].arrived_bytes = 0;
        sim.ways[i].largest_wait_ns = 0;
    }
}

/* The part of a way's rate that arrived since then. */
static double sim_share(int way)
{
    return (double)sim.ways[way].arrived_bytes /
           (sim.ways[way].bytes_per_s * (double)(sim.now_ns - sim.from_ns) / 1e9);
}

/* Puts a message into a way's queue at `at_ns`. */
static struct sim_message *sim_carry(struct sim_way *way, int64_t bytes, int64_t at_ns)
{
    double begin = fmax(way->free_ns, (double)at_ns);
    if (at_ns >= sim.from_ns && (int64_t)begin - at_ns > way->largest_wait_ns) {
        way->largest_wait_ns = (int64_t)begin - at_ns;
    }
    way->free_ns = begin + (double)bytes / way->bytes_per_s * 1e9;
    CU_ASSERT_FATAL(way->tail - way->head < SIM_MESSAGES);
    struct sim_message *message = &way->messages[way->tail++ % SIM_MESSAGES];
    *message =
        (struct sim_message){.bytes = bytes, .arrives_ns = (int64_t)way->free_ns + way->delay_ns};
    return message;
}

static void sim_send(struct sim_way *way)
{
    int64_t chunk = ll_window_chunk(&way->window);
    while (way->sends && ll_window_admits(&way->window, chunk, sim.now_ns)) {
        way->sent += (uint64_t)chunk;
        ll_window_send(&way->window, chunk, sim.now_ns);
        sim_carry(way, chunk, sim.now_ns)->upto = way->sent;
    }
}

/* Bytes beside the flow, acknowledged by their mark. */
static void sim_send_beside(struct sim_way *way, int64_t bytes)
{
    uint64_t mark = ll_window_send_beside(&way->window, bytes, sim.now_ns);
    sim_carry(way, bytes, sim.now_ns)->mark = mark;
}

static void sim_take(struct sim_way *way, struct sim_way *back)
{
    struct sim_message message = way->messages[way->head++ % SIM_MESSAGES];
    sim.now_ns = message.arrives_ns > sim.now_ns ? message.arrives_ns : sim.now_ns;
    if (message.is_ack && message.mark > 0) {
        ll_window_ack_mark(&back->window, message.mark, sim.now_ns);
    } else if (message.is_ack) {
        ll_window_ack(&back->window, message.upto, message.peer_ns, sim.now_ns);
    } else if (message.upto > 0 || message.mark > 0) {
        way->arrived_bytes += (uint64_t)message.bytes;
        int64_t at_ns = sim.now_ns;
        at_ns = sim.grain_ns > 0 ? (at_ns / sim.grain_ns + 1) * sim.grain_ns : at_ns;
        struct sim_message *ack = sim_carry(back, SIM_ACK_BYTES, at_ns);
        ack->is_ack = true;
        ack->upto = message.upto;
        ack->mark = message.mark;
        double drifted_ns = (double)sim.now_ns * sim.drift;
        ack->peer_ns =
            sim.clock_ns > 0 ? (uint64_t)(sim.clock_ns + sim.now_ns + (int64_t)drifted_ns) : 0;
    }
}

/* The next of: a message arrives, a timer (of a millisecond's grain) fires. */
static void sim_step(void)
{
    int64_t next_ns = LL_CLOCK_NEVER;
    int next = -1;
    for (int i = 0; i < WAYS; i++) {
        struct sim_way *way = &sim.ways[i];
        sim_send(way);
        int64_t wake_ns = way->sends ? ll_window_wake_ns(&way->window) : LL_CLOCK_NEVER;
        if (wake_ns != LL_CLOCK_NEVER) {
            wake_ns = (wake_ns / LL_NS_PER_MS + 1) * LL_NS_PER_MS;
        }
        if (way->head != way->tail &&
            way->messages[way->head % SIM_MESSAGES].arrives_ns <= next_ns) {
            next_ns = way->messages[way->head % SIM_MESSAGES].arrives_ns;
            next = i;
        }
        if (wake_ns < next_ns) {
            next_ns = wake_ns;
            next = WAYS + i;
        }
    }
    CU_ASSERT_FATAL(next >= 0);
    if (next < WAYS) {
        sim_take(&sim.ways[next], &sim.ways[1 - next]);
    } else {
        sim.now_ns = next_ns > sim.now_ns ? next_ns : sim.now_ns;
        ll_window_wake(&sim.ways[next - WAYS].window, sim.now_ns);
    }
}

static void sim_run(int64_t for_ns)
{
    for (int64_t until_ns = sim.now_ns + for_ns; sim.now_ns < until_ns;) {
        sim_step();
    }
}

static double chunk_ms(int way)
{
    return (double)ll_window_chunk(&sim.ways[way].window) / sim.ways[way].bytes_per_s * 1e3;
}

static double wait_ms(int way)
{
    return ll_clock_ms(sim.ways[way].largest_wait_ns);
}

static void check_link(double mbps, double rtt_ms)
{
    sim_init(mbps, rtt_ms);
    sim_run(4 * LL_NS_PER_S);
    sim_measure();
    sim_run(3 * LL_NS_PER_S);
    printf("\n    %g Mbit/s, %g ms: %.1f %% of the link, longest wait %.2f ms (chunk %.2f ms)",
           mbps, rtt_ms, sim_share(UP) * 100, wait_ms(UP), chunk_ms(UP));
    CU_ASSERT_TRUE(sim_share(UP) >= 0.98);
    CU_ASSERT_TRUE(wait_ms(UP) <= 3.5 * chunk_ms(UP));
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
    sim_measure();
    sim_run(LL_NS_PER_S);
    CU_ASSERT_TRUE(sim_share(UP) >= 0.8);
    /* And the queue never holds more than a few round trips' worth. */
    CU_ASSERT_TRUE(wait_ms(UP) <= 4 * 20);
}

static void test_irregular_acknowledgements_keep_the_link_full(void)
{
    /* Two chunks are 3.3 ms of this link: predictions bridge the gaps. */
    for (int tells = 0; tells < 2; tells++) {
        sim_init(80, 0.3);
        sim.grain_ns = 5 * LL_NS_PER_MS;
        sim.clock_ns = tells * (77 * LL_NS_PER_S);
        sim_run(4 * LL_NS_PER_S);
        sim_measure();
        sim_run(2 * LL_NS_PER_S);
        printf("\n    %.1f %% of the link, longest wait %.2f ms", sim_share(UP) * 100, wait_ms(UP));
        CU_ASSERT_TRUE(sim_share(UP) >= 0.98);
        CU_ASSERT_TRUE(wait_ms(UP) <= 10);
    }
}

/* A burst of bytes on the way back (an answer that nobody bounds) holds acknowledgements up. */
static void test_late_acknowledgements_keep_the_link_full_and_the_queue_short(void)
{
    sim_init(80, 0.3);
    sim.clock_ns = 77 * LL_NS_PER_S;
    sim_run(4 * LL_NS_PER_S);
    sim_measure();
    for (int i = 0; i < 10; i++) {
        sim_carry(&sim.ways[DOWN], 2000000, sim.now_ns);
        sim_run(500 * LL_NS_PER_MS);
    }
    printf("\n    %.1f %% of the link, longest wait %.2f ms", sim_share(UP) * 100, wait_ms(UP));
    CU_ASSERT_TRUE(sim_share(UP) >= 0.98);
    CU_ASSERT_TRUE(wait_ms(UP) <= 10);
}

static void check_both_ways(double mbps, double rtt_ms)
{
    sim_init(mbps, rtt_ms);
    sim.clock_ns = 77 * LL_NS_PER_S;
    sim_run(2 * LL_NS_PER_S);
    sim.ways[DOWN].sends = true;
    sim_run(3 * LL_NS_PER_S);
    sim_measure();
    sim_run(3 * LL_NS_PER_S);
    for (int i = 0; i < WAYS; i++) {
        printf("\n    %g Mbit/s, %g ms, way %d: %.1f %%, longest wait %.2f ms (chunk %.2f ms)",
               mbps, rtt_ms, i, sim_share(i) * 100, wait_ms(i), chunk_ms(i));
        CU_ASSERT_TRUE(sim_share(i) >= 0.98);
        CU_ASSERT_TRUE(wait_ms(i) <= 5 * chunk_ms(i));
    }
}

/* Two flows whose acknowledgements pass each other's queues. */
static void test_both_ways_are_full_and_queues_short(void)
{
    const double rates[] = {5, 80, 400};
    for (int r = 0; r < 3; r++) {
        check_both_ways(rates[r], 0.3);
        check_both_ways(rates[r], 20);
    }
}

static void test_drifting_clocks_do_no_harm(void)
{
    const double drifts[] = {-5e-4, 5e-4};
    for (int d = 0; d < 2; d++) {
        sim_init(80, 20);
        sim.clock_ns = 77 * LL_NS_PER_S;
        sim.drift = drifts[d];
        sim_run(30 * LL_NS_PER_S);
        sim_measure();
        sim_run(10 * LL_NS_PER_S);
        printf("\n    %.1f %% of the link, longest wait %.2f ms", sim_share(UP) * 100, wait_ms(UP));
        CU_ASSERT_TRUE(sim_share(UP) >= 0.98);
        CU_ASSERT_TRUE(wait_ms(UP) <= 10);
    }
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
    sim_run(2 * LL_NS_PER_S);
    sim.ways[UP].bytes_per_s *= 4;
    sim.ways[UP].free_ns = (double)sim.now_ns;
    sim_run(3 * LL_NS_PER_S);
    sim_measure();
    sim_run(LL_NS_PER_S);
    CU_ASSERT_TRUE(sim_share(UP) >= 0.95);
}

static void test_bound_shrinks_where_the_link_becomes_slower(void)
{
    sim_init(80, 20);
    sim_run(2 * LL_NS_PER_S);
    sim.ways[UP].bytes_per_s /= 4;
    sim_run(3 * LL_NS_PER_S);
    sim_measure();
    sim_run(LL_NS_PER_S);
    CU_ASSERT_TRUE(wait_ms(UP) <= 3.5 * chunk_ms(UP));
}

static void test_pause_without_credit_keeps_the_bandwidth(void)
{
    sim_init(80, 20);
    sim_run(2 * LL_NS_PER_S);
    double before = ll_window_bytes_per_s(&sim.ways[UP].window);
    /* Everything that is under way arrives, then nothing is sent for ten seconds. */
    sim.ways[UP].sends = false;
    ll_window_starve(&sim.ways[UP].window);
    while (sim.ways[UP].head != sim.ways[UP].tail || sim.ways[DOWN].head != sim.ways[DOWN].tail) {
        sim_step();
    }
    sim.now_ns += 10 * LL_NS_PER_S;
    sim.ways[UP].sends = true;
    sim_measure();
    sim_run(LL_NS_PER_S);
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.ways[UP].window) >= 0.9 * before);
    CU_ASSERT_TRUE(sim_share(UP) >= 0.95);
}

static void test_bytes_beside_count_for_the_bandwidth(void)
{
    sim_init(80, 20);
    sim_run(2 * LL_NS_PER_S);
    double before = ll_window_bytes_per_s(&sim.ways[UP].window);
    /* Queries take half of the link for three seconds. */
    for (int i = 0; i < 30; i++) {
        sim_send_beside(&sim.ways[UP], 500000);
        sim_run(100 * LL_NS_PER_MS);
    }
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.ways[UP].window) >= 0.9 * before);
    CU_ASSERT_TRUE(ll_window_bytes_per_s(&sim.ways[UP].window) <= 1.1 * before);
}

static void test_ack_of_nonsense_is_ignored(void)
{
    struct ll_window window;
    ll_window_init(&window, 0);
    ll_window_send(&window, 1000, 1);
    ll_window_ack(&window, 5000, 0, 2);
    CU_ASSERT_EQUAL(window.acked_bytes, 0);
    ll_window_ack(&window, 600, 0, 3);
    ll_window_ack(&window, 500, 0, 4);
    CU_ASSERT_EQUAL(window.acked_bytes, 600);
    ll_window_ack_mark(&window, 70000, 5);
    CU_ASSERT_EQUAL(window.acked_mark, 0);
    CU_ASSERT_EQUAL(ll_window_rtt_ns(&window), 0);
}

/* Whatever a peer says of its clock, no more is under way than the link takes in a quarter of a
 * second and the bound. */
static void test_clock_of_nonsense_leaves_a_bound(void)
{
    const uint64_t clocks[] = {1, UINT64_MAX, (uint64_t)1 << 61, ((uint64_t)1 << 61) - 1, 5};
    sim_init(80, 0.3);
    sim.clock_ns = 77 * LL_NS_PER_S;
    sim_run(2 * LL_NS_PER_S);
    struct ll_window *window = &sim.ways[UP].window;
    for (int i = 0; i < 5000; i++) {
        int64_t chunk = ll_window_chunk(window);
        while (ll_window_admits(window, chunk, sim.now_ns)) {
            ll_window_send(window, chunk, sim.now_ns);
        }
        double most = (double)window->bound_bytes + 0.25 * window->bytes_per_s;
        CU_ASSERT_TRUE((double)(window->sent_bytes - window->acked_bytes) <= most);
        sim.now_ns += LL_NS_PER_MS;
        ll_window_ack(window, window->acked_bytes + 9000, clocks[i % 5], sim.now_ns);
    }
    CU_ASSERT_TRUE(window->bytes_per_s < 20e6);
}

static void test_a_link_that_hardly_moves_is_no_trouble(void)
{
    struct ll_window window;
    ll_window_init(&window, 0);
    int64_t now_ns = LL_NS_PER_S;
    for (int i = 0; i < 50; i++) {
        for (int n = 0; n < 100 && ll_window_admits(&window, 4, now_ns); n++) {
            ll_window_send(&window, 4, now_ns);
        }
        ll_window_send_beside(&window, (int64_t)1 << 30, now_ns);
        now_ns += 100000 * LL_NS_PER_S;
        ll_window_wake(&window, now_ns);
        ll_window_ack(&window, window.acked_bytes + 4, 0, now_ns);
        CU_ASSERT_TRUE(ll_window_bytes_per_s(&window) >= 0);
        CU_ASSERT_TRUE(ll_window_wake_ns(&window) > 0);
    }
}

static void test_wake_grows_the_bound_of_a_full_window_only(void)
{
    struct ll_window window;
    ll_window_init(&window, 0);
    CU_ASSERT_EQUAL(ll_window_wake_ns(&window), LL_CLOCK_NEVER);
    int64_t now_ns = LL_NS_PER_S;
    while (ll_window_admits(&window, 8192, now_ns)) {
        ll_window_send(&window, 8192, now_ns);
    }
    int64_t wake_ns = ll_window_wake_ns(&window);
    CU_ASSERT_TRUE(wake_ns > now_ns && wake_ns < now_ns + LL_NS_PER_S);
    ll_window_wake(&window, wake_ns - 1);
    CU_ASSERT_FALSE(ll_window_admits(&window, 8192, wake_ns - 1));
    ll_window_wake(&window, wake_ns);
    CU_ASSERT_TRUE(ll_window_admits(&window, 8192, wake_ns));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_steady_links_are_full_and_queues_short),
    LL_TEST(test_start_fills_the_link_soon),
    LL_TEST(test_irregular_acknowledgements_keep_the_link_full),
    LL_TEST(test_late_acknowledgements_keep_the_link_full_and_the_queue_short),
    LL_TEST(test_both_ways_are_full_and_queues_short),
    LL_TEST(test_drifting_clocks_do_no_harm),
    LL_TEST(test_chunk_takes_1_7_ms_at_most),
    LL_TEST(test_bound_grows_where_the_link_becomes_faster),
    LL_TEST(test_bound_shrinks_where_the_link_becomes_slower),
    LL_TEST(test_pause_without_credit_keeps_the_bandwidth),
    LL_TEST(test_bytes_beside_count_for_the_bandwidth),
    LL_TEST(test_ack_of_nonsense_is_ignored),
    LL_TEST(test_clock_of_nonsense_leaves_a_bound),
    LL_TEST(test_a_link_that_hardly_moves_is_no_trouble),
    LL_TEST(test_wake_grows_the_bound_of_a_full_window_only),
    {NULL, NULL},
};
