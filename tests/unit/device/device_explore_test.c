#include "device/choose/device_explore.h"

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_explore";

/* Runs queries of which each takes 100 without a try, and `try_ns` with one; returns the tries. */
static int play(struct device_explore *explore, int queries, double try_ns, double *out_lost_ns)
{
    int tries = 0;
    *out_lost_ns = 0;
    for (int i = 0; i < queries; i++) {
        if (device_explore_wants(explore, 100, try_ns)) {
            tries++;
            *out_lost_ns += try_ns - 100;
            device_explore_tried(explore, 100, try_ns, try_ns);
        } else {
            device_explore_stayed(explore, 100);
        }
    }
    return tries;
}

static void test_a_try_waits_for_its_budget(void)
{
    struct device_explore explore;
    double lost_ns = 0;
    device_explore_init(&explore);
    CU_ASSERT_FALSE(device_explore_wants(&explore, 100, 110));
    CU_ASSERT_EQUAL(play(&explore, 2, 110, &lost_ns), 0);
    CU_ASSERT_EQUAL(play(&explore, 2, 110, &lost_ns), 1);
}

static void test_tries_that_lose_cost_little(void)
{
    struct device_explore explore;
    double lost_ns = 0;
    device_explore_init(&explore);
    CU_ASSERT_TRUE(play(&explore, 1000, 200, &lost_ns) > 4);
    CU_ASSERT_TRUE(lost_ns < 0.05 * 100 * 1000);
    /* With the price at its highest. */
    CU_ASSERT_TRUE(play(&explore, 10000, 200, &lost_ns) > 20);
    CU_ASSERT_TRUE(lost_ns < 0.004 * 100 * 10000);
}

static void test_what_a_try_cost_is_what_counts(void)
{
    struct device_explore explore;
    double lost_ns = 0;
    device_explore_init(&explore);
    for (int i = 0; i < 10; i++) {
        device_explore_stayed(&explore, 100);
    }
    CU_ASSERT_TRUE(device_explore_wants(&explore, 100, 101));
    /* A deadline passed: 100 times as bad. */
    device_explore_tried(&explore, 100, 101, 10000);
    CU_ASSERT_EQUAL(play(&explore, 1900, 101, &lost_ns), 0);
}

static void test_a_try_that_gains_makes_the_next_ones_cheap(void)
{
    struct device_explore explore;
    double lost_ns = 0;
    device_explore_init(&explore);
    play(&explore, 2000, 200, &lost_ns);
    CU_ASSERT_EQUAL(explore.price, 16);
    device_explore_tried(&explore, 100, 200, 50);
    CU_ASSERT_EQUAL(explore.price, 1);
    /* But nothing was saved up meanwhile. */
    CU_ASSERT_FALSE(device_explore_wants(&explore, 100, 101));
}

static void test_a_try_that_lost_less_than_expected_costs_no_more(void)
{
    struct device_explore explore;
    device_explore_init(&explore);
    device_explore_tried(&explore, 100, 200, 150);
    CU_ASSERT_EQUAL(explore.price, 1);
    device_explore_tried(&explore, 100, 200, 190);
    CU_ASSERT_EQUAL(explore.price, 2);
}

static void test_pauses_grow_until_a_try_helps(void)
{
    struct device_pause pause;
    int64_t now_ns = 1000 * LL_NS_PER_S;
    device_pause_init(&pause);
    CU_ASSERT_TRUE(device_pause_is_over(&pause, 1, now_ns));
    const int seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (int i = 0; i < 8; i++) {
        device_pause_begin(&pause, now_ns);
        now_ns += seconds[i] * LL_NS_PER_S - 1;
        CU_ASSERT_FALSE(device_pause_is_over(&pause, 1, now_ns));
        now_ns++;
        CU_ASSERT_TRUE(device_pause_is_over(&pause, 1, now_ns));
    }
    CU_ASSERT_TRUE(device_pause_is_longest(&pause));
    device_pause_shorten(&pause);
    device_pause_begin(&pause, now_ns);
    CU_ASSERT_FALSE(device_pause_is_over(&pause, 1, now_ns));
    CU_ASSERT_TRUE(device_pause_is_over(&pause, 1, now_ns + LL_NS_PER_S));
    /* Another edge need not wait for what the last one did. */
    device_pause_begin(&pause, now_ns);
    CU_ASSERT_TRUE(device_pause_is_over(&pause, 2, now_ns));
}

static void test_the_device_is_tried_while_queries_go_to_the_edge(void)
{
    struct device_explore explore;
    struct device_pause pause;
    struct device_chance chance = {
        .is_remote = true, .has_edge = true, .connection = 1, .best_ns = 100, .alone_ns = 150};
    bool could_try = false;
    device_explore_init(&explore);
    device_pause_init(&pause);
    /* There is no budget yet; then there is. */
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try),
                    DEVICE_TRY_NOTHING);
    CU_ASSERT_TRUE(could_try);
    device_explore_stayed(&explore, 20 * 50 + 20);
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try),
                    DEVICE_TRY_DEVICE);
    CU_ASSERT_FALSE(could_try);
    /* Twice as long is beyond hope. */
    chance.alone_ns = 200;
    device_explore_stayed(&explore, 20 * 1000);
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try),
                    DEVICE_TRY_NOTHING);
    CU_ASSERT_FALSE(could_try);
}

static void test_the_edge_is_tried_after_pauses(void)
{
    struct device_explore explore;
    struct device_pause pause;
    struct device_chance chance = {
        .hopes = true, .connection = 1, .now_ns = LL_NS_PER_S, .best_ns = 100, .alone_ns = 100};
    bool could_try = true;
    device_explore_init(&explore);
    device_pause_init(&pause);
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try),
                    DEVICE_TRY_NOTHING);
    CU_ASSERT_FALSE(could_try);
    chance.has_edge = true;
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try), DEVICE_TRY_EDGE);
    CU_ASSERT_EQUAL(device_explore_choose(&explore, &pause, &chance, &could_try),
                    DEVICE_TRY_NOTHING);
    /* Without hope only after the longest pause, to which each question that is due comes nearer.
     */
    chance.hopes = false;
    int questions = 0;
    device_try tries = DEVICE_TRY_NOTHING;
    while (tries == DEVICE_TRY_NOTHING && questions < 20) {
        chance.now_ns += 60 * LL_NS_PER_S;
        tries = device_explore_choose(&explore, &pause, &chance, &could_try);
        questions++;
    }
    CU_ASSERT_EQUAL(tries, DEVICE_TRY_EDGE);
    /* Pauses of 2, 4, 8, 16, 32 and 60 s. */
    CU_ASSERT_EQUAL(questions, 6);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_the_device_is_tried_while_queries_go_to_the_edge),
    LL_TEST(test_the_edge_is_tried_after_pauses),
    LL_TEST(test_a_try_waits_for_its_budget),
    LL_TEST(test_tries_that_lose_cost_little),
    LL_TEST(test_what_a_try_cost_is_what_counts),
    LL_TEST(test_a_try_that_gains_makes_the_next_ones_cheap),
    LL_TEST(test_a_try_that_lost_less_than_expected_costs_no_more),
    LL_TEST(test_pauses_grow_until_a_try_helps),
    {NULL, NULL},
};
