#include "engine/ll_arena.h"

#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_arena";

static void test_take_rounds_up(void)
{
    struct ll_arena arena;
    CU_ASSERT_EQUAL_FATAL(ll_arena_init(&arena, 4), LL_OK);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 1), 0);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 17), 16);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 16), 48);
    CU_ASSERT_EQUAL(arena.peak, 64);
    ll_arena_reset(&arena);
    CU_ASSERT_EQUAL(arena.peak, 0);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 16), 0);
    ll_arena_finish(&arena);
}

static void test_take_smallest_gap(void)
{
    struct ll_arena arena;
    CU_ASSERT_EQUAL_FATAL(ll_arena_init(&arena, 8), LL_OK);
    int64_t large = ll_arena_take(&arena, 64);
    ll_arena_take(&arena, 16);
    int64_t small = ll_arena_take(&arena, 32);
    ll_arena_take(&arena, 16);
    ll_arena_give(&arena, large);
    ll_arena_give(&arena, small);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 20), small);
    CU_ASSERT_EQUAL(ll_arena_take(&arena, 64), large);
    CU_ASSERT_EQUAL(arena.peak, 128);
    ll_arena_finish(&arena);
}

/* Takes and gives back in an arbitrary order; no two blocks that live may overlap. */
static void test_take_never_overlaps(void)
{
    enum { BLOCKS = 24, STEPS = 5000, FLOATS = BLOCKS * 256 };
    struct ll_arena arena;
    CU_ASSERT_EQUAL_FATAL(ll_arena_init(&arena, BLOCKS), LL_OK);
    static unsigned char owner[FLOATS];
    memset(owner, 0, sizeof(owner));
    int64_t at[BLOCKS];
    int64_t floats[BLOCKS] = {0};
    uint32_t state = 1;
    int overlaps = 0;
    for (int step = 0; step < STEPS; step++) {
        state = state * 1664525U + 1013904223U;
        int i = (int)(state >> 16) % BLOCKS;
        if (floats[i] > 0) {
            ll_arena_give(&arena, at[i]);
            memset(owner + at[i], 0, (size_t)floats[i]);
            floats[i] = 0;
            continue;
        }
        floats[i] = 1 + (int)(state >> 8) % 200;
        at[i] = ll_arena_take(&arena, floats[i]);
        CU_ASSERT_FATAL(at[i] + floats[i] <= arena.peak && arena.peak <= FLOATS);
        for (int64_t k = at[i]; k < at[i] + floats[i]; k++) {
            overlaps += owner[k] != 0;
            owner[k] = 1;
        }
    }
    CU_ASSERT_EQUAL(overlaps, 0);
    ll_arena_finish(&arena);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_take_rounds_up),
    LL_TEST(test_take_smallest_gap),
    LL_TEST(test_take_never_overlaps),
    {NULL, NULL},
};
