#include "vision/draw/vision_draw.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "vision/vision_decode.h"
#include "vision/vision_png.h"

enum { GREY = 100 };

static struct vision_picture new_picture(int w, int h)
{
    size_t bytes = (size_t)w * (size_t)h * 3;
    struct vision_picture picture = {.w = w, .h = h, .channels = 3, .pixels = malloc(bytes)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(picture.pixels);
    memset(picture.pixels, GREY, bytes);
    return picture;
}

static const uint8_t *pixel(const struct vision_picture *picture, int x, int y)
{
    return picture->pixels + 3 * ((ptrdiff_t)y * picture->w + x);
}

static bool is_grey(const struct vision_picture *picture, int x, int y)
{
    const uint8_t *rgb = pixel(picture, x, y);
    return rgb[0] == GREY && rgb[1] == GREY && rgb[2] == GREY;
}

static bool is_same(const struct vision_picture *picture, int x, int y, const uint8_t *rgb)
{
    return memcmp(pixel(picture, x, y), rgb, 3) == 0;
}

static void test_box_and_label_in_the_file(void)
{
    /* Lines are 2 pixels thick there. */
    struct vision_picture picture = new_picture(600, 400);
    const struct vision_box box = {.class_index = 3,
                                   .label = "dog",
                                   .p = .82F,
                                   .left = 50,
                                   .top = 100,
                                   .right = 250,
                                   .bottom = 300};
    CU_ASSERT_EQUAL_FATAL(vision_draw_boxes(&picture, &box, 1), LL_OK);
    char path[4096];
    snprintf(path, sizeof(path), "%s/out.png", ll_test_folder());
    CU_ASSERT_EQUAL_FATAL(vision_png_write_file(&picture, path, NULL), LL_OK);
    struct vision_picture read = {0};
    CU_ASSERT_EQUAL_FATAL(vision_decode_file(path, &read, NULL), LL_OK);
    CU_ASSERT_FATAL(read.w == 600 && read.h == 400);
    CU_ASSERT_EQUAL(memcmp(read.pixels, picture.pixels, (size_t)600 * 400 * 3), 0);

    const uint8_t *colour = pixel(&read, 50, 200);
    CU_ASSERT_FALSE(is_grey(&read, 50, 200));
    static const int on[][2] = {{51, 200},  {248, 200}, {249, 200}, {150, 100}, {150, 101},
                                {150, 298}, {150, 299}, {249, 299}, {50, 99},   {51, 90}};
    for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
        CU_ASSERT(is_same(&read, on[i][0], on[i][1], colour));
    }
    static const int off[][2] = {{49, 200},  {52, 200},  {247, 200}, {250, 200}, {200, 99},
                                 {150, 102}, {150, 297}, {150, 300}, {49, 90},   {60, 70}};
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        CU_ASSERT(is_grey(&read, off[i][0], off[i][1]));
    }
    vision_picture_finish(&read);
    vision_picture_finish(&picture);
}

/* The columns of row `y` from `x` on that are not grey. */
static int count_row(const struct vision_picture *picture, int x, int y)
{
    int count = 0;
    while (x + count < picture->w && !is_grey(picture, x + count, y)) {
        count++;
    }
    return count;
}

static int label_width(const struct vision_box *boxes, int count)
{
    struct vision_picture picture = new_picture(600, 400);
    CU_ASSERT_EQUAL_FATAL(vision_draw_boxes(&picture, boxes, count), LL_OK);
    int width = count_row(&picture, (int)boxes[0].left, (int)boxes[0].top - 5);
    vision_picture_finish(&picture);
    return width;
}

