/* Against Darknet's box_iou, bit for bit. */
#include "vision/vision_rectangle.h"

#include <darknet.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_rectangle";

static bool same_bits(float a, float b)
{
    uint32_t a_bits = 0;
    uint32_t b_bits = 0;
    memcpy(&a_bits, &a, sizeof(a));
    memcpy(&b_bits, &b, sizeof(b));
    return a_bits == b_bits || (isnan(a) && isnan(b));
}

static bool is_stock(struct vision_rectangle a, struct vision_rectangle b)
{
    const box stock_a = {a.x, a.y, a.w, a.h};
    const box stock_b = {b.x, b.y, b.w, b.h};
    return same_bits(vision_rectangle_iou(&a, &b), box_iou(stock_a, stock_b));
}

static float next(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (float)(*state >> 8) / 16777216.0F;
}

static void test_values(void)
{
    static const struct vision_rectangle a = {1, 1, 2, 2};
    static const struct vision_rectangle apart = {5, 1, 2, 2};
    static const struct vision_rectangle half = {2, 1, 2, 2};
    CU_ASSERT_EQUAL(vision_rectangle_iou(&a, &a), 1);
    CU_ASSERT_EQUAL(vision_rectangle_iou(&a, &apart), 0);
    CU_ASSERT_DOUBLE_EQUAL(vision_rectangle_iou(&a, &half), 1 / 3., 1e-7);
}

static void test_any_rectangles(void)
{
    uint32_t state = 1;
    for (int i = 0; i < 20000; i++) {
        struct vision_rectangle two[2];
        for (int j = 0; j < 2; j++) {
            two[j] =
                (struct vision_rectangle){next(&state), next(&state), next(&state), next(&state)};
        }
        CU_ASSERT_FATAL(is_stock(two[0], two[1]));
    }
}

static void test_values_that_are_no_sizes(void)
{
    static const float values[] = {0, -0.0F, 1, -1, 1e38F, 1e-45F, INFINITY, -INFINITY, NAN};
    enum { COUNT = sizeof(values) / sizeof(values[0]) };
    static const struct vision_rectangle unit = {0, 0, 1, 1};
    for (int i = 0; i < COUNT * COUNT * COUNT * COUNT; i++) {
        const struct vision_rectangle odd = {values[i % COUNT], values[i / COUNT % COUNT],
                                             values[i / COUNT / COUNT % COUNT],
                                             values[i / COUNT / COUNT / COUNT]};
        CU_ASSERT_FATAL(is_stock(odd, unit));
        CU_ASSERT_FATAL(is_stock(unit, odd));
        CU_ASSERT_FATAL(is_stock(odd, odd));
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_values),
    LL_TEST(test_any_rectangles),
    LL_TEST(test_values_that_are_no_sizes),
    {NULL, NULL},
};
