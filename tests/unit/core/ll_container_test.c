#include "core/ll_container.h"

#include "tests/support/ll_test.h"

struct list {
    char first;
    double links[2];
    int last;
};

static void test_every_member_finds_its_struct(void)
{
    struct list list = {.last = 5};
    CU_ASSERT_PTR_EQUAL(LL_CONTAINER_OF(&list.first, struct list, first), &list);
    CU_ASSERT_PTR_EQUAL(LL_CONTAINER_OF(&list.links[1], struct list, links[1]), &list);
    CU_ASSERT_EQUAL(LL_CONTAINER_OF(&list.last, struct list, last)->last, 5);
}

const char *const ll_test_suite = "ll_container";
const struct ll_test ll_tests[] = {
    LL_TEST(test_every_member_finds_its_struct),
    {NULL, NULL},
};
