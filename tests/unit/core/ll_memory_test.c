#include "core/ll_memory.h"

#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_memory";

/* Things that can go, of 30 bytes each. */
struct pile {
    struct ll_memory *memory;
    int count;
};

static bool give_one(void *arg)
{
    struct pile *pile = arg;
    if (pile->count == 0) {
        return false;
    }
    pile->count--;
    ll_memory_give(pile->memory, 30);
    return true;
}

static void test_takes_up_to_the_limit(void)
{
    struct ll_memory *memory = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(100, &memory), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_limit(memory), 100);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 60, "a test", &err), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 40, "a test", &err), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 0, "a test", &err), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 1, "a test", &err), LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL(ll_memory_used(memory), 100);
    ll_memory_give(memory, 60);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 60, "a test", &err), LL_OK);
    ll_memory_give(memory, 100);
    CU_ASSERT_EQUAL(ll_memory_used(memory), 0);
    ll_memory_destroy(memory);
}

static void test_refusal_says_whether_asking_again_helps(void)
{
    struct ll_memory *memory = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(100, &memory), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 101, "a test", &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "memory_bytes");
    CU_ASSERT_EQUAL(err.limit_value, 100);
    CU_ASSERT_EQUAL(err.retry_ms, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a test: 101 bytes"));
    CU_ASSERT_EQUAL(ll_memory_take(memory, 100, "a test", &err), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 7, "a test", &err), LL_E_EXHAUSTED);
    CU_ASSERT(err.retry_ms > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "memory_bytes, 100"));
    /* Sums that would overflow are refused as well. */
    CU_ASSERT_EQUAL(ll_memory_take(memory, INT64_MAX, "a test", &err), LL_E_EXHAUSTED);
    ll_memory_give(memory, 100);
    ll_memory_destroy(memory);
}

static void test_makes_room_as_long_as_it_must(void)
{
    struct pile pile = {.count = 3};
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(100, &pile.memory), LL_OK);
    ll_memory_set_reclaim(pile.memory, give_one, &pile);
    CU_ASSERT_EQUAL(ll_memory_take(pile.memory, 90, "the pile", NULL), LL_OK);
    CU_ASSERT_EQUAL(ll_memory_take(pile.memory, 10, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(pile.count, 3);
    CU_ASSERT_EQUAL(ll_memory_take(pile.memory, 50, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(pile.count, 1);
    /* What can never fit costs nobody anything. */
    CU_ASSERT_EQUAL(ll_memory_take(pile.memory, 101, "a test", NULL), LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL(pile.count, 1);
    CU_ASSERT_EQUAL(ll_memory_take(pile.memory, 60, "a test", NULL), LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL(pile.count, 0);
    CU_ASSERT_EQUAL(ll_memory_used(pile.memory), 60);
    ll_memory_give(pile.memory, 60);
    ll_memory_destroy(pile.memory);
}

static void test_without_a_budget_nothing_is_bounded(void)
{
    CU_ASSERT_EQUAL(ll_memory_take(NULL, INT64_MAX, "a test", NULL), LL_OK);
    ll_memory_give(NULL, INT64_MAX);
    CU_ASSERT_EQUAL(ll_memory_used(NULL), 0);
    ll_memory_destroy(NULL);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_takes_up_to_the_limit),
    LL_TEST(test_refusal_says_whether_asking_again_helps),
    LL_TEST(test_makes_room_as_long_as_it_must),
    LL_TEST(test_without_a_budget_nothing_is_bounded),
    {NULL, NULL},
};
