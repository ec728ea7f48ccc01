/* Letterboxing and stretching against Darknet's letterbox_image and resize_image, bit for bit. */
#include "vision/vision_fit.h"

#include <darknet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "vision_fit";

static struct vision_picture new_picture(int w, int h)
{
    struct vision_picture picture = {0};
    CU_ASSERT_EQUAL_FATAL(vision_picture_allocate(&picture, w, h, NULL), LL_OK);
    uint32_t state = (uint32_t)(w * 1000 + h);
    for (int i = 0; i < 3 * w * h; i++) {
        state = state * 1664525U + 1013904223U;
        picture.pixels[i] = (uint8_t)(state >> 24);
    }
    return picture;
}

static image to_stock(const struct vision_picture *picture)
{
    image stock = make_image(picture->w, picture->h, picture->channels);
    int area = picture->w * picture->h;
    for (int i = 0; i < area * picture->channels; i++) {
        int channel = i / area;
        stock.data[i] = (float)picture->pixels[i % area * picture->channels + channel] / 255.0F;
    }
    return stock;
}

static image fit_stock(const struct vision_picture *picture, const struct vision_fit_target *target)
{
    struct vision_picture luminance = {0};
    if (target->c == 1) {
        CU_ASSERT_EQUAL_FATAL(vision_picture_luminance(picture, &luminance), LL_OK);
    }
    image whole = to_stock(target->c == 1 ? &luminance : picture);
    image fitted = target->fit == VISION_FIT_STRETCH ? resize_image(whole, target->w, target->h)
                                                     : letterbox_image(whole, target->w, target->h);
    free_image(whole);
    vision_picture_finish(&luminance);
    return fitted;
}

/* Whether both make the same of a picture of w x h; a picture that ours refuses is none for stock
 * either, which would read wild. */
static bool is_stock(int w, int h, const struct vision_fit_target *target)
{
    struct vision_picture picture = new_picture(w, h);
    struct vision_placement placement = {0};
    float *data = NULL;
    ll_status status = vision_fit_picture(&picture, target, &data, &placement, NULL);
    bool vanishes = w * target->h < h || h * target->w < 2 * w;
    bool same = status == LL_E_INVALID && target->fit == VISION_FIT_LETTERBOX && vanishes;
    if (status == LL_OK) {
        size_t bytes = (size_t)target->c * (size_t)target->h * (size_t)target->w * sizeof(*data);
        image expected = fit_stock(&picture, target);
        same = memcmp(data, expected.data, bytes) == 0 && placement.picture_w == w &&
               placement.picture_h == h && placement.net_w == target->w;
        free_image(expected);
    }
    if (!same) {
        fprintf(stderr, "%d x %d in %d x %d x %d: %s\n", w, h, target->c, target->w, target->h,
                ll_status_name(status));
    }
    free(data);
    vision_picture_finish(&picture);
    return same;
}

static void test_small_sizes_are_stocks(void)
{
    for (int i = 0; i < 12 * 12 * 12 * 12; i += 5) {
        const struct vision_fit_target target = {
            .c = i % 2 == 0 ? 3 : 1,
            .w = 1 + i % 12,
            .h = 2 + i / 12 % 12,
            .fit = i % 3 == 0 ? VISION_FIT_STRETCH : VISION_FIT_LETTERBOX,
        };
        CU_ASSERT(is_stock(1 + i / 144 % 12, 1 + i / 1728, &target));
    }
}

static void test_networks_sizes_are_stocks(void)
{
    static const int sizes[][2] = {{768, 576}, {576, 768}, {416, 416}, {1, 300},  {333, 500},
                                   {2, 2},     {1000, 11}, {608, 607}, {224, 225}};
    static const int nets[][2] = {{416, 416}, {608, 352}, {224, 224}, {28, 28}, {33, 65}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t j = 0; j < sizeof(nets) / sizeof(nets[0]); j++) {
            struct vision_fit_target target = {i % 2 == 0 ? 3 : 1, nets[j][1], nets[j][0],
                                               VISION_FIT_LETTERBOX};
            CU_ASSERT(is_stock(sizes[i][0], sizes[i][1], &target));
            target.fit = VISION_FIT_STRETCH;
            CU_ASSERT(is_stock(sizes[i][0], sizes[i][1], &target));
        }
    }
}

static void check_refused(struct vision_picture *picture, struct vision_fit_target target,
                          ll_status status, const char *words)
{
    struct vision_placement placement = {.left = 7};
    float *data = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_fit_picture(picture, &target, &data, &placement, &err), status);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    CU_ASSERT(!data && placement.left == 7);
}

static void test_refused(void)
{
    struct vision_picture picture = new_picture(30, 20);
    static const int channels[] = {-1, 0, 2, 4};
    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
        check_refused(&picture, (struct vision_fit_target){channels[i], 8, 8, VISION_FIT_LETTERBOX},
                      LL_E_UNSUPPORTED, "a picture has 1 or 3");
    }
    check_refused(&picture, (struct vision_fit_target){3, 0, 8, VISION_FIT_CROP}, LL_E_UNSUPPORTED,
                  "8 x 0");
    check_refused(&picture, (struct vision_fit_target){3, 1, 8, VISION_FIT_STRETCH}, LL_E_INVALID,
                  "vanishes");
    check_refused(&picture, (struct vision_fit_target){3, 1 << 15, 1 << 15, VISION_FIT_CROP},
                  LL_E_EXHAUSTED, "pixels");
    vision_picture_finish(&picture);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_small_sizes_are_stocks),
    LL_TEST(test_networks_sizes_are_stocks),
    LL_TEST(test_refused),
    {NULL, NULL},
};
