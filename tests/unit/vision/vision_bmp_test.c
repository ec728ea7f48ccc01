#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "vision/vision_decode.h"

const char *const ll_test_suite = "vision_bmp";

enum { FILE_BYTES = 512 };

/* A file of 3 x 2 pixels; `extra` is what stands between header and pixels. */
struct kind {
    int depth;
    int compression;
    bool is_from_top;
    const uint8_t *extra;
    int extra_bytes;
    int colours;
};

static void put(uint8_t *at, int64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)((uint64_t)value >> 8 * i);
    }
}

static size_t make_file(const struct kind *kind, const uint8_t *rows, size_t bytes, uint8_t *file)
{
    int at = 54 + kind->extra_bytes;
    memset(file, 0, FILE_BYTES);
    file[0] = 'B';
    file[1] = 'M';
    put(file + 10, at, 4);
    put(file + 14, 40, 4);
    put(file + 18, 3, 4);
    put(file + 22, kind->is_from_top ? -2 : 2, 4);
    put(file + 26, 1, 2);
    put(file + 28, kind->depth, 2);
    put(file + 30, kind->compression, 4);
    put(file + 46, kind->colours, 4);
    if (kind->extra_bytes > 0) {
        memcpy(file + 54, kind->extra, (size_t)kind->extra_bytes);
    }
    memcpy(file + at, rows, bytes);
    return (size_t)at + bytes;
}

static bool gives(const uint8_t *file, size_t count, const uint8_t rgb[static 18])
{
    struct vision_picture picture = {0};
    struct ll_error err = {.text = ""};
    ll_status status = vision_decode(file, count, &picture, &err);
    bool same =
        status == LL_OK && picture.w == 3 && picture.h == 2 && memcmp(picture.pixels, rgb, 18) == 0;
    for (int i = 0; status == LL_OK && !same && i < 18; i++) {
        fprintf(stderr, " %d", picture.pixels[i]);
    }
    fprintf(stderr, "%s", err.text);
    vision_picture_finish(&picture);
    return same;
}

static bool is_refused(const uint8_t *file, size_t count, ll_status expected, const char *words)
{
    struct vision_picture picture = {0};
    struct ll_error err = {.text = ""};
    ll_status status = vision_decode(file, count, &picture, &err);
    vision_picture_finish(&picture);
    return status == expected && strstr(err.text, words);
}

/* The upper row red, green, blue; the lower one black, grey, white. */
static const uint8_t colours[18] = {255, 0, 0, 0,   255, 0,   0,   0,   255,
                                    0,   0, 0, 132, 132, 132, 255, 255, 255};
static const uint8_t palette[24] = {0, 0, 255, 0, 0,   255, 0,   0, 255, 0,   0,   0,
                                    0, 0, 0,   0, 132, 132, 132, 0, 255, 255, 255, 0};