static void test_labels_at_one_place_are_joined(void)
{
    struct vision_box boxes[] = {
        {.class_index = 0,
         .label = "truck",
         .p = .6F,
         .left = 20,
         .top = 60,
         .right = 30,
         .bottom = 90},
        {.class_index = 1,
         .label = "cat",
         .p = .6F,
         .left = 200,
         .top = 200,
         .right = 300,
         .bottom = 300},
        {.class_index = 2,
         .label = "car",
         .p = .5F,
         .left = 20,
         .top = 60,
         .right = 30,
         .bottom = 90},
    };
    int one = label_width(boxes, 1);
    CU_ASSERT_EQUAL(label_width(boxes, 2), one);
    int both = label_width(boxes, 3);
    /* "truck 60%" and "truck 60%, car 50%": twice as many characters, beside the margin. */
    CU_ASSERT(both > one * 2 - 10 && both < one * 2);
    boxes[2].bottom = 89;
    CU_ASSERT(label_width(boxes, 3) < both);
}

static void test_label_without_room_above_is_inside(void)
{
    struct vision_picture picture = new_picture(600, 400);
    const struct vision_box box = {
        .label = "dog", .p = 1, .left = 580, .top = 4, .right = 600, .bottom = 300};
    CU_ASSERT_EQUAL_FATAL(vision_draw_boxes(&picture, &box, 1), LL_OK);
    CU_ASSERT(is_grey(&picture, 590, 2));
    /* It ends with the picture, and therefore begins left of the box. */
    CU_ASSERT_FALSE(is_grey(&picture, 545, 10));
    CU_ASSERT_FALSE(is_grey(&picture, 599, 10));
    vision_picture_finish(&picture);
}

static void test_first_is_on_top_and_classes_differ(void)
{
    struct vision_picture picture = new_picture(600, 400);
    const struct vision_box boxes[] = {
        {.class_index = 7,
         .label = "a",
         .p = .9F,
         .left = 100,
         .top = 100,
         .right = 200,
         .bottom = 200},
        {.class_index = 8,
         .label = "b",
         .p = .8F,
         .left = 100,
         .top = 100,
         .right = 200,
         .bottom = 300},
    };
    CU_ASSERT_EQUAL_FATAL(vision_draw_boxes(&picture, boxes, 2), LL_OK);
    CU_ASSERT(is_same(&picture, 100, 150, pixel(&picture, 150, 199)));
    CU_ASSERT_FALSE(is_same(&picture, 100, 150, pixel(&picture, 100, 250)));
    vision_picture_finish(&picture);
}

/* AddressSanitizer looks. */
static void test_small_pictures_and_odd_labels(void)
{
    static const int sizes[][2] = {{1, 1}, {3, 200}, {200, 3}, {40, 40}};
    char longest[5000];
    memset(longest, 'W', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *labels[] = {"", longest, "\xff\xc3", "\xe2\x80\x93 \n"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct vision_picture picture = new_picture(sizes[i][0], sizes[i][1]);
        CU_ASSERT_EQUAL(vision_draw_boxes(&picture, NULL, 0), LL_OK);
        CU_ASSERT(is_grey(&picture, 0, 0));
        for (size_t j = 0; j < sizeof(labels) / sizeof(labels[0]); j++) {
            const struct vision_box boxes[] = {
                {.class_index = 1 << 20,
                 .label = labels[j],
                 .p = 1e30F,
                 .left = .2F,
                 .top = .2F,
                 .right = (float)sizes[i][0],
                 .bottom = (float)sizes[i][1]},
                {.label = "", .p = .5F, .left = .4F, .top = .4F, .right = .5F, .bottom = .5F},
            };
            CU_ASSERT_EQUAL(vision_draw_boxes(&picture, boxes, 2), LL_OK);
            CU_ASSERT_FALSE(is_grey(&picture, 0, sizes[i][1] - 1));
        }
        vision_picture_finish(&picture);
    }
}

const char *const ll_test_suite = "vision_draw";
const struct ll_test ll_tests[] = {
    LL_TEST(test_box_and_label_in_the_file),
    LL_TEST(test_labels_at_one_place_are_joined),
    LL_TEST(test_label_without_room_above_is_inside),
    LL_TEST(test_first_is_on_top_and_classes_differ),
    LL_TEST(test_small_pictures_and_odd_labels),
    {NULL, NULL},
};
