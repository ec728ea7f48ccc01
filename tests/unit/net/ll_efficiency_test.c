/* Known chains, and random ones against the rules as they are written down, without anything that
 * the module saves work with: gains are differences of whole queries. */
#include "net/plan/ll_efficiency.h"

#include <math.h>

#include "net/plan/ll_path.h"
#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { LONGEST = 10, CHAINS = 1000 };

/* The rules' state. */
struct rules {
    const struct ll_chain *chain;
    const struct ll_link *link;
    bool is_open[LONGEST];
    bool is_taken[LONGEST];
    struct ll_span spans[LONGEST];
    int count;
};

static bool is_candidate(const struct rules *rules, struct ll_span span)
{
    for (int i = span.first; i < span.end; i++) {
        if (!rules->is_open[i]) {
            return false;
        }
    }
    return true;
}

static int64_t gain_ns(const struct rules *rules, struct ll_span span)
{
    bool on_edge[LONGEST];
    for (int i = 0; i < rules->chain->count; i++) {
        on_edge[i] = rules->is_taken[i] || (i >= span.first && i < span.end);
    }
    return ll_predict_query_ns(rules->chain, rules->link, rules->is_taken) -
           ll_predict_query_ns(rules->chain, rules->link, on_edge);
}

static int64_t bytes_of(const struct rules *rules, struct ll_span span)
{
    int64_t bytes = 0;
    for (int i = span.first; i < span.end; i++) {
        bytes += rules->chain->elements[i].weight_bytes;
    }
    return bytes;
}

/* Equal fractions give equal quotients; of unequal ones these are too small to give equal ones. */
static long double efficiency(const struct rules *rules, struct ll_span span)
{
    int64_t gain = gain_ns(rules, span);
    int64_t bytes = bytes_of(rules, span);
    if (bytes == 0) {
        return gain == 0 ? 0 : copysignl(INFINITY, (long double)gain);
    }
    return (long double)gain / (long double)bytes;
}

static void rules_take(struct rules *rules, struct ll_span span)
{
    for (int i = span.first; i < span.end; i++) {
        rules->is_open[i] = false;
        rules->is_taken[i] = true;
    }
    rules->spans[rules->count++] = span;
}

static void rules_first(struct rules *rules)
{
    struct ll_span best = {0, 0};
    int64_t best_ns = 0;
    for (int first = 0; first < rules->chain->count; first++) {
        for (int end = first + 1; end <= rules->chain->count; end++) {
            struct ll_span span = {first, end};
            int64_t net_ns =
                gain_ns(rules, span) - ll_link_bytes_ns(rules->link, bytes_of(rules, span));
            if (is_candidate(rules, span) && net_ns > best_ns) {
                best_ns = net_ns;
                best = span;
            }
        }
    }
    if (best.end > 0) {
        rules_take(rules, best);
    }
}

/* The most efficient candidate within `whole`; with `narrowed` only those that may take its place.
 */
static struct ll_span rules_best(const struct rules *rules, struct ll_span whole, bool narrowed)
{
    struct ll_span best = {0, 0};
    for (int first = whole.first; first < whole.end; first++) {
        for (int end = first + 1; end <= whole.end; end++) {
            struct ll_span span = {first, end};
            bool counts = is_candidate(rules, span) &&
                          (!narrowed || (bytes_of(rules, span) != bytes_of(rules, whole) &&
                                         efficiency(rules, span) > 0));
            if (counts && (best.end == 0 || efficiency(rules, span) > efficiency(rules, best))) {
                best = span;
            }
        }
    }
    return best;
}

static void rules_partition(struct rules *rules)
{
    struct ll_span all = {0, rules->chain->count};
    CU_ASSERT_EQUAL_FATAL(ll_path_find(rules->chain, rules->link, 0.001, rules->is_open), LL_OK);
    rules_first(rules);
    for (struct ll_span best = rules_best(rules, all, false); best.end > 0;
         best = rules_best(rules, all, false)) {
        for (struct ll_span inner = best; inner.end > 0; inner = rules_best(rules, best, true)) {
            best = inner;
        }
        rules_take(rules, best);
    }
    for (int i = 0; i < rules->chain->count; i++) {
        if (!rules->is_taken[i]) {
            int end = i + 1;
            while (end < rules->chain->count && !rules->is_taken[end]) {
                end++;
            }
            rules_take(rules, (struct ll_span){i, end});
        }
    }
}

static bool spans_are(const struct ll_chain *chain, const struct ll_link *link,
                      const struct ll_span *expected, int expected_count)
{
    struct ll_span spans[LONGEST];
    int count = 0;
    CU_ASSERT_EQUAL(ll_efficiency_partition(chain, link, spans, &count), LL_OK);
    bool equal = count == expected_count;
    for (int i = 0; equal && i < count; i++) {
        equal = spans[i].first == expected[i].first && spans[i].end == expected[i].end;
    }
    return equal;
}

