#include "vision/vision_webp.h"

#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

#include "tests/support/ll_test.h"
#include "tests/support/picture_files.h"

const char *const ll_test_suite = "vision_webp";

/* Planes as a network's input has them. */
static uint8_t *make_planes(int h, int w)
{
    uint8_t *planes = malloc((size_t)3 * (size_t)h * (size_t)w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(planes);
    uint8_t *out = planes;
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                *out++ = picture_sample(7, x, y, c);
            }
        }
    }
    return planes;
}

static struct ll_buf *encode(const uint8_t *planes, int h, int w)
{
    struct ll_buf *file = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(vision_webp_encode(planes, h, w, &file, &err), LL_OK);
    return file;
}

static void check_refused(const void *bytes, size_t count, int h, int w, const char *words)
{
    struct ll_error err = {.text = ""};
    uint8_t *planes = malloc((size_t)3 * (size_t)h * (size_t)w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(planes);
    CU_ASSERT_EQUAL(vision_webp_decode(bytes, count, h, w, planes, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    free(planes);
}

static void test_round_trips(void)
{
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {37, 45}, {224, 224}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int h = sizes[i][0];
        int w = sizes[i][1];
        size_t bytes = (size_t)3 * (size_t)h * (size_t)w;
        uint8_t *planes = make_planes(h, w);
        uint8_t *back = calloc(1, bytes);
        struct ll_error err = {.text = ""};
        struct ll_buf *file = encode(planes, h, w);
        CU_ASSERT_PTR_NOT_NULL_FATAL(back);
        CU_ASSERT_EQUAL(vision_webp_decode(ll_buf_data(file), ll_buf_bytes(file), h, w, back, &err),
                        LL_OK);
        CU_ASSERT_EQUAL(memcmp(back, planes, bytes), 0);
        ll_buf_unref(file);
        free(back);
        free(planes);
    }
}

static void test_fits(void)
{
    CU_ASSERT(vision_webp_fits(3, 416, 416));
    CU_ASSERT(vision_webp_fits(3, VISION_WEBP_SIDE_MOST, 1));
    CU_ASSERT_FALSE(vision_webp_fits(3, 1, VISION_WEBP_SIDE_MOST + 1));
    CU_ASSERT_FALSE(vision_webp_fits(1, 28, 28));
    CU_ASSERT_FALSE(vision_webp_fits(3, 0, 1));
}

/* Another size is refused from the header: nothing of the announced pixels is looked for. */
static void test_sizes(void)
{
    uint8_t *planes = make_planes(20, 30);
    struct ll_buf *file = encode(planes, 20, 30);
    check_refused(ll_buf_data(file), ll_buf_bytes(file), 30, 20, "of 30 x 20 pixels instead of 20");
    check_refused(ll_buf_data(file), ll_buf_bytes(file), 20, 29, "instead of 29 x 20");
    ll_buf_unref(file);
    free(planes);
}

static void test_other_kinds(void)
{
    enum { SIDE = 16 };
    uint8_t pixels[4 * SIDE * SIDE];
    for (size_t i = 0; i < sizeof(pixels); i++) {
        pixels[i] = (uint8_t)(i * 37);
    }
    uint8_t *file = NULL;
    size_t count = WebPEncodeRGB(pixels, SIDE, SIDE, 3 * SIDE, 90, &file);
    CU_ASSERT_FATAL(count > 0);
    check_refused(file, count, SIDE, SIDE, "is not lossless");
    WebPFree(file);
    count = WebPEncodeLosslessRGBA(pixels, SIDE, SIDE, 4 * SIDE, &file);
    CU_ASSERT_FATAL(count > 0);
    check_refused(file, count, SIDE, SIDE, "has alpha");
    WebPFree(file);
}

static void test_damage(void)
{
    uint8_t *planes = make_planes(24, 24);
    struct ll_buf *file = encode(planes, 24, 24);
    const uint8_t *bytes = ll_buf_data(file);
    for (size_t count = 0; count < ll_buf_bytes(file) / 2; count++) {
        check_refused(bytes, count, 24, 24, "damaged WebP picture");
    }
    ll_buf_unref(file);
    free(planes);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_round_trips), LL_TEST(test_fits),   LL_TEST(test_sizes),
    LL_TEST(test_other_kinds), LL_TEST(test_damage), {NULL, NULL},
};
