#include "vision/vision_placement.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"

static ll_status fit(const int sizes[4], vision_fit how, struct vision_placement *placement,
                     struct ll_error *err)
{
    *placement = (struct vision_placement){
        .picture_w = sizes[0], .picture_h = sizes[1], .net_w = sizes[2], .net_h = sizes[3]};
    return vision_placement_fit(placement, how, err);
}

static void check(vision_fit how, const int sizes[4], const struct vision_placement *expected)
{
    struct vision_placement placement;
    CU_ASSERT_EQUAL_FATAL(fit(sizes, how, &placement, NULL), LL_OK);
    CU_ASSERT_EQUAL(placement.scaled_w, expected->scaled_w);
    CU_ASSERT_EQUAL(placement.scaled_h, expected->scaled_h);
    CU_ASSERT_EQUAL(placement.left, expected->left);
    CU_ASSERT_EQUAL(placement.top, expected->top);
}

static void test_letterbox(void)
{
    static const struct {
        int sizes[4];
        struct vision_placement placement;
    } cases[] = {
        {{768, 576, 416, 416}, {.scaled_w = 416, .scaled_h = 312, .top = 52}},
        {{576, 768, 416, 416}, {.scaled_w = 312, .scaled_h = 416, .left = 52}},
        {{8, 4, 8, 4}, {.scaled_w = 8, .scaled_h = 4}},
        {{77, 63, 128, 96}, {.scaled_w = 117, .scaled_h = 96, .left = 5.5}},
        {{1, 1, 8, 8}, {.scaled_w = 8, .scaled_h = 8}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(VISION_FIT_LETTERBOX, cases[i].sizes, &cases[i].placement);
    }
}

static void test_crop(void)
{
    static const struct {
        int sizes[4];
        struct vision_placement placement;
    } cases[] = {
        {{768, 576, 224, 224}, {.scaled_w = 341, .scaled_h = 256, .left = -58, .top = -16}},
        {{8, 4, 2, 2}, {.scaled_w = 4, .scaled_h = 2, .left = -1}},
        {{100, 400, 7, 14}, {.scaled_w = 8, .scaled_h = 32, .top = -9}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(VISION_FIT_CROP, cases[i].sizes, &cases[i].placement);
    }
}

/* The picture's shape does not matter, but to the way back. */
static void test_stretch(void)
{
    static const int sizes[][4] = {
        {768, 576, 416, 416}, {1, 1, 8, 8}, {40000, 1, 4, 2}, {3, 1000, 1, 2}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct vision_placement placement = {.scaled_w = sizes[i][2],
                                                   .scaled_h = sizes[i][3]};
        check(VISION_FIT_STRETCH, sizes[i], &placement);
    }
    struct vision_placement placement;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(fit((const int[]){768, 576, 416, 1}, VISION_FIT_STRETCH, &placement, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "768 x 576 pixels vanishes when stretched to 416 x 1"));
}

static void test_frames_refused(void)
{
    static const struct {
        int sizes[4];
        vision_fit how;
        ll_status status;
    } cases[] = {
        {{40000, 1, 32, 32}, VISION_FIT_LETTERBOX, LL_E_INVALID},
        {{1, 40000, 32, 32}, VISION_FIT_LETTERBOX, LL_E_INVALID},
        {{60000, 1000, 60000, 60000}, VISION_FIT_LETTERBOX, LL_E_EXHAUSTED},
        {{1 << 20, 1, 1 << 20, 1 << 20}, VISION_FIT_CROP, LL_E_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vision_placement placement;
        struct ll_error err = {.text = ""};
        char size[32];
        snprintf(size, sizeof(size), "%d x %d pixels", cases[i].sizes[0], cases[i].sizes[1]);
        CU_ASSERT_EQUAL(fit(cases[i].sizes, cases[i].how, &placement, &err), cases[i].status);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, size));
    }
}

static void test_whole(void)
{
    struct vision_placement placement = vision_placement_whole(8, 4);
    CU_ASSERT(placement.picture_w == 8 && placement.scaled_w == 8 && placement.net_w == 8 &&
              placement.left == 0);
    CU_ASSERT(placement.picture_h == 4 && placement.scaled_h == 4 && placement.net_h == 4 &&
              placement.top == 0);
}

const char *const ll_test_suite = "vision_placement";
const struct ll_test ll_tests[] = {
    LL_TEST(test_stretch),        LL_TEST(test_letterbox), LL_TEST(test_crop),
    LL_TEST(test_frames_refused), LL_TEST(test_whole),     {NULL, NULL},
};
