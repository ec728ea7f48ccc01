#include "net/plan/ll_predict.h"

#include <math.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { MS = 1000000, CHAINS = 2000, LONGEST = 10 };

static const struct chain_fixture_row rows[] = {
    {10, 20, 1, 100, 1, 0},
    {20, 2, 50, 60, 2, 0},
    {2, 4, 100, 50, 3, 0},
};

static void test_query_pays_each_crossing_once(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    const struct {
        bool on_edge[3];
        int64_t ms;
    } cases[] = {
        {{false, false, false}, 210},
        {{true, false, false}, 10 + 1 + 20 + 110},
        {{false, true, false}, 100 + 20 + 2 + 2 + 50},
        {{true, true, false}, 10 + 3 + 2 + 50},
        {{true, false, true}, 10 + 1 + 20 + 60 + 2 + 3 + 4},
        {{true, true, true}, 10 + 6 + 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(ll_predict_query_ns(&chain, &chain_fixture_link, cases[i].on_edge),
                        cases[i].ms * MS);
    }
    ll_chain_finish(&chain);
}

static void test_query_early_outputs_come_back_wherever_the_range_ends(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    chain.elements[0].early_bytes = 7000;
    CU_ASSERT_EQUAL(
        ll_predict_query_ns(&chain, &chain_fixture_link, (const bool[]){true, false, false}),
        (int64_t)148 * MS);
    CU_ASSERT_EQUAL(
        ll_predict_query_ns(&chain, &chain_fixture_link, (const bool[]){true, true, true}),
        (int64_t)27 * MS);
    CU_ASSERT_EQUAL(
        ll_predict_query_ns(&chain, &chain_fixture_link, (const bool[]){false, true, true}),
        (int64_t)129 * MS);
    ll_chain_finish(&chain);
}

static void test_query_each_crossing_takes_half_a_round_trip(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    const struct ll_link link = {.bytes_per_s = 1e6, .round_trip_ns = (int64_t)30 * MS};
    CU_ASSERT_EQUAL(ll_predict_query_ns(&chain, &link, (const bool[]){true, true, true}),
                    (int64_t)50 * MS);
    CU_ASSERT_EQUAL(ll_predict_query_ns(&chain, &link, (const bool[]){true, false, true}),
                    (int64_t)160 * MS);
    CU_ASSERT_EQUAL(ll_predict_query_ns(&chain, &link, (const bool[]){false, false, false}),
                    (int64_t)210 * MS);
    ll_chain_finish(&chain);
}

static void test_best_cut_of_known_chain(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    const struct ll_cut expected[] = {
        {0, 0, (int64_t)210 * MS},
        {0, 1, (int64_t)141 * MS},
        {0, 2, (int64_t)65 * MS},
        {0, 3, (int64_t)20 * MS},
    };
    for (int prefix = 0; prefix <= 3; prefix++) {
        struct ll_cut cut = ll_predict_best_cut(&chain, &chain_fixture_link, prefix);
        CU_ASSERT_EQUAL(cut.first, expected[prefix].first);
        CU_ASSERT_EQUAL(cut.end, expected[prefix].end);
        CU_ASSERT_EQUAL(cut.query_ns, expected[prefix].query_ns);
    }
    ll_chain_finish(&chain);
}

/* Tries every cut within the prefix, in the order that ties are settled in. */
static struct ll_cut try_all_cuts(const struct ll_chain *chain, const struct ll_link *link,
                                  int prefix)
{
    struct ll_cut best = {0, 0, INT64_MAX};
    for (int end = 0; end <= prefix; end++) {
        for (int first = 0; first < end || (first == 0 && end == 0); first++) {
            bool on_edge[LONGEST];
            for (int i = 0; i < chain->count; i++) {
                on_edge[i] = i >= first && i < end;
            }
            int64_t query_ns = ll_predict_query_ns(chain, link, on_edge);
            if (query_ns < best.query_ns) {
                best = (struct ll_cut){first, end, query_ns};
            }
        }
    }
    return best;
}

static void test_best_cut_equals_exhaustive_search(void)
{
    uint64_t seed = 1;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 1 + i % LONGEST, &chain);
        const struct ll_link link = {
            .bytes_per_s = i % 3 == 0 ? 1e6 : 123456.7 * (1 + i % 5),
            .round_trip_ns = i % 2 == 0 ? 0 : 1234567,
        };
        for (int prefix = 0; prefix <= chain.count; prefix++) {
            struct ll_cut expected = try_all_cuts(&chain, &link, prefix);
            struct ll_cut cut = ll_predict_best_cut(&chain, &link, prefix);
            CU_ASSERT_EQUAL(cut.query_ns, expected.query_ns);
            CU_ASSERT_EQUAL(cut.first, expected.first);
            CU_ASSERT_EQUAL(cut.end, expected.end);
        }
        ll_chain_finish(&chain);
    }
}

