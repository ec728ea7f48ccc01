#include "device/device_cut.h"

#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_cut";

/* Legal cuts: 0, 1, 2, 4, 5, 6. */
static const char cfg[] = "fake\n"
                          "input 20\n"
                          "layer 30 40\n"
                          "layer 20 0\n"
                          "layer 10 24 joined\n"
                          "layer 50 8\n"
                          "layer 12 20\n"
                          "layer 10 40\n";

static struct fake_model model;

static void test_illegal_cuts_are_refused_with_those_nearby(void)
{
    fake_model_init(&model, cfg, 5);
    const struct ll_table *table = &model.network->table;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(device_cut_check(table, 0, 6, &err), LL_OK);
    CU_ASSERT_EQUAL(device_cut_check(table, 4, 4, &err), LL_OK);
    CU_ASSERT_EQUAL(device_cut_check(table, 3, 6, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "3 is not a legal cut"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "near it are 0, 1, 2, 4, 5, 6"));
    CU_ASSERT_EQUAL(device_cut_check(table, 0, 7, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "near it are 2, 4, 5, 6"));
    CU_ASSERT_EQUAL(device_cut_check(table, 4, 2, &err), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_cut_check(table, -1, 2, &err), LL_E_INVALID);
    fake_model_finish(&model);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_illegal_cuts_are_refused_with_those_nearby),
    {NULL, NULL},
};
