#include <png.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "vision/vision_decode.h"

const char *const ll_test_suite = "vision_png";

enum { W = 7, H = 5, FILE_BYTES = 8192 };

/* What a test's file is like, beside its samples. */
struct sample_file {
    int colour_type;
    int depth;
    int interlace;
    void (*add_chunks)(png_structp png, png_infop info);
};

struct file_bytes {
    uint8_t bytes[FILE_BYTES];
    size_t count;
};

static void append(png_structp png, png_bytep data, size_t count)
{
    struct file_bytes *file = png_get_io_ptr(png);
    CU_ASSERT_FATAL(count <= sizeof(file->bytes) - file->count);
    memcpy(file->bytes + file->count, data, count);
    file->count += count;
}

/* Rows of `row_bytes` as PNG wants them. */
static void make_file(const struct sample_file *kind, uint8_t *rows, size_t row_bytes,
                      struct file_bytes *out_file)
{
    out_file->count = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    CU_ASSERT_FATAL(png && info);
    CU_ASSERT_FATAL(setjmp(png_jmpbuf(png)) == 0);
    png_set_write_fn(png, out_file, append, NULL);
    png_set_IHDR(png, info, W, H, kind->depth, kind->colour_type, kind->interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (kind->add_chunks) {
        kind->add_chunks(png, info);
    }
    png_bytep list[H];
    for (int y = 0; y < H; y++) {
        list[y] = rows + (size_t)y * row_bytes;
    }
    png_set_rows(png, info, list);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
}

static const char *write_bytes(const uint8_t *bytes, size_t count)
{
    static char path[4096];
    if (!path[0]) {
        snprintf(path, sizeof(path), "%s/p.png", ll_test_folder());
    }
    ll_test_write_file(path, bytes, count);
    return path;
}

/* Whether the file is read, as these W x H pixels. */
static bool gives(const struct file_bytes *file, const uint8_t *rgb)
{
    struct vision_picture picture = {0};
    struct ll_error err = {.text = ""};
    ll_status status = vision_decode_file(write_bytes(file->bytes, file->count), &picture, &err);
    bool same = status == LL_OK && picture.w == W && picture.h == H &&
                memcmp(picture.pixels, rgb, (size_t)3 * W * H) == 0;
    if (status != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    vision_picture_finish(&picture);
    return same;
}

static uint8_t sample(int x, int y, int c)
{
    return (uint8_t)(37 * x + 11 * y + 85 * c + 3);
}

static void make_rgb(uint8_t *rgb)
{
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            for (int c = 0; c < 3; c++) {
                *rgb++ = sample(x, y, c);
            }
        }
    }
}

/* All that programs write about colours, and that no sample may change by. */
static void add_gamma(png_structp png, png_infop info)
{
    png_set_gAMA(png, info, 1.0);
}

static void add_colour_space(png_structp png, png_infop info)
{
    png_set_gAMA_fixed(png, info, 30000);
    png_set_cHRM(png, info, .3, .3, .7, .3, .2, .7, .1, .1);
}

static void add_srgb(png_structp png, png_infop info)
{
    png_set_sRGB_gAMA_and_cHRM(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
}

static void add_significant_bits(png_structp png, png_infop info)
{
    const png_color_8 bits = {.red = 5, .green = 6, .blue = 5};
    png_set_sBIT(png, info, &bits);
    const png_color_16 background = {.red = 9};
    png_set_bKGD(png, info, &background);
}

static void test_colours_are_not_managed(void)
{
    static void (*const adders[])(png_structp, png_infop) = {NULL, add_gamma, add_colour_space,
                                                             add_srgb, add_significant_bits};
    uint8_t rgb[3 * W * H];
    make_rgb(rgb);
    for (size_t i = 0; i < sizeof(adders) / sizeof(adders[0]); i++) {
        for (int interlace = PNG_INTERLACE_NONE; interlace <= PNG_INTERLACE_ADAM7; interlace++) {
            struct file_bytes file;
            const struct sample_file kind = {PNG_COLOR_TYPE_RGB, 8, interlace, adders[i]};
            make_file(&kind, rgb, (size_t)3 * W, &file);
            CU_ASSERT(gives(&file, rgb));
        }
    }
}

/* Of 16 bits the higher 8 count, whatever the lower ones are. */
static void test_sixteen_bits(void)
{
    static const int types[] = {PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA, PNG_COLOR_TYPE_GRAY,
                                PNG_COLOR_TYPE_GRAY_ALPHA};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bool is_grey = !(types[i] & PNG_COLOR_MASK_COLOR);
        int channels = (is_grey ? 1 : 3) + (types[i] & PNG_COLOR_MASK_ALPHA ? 1 : 0);
        uint8_t rows[2 * 4 * W * H];
        uint8_t rgb[3 * W * H];
        for (int at = 0; at < W * H; at++) {
            for (int c = 0; c < channels; c++) {
                rows[(ptrdiff_t)2 * (at * channels + c)] = sample(at % W, at / W, c);
                rows[2 * (at * channels + c) + 1] = (uint8_t)(255 - at);
            }
            for (int c = 0; c < 3; c++) {
                rgb[(ptrdiff_t)3 * at + c] = sample(at % W, at / W, is_grey ? 0 : c);
            }
        }
        struct file_bytes file;
        const struct sample_file kind = {types[i], 16, PNG_INTERLACE_ADAM7, add_gamma};
        make_file(&kind, rows, (size_t)2 * (size_t)channels * W, &file);
        CU_ASSERT(gives(&file, rgb));
    }
}

