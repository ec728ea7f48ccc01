#include "net/plan/ll_ionn.h"

#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { LONGEST = 40, CHAINS = 300 };

static bool spans_are(const struct ll_chain *chain, double penalty, const struct ll_span *expected,
                      int expected_count)
{
    struct ll_span spans[LONGEST];
    int count = 0;
    CU_ASSERT_EQUAL(ll_ionn_partition(chain, &chain_fixture_link, penalty, spans, &count), LL_OK);
    bool equal = count == expected_count;
    for (int i = 0; equal && i < count; i++) {
        equal = spans[i].first == expected[i].first && spans[i].end == expected[i].end;
    }
    return equal;
}

/* Ways with a share s of the upload, by what runs on the edge: nothing 210, 0: 141 + s,
 * 0-1: 65 + 51 s, 0-2: 20 + 151 s, the others more than 150. */
static void test_partitions_of_known_chain(void)
{
    static const struct chain_fixture_row rows[] = {
        {10, 20, 1, 100, 1, 0},
        {20, 2, 49, 60, 2, 1},
        {2, 4, 100, 50, 3, 0},
    };
    static const struct ll_span two[] = {{0, 2}, {2, 3}};
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    CU_ASSERT(spans_are(&chain, LL_IONN_PENALTY, two, 2));
    CU_ASSERT(spans_are(&chain, 0.1, two, 2));
    CU_ASSERT(spans_are(&chain, 0, two, 2));
    CU_ASSERT(spans_are(&chain, LL_IONN_PENALTY_MAX, two, 2));
    /* The link is so fast that all goes at once. */
    chain.elements[1].weight_bytes = 1000;
    chain.elements[2].weight_bytes = 40000;
    static const struct ll_span one[] = {{0, 3}};
    CU_ASSERT(spans_are(&chain, LL_IONN_PENALTY, one, 1));
    ll_chain_finish(&chain);
}

/* 0: 103 + s; 1 follows where 100 s < 49, 2 where 1000 s < 49: at levels 2 and 5. */
static void test_partitions_each_level_adds(void)
{
    static const struct chain_fixture_row rows[] = {
        {1, 1, 1, 100, 1, 0},
        {1, 1, 100, 50, 1, 0},
        {1, 1, 1000, 50, 1, 0},
    };
    static const struct ll_span three[] = {{0, 1}, {1, 2}, {2, 3}};
    static const struct ll_span two[] = {{0, 1}, {1, 3}};
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    CU_ASSERT(spans_are(&chain, 0.5, three, 3));
    CU_ASSERT(spans_are(&chain, LL_IONN_PENALTY, three, 3));
    CU_ASSERT(spans_are(&chain, 0.04, two, 2));
    ll_chain_finish(&chain);
}

/* 1: 103 + s, 0-2: 5 + 401 s, 0-1 and 1-2: 54 + 201 s. The middle first, both sides at s = 1/8. */
static void test_partitions_each_run_by_itself(void)
{
    static const struct chain_fixture_row rows[] = {
        {1, 1, 200, 50, 1, 0},
        {1, 1, 1, 100, 1, 0},
        {1, 1, 200, 50, 1, 0},
    };
    static const struct ll_span expected[] = {{1, 2}, {0, 1}, {2, 3}};
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    CU_ASSERT(spans_are(&chain, 0.5, expected, 3));
    ll_chain_finish(&chain);
}

static void test_partitions_what_no_path_runs_comes_last(void)
{
    static const struct chain_fixture_row rows[] = {
        {1, 1, 1, 5, 9, 0},
        {1, 1, 1, 50, 1, 0},
        {1, 1, 1, 5, 9, 0},
        {1, 1, 1, 5, 9, 0},
    };
    static const struct ll_span expected[] = {{1, 2}, {0, 1}, {2, 4}};
    struct ll_chain chain;
    chain_fixture_make(rows, 4, &chain);
    CU_ASSERT(spans_are(&chain, LL_IONN_PENALTY, expected, 3));
    ll_chain_finish(&chain);
}

static void test_partitions_cover_all_elements_once(void)
{
    uint64_t seed = 4;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 1 + i % LONGEST, &chain);
        struct ll_span spans[LONGEST];
        int count = 0;
        CU_ASSERT_EQUAL(ll_ionn_partition(&chain, &chain_fixture_link, 0.8, spans, &count), LL_OK);
        int times[LONGEST] = {0};
        for (int s = 0; s < count; s++) {
            CU_ASSERT(spans[s].end > spans[s].first);
            for (int e = spans[s].first; e < spans[s].end; e++) {
                times[e]++;
            }
        }
        for (int e = 0; e < chain.count; e++) {
            CU_ASSERT_EQUAL(times[e], 1);
        }
        ll_chain_finish(&chain);
    }
}

const char *const ll_test_suite = "ll_ionn";
const struct ll_test ll_tests[] = {
    LL_TEST(test_partitions_of_known_chain),
    LL_TEST(test_partitions_each_level_adds),
    LL_TEST(test_partitions_each_run_by_itself),
    LL_TEST(test_partitions_what_no_path_runs_comes_last),
    LL_TEST(test_partitions_cover_all_elements_once),
    {NULL, NULL},
};
