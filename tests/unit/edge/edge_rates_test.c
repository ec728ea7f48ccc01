#include "edge/fair/edge_rates.h"

#include <stdio.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

enum { BYTES_PER_S = 1000, MOST_BYTES = 4000 };

static const int64_t start_ns = 500 * LL_NS_PER_S;

static struct edge_peer peer_of(int number)
{
    char text[32];
    struct edge_peer peer;
    snprintf(text, sizeof(text), "ipv4:10.0.0.%d:1", number);
    edge_peer_parse(text, &peer);
    return peer;
}

static void test_who_took_too_much_waits(void)
{
    struct edge_rates rates;
    struct edge_peer peer = peer_of(1);
    struct edge_peer other = peer_of(2);
    edge_rates_init(&rates, BYTES_PER_S, MOST_BYTES);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, start_ns), 0);
    edge_rates_pay(&rates, &peer, MOST_BYTES - 1, start_ns);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, start_ns), 0);
    edge_rates_pay(&rates, &peer, 501, start_ns);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, start_ns), 501);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, start_ns + 500 * LL_NS_PER_MS), 1);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, start_ns + 501 * LL_NS_PER_MS), 0);
    /* Others do not wait for it. */
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &other, start_ns), 0);
}

static void test_bucket_fills_up_to_its_size(void)
{
    struct edge_rates rates;
    struct edge_peer peer = peer_of(1);
    edge_rates_init(&rates, BYTES_PER_S, MOST_BYTES);
    edge_rates_pay(&rates, &peer, 1, start_ns);
    int64_t later_ns = start_ns + 3600 * LL_NS_PER_S;
    edge_rates_pay(&rates, &peer, MOST_BYTES, later_ns);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &peer, later_ns), 1);
}

static void test_peer_seen_longest_ago_is_forgotten(void)
{
    struct edge_rates rates;
    edge_rates_init(&rates, BYTES_PER_S, MOST_BYTES);
    for (int i = 0; i <= EDGE_RATES_PEERS; i++) {
        struct edge_peer peer = peer_of(i);
        edge_rates_pay(&rates, &peer, INT64_C(2) * MOST_BYTES, start_ns + i);
    }
    struct edge_peer last = peer_of(EDGE_RATES_PEERS);
    struct edge_peer second = peer_of(1);
    struct edge_peer first = peer_of(0);
    int64_t now_ns = start_ns + EDGE_RATES_PEERS;
    CU_ASSERT(edge_rates_wait_ms(&rates, &last, now_ns) > 0);
    CU_ASSERT(edge_rates_wait_ms(&rates, &second, now_ns) > 0);
    CU_ASSERT_EQUAL(edge_rates_wait_ms(&rates, &first, now_ns), 0);
}

const char *const ll_test_suite = "edge_rates";
const struct ll_test ll_tests[] = {
    LL_TEST(test_who_took_too_much_waits),
    LL_TEST(test_bucket_fills_up_to_its_size),
    LL_TEST(test_peer_seen_longest_ago_is_forgotten),
    {NULL, NULL},
};
