#include "rpc/rpc_timers.h"

#include <stddef.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "rpc_timers";

enum { TIMERS = 500, STEPS = 20000 };

static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* The one of `all` that has to come first, found by looking at each. */
static struct rpc_timer *find_earliest(struct rpc_timer *all)
{
    struct rpc_timer *earliest = NULL;
    for (int i = 0; i < TIMERS; i++) {
        if (all[i].is_set &&
            (!earliest || all[i].deadline_ns < earliest->deadline_ns ||
             (all[i].deadline_ns == earliest->deadline_ns && all[i].order < earliest->order))) {
            earliest = &all[i];
        }
    }
    return earliest;
}

static void test_earliest_is_first_whatever_is_set_and_cancelled(void)
{
    static struct rpc_timer all[TIMERS];
    struct rpc_timers timers = {.earliest = NULL};
    uint32_t state = 7;
    bool is_right = true;
    for (int step = 0; step < STEPS; step++) {
        struct rpc_timer *timer = &all[next_number(&state) % TIMERS];
        if (timer->is_set) {
            rpc_timers_remove(&timers, timer);
        } else {
            /* Few values, so that many are equal. */
            rpc_timers_add(&timers, timer, next_number(&state) % 100);
        }
        is_right = is_right && timers.earliest == find_earliest(all);
    }
    CU_ASSERT(is_right);
    while (timers.earliest && is_right) {
        struct rpc_timer *earliest = find_earliest(all);
        is_right = timers.earliest == earliest;
        rpc_timers_remove(&timers, timers.earliest);
        CU_ASSERT_FALSE(earliest->is_set);
    }
    CU_ASSERT(is_right);
    CU_ASSERT_PTR_NULL(find_earliest(all));
}

static void test_equal_deadlines_come_in_order_of_setting(void)
{
    static struct rpc_timer all[TIMERS];
    struct rpc_timers timers = {.earliest = NULL};
    for (int i = 0; i < TIMERS; i++) {
        rpc_timers_add(&timers, &all[i], 5);
    }
    for (int i = 0; i < TIMERS; i++) {
        CU_ASSERT_PTR_EQUAL(timers.earliest, &all[i]);
        rpc_timers_remove(&timers, &all[i]);
    }
    CU_ASSERT_PTR_NULL(timers.earliest);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_earliest_is_first_whatever_is_set_and_cancelled),
    LL_TEST(test_equal_deadlines_come_in_order_of_setting),
    {NULL, NULL},
};
