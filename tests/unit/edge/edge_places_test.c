#include "edge/fair/edge_places.h"

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

enum { MOST = 4 };

static const int64_t idle_ns = 30 * LL_NS_PER_S;
static const int64_t patience_ns = 3 * LL_NS_PER_S;
static const int64_t start_ns = 1000 * LL_NS_PER_S;

static struct edge_peer peer_of(const char *text)
{
    struct edge_peer peer;
    edge_peer_parse(text, &peer);
    return peer;
}

/* `count` places of one peer, taken at `start_ns`. */
static void fill(struct edge_places *places, struct edge_place *held, int count, const char *text)
{
    struct edge_peer peer = peer_of(text);
    for (int i = 0; i < count; i++) {
        edge_places_take(places, &held[i], &peer, start_ns);
    }
}

static void test_idle_place_expires(void)
{
    struct edge_places places;
    struct edge_place held[2] = {{.is_held = false}};
    edge_places_init(&places, MOST, idle_ns, patience_ns);
    CU_ASSERT_EQUAL(edge_places_next_ns(&places), LL_CLOCK_NEVER);
    CU_ASSERT_PTR_NULL(edge_places_expired(&places, INT64_MAX - 1));
    fill(&places, held, 2, "ipv4:10.0.0.1:1");
    CU_ASSERT_EQUAL(edge_places_next_ns(&places), start_ns + idle_ns);
    CU_ASSERT_PTR_NULL(edge_places_expired(&places, start_ns + idle_ns - 1));
    CU_ASSERT_PTR_EQUAL(edge_places_expired(&places, start_ns + idle_ns), &held[0]);
    edge_places_progress(&places, &held[0], EDGE_PLACES_STEP_BYTES, start_ns + 5);
    CU_ASSERT_PTR_EQUAL(edge_places_expired(&places, start_ns + idle_ns), &held[1]);
    edge_places_leave(&places, &held[1]);
    CU_ASSERT_EQUAL(edge_places_next_ns(&places), start_ns + 5 + idle_ns);
    edge_places_leave(&places, &held[0]);
    edge_places_leave(&places, &held[0]);
    CU_ASSERT_EQUAL(places.count, 0);
    CU_ASSERT_EQUAL(edge_places_next_ns(&places), LL_CLOCK_NEVER);
}

static void test_a_byte_now_and_then_is_no_progress(void)
{
    struct edge_places places;
    struct edge_place held = {.is_held = false};
    edge_places_init(&places, MOST, idle_ns, patience_ns);
    fill(&places, &held, 1, "ipv4:10.0.0.1:1");
    edge_places_progress(&places, &held, EDGE_PLACES_STEP_BYTES - 1, start_ns + LL_NS_PER_S);
    CU_ASSERT_PTR_EQUAL(edge_places_expired(&places, start_ns + idle_ns), &held);
    edge_places_progress(&places, &held, 1, start_ns + 2 * LL_NS_PER_S);
    CU_ASSERT_PTR_NULL(edge_places_expired(&places, start_ns + idle_ns));
    edge_places_leave(&places, &held);
    /* Who holds none cannot come back by sending. */
    edge_places_progress(&places, &held, EDGE_PLACES_STEP_BYTES, start_ns);
    CU_ASSERT_EQUAL(places.count, 0);
}

static void test_longest_idle_gives_way(void)
{
    struct edge_places places;
    struct edge_place held[MOST] = {{.is_held = false}};
    struct edge_peer newcomer = peer_of("ipv4:10.0.0.1:9");
    edge_places_init(&places, MOST, idle_ns, patience_ns);
    fill(&places, held, MOST, "ipv4:10.0.0.1:1");
    CU_ASSERT(edge_places_is_full(&places));
    edge_places_progress(&places, &held[0], EDGE_PLACES_STEP_BYTES, start_ns + 1);
    /* Of the same peer: only once it is idle. */
    CU_ASSERT_PTR_NULL(edge_places_giving_way(&places, &newcomer, start_ns + patience_ns - 1));
    CU_ASSERT_PTR_EQUAL(edge_places_giving_way(&places, &newcomer, start_ns + patience_ns),
                        &held[1]);
    for (int i = 0; i < MOST; i++) {
        edge_places_progress(&places, &held[i], EDGE_PLACES_STEP_BYTES, start_ns + patience_ns);
    }
    CU_ASSERT_PTR_NULL(edge_places_giving_way(&places, &newcomer, start_ns + patience_ns));
}

static void test_peer_with_more_than_half_gives_way_to_others(void)
{
    struct edge_places places;
    struct edge_place held[MOST] = {{.is_held = false}};
    struct edge_peer other = peer_of("ipv4:10.0.0.2:9");
    edge_places_init(&places, MOST, idle_ns, patience_ns);
    fill(&places, held, 1, "ipv4:10.0.0.3:1");
    fill(&places, held + 1, 3, "ipv4:10.0.0.1:1");
    CU_ASSERT_PTR_EQUAL(edge_places_giving_way(&places, &other, start_ns), &held[1]);
    edge_places_leave(&places, &held[1]);
    CU_ASSERT_FALSE(edge_places_is_full(&places));
    edge_places_take(&places, &held[1], &other, start_ns);
    /* It has its half left. */
    struct edge_peer third = peer_of("ipv4:10.0.0.4:9");
    CU_ASSERT_PTR_NULL(edge_places_giving_way(&places, &third, start_ns));
}

const char *const ll_test_suite = "edge_places";
const struct ll_test ll_tests[] = {
    LL_TEST(test_idle_place_expires),
    LL_TEST(test_a_byte_now_and_then_is_no_progress),
    LL_TEST(test_longest_idle_gives_way),
    LL_TEST(test_peer_with_more_than_half_gives_way_to_others),
    {NULL, NULL},
};