static void test_depths(void)
{
    static const uint8_t true_24[24] = {0, 0, 0, 132, 132, 132, 255, 255, 255, 0, 0,
                                        0, 0, 0, 255, 0,   255, 0,   255, 0,   0};
    static const uint8_t true_32[24] = {0, 0, 0,   9, 132, 132, 132, 9, 255, 255, 255, 9,
                                        0, 0, 255, 9, 0,   255, 0,   9, 255, 0,   0,   9};
    /* 5 bits each: 16 of 31 is 10000 repeated, 132. */
    static const uint8_t true_16[16] = {0, 0,    0x10, 0x42, 0xff, 0x7f, 0, 0,
                                        0, 0x7c, 0xe0, 0x03, 0x1f, 0,    0, 0};
    static const uint8_t by_4[8] = {0x34, 0x50, 0, 0, 0x01, 0x20, 0, 0};
    static const uint8_t by_8[8] = {3, 4, 5, 0, 0, 1, 2, 0};
    static const struct {
        struct kind kind;
        const uint8_t *rows;
        size_t bytes;
    } cases[] = {
        {{.depth = 24}, true_24, sizeof(true_24)},
        {{.depth = 32}, true_32, sizeof(true_32)},
        {{.depth = 16}, true_16, sizeof(true_16)},
        {{.depth = 4, .extra = palette, .extra_bytes = 24, .colours = 6}, by_4, sizeof(by_4)},
        {{.depth = 8, .extra = palette, .extra_bytes = 24, .colours = 6}, by_8, sizeof(by_8)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t file[FILE_BYTES];
        size_t count = make_file(&cases[i].kind, cases[i].rows, cases[i].bytes, file);
        CU_ASSERT(gives(file, count, colours));
        /* The last row's padding may be missing, and nothing else. */
        for (size_t cut = 0; cut + 4 < count; cut++) {
            CU_ASSERT(is_refused(file, cut, LL_E_INVALID, cut < 2 ? "" : "BMP"));
        }
    }
}

static void test_one_bit(void)
{
    static const uint8_t two[8] = {1, 2, 3, 0, 7, 8, 9, 0};
    static const uint8_t rows[8] = {0x40, 0, 0, 0, 0xa0, 0, 0, 0};
    static const uint8_t rgb[18] = {9, 8, 7, 3, 2, 1, 9, 8, 7, 3, 2, 1, 9, 8, 7, 3, 2, 1};
    uint8_t file[FILE_BYTES];
    const struct kind kind = {.depth = 1, .extra = two, .extra_bytes = 8};
    CU_ASSERT(gives(file, make_file(&kind, rows, sizeof(rows), file), rgb));
}

static void test_rows_from_the_top(void)
{
    static const uint8_t rows[24] = {0, 0, 255, 0, 255, 0,   255, 0,   0,   0,  0,
                                     0, 0, 0,   0, 132, 132, 132, 255, 255, 255};
    uint8_t file[FILE_BYTES];
    const struct kind kind = {.depth = 24, .is_from_top = true};
    CU_ASSERT(gives(file, make_file(&kind, rows, sizeof(rows), file), colours));
}

/* Red in the lowest byte, as some programs write it; 5, 6 and 5 bits. */
static void test_masks(void)
{
    static const uint8_t swapped[12] = {0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0xff, 0};
    static const uint8_t rows_32[24] = {0,   0, 0, 0, 132, 132, 132, 0, 255, 255, 255, 0,
                                        255, 0, 0, 0, 0,   255, 0,   0, 0,   0,   255, 0};
    static const uint8_t usual[12] = {0, 0xf8, 0, 0, 0xe0, 0x07, 0, 0, 0x1f, 0, 0, 0};
    static const uint8_t rows_16[16] = {0, 0,    0x30, 0x84, 0xff, 0xff, 0, 0,
                                        0, 0xf8, 0xe0, 0x07, 0x1f, 0,    0, 0};
    uint8_t file[FILE_BYTES];
    const struct kind wide = {.depth = 32, .compression = 3, .extra = swapped, .extra_bytes = 12};
    CU_ASSERT(gives(file, make_file(&wide, rows_32, sizeof(rows_32), file), colours));
    const struct kind narrow = {.depth = 16, .compression = 3, .extra = usual, .extra_bytes = 12};
    uint8_t rgb[18];
    memcpy(rgb, colours, 18);
    /* 33 of 63 is 100001 repeated, 134. */
    rgb[13] = 134;
    CU_ASSERT(gives(file, make_file(&narrow, rows_16, sizeof(rows_16), file), rgb));
    static const uint8_t apart[12] = {0x05, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0xff, 0};
    const struct kind odd = {.depth = 32, .compression = 3, .extra = apart, .extra_bytes = 12};
    size_t count = make_file(&odd, rows_32, sizeof(rows_32), file);
    CU_ASSERT(is_refused(file, count, LL_E_INVALID, "do not stand together"));
}

static void test_refusals(void)
{
    static const uint8_t rows[24] = {7, 7, 7};
    uint8_t file[FILE_BYTES];
    const struct kind rle = {.depth = 8, .compression = 1, .extra = palette, .extra_bytes = 24};
    size_t count = make_file(&rle, rows, sizeof(rows), file);
    CU_ASSERT(is_refused(file, count, LL_E_UNSUPPORTED, "compressed BMP picture (method 1)"));
    const struct kind odd = {.depth = 12};
    count = make_file(&odd, rows, sizeof(rows), file);
    CU_ASSERT(is_refused(file, count, LL_E_INVALID, "12 bits a pixel"));
    const struct kind few = {.depth = 8, .extra = palette, .extra_bytes = 24, .colours = 6};
    count = make_file(&few, rows, sizeof(rows), file);
    CU_ASSERT(is_refused(file, count, LL_E_INVALID, "its palette does not have"));
    const struct kind deep = {.depth = 24};
    count = make_file(&deep, rows, sizeof(rows), file);
    put(file + 10, 0xffffffff, 4);
    CU_ASSERT(is_refused(file, count, LL_E_INVALID, "ends before the picture does"));
    put(file + 10, 20, 4);
    CU_ASSERT(is_refused(file, count, LL_E_INVALID, "ends before the picture does"));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_depths), LL_TEST(test_one_bit),  LL_TEST(test_rows_from_the_top),
    LL_TEST(test_masks),  LL_TEST(test_refusals), {NULL, NULL},
};
