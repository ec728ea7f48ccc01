#include "vision/vision_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_output";

static void test_write(void)
{
    static const float values[4] = {1, -0.0F, NAN, 1e-40F};
    float back[5];
    char path[4096];
    snprintf(path, sizeof(path), "%s/out", ll_test_folder());
    for (int count = 4; count > 0; count -= 3) {
        CU_ASSERT_EQUAL_FATAL(vision_output_write(path, values, count, NULL), LL_OK);
        FILE *file = fopen(path, "rb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        CU_ASSERT_EQUAL(fread(back, sizeof(*back), 5, file), (size_t)count);
        CU_ASSERT_EQUAL(memcmp(back, values, (size_t)count * sizeof(*back)), 0);
        fclose(file);
    }
}

static void test_write_where_it_cannot(void)
{
    static const float values[4] = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_output_write("/no/such/folder/out", values, 4, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/folder/out"));
    CU_ASSERT_EQUAL(vision_output_write("/dev/full", values, 4, &err), LL_E_IO);
}

static void test_top_k(void)
{
    static const float values[] = {.5F, NAN, 2, -1, 2, INFINITY, .5F};
    struct vision_top top[9];
    CU_ASSERT_EQUAL_FATAL(vision_top_k(values, 7, 9, top), 7);
    static const int64_t order[] = {5, 2, 4, 0, 6, 3, 1};
    for (int i = 0; i < 7; i++) {
        CU_ASSERT_EQUAL(top[i].index, order[i]);
    }
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 3, top), 3);
    CU_ASSERT_EQUAL(top[2].index, 4);
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 0, top), 0);
    CU_ASSERT_EQUAL(vision_top_k(values, 7, 1, top), 1);
    CU_ASSERT_EQUAL(top[0].index, 5);
}

static void test_count_not_finite(void)
{
    static const float values[] = {.5F, NAN, 2, -INFINITY, 2, INFINITY, -NAN, 1e38F};
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 8), 4);
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 1), 0);
    CU_ASSERT_EQUAL(vision_count_not_finite(values, 0), 0);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_write), LL_TEST(test_write_where_it_cannot),
    LL_TEST(test_top_k), LL_TEST(test_count_not_finite),
    {NULL, NULL},
};
