#include "net/plan/ll_path.h"

#include <math.h>

#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { CHAINS = 1600, LONGEST = 10 };

/* What the way costs that runs these elements on the edge. */
static int64_t way_ns(const struct ll_chain *chain, double share, const bool *on_edge)
{
    int64_t ns = ll_predict_query_ns(chain, &chain_fixture_link, on_edge);
    for (int i = 0; i < chain->count; i++) {
        const struct ll_chain_element *element = &chain->elements[i];
        if (on_edge[i]) {
            /* 1 byte takes 1000 ns. */
            ns += llround(share * (double)(element->weight_bytes * 1000 + element->create_ns));
        }
    }
    return ns;
}

static int64_t shortest_way_ns(const struct ll_chain *chain, double share)
{
    int64_t least_ns = INT64_MAX;
    for (unsigned set = 0; set < 1U << chain->count; set++) {
        bool on_edge[LONGEST];
        for (int i = 0; i < chain->count; i++) {
            on_edge[i] = set >> i & 1;
        }
        int64_t ns = way_ns(chain, share, on_edge);
        least_ns = ns < least_ns ? ns : least_ns;
    }
    return least_ns;
}

static void test_path_equals_exhaustive_search(void)
{
    static const double shares[] = {0, 0.001, 0.3, 1};
    uint64_t seed = 3;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 1 + i % LONGEST, &chain);
        double share = shares[i / LONGEST % 4];
        bool on_edge[LONGEST];
        CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, share, on_edge), LL_OK);
        CU_ASSERT_EQUAL(way_ns(&chain, share, on_edge), shortest_way_ns(&chain, share));
        ll_chain_finish(&chain);
    }
}

static void test_path_goes_over_and_back_where_that_pays(void)
{
    /* The middle runs faster on the device, but coming back for it costs more. */
    static const struct chain_fixture_row rows[] = {
        {1, 5, 0, 50, 1, 0},
        {5, 5, 0, 2, 8, 0},
        {5, 1, 0, 50, 1, 0},
    };
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    bool on_edge[3];
    CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, 0, on_edge), LL_OK);
    CU_ASSERT(on_edge[0] && on_edge[1] && on_edge[2]);
    /* Now it costs less. */
    chain.elements[1].edge_ns *= 2;
    CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, 0, on_edge), LL_OK);
    CU_ASSERT(on_edge[0] && !on_edge[1] && on_edge[2]);
    ll_chain_finish(&chain);
}

static void test_path_among_equals_stays_on_the_device(void)
{
    static const struct chain_fixture_row rows[] = {{1, 1, 5, 10, 8, 3}, {1, 1, 0, 7, 7, 0}};
    struct ll_chain chain;
    chain_fixture_make(rows, 2, &chain);
    bool on_edge[2];
    CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, 0, on_edge), LL_OK);
    CU_ASSERT(!on_edge[0] && !on_edge[1]);
    chain.elements[0].device_ns++;
    CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, 0, on_edge), LL_OK);
    CU_ASSERT(on_edge[0] && !on_edge[1]);
    ll_chain_finish(&chain);
    /* To the edge before the first element or before the second: 6 either way. */
    static const struct chain_fixture_row late[] = {{1, 2, 0, 4, 5, 0}, {2, 1, 0, 50, 1, 0}};
    chain_fixture_make(late, 2, &chain);
    CU_ASSERT_EQUAL(ll_path_find(&chain, &chain_fixture_link, 0, on_edge), LL_OK);
    CU_ASSERT(!on_edge[0] && on_edge[1]);
    ll_chain_finish(&chain);
}

const char *const ll_test_suite = "ll_path";
const struct ll_test ll_tests[] = {
    LL_TEST(test_path_equals_exhaustive_search),
    LL_TEST(test_path_goes_over_and_back_where_that_pays),
    LL_TEST(test_path_among_equals_stays_on_the_device),
    {NULL, NULL},
};
