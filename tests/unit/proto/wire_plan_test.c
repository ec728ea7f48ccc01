#include "proto/wire/wire_plan.h"

#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

static void test_what_is_written_is_read_as_it_was(void)
{
    struct ll_partition partitions[] = {{0, 2}, {2, 3}, {3, 9}};
    const struct ll_plan plan = {.count = 3, .partitions = partitions};
    struct wire_plan wire;
    struct ll_plan read;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(wire_plan_init(&wire, &plan), LL_OK);
    CU_ASSERT_EQUAL_FATAL(wire_plan_read(wire.count, wire.list, &read, &err), LL_OK);
    wire_plan_finish(&wire);
    CU_ASSERT_EQUAL_FATAL(read.count, 3);
    CU_ASSERT_EQUAL(memcmp(read.partitions, partitions, sizeof(partitions)), 0);
    ll_plan_finish(&read);
}

static void test_a_plan_beyond_any_model_is_refused(void)
{
    Layerlift__V1__Partition partition = LAYERLIFT__V1__PARTITION__INIT;
    Layerlift__V1__Partition *list[] = {&partition};
    struct ll_plan plan;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(wire_plan_read(0, list, &plan, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "0 partitions; 1 to 4096 are allowed"));
    CU_ASSERT_EQUAL(wire_plan_read(LL_LIMIT_LAYERS + 1, list, &plan, &err), LL_E_INVALID);
    partition.end = UINT32_MAX;
    CU_ASSERT_EQUAL(wire_plan_read(1, list, &plan, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "partition 0 is [0, 4294967295)"));
}

const char *const ll_test_suite = "wire_plan";
const struct ll_test ll_tests[] = {
    LL_TEST(test_what_is_written_is_read_as_it_was),
    LL_TEST(test_a_plan_beyond_any_model_is_refused),
    {NULL, NULL},
};