/* Grey of 1, 2 and 4 bits is spread over the whole range. */
static void test_few_bits_of_grey(void)
{
    for (int depth = 1; depth <= 4; depth *= 2) {
        uint8_t rows[W * H] = {0};
        uint8_t rgb[3 * W * H];
        int levels = 1 << depth;
        size_t row_bytes = (size_t)(W * depth + 7) / 8;
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                int level = (x + y) % levels;
                int shift = 8 - depth - x * depth % 8;
                rows[(size_t)y * row_bytes + (size_t)(x * depth / 8)] |= (uint8_t)(level << shift);
                memset(rgb + (ptrdiff_t)3 * (y * W + x), level * 255 / (levels - 1), 3);
            }
        }
        struct file_bytes file;
        const struct sample_file kind = {PNG_COLOR_TYPE_GRAY, depth, PNG_INTERLACE_NONE, NULL};
        make_file(&kind, rows, row_bytes, &file);
        CU_ASSERT(gives(&file, rgb));
    }
}

static const png_color colours[4] = {{1, 2, 3}, {255, 0, 9}, {64, 128, 200}, {7, 7, 250}};

static void add_palette(png_structp png, png_infop info)
{
    static const png_byte alpha[3] = {0, 100, 255};
    png_set_PLTE(png, info, colours, 4);
    png_set_tRNS(png, info, alpha, 3, NULL);
}

static void add_transparent_colour(png_structp png, png_infop info)
{
    const png_color_16 colour = {.red = 3, .green = 88, .blue = 173};
    png_set_tRNS(png, info, NULL, 0, &colour);
}

/* Transparent pixels keep their colours. */
static void test_transparency(void)
{
    uint8_t rows[W * H];
    uint8_t rgb[3 * W * H];
    for (int at = 0; at < W * H; at++) {
        const png_color *colour = &colours[at % 4];
        rows[at] = (uint8_t)(at % 4);
        rgb[(ptrdiff_t)3 * at] = colour->red;
        rgb[(ptrdiff_t)3 * at + 1] = colour->green;
        rgb[(ptrdiff_t)3 * at + 2] = colour->blue;
    }
    struct file_bytes file;
    const struct sample_file palette = {PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_NONE, add_palette};
    make_file(&palette, rows, W, &file);
    CU_ASSERT(gives(&file, rgb));
    make_rgb(rgb);
    const struct sample_file keyed = {PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE,
                                      add_transparent_colour};
    make_file(&keyed, rgb, (size_t)3 * W, &file);
    CU_ASSERT(gives(&file, rgb));
}

/* The photo's right half becomes its left one. */
static void add_orientation_3(png_structp png, png_infop info)
{
    static png_byte exif[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                              3,   0,   0, 0,  1, 0, 3, 0, 0, 0, 0, 0,    0};
    png_set_eXIf_1(png, info, sizeof(exif), exif);
}

static void test_orientation(void)
{
    uint8_t rgb[3 * W * H];
    uint8_t turned[3 * W * H];
    make_rgb(rgb);
    for (int i = 0; i < W * H; i++) {
        memcpy(turned + (ptrdiff_t)3 * i, rgb + (ptrdiff_t)3 * (W * H - 1 - i), 3);
    }
    struct file_bytes file;
    const struct sample_file kind = {PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE, add_orientation_3};
    make_file(&kind, rgb, (size_t)3 * W, &file);
    CU_ASSERT(gives(&file, turned));
}

static bool is_refused(const uint8_t *bytes, size_t count)
{
    struct vision_picture picture = {0};
    struct ll_error err = {.text = ""};
    const char *path = write_bytes(bytes, count);
    ll_status status = vision_decode_file(path, &picture, &err);
    bool is = (status == LL_E_INVALID || status == LL_E_EXHAUSTED) && strstr(err.text, path);
    vision_picture_finish(&picture);
    return is;
}

/* Every byte counts: a file that ends anywhere before its end, or has any other byte, is refused.
 */
static void test_every_damage(void)
{
    uint8_t rgb[3 * W * H];
    make_rgb(rgb);
    for (int interlace = PNG_INTERLACE_NONE; interlace <= PNG_INTERLACE_ADAM7; interlace++) {
        struct file_bytes file;
        const struct sample_file kind = {PNG_COLOR_TYPE_RGB, 8, interlace, NULL};
        make_file(&kind, rgb, (size_t)3 * W, &file);
        for (size_t i = 0; i < file.count; i++) {
            CU_ASSERT(is_refused(file.bytes, i));
            file.bytes[i] ^= 0x20;
            CU_ASSERT(is_refused(file.bytes, file.count));
            file.bytes[i] ^= 0x20;
        }
        CU_ASSERT(gives(&file, rgb));
    }
}

/* A file may have anything behind its end. */
static void test_bytes_behind_the_end(void)
{
    uint8_t rgb[3 * W * H];
    make_rgb(rgb);
    struct file_bytes file;
    const struct sample_file kind = {PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE, NULL};
    make_file(&kind, rgb, (size_t)3 * W, &file);
    memset(file.bytes + file.count, 'x', 100);
    file.count += 100;
    CU_ASSERT(gives(&file, rgb));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_colours_are_not_managed),
    LL_TEST(test_sixteen_bits),
    LL_TEST(test_few_bits_of_grey),
    LL_TEST(test_transparency),
    LL_TEST(test_orientation),
    LL_TEST(test_every_damage),
    LL_TEST(test_bytes_behind_the_end),
    {NULL, NULL},
};
