#include "vision/draw/vision_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"

static const struct vision_colour white = {255, 255, 255};

static struct vision_picture new_picture(int w, int h)
{
    struct vision_picture picture = {.w = w, .h = h, .channels = 3};
    picture.pixels = calloc((size_t)w * (size_t)h, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(picture.pixels);
    return picture;
}

static struct vision_text *new_text(int height)
{
    struct vision_text *text = NULL;
    CU_ASSERT_EQUAL_FATAL(vision_text_create(height, &text), LL_OK);
    return text;
}

/* Whether something is written in the pixels from (left, top) up to (right, bottom). */
static bool is_written(const struct vision_picture *picture, int left, int top, int right,
                       int bottom)
{
    for (int y = top; y < bottom; y++) {
        for (int x = left; x < right; x++) {
            if (picture->pixels[3 * ((ptrdiff_t)y * picture->w + x)] != 0) {
                return true;
            }
        }
    }
    return false;
}

static void test_height_is_about_what_was_asked_for(void)
{
    static const int heights[] = {14, 17, 20, 69, 400};
    for (size_t i = 0; i < sizeof(heights) / sizeof(heights[0]); i++) {
        struct vision_text *text = new_text(heights[i]);
        CU_ASSERT(abs(vision_text_height(text) - heights[i]) <= 2);
        vision_text_destroy(text);
    }
    struct vision_text *smallest = new_text(0);
    CU_ASSERT(vision_text_height(smallest) < 5);
    vision_text_destroy(smallest);
    vision_text_destroy(NULL);
}

/* The font gives all characters the same width. */
static void test_width_counts_characters(void)
{
    static const struct {
        const char *line;
        int characters;
    } cases[] = {
        {"", 0},
        {"M", 1},
        {"ii", 2},
        {"f\xc3\xbcr", 3},
        {"\xe2\x80\x93", 1},
        {"\xf0\x9f\x90\x95", 1},
        {"a\xffz", 3},
        {"\xc3", 1},
        {"\xe2\x80", 2},
        {"\xc0\xaf", 2},
        {"\xf8\x88", 2},
        {"tab\t", 4},
    };
    struct vision_text *text = new_text(20);
    int one = vision_text_width(text, "M", 1000);
    CU_ASSERT(one > 5 && one < 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CU_ASSERT_EQUAL(vision_text_width(text, cases[i].line, 1000), cases[i].characters * one);
    }
    CU_ASSERT_EQUAL(vision_text_width(text, "MMM", one + 1), one + 1);
    CU_ASSERT_EQUAL(vision_text_width(text, "MMM", 0), 0);
    vision_text_destroy(text);
}

static void test_write_fills_its_place(void)
{
    struct vision_picture picture = new_picture(100, 60);
    struct vision_text *text = new_text(20);
    int width = vision_text_width(text, "Mj", 1000);
    int height = vision_text_height(text);
    vision_text_write(text, &picture, 30, 10, "Mj", white);
    CU_ASSERT(is_written(&picture, 30, 10, 30 + width / 2, 10 + height));
    CU_ASSERT(is_written(&picture, 30 + width / 2, 10, 30 + width, 10 + height));
    CU_ASSERT_FALSE(is_written(&picture, 0, 0, 100, 10));
    CU_ASSERT_FALSE(is_written(&picture, 0, 10 + height, 100, 60));
    CU_ASSERT_FALSE(is_written(&picture, 0, 0, 29, 60));
    CU_ASSERT_FALSE(is_written(&picture, 31 + width, 0, 100, 60));
    vision_text_destroy(text);
    vision_picture_finish(&picture);
}

/* AddressSanitizer looks. */
static void test_write_stays_inside(void)
{
    static const int places[][2] = {{-5, -5},  {95, 55},   {-500, 10},
                                    {500, 10}, {10, -500}, {10, 500}};
    struct vision_picture picture = new_picture(100, 60);
    struct vision_text *text = new_text(20);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        vision_text_write(text, &picture, places[i][0], places[i][1], "WWWWWWWWWWWWWWWWWWW", white);
    }
    CU_ASSERT(is_written(&picture, 0, 0, 100, 15));
    CU_ASSERT(is_written(&picture, 96, 56, 100, 60));
    vision_text_destroy(text);
    vision_picture_finish(&picture);
}

const char *const ll_test_suite = "vision_text";
const struct ll_test ll_tests[] = {
    LL_TEST(test_height_is_about_what_was_asked_for),
    LL_TEST(test_width_counts_characters),
    LL_TEST(test_write_fills_its_place),
    LL_TEST(test_write_stays_inside),
    {NULL, NULL},
};
