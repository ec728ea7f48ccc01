#include "vision/resize/vision_bicubic.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

static uint8_t *pattern(int width, int height, int channels)
{
    uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    if (!pixels) {
        return NULL;
    }
    uint8_t *at = pixels;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < channels; c++) {
                *at++ = (uint8_t)((x * x * 7 + y * 31 + x * y * 5 + c * 77) % 256);
            }
        }
    }
    return pixels;
}

/* The expected bytes are Pillow's, Image.resize(..., BICUBIC) of the same pattern. */
static void check(int width, int height, int channels, int out_width, int out_height,
                  const uint8_t *expected)
{
    uint8_t *pixels = pattern(width, height, channels);
    uint8_t *out = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_bicubic(&(struct vision_pixels){pixels, width, height, channels},
                                         out_width, out_height, &out),
                          LL_OK);
    CU_ASSERT_EQUAL(memcmp(out, expected, (size_t)(out_width * out_height * channels)), 0);
    free(out);
    free(pixels);
}

static void test_reduce_averages_like_pillow(void)
{
    static const uint8_t colours[] = {35,  120, 182, 128, 168, 93,  143, 134, 135, 104, 105, 137,
                                      127, 172, 102, 134, 111, 119, 124, 112, 139, 108, 140, 128,
                                      166, 87,  100, 132, 128, 131, 149, 131, 108, 136, 119, 113};
    static const uint8_t far[] = {127, 127, 128, 126, 126, 130, 127, 126, 127, 126, 130, 131};
    check(11, 7, 3, 4, 3, colours);
    check(64, 48, 3, 2, 2, far);
}

static void test_enlarge_interpolates_like_pillow(void)
{
    static const uint8_t grey[] = {0,   0,   6,   17,  34,  57,  91,  113, 12,  15,  23,  36,
                                   55,  79,  115, 137, 35,  39,  50,  66,  87,  114, 154, 179,
                                   56,  61,  75,  92,  115, 144, 194, 225, 79,  86,  102, 122,
                                   153, 182, 140, 106, 93,  102, 119, 141, 177, 207, 80,  0};
    check(5, 4, 1, 8, 6, grey);
}

static void test_same_size_changes_nothing(void)
{
    uint8_t *pixels = pattern(6, 6, 4);
    check(6, 6, 4, 6, 6, pixels);
    free(pixels);
}

static void test_single_pixel_fills_everything(void)
{
    const uint8_t pixel[3] = {9, 200, 31};
    uint8_t *out = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_bicubic(&(struct vision_pixels){pixel, 1, 1, 3}, 5, 4, &out),
                          LL_OK);
    for (int i = 0; i < 5 * 4; i++)
        CU_ASSERT_EQUAL(memcmp(out + (ptrdiff_t)i * 3, pixel, 3), 0);
    free(out);
}

static void test_impossible_sizes_are_refused(void)
{
    const uint8_t pixel[4] = {0};
    uint8_t *out = NULL;
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 0, 1, 3}, 5, 4, &out),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 1, -1, 3}, 5, 4, &out),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 1, 1, 5}, 5, 4, &out),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 1, 1, 3}, 0, 4, &out),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 1, 1, 3}, 1 << 30, 1 << 30, &out),
                    LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL(vision_bicubic(&(struct vision_pixels){pixel, 1, 1, 3},
                                   (int)LL_LIMIT_IMAGE_PIXELS + 1, 1, &out),
                    LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NULL(out);
}

const char *const ll_test_suite = "vision_bicubic";
const struct ll_test ll_tests[] = {
    LL_TEST(test_reduce_averages_like_pillow),  LL_TEST(test_enlarge_interpolates_like_pillow),
    LL_TEST(test_same_size_changes_nothing),    LL_TEST(test_single_pixel_fills_everything),
    LL_TEST(test_impossible_sizes_are_refused), {NULL, NULL},
};
