#include "net/plan/ll_plan.h"

#include <math.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "tests/unit/net/chain_fixture.h"

enum { CHAINS = 300, LONGEST = 30 };

static const struct ll_plan_terms terms = {.link = {.bytes_per_s = 1e6}, .penalty = 0.8};
static const char *const partitioners[] = {"efficiency", "ionn", "layer", "whole", "mb:0.02"};

/* The second element goes first. */
static const struct chain_fixture_row rows[] = {
    {1, 1, 100, 50, 1, 0},
    {1, 1, 0, 90, 1, 0},
    {1, 1, 10, 9, 2, 0},
};

static void test_from_chain_is_sorted_and_says_so(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    /* Elements of more than one layer. */
    chain.elements[0].end = chain.elements[1].first = 4;
    chain.elements[1].end = chain.elements[2].first = 5;
    chain.elements[2].end = 9;
    struct ll_plan plan;
    bool was_sorted = false;
    CU_ASSERT_EQUAL_FATAL(
        ll_plan_from_chain(&chain, "efficiency", &terms, &plan, &was_sorted, NULL), LL_OK);
    CU_ASSERT(was_sorted);
    CU_ASSERT_EQUAL_FATAL(plan.count, 3);
    CU_ASSERT_EQUAL(plan.partitions[0].first, 0);
    CU_ASSERT_EQUAL(plan.partitions[0].end, 4);
    CU_ASSERT_EQUAL(plan.partitions[1].end, 5);
    CU_ASSERT_EQUAL(plan.partitions[2].end, 9);
    ll_plan_finish(&plan);
    CU_ASSERT_EQUAL_FATAL(ll_plan_from_chain(&chain, "whole", &terms, &plan, &was_sorted, NULL),
                          LL_OK);
    CU_ASSERT(!was_sorted);
    CU_ASSERT_EQUAL(plan.count, 1);
    ll_plan_finish(&plan);
    ll_chain_finish(&chain);
}

static void test_from_chain_cuts_by_bytes(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    static const struct {
        const char *partitioner;
        int count;
        int first_end;
    } cases[] = {{"layer", 2, 2}, {"mb:0.1", 2, 2}, {"mb:0.101", 1, 3}, {"whole", 1, 3}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ll_plan plan;
        bool was_sorted = true;
        CU_ASSERT_EQUAL_FATAL(
            ll_plan_from_chain(&chain, cases[i].partitioner, &terms, &plan, &was_sorted, NULL),
            LL_OK);
        CU_ASSERT(!was_sorted);
        CU_ASSERT_EQUAL(plan.count, cases[i].count);
        CU_ASSERT_EQUAL(plan.partitions[0].end, cases[i].first_end);
        ll_plan_finish(&plan);
    }
    ll_chain_finish(&chain);
}

/* All elements once, in order, and queries that never get slower. */
static void check_plan(const struct ll_chain *chain, const struct ll_plan *plan)
{
    int covered = 0;
    int64_t before_ns = ll_predict_best_cut(chain, &terms.link, 0).query_ns;
    for (int i = 0; i < plan->count; i++) {
        CU_ASSERT_EQUAL(plan->partitions[i].first, covered);
        CU_ASSERT(plan->partitions[i].end > covered);
        covered = plan->partitions[i].end;
        struct ll_cut cut = ll_predict_best_cut(chain, &terms.link, covered);
        CU_ASSERT(cut.query_ns <= before_ns);
        before_ns = cut.query_ns;
    }
    CU_ASSERT_EQUAL(covered, chain->count);
}

static void test_from_chain_covers_all_and_queries_never_get_slower(void)
{
    uint64_t seed = 6;
    for (int i = 0; i < CHAINS; i++) {
        struct ll_chain chain;
        chain_fixture_random_chain(&seed, 1 + i % LONGEST, &chain);
        for (size_t p = 0; p < sizeof(partitioners) / sizeof(partitioners[0]); p++) {
            struct ll_plan plan;
            bool was_sorted = false;
            CU_ASSERT_EQUAL_FATAL(
                ll_plan_from_chain(&chain, partitioners[p], &terms, &plan, &was_sorted, NULL),
                LL_OK);
            check_plan(&chain, &plan);
            ll_plan_finish(&plan);
        }
        ll_chain_finish(&chain);
    }
}

static void refuse(const struct ll_chain *chain, const char *partitioner,
                   const struct ll_plan_terms *wrong_terms, const char *reason)
{
    struct ll_plan plan;
    bool was_sorted = false;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(ll_plan_from_chain(chain, partitioner, wrong_terms, &plan, &was_sorted, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, reason));
}

static void test_from_chain_refuses(void)
{
    struct ll_chain chain;
    chain_fixture_make(rows, 3, &chain);
    refuse(&chain, "Ionn", &terms, "take efficiency, ionn, whole, layer, or mb:N");
    const struct ll_plan_terms slow = {.link = {.bytes_per_s = 0}, .penalty = 0.8};
    refuse(&chain, "ionn", &slow, "bandwidth");
    const struct ll_plan_terms odd = {.link = {.bytes_per_s = 1e6}, .penalty = (double)NAN};
    refuse(&chain, "ionn", &odd, "penalty factor");
    const struct ll_plan_terms high = {.link = {.bytes_per_s = 1e6}, .penalty = 1};
    refuse(&chain, "ionn", &high, "penalty factor");
    chain.elements[1].edge_ns = -1;
    refuse(&chain, "efficiency", &terms, "element 1 (1): edge ns: -1 is negative");
    ll_chain_finish(&chain);
}

static void test_names_need_times(void)
{
    struct ll_error err;
    for (size_t p = 0; p < sizeof(partitioners) / sizeof(partitioners[0]); p++) {
        CU_ASSERT_EQUAL(ll_plan_check_name(partitioners[p], true, &err), LL_OK);
        CU_ASSERT_EQUAL(ll_plan_check_name(partitioners[p], false, &err),
                        p < 2 ? LL_E_INVALID : LL_OK);
    }
    CU_ASSERT_EQUAL(ll_plan_check_name("ionn", false, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no times are known for partitioner 'ionn'"));
}

const char *const ll_test_suite = "ll_plan";
const struct ll_test ll_tests[] = {
    LL_TEST(test_from_chain_is_sorted_and_says_so),
    LL_TEST(test_from_chain_cuts_by_bytes),
    LL_TEST(test_from_chain_covers_all_and_queries_never_get_slower),
    LL_TEST(test_from_chain_refuses),
    LL_TEST(test_names_need_times),
    {NULL, NULL},
};