/* Whether the chain of these rows gives these partitions. */
static bool rows_give(const struct chain_fixture_row *rows, int row_count,
                      const struct ll_span *expected, int expected_count)
{
    struct ll_chain chain;
    chain_fixture_make(rows, row_count, &chain);
    bool equal = spans_are(&chain, &chain_fixture_link, expected, expected_count);
    ll_chain_finish(&chain);
    return equal;
}

/* Gain less upload: 0: 69 - 1, 0-1: 146 - 50, 0-2: 196 - 150; the others are negative. */
static void test_first_has_the_largest_gain_less_upload(void)
{
    static const struct chain_fixture_row rows[] = {
        {10, 20, 1, 100, 1, 0},
        {20, 2, 49, 60, 1, 9},
        {2, 1, 100, 50, 1, 9},
    };
    CU_ASSERT(rows_give(rows, 3, (const struct ll_span[]){{0, 2}, {2, 3}}, 2));
}

/* No upload pays for one query. 0-1 is the most efficient, 58 / 400, but 1 alone, 9 / 300, is
 * inside and shortens a query too; then 0, which saves the transfer of 30. */
static void test_narrowed_while_a_part_alone_gains(void)
{
    static const struct chain_fixture_row rows[] = {{1, 30, 100, 20, 0, 0}, {30, 1, 300, 40, 0, 0}};
    CU_ASSERT(rows_give(rows, 2, (const struct ll_span[]){{1, 2}, {0, 1}}, 2));
}

/* 1 alone gains 9, but has all the bytes of 0-1; 0 alone gains nothing. */
static void test_narrowed_only_to_other_bytes(void)
{
    static const struct chain_fixture_row rows[] = {{1, 30, 0, 2, 0, 0}, {30, 1, 300, 40, 0, 0}};
    CU_ASSERT(rows_give(rows, 2, (const struct ll_span[]){{0, 2}}, 1));
}

/* 1 is free and gains 38: it goes first. Without weights nothing is uploaded for it. */
static void test_without_bytes_is_most_efficient(void)
{
    static const struct chain_fixture_row rows[] = {
        {1, 1, 100, 90, 0, 0},
        {1, 1, 0, 40, 0, 0},
        {1, 1, 100, 80, 0, 0},
    };
    CU_ASSERT(rows_give(rows, 3, (const struct ll_span[]){{1, 2}, {0, 1}, {2, 3}}, 3));
}

/* 0 and 2 are equal, 8 / 100 each; 1 is not on the path. */
static void test_ties_and_what_is_not_on_the_path(void)
{
    static const struct chain_fixture_row rows[] = {
        {1, 1, 100, 10, 0, 0},
        {1, 1, 0, 0, 50, 0},
        {1, 1, 100, 10, 0, 0},
    };
    CU_ASSERT(rows_give(rows, 3, (const struct ll_span[]){{0, 1}, {2, 3}, {1, 2}}, 3));
    /* 0 and 0-1 are equal, 10 / 100 and 20 / 200: the shorter one. */
    static const struct chain_fixture_row growing[] = {{1, 1, 100, 12, 0, 0},
                                                       {1, 1, 100, 10, 0, 0}};
    CU_ASSERT(rows_give(growing, 2, (const struct ll_span[]){{0, 1}, {1, 2}}, 2));
}

static void test_nothing_on_the_path_is_one_partition(void)
{
    static const struct chain_fixture_row rows[] = {{1, 1, 5, 1, 9, 0}, {1, 1, 5, 1, 9, 0}};
    CU_ASSERT(rows_give(rows, 2, (const struct ll_span[]){{0, 2}}, 1));
}

static void test_random_chains_as_the_rules_say(void)
{
    uint64_t seed = 5;
    int partitions = 0;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 1 + i % LONGEST, &chain);
        const struct ll_link link = {
            .bytes_per_s = 1e6 / (1 + i % 7),
            .round_trip_ns = i % 3 == 0 ? 2000000 : 0,
        };
        struct rules rules = {.chain = &chain, .link = &link};
        rules_partition(&rules);
        partitions += rules.count;
        CU_ASSERT(spans_are(&chain, &link, rules.spans, rules.count));
        ll_chain_finish(&chain);
    }
    CU_ASSERT(partitions > 2 * CHAINS);
}

const char *const ll_test_suite = "ll_efficiency";
const struct ll_test ll_tests[] = {
    LL_TEST(test_first_has_the_largest_gain_less_upload),
    LL_TEST(test_narrowed_while_a_part_alone_gains),
    LL_TEST(test_narrowed_only_to_other_bytes),
    LL_TEST(test_without_bytes_is_most_efficient),
    LL_TEST(test_ties_and_what_is_not_on_the_path),
    LL_TEST(test_nothing_on_the_path_is_one_partition),
    LL_TEST(test_random_chains_as_the_rules_say),
    {NULL, NULL},
};