static void test_best_cut_never_slower_with_longer_prefix(void)
{
    uint64_t seed = 2;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 40, &chain);
        int64_t before_ns = INT64_MAX;
        for (int prefix = 0; prefix <= chain.count; prefix++) {
            struct ll_cut cut = ll_predict_best_cut(&chain, &chain_fixture_link, prefix);
            CU_ASSERT(cut.query_ns <= before_ns);
            before_ns = cut.query_ns;
        }
        ll_chain_finish(&chain);
    }
}

static void test_link_limits(void)
{
    const struct ll_link good[] = {
        {LL_LIMIT_LINK_BYTES_PER_S_MIN, 0},
        {LL_LIMIT_LINK_BYTES_PER_S_MAX, LL_LIMIT_ROUND_TRIP_NS},
    };
    const struct ll_link bad[] = {
        {0, 0},           {-1e6, 0},
        {(double)NAN, 0}, {(double)INFINITY, 0},
        {1e6, -1},        {1e6, LL_LIMIT_ROUND_TRIP_NS + 1},
    };
    struct ll_error err;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_EQUAL(ll_link_check(&good[i], &err), LL_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(ll_link_check(&bad[i], &err), LL_E_INVALID);
    }
}

/* The largest chain that passes its check, on the slowest link. */
static void test_query_at_the_limits_fits(void)
{
    struct ll_chain chain;
    CU_ASSERT_EQUAL_FATAL(ll_chain_init(&chain, LL_LIMIT_LAYERS), LL_OK);
    static bool on_edge[LL_LIMIT_LAYERS];
    for (int i = 0; i < chain.count; i++) {
        chain.elements[i] = (struct ll_chain_element){
            .first = i,
            .end = i + 1,
            .input_bytes = LL_LIMIT_TENSOR_BYTES,
            .output_bytes = LL_LIMIT_TENSOR_BYTES,
            .early_bytes = LL_LIMIT_TENSOR_BYTES,
            .edge_ns = LL_LIMIT_CHAIN_NS / LL_LIMIT_LAYERS,
        };
        on_edge[i] = i % 2 == 0;
    }
    CU_ASSERT_EQUAL_FATAL(ll_chain_check(&chain, NULL), LL_OK);
    const struct ll_link link = {LL_LIMIT_LINK_BYTES_PER_S_MIN, LL_LIMIT_ROUND_TRIP_NS};
    double seconds = (double)ll_predict_query_ns(&chain, &link, on_edge) / 1e9;
    double expected = 2048 * (3 * (double)LL_LIMIT_TENSOR_BYTES / 1250 + 100) + 5e5;
    CU_ASSERT_DOUBLE_EQUAL(seconds, expected, 1);
    ll_chain_finish(&chain);
}

const char *const ll_test_suite = "ll_predict";
const struct ll_test ll_tests[] = {
    LL_TEST(test_query_pays_each_crossing_once),
    LL_TEST(test_query_early_outputs_come_back_wherever_the_range_ends),
    LL_TEST(test_query_each_crossing_takes_half_a_round_trip),
    LL_TEST(test_best_cut_of_known_chain),
    LL_TEST(test_best_cut_equals_exhaustive_search),
    LL_TEST(test_best_cut_never_slower_with_longer_prefix),
    LL_TEST(test_link_limits),
    LL_TEST(test_query_at_the_limits_fits),
    {NULL, NULL},
};
