/* Against Darknet's resize_image, bit for bit, and what it has no value for. */
#include "vision/resize/vision_bilinear.h"

#include <darknet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_bilinear";

/* The caller frees. */
static uint8_t *new_noise(size_t bytes, uint32_t seed)
{
    uint8_t *noise = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(noise);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525U + 1013904223U;
        noise[i] = (uint8_t)(seed >> 24);
    }
    return noise;
}

static image to_stock(const struct vision_pixels *from)
{
    image stock = make_image(from->width, from->height, from->channels);
    int64_t area = (int64_t)from->width * from->height;
    for (int64_t i = 0; i < area * from->channels; i++) {
        int64_t channel = i / area;
        stock.data[i] = (float)from->data[i % area * from->channels + channel] / 255.0F;
    }
    return stock;
}

static bool is_stock(int width, int height, int channels, int out_width, int out_height)
{
    uint8_t *noise = new_noise((size_t)width * (size_t)height * (size_t)channels,
                               (uint32_t)(width * 31 + out_height));
    const struct vision_pixels from = {noise, width, height, channels};
    image whole = to_stock(&from);
    image expected = resize_image(whole, out_width, out_height);
    size_t floats = (size_t)out_width * (size_t)out_height * (size_t)channels;
    float *data = malloc(floats * sizeof(*data));
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    const struct vision_planes to = {data, out_width, out_height, out_width,
                                     (ptrdiff_t)out_width * out_height};
    bool same = vision_bilinear(&from, &to) == LL_OK &&
                memcmp(data, expected.data, floats * sizeof(*data)) == 0;
    if (!same) {
        fprintf(stderr, "%d x %d x %d to %d x %d\n", channels, width, height, out_width,
                out_height);
    }
    free_image(whole);
    free_image(expected);
    free(data);
    free(noise);
    return same;
}

static void test_small_sizes(void)
{
    for (int from = 0; from < 9 * 9; from++) {
        for (int out = 0; out < 11 * 10; out++) {
            int height = 2 + out / 11;
            CU_ASSERT(is_stock(1 + from % 9, 1 + from / 9, 1 + out % 4, 1 + out % 11, height));
        }
    }
}

/* Among them some whose last row Darknet leaves dark: where (height - 1) times the rounded factor
 * falls short of the last source row. */
static void test_many_sizes(void)
{
    uint32_t state = 7;
    for (int i = 0; i < 300; i++) {
        int sizes[4];
        for (int j = 0; j < 4; j++) {
            state = state * 1664525U + 1013904223U;
            sizes[j] = 1 + (int)(state >> 16) % (i < 250 ? 150 : 700);
        }
        CU_ASSERT(is_stock(sizes[0], sizes[1], 1 + i % 3, sizes[2], sizes[3] + 1));
    }
    CU_ASSERT(is_stock(3, 2, 1, 3, 42));
    CU_ASSERT(is_stock(768, 576, 3, 416, 312));
    CU_ASSERT(is_stock(40000, 2, 1, 3, 2));
    CU_ASSERT(is_stock(2, 3, 1, 30000, 2));
    CU_ASSERT(is_stock(2, 3, 1, 2, 30000));
}

/* What is not the result's stays. */
static void test_a_part_of_larger_planes(void)
{
    static const uint8_t pixels[] = {0, 255, 255, 0};
    static const float expected[10] = {9, 0, 1, 9, 9, 9, 1, 0, 9, 9};
    float data[10];
    for (int i = 0; i < 10; i++) {
        data[i] = 9;
    }
    const struct vision_pixels from = {pixels, 2, 2, 1};
    const struct vision_planes to = {&data[1], 2, 2, 5, 10};
    CU_ASSERT_EQUAL(vision_bilinear(&from, &to), LL_OK);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(data[i], expected[i]);
    }
}

static void test_refused(void)
{
    static const uint8_t pixels[16] = {0};
    float data[64];
    static const struct {
        int width, height, channels, out_width, out_height;
        ll_status status;
    } cases[] = {
        {0, 2, 1, 2, 2, LL_E_INVALID},
        {2, 0, 1, 2, 2, LL_E_INVALID},
        {2, 2, 0, 2, 2, LL_E_INVALID},
        {1, 1, 5, 2, 2, LL_E_INVALID},
        {2, 2, 1, 0, 2, LL_E_INVALID},
        {2, 2, 1, 2, 1, LL_E_INVALID},
        {2, 2, 1, 2, -1, LL_E_INVALID},
        {LL_LIMIT_DIM + 1, 2, 1, 2, 2, LL_E_EXHAUSTED},
        {2, 2, 1, LL_LIMIT_DIM + 1, 2, LL_E_EXHAUSTED},
        {2, 2, 1, 2, LL_LIMIT_DIM + 1, LL_E_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct vision_pixels from = {pixels, cases[i].width, cases[i].height,
                                           cases[i].channels};
        const struct vision_planes to = {data, cases[i].out_width, cases[i].out_height, 2, 4};
        CU_ASSERT_EQUAL(vision_bilinear(&from, &to), cases[i].status);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_small_sizes),
    LL_TEST(test_many_sizes),
    LL_TEST(test_a_part_of_larger_planes),
    LL_TEST(test_refused),
    {NULL, NULL},
};
