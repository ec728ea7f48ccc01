#include "vision/vision_input.h"

#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <unistd.h>

#include "tests/support/ll_test.h"
#include "tests/support/picture_files.h"
#include "vision/vision_output.h"
#include "vision/vision_png.h"

const char *const ll_test_suite = "vision_input";

static const char *const dog = "external/darknet/data/dog.jpg";

/* A path in a new folder; static buffer. */
static const char *new_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/%s", ll_test_folder(), name);
    return path;
}

/* The caller frees. */
static unsigned char *read_dog(size_t *out_count)
{
    FILE *file = fopen(ll_test_file(dog), "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    unsigned char *bytes = malloc(1 << 20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    *out_count = fread(bytes, 1, 1 << 20, file);
    CU_ASSERT_FATAL(*out_count > 100000 && *out_count < 1 << 20);
    fclose(file);
    return bytes;
}

static ll_status load_picture(const char *path, const struct vision_fit_target *target,
                              struct vision_input *out_input, struct ll_error *err)
{
    const struct ll_table table = {.in_c = target->c, .in_h = target->h, .in_w = target->w};
    const struct vision_input_source source = {.image = path, .fit = target->fit};
    return vision_input_load(&source, &table, out_input, err);
}

static ll_status load(const char *path, struct vision_fit_target target, float **out_data,
                      struct ll_error *err)
{
    struct vision_input input = {0};
    ll_status status = load_picture(path, &target, &input, err);
    vision_picture_finish(&input.picture);
    *out_data = input.data;
    return status;
}

/* Whether the file is refused with that status, by a sentence that names it and says `word`. */
static bool is_refused(const char *path, ll_status status, const char *word)
{
    float *data = NULL;
    struct ll_error err = {.text = ""};
    ll_status got =
        load(path, (struct vision_fit_target){3, 32, 32, VISION_FIT_LETTERBOX}, &data, &err);
    bool same = got == status && strstr(err.text, path) && strstr(err.text, word) && !data;
    if (!same) {
        fprintf(stderr, "%s: %s\n", ll_status_name(got), err.text);
    }
    free(data);
    return same;
}

/* Columns of 2 x 4 pixels: red, green, blue, white; rows from the top get darker. */
static void make_pixels(unsigned char *rgb)
{
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 8; x++) {
            unsigned char bright = (unsigned char)(255 - 40 * y);
            for (int c = 0; c < 3; c++) {
                rgb[3 * (8 * y + x) + c] = x / 2 == c || x / 2 == 3 ? bright : 0;
            }
        }
    }
}

static void write_png(const char *path, const unsigned char *pixels, unsigned format)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .width = 8, .height = 4, .format = format};
    CU_ASSERT_FATAL(png_image_write_to_file(&png, path, 0, pixels, 0, NULL));
}

/* Whether an 8 x 4 network input holds those pixels exactly. */
static bool holds_pixels(const float *data, const unsigned char *rgb)
{
    if (!data) {
        return false;
    }
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 32; i++) {
            if (data[32 * c + i] != (float)rgb[3 * i + c] / 255.0F) {
                return false;
            }
        }
    }
    return true;
}

static void check_lossless(const char *path, const unsigned char *rgb)
{
    float *data = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(
        load(path, (struct vision_fit_target){3, 4, 8, VISION_FIT_LETTERBOX}, &data, &err), LL_OK);
    CU_ASSERT(holds_pixels(data, rgb));
    free(data);
}

static void test_load_png(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    const char *path = new_path("p.png");
    write_png(path, rgb, PNG_FORMAT_RGB);
    check_lossless(path, rgb);
}

static void test_load_png_drops_alpha(void)
{
    unsigned char rgb[96];
    unsigned char rgba[128];
    make_pixels(rgb);
    for (int i = 0; i < 32; i++) {
        memcpy(&rgba[4 * (size_t)i], &rgb[3 * (size_t)i], 3);
        rgba[4 * i + 3] = (unsigned char)(i * 8);
    }
    const char *path = new_path("alpha.png");
    write_png(path, rgba, PNG_FORMAT_RGBA);
    check_lossless(path, rgb);
}

static void test_load_bmp(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    const char *path = new_path("p.bmp");
    CU_ASSERT_EQUAL_FATAL(tjSaveImage(path, rgb, 8, 0, 4, TJPF_RGB, 0), 0);
    check_lossless(path, rgb);
}

static void test_write_png(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    const struct vision_picture picture = {.w = 8, .h = 4, .channels = 3, .pixels = rgb};
    const char *path = new_path("out.png");
    ll_test_write_file(path, rgb, sizeof(rgb));
    CU_ASSERT_EQUAL_FATAL(vision_png_write_file(&picture, path, NULL), LL_OK);
    check_lossless(path, rgb);
}

static void test_write_where_it_cannot(void)
{
    unsigned char rgb[96] = {0};
    const struct vision_picture picture = {.w = 8, .h = 4, .channels = 3, .pixels = rgb};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_png_write_file(&picture, "/no/such/folder/out.png", &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/folder/out.png"));
    CU_ASSERT_EQUAL(vision_png_write_file(&picture, "/dev/full", &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/dev/full"));
}

/* The picture stays beside what the network gets, in colour for a network that sees grey too. */
static void test_load_keeps_the_picture(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    const char *path = new_path("p.png");
    write_png(path, rgb, PNG_FORMAT_RGB);
    const struct vision_fit_target target = {1, 2, 8, VISION_FIT_LETTERBOX};
    struct vision_input input = {0};
    CU_ASSERT_EQUAL_FATAL(load_picture(path, &target, &input, NULL), LL_OK);
    CU_ASSERT(input.picture.w == 8 && input.picture.h == 4 && input.picture.channels == 3);
    CU_ASSERT_EQUAL(memcmp(input.picture.pixels, rgb, sizeof(rgb)), 0);
    CU_ASSERT(input.placement.picture_w == 8 && input.placement.scaled_w == 4 &&
              input.placement.left == 2);
    vision_input_finish(&input);
}

static void test_load_luminance(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    const char *path = new_path("p.png");
    write_png(path, rgb, PNG_FORMAT_RGB);
    float *data = NULL;
    CU_ASSERT_EQUAL_FATAL(
        load(path, (struct vision_fit_target){1, 4, 8, VISION_FIT_LETTERBOX}, &data, NULL), LL_OK);
    CU_ASSERT_DOUBLE_EQUAL(data[0], 76 / 255., 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(data[2], 149 / 255., 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(data[4], 28 / 255., 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(data[6], 1, 1e-6);
    free(data);
}

static void test_letterbox_has_grey_bars(void)
{
    float *data = NULL;
    CU_ASSERT_EQUAL_FATAL(load(ll_test_file(dog),
                               (struct vision_fit_target){3, 416, 416, VISION_FIT_LETTERBOX}, &data,
                               NULL),
                          LL_OK);
    /* 768 x 576 becomes 416 x 312 between bars of 52 rows. */
    const ptrdiff_t plane = (ptrdiff_t)416 * 416;
    for (int c = 0; c < 3; c++) {
        CU_ASSERT_EQUAL(data[c * plane], .5F);
        CU_ASSERT_EQUAL(data[c * plane + 21216 + 415], .5F);
        CU_ASSERT_EQUAL(data[c * plane + 151424], .5F);
        CU_ASSERT_EQUAL(data[c * plane + 172640 + 415], .5F);
    }
    int grey = 0;
    for (int i = 52 * 416; i < 364 * 416; i++) {
        CU_ASSERT_FATAL(data[i] >= 0 && data[i] <= 1);
        grey += data[i] == .5F;
    }
    CU_ASSERT(grey < 1000);
    free(data);
}

static void test_crop_takes_the_middle(void)
{
    /* 8 x 4 pixels cover 2 x 2 as 4 x 2, of which the middle is green and blue. */
    unsigned char rgb[96];
    make_pixels(rgb);
    const char *path = new_path("p.png");
    write_png(path, rgb, PNG_FORMAT_RGB);
    float *data = NULL;
    CU_ASSERT_EQUAL_FATAL(
        load(path, (struct vision_fit_target){3, 2, 2, VISION_FIT_CROP}, &data, NULL), LL_OK);
    CU_ASSERT(data[4] > .5F && data[9] > .5F);
    CU_ASSERT(data[0] < .3F && data[1] < .3F);
    CU_ASSERT(data[4] > data[6]);
    free(data);
}

static void test_crop_values(void)
{
    /* What training pipelines make of the photo (Pillow 9.4: resize to 341 x 256, bicubic, then the
     * middle), a few of its values by hand. */
    float *data = NULL;
    CU_ASSERT_EQUAL_FATAL(load(ll_test_file(dog),
                               (struct vision_fit_target){3, 224, 224, VISION_FIT_CROP}, &data,
                               NULL),
                          LL_OK);
    CU_ASSERT_DOUBLE_EQUAL(data[0], 119 / 255., .5 / 255);
    CU_ASSERT_DOUBLE_EQUAL(data[100 * 224 + 100], 122 / 255., .5 / 255);
    CU_ASSERT_DOUBLE_EQUAL(data[3 * 224 * 224 - 1], 163 / 255., .5 / 255);
    free(data);
}

/* 2 x 2 pixels on 3 x 5: the corners stay, and between them is what lies between them. */
static void test_stretch_values(void)
{
    static unsigned char rgb[12] = {0, 8, 16, 100, 108, 116, 200, 208, 216, 60, 68, 76};
    const char *path = new_path("four.bmp");
    CU_ASSERT_EQUAL_FATAL(tjSaveImage(path, rgb, 2, 0, 2, TJPF_RGB, 0), 0);
    float *data = NULL;
    CU_ASSERT_EQUAL_FATAL(
        load(path, (struct vision_fit_target){3, 5, 3, VISION_FIT_STRETCH}, &data, NULL), LL_OK);
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < 5; y++) {
            double left = rgb[c] + y / 4. * (rgb[6 + c] - rgb[c]);
            double right = rgb[3 + c] + y / 4. * (rgb[9 + c] - rgb[3 + c]);
            const float *row = data + (ptrdiff_t)(c * 5 + y) * 3;
            CU_ASSERT_DOUBLE_EQUAL(row[0], left / 255, 1e-6);
            CU_ASSERT_DOUBLE_EQUAL(row[1], (left + right) / 2 / 255, 1e-6);
            CU_ASSERT_DOUBLE_EQUAL(row[2], right / 255, 1e-6);
        }
    }
    free(data);
}

/* One row, one column, and onto one column. */
static void test_stretch_lines(void)
{
    static const int sizes[][4] = {{30, 1, 4, 2}, {1, 30, 8, 8}, {1, 1, 32, 2}, {40, 40, 2, 1}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        static unsigned char pixels[3 * 1600];
        const char *path = new_path("line.bmp");
        memset(pixels, 51, sizeof(pixels));
        CU_ASSERT_EQUAL_FATAL(tjSaveImage(path, pixels, sizes[i][0], 0, sizes[i][1], TJPF_RGB, 0),
                              0);
        const struct vision_fit_target target = {3, sizes[i][2], sizes[i][3], VISION_FIT_STRETCH};
        float *data = NULL;
        CU_ASSERT_EQUAL_FATAL(load(path, target, &data, NULL), LL_OK);
        for (int at = 0; at < 3 * target.h * target.w; at++) {
            CU_ASSERT_DOUBLE_EQUAL(data[at], .2, 1e-6);
        }
        free(data);
    }
}

static void test_fit_names(void)
{
    vision_fit fit = VISION_FIT_CROP;
    struct ll_error err;
    CU_ASSERT_EQUAL(vision_fit_parse("letterbox", &fit, &err), LL_OK);
    CU_ASSERT_EQUAL(fit, VISION_FIT_LETTERBOX);
    CU_ASSERT_EQUAL(vision_fit_parse("crop", &fit, &err), LL_OK);
    CU_ASSERT_EQUAL(fit, VISION_FIT_CROP);
    CU_ASSERT_EQUAL(vision_fit_parse("stretch", &fit, &err), LL_OK);
    CU_ASSERT_EQUAL(fit, VISION_FIT_STRETCH);
    CU_ASSERT_EQUAL(vision_fit_parse("squeeze", &fit, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "letterbox, crop, stretch"));
}

static void test_load_other_channels(void)
{
    float *data = NULL;
    CU_ASSERT_EQUAL(
        load(ll_test_file(dog), (struct vision_fit_target){4, 8, 8, VISION_FIT_CROP}, &data, NULL),
        LL_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(
        load(ll_test_file(dog), (struct vision_fit_target){3, 0, 0, VISION_FIT_CROP}, &data, NULL),
        LL_E_UNSUPPORTED);
}

static void test_load_missing_and_empty(void)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_path("none.jpg"));
    CU_ASSERT(is_refused(path, LL_E_NOT_FOUND, ""));
    ll_test_write_file(path, "", 0);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "empty"));
    CU_ASSERT(is_refused("/", LL_E_IO, ""));
}

static void test_load_garbage(void)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_path("garbage"));
    static const unsigned char heads[][8] = {
        {0xff, 0xd8, 0xff, 0xe0},
        {0x89, 'P', 'N', 'G', 13, 10, 26, 10},
        {'B', 'M'},
        {'G', 'I', 'F'},
    };
    for (size_t head = 0; head < sizeof(heads) / sizeof(heads[0]); head++) {
        unsigned char bytes[4096];
        uint32_t state = 1 + (uint32_t)head;
        for (size_t i = 0; i < sizeof(bytes); i++) {
            state = state * 1664525U + 1013904223U;
            bytes[i] = (unsigned char)(state >> 24);
        }
        memcpy(bytes, heads[head], sizeof(heads[head]));
        float *data = NULL;
        for (size_t count = 1; count <= sizeof(bytes); count *= 2) {
            ll_test_write_file(path, bytes, count);
            struct ll_error err = {.text = ""};
            ll_status status = load(
                path, (struct vision_fit_target){3, 32, 32, VISION_FIT_LETTERBOX}, &data, &err);
            CU_ASSERT(status == LL_E_INVALID || status == LL_E_EXHAUSTED);
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
        }
    }
}

static void test_load_truncated_jpeg(void)
{
    size_t count = 0;
    unsigned char *bytes = read_dog(&count);
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_path("cut.jpg"));
    for (int part = 1; part < 16; part++) {
        ll_test_write_file(path, bytes, count * (size_t)part / 16);
        CU_ASSERT(is_refused(path, LL_E_INVALID, "JPEG"));
    }
    for (size_t cut = 3; cut < 700; cut += 13) {
        ll_test_write_file(path, bytes, cut);
        CU_ASSERT(is_refused(path, LL_E_INVALID, "JPEG"));
    }
    free(bytes);
}

static void test_load_truncated_png_and_bmp(void)
{
    unsigned char rgb[96];
    make_pixels(rgb);
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_path("p.png"));
    write_png(path, rgb, PNG_FORMAT_RGB);
    CU_ASSERT_EQUAL_FATAL(truncate(path, 60), 0);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "PNG"));
    snprintf(path, sizeof(path), "%s", new_path("p.bmp"));
    CU_ASSERT_EQUAL_FATAL(tjSaveImage(path, rgb, 8, 0, 4, TJPF_RGB, 0), 0);
    static const int lengths[] = {100, 54, 40, 25, 14};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(truncate(path, lengths[i]), 0);
        CU_ASSERT(is_refused(path, LL_E_INVALID, "BMP"));
    }
}

/* The start-of-placement segment of the photo with another size: nothing may be allocated for it.
 */
static void test_load_huge_jpeg(void)
{
    size_t count = 0;
    unsigned char *bytes = read_dog(&count);
    size_t at = 2;
    while (at + 9 < count && bytes[at + 1] != 0xc0 && bytes[at + 1] != 0xc2) {
        at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
    }
    CU_ASSERT_FATAL(at + 9 < count);
    static const unsigned char sides[] = {0xea, 0x60, 0xea, 0x60};
    memcpy(bytes + at + 5, sides, sizeof(sides));
    const char *path = new_path("huge.jpg");
    ll_test_write_file(path, bytes, count);
    CU_ASSERT(is_refused(path, LL_E_EXHAUSTED, "60000 x 60000"));
    memset(bytes + at + 5, 0, 4);
    ll_test_write_file(path, bytes, count);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "JPEG"));
    free(bytes);
}

static void test_load_huge_bmp(void)
{
    unsigned char bytes[64] = {'B', 'M', [14] = 40, [26] = 1, [28] = 24};
    static const unsigned char most[] = {0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f};
    memcpy(bytes + 18, most, sizeof(most));
    const char *path = new_path("huge.bmp");
    ll_test_write_file(path, bytes, sizeof(bytes));
    CU_ASSERT(is_refused(path, LL_E_EXHAUSTED, "2147483647 x 2147483647"));
    memset(bytes + 18, 0, 8);
    ll_test_write_file(path, bytes, sizeof(bytes));
    CU_ASSERT(is_refused(path, LL_E_INVALID, "0 x 0"));
    memset(bytes + 18, 0xff, 4);
    ll_test_write_file(path, bytes, sizeof(bytes));
    CU_ASSERT(is_refused(path, LL_E_INVALID, "-1 x 0"));
}

static void test_load_huge_png(void)
{
    /* A signature and a header chunk of 100000 x 100000 pixels with its checksum. */
    static const unsigned char bytes[] = {
        0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0,    0,   0,   13, 'I', 'H', 'D',
        'R',  0,    0x01, 0x86, 0xa0, 0,    0x01, 0x86, 0xa0, 8,   2,   0,  0,   0,   0x27,
        0x30, 0x9c, 0x9f, 0,    0,    0,    1,    'I',  'D',  'A', 'T', 0,  0,   0,   0,
    };
    const char *path = new_path("huge.png");
    ll_test_write_file(path, bytes, sizeof(bytes));
    CU_ASSERT(is_refused(path, LL_E_EXHAUSTED, "100000 x 100000"));
}

static void write_line(const char *path, int w, int h)
{
    static unsigned char pixels[3 * 40000];
    CU_ASSERT_EQUAL_FATAL(tjSaveImage(path, pixels, w, 0, h, TJPF_RGB, 0), 0);
}

/* Darknet's letterboxing reads wild where nothing, or one row, of a picture remains. */
static void test_load_lines(void)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s", new_path("line.bmp"));
    write_line(path, 40000, 1);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "vanishes"));
    write_line(path, 1, 40000);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "vanishes"));
    write_line(path, 30, 1);
    CU_ASSERT(is_refused(path, LL_E_INVALID, "vanishes"));
    float *data = NULL;
    write_line(path, 1, 1);
    CU_ASSERT_EQUAL(
        load(path, (struct vision_fit_target){3, 8, 8, VISION_FIT_LETTERBOX}, &data, NULL), LL_OK);
    free(data);
    write_line(path, 1, 30);
    CU_ASSERT_EQUAL(
        load(path, (struct vision_fit_target){3, 32, 32, VISION_FIT_LETTERBOX}, &data, NULL),
        LL_OK);
    free(data);
    write_line(path, 40000, 1);
    CU_ASSERT_EQUAL(load(path, (struct vision_fit_target){3, 32, 32, VISION_FIT_CROP}, &data, NULL),
                    LL_OK);
    free(data);
    CU_ASSERT_EQUAL(
        load(path, (struct vision_fit_target){3, 4096, 4096, VISION_FIT_CROP}, &data, NULL),
        LL_E_EXHAUSTED);
}

/* ---- Raw floats ---- */

static bool same(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

static void test_load_raw(void)
{
    static const float values[6] = {1, -2, 3.5F, 0, 1e-30F, 6};
    const struct ll_table table = {.in_c = 1, .in_h = 2, .in_w = 3, .in_floats = 6};
    const struct vision_input_source source = {.input_f32 =
                                                   ll_test_new_file("in", values, sizeof(values))};
    struct vision_input input = {0};
    CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, &table, &input, NULL), LL_OK);
    CU_ASSERT(same(input.data, values, sizeof(values) / sizeof(values[0])));
    vision_input_finish(&input);
}

static void test_load_raw_other_size(void)
{
    static const float values[6] = {0};
    static const size_t sizes[] = {0, 20, 23};
    const struct ll_table table = {.in_floats = 6};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct vision_input_source source = {.input_f32 =
                                                       ll_test_new_file("in", values, sizes[i])};
        struct vision_input input = {0};
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(vision_input_load(&source, &table, &input, &err), LL_E_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, source.input_f32));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "has 24 (6 floats)"));
        CU_ASSERT_PTR_NULL(input.data);
    }
}

static void test_load_missing_raw(void)
{
    const struct ll_table table = {.in_floats = 6, .in_c = 3, .in_h = 1, .in_w = 2};
    struct vision_input_source source = {.input_f32 = "/no/such/file"};
    struct vision_input input = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &input, &err), LL_E_NOT_FOUND);
    source = (struct vision_input_source){.image = "/no/such/file"};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &input, &err), LL_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/no/such/file"));
}

static void test_load_image_into_flat_input(void)
{
    const struct ll_table table = {.in_floats = 6};
    const struct vision_input_source source = {.image = "/no/such/file"};
    struct vision_input input = {0};
    CU_ASSERT_EQUAL(vision_input_load(&source, &table, &input, NULL), LL_E_UNSUPPORTED);
}

static void test_load_what_was_written(void)
{
    static const float values[4] = {1, 2, 3, 4};
    char path[4096];
    snprintf(path, sizeof(path), "%s", ll_test_new_file("out", "something longer than that", 26));
    CU_ASSERT_EQUAL_FATAL(vision_output_write(path, values, 4, NULL), LL_OK);
    const struct ll_table table = {.in_floats = 4};
    const struct vision_input_source source = {.input_f32 = path};
    struct vision_input input = {0};
    CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, &table, &input, NULL), LL_OK);
    CU_ASSERT(same(input.data, values, sizeof(values) / sizeof(values[0])));
    vision_input_finish(&input);
}

/* ---- Files for others ---- */

static const struct ll_table other_tables[] = {
    {.in_c = 3, .in_h = 32, .in_w = 48, .in_floats = INT64_C(3) * 32 * 48},
    {.in_c = 1, .in_h = 28, .in_w = 28, .in_floats = INT64_C(28) * 28},
};

/* The bits that a picture's owner has, from the file that it gives away. */
static void check_file(const struct picture_file *picture, vision_fit fit,
                       const struct ll_table *table, vision_format format, int orientation)
{
    const struct vision_input_source source = {
        .image = ll_test_new_file("p", picture->data, picture->count),
        .fit = fit,
        .keeps_file = true,
    };
    struct vision_input input = {0};
    struct ll_error err = {.text = ""};
    float *data = NULL;
    int64_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, table, &input, &err), LL_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(input.file.bytes);
    CU_ASSERT(input.file.format == format && input.file.orientation == orientation);
    CU_ASSERT(ll_buf_bytes(input.file.bytes) <= picture->count);
    CU_ASSERT_EQUAL_FATAL(vision_input_of_file(&input.file, table, &data, &err), LL_OK);
    CU_ASSERT_EQUAL(memcmp(data, input.data, (size_t)table->in_floats * sizeof(float)), 0);
    CU_ASSERT_EQUAL(vision_input_measure(&input.file, table, &bytes, &err), LL_OK);
    CU_ASSERT(bytes >= (int64_t)3 * input.picture.w * input.picture.h);
    free(data);
    vision_input_finish(&input);
}

static void test_files_give_the_same_bits(void)
{
    static const vision_fit fits[] = {VISION_FIT_LETTERBOX, VISION_FIT_CROP, VISION_FIT_STRETCH};
    static const struct picture_jpeg kinds[] = {
        {90, 61, 2, 2, false, false, 85},
        {61, 90, 2, 1, false, true, 75},
        {90, 61, 1, 2, false, false, 90},
        {64, 64, 1, 1, true, false, 85},
    };
    for (int i = 0; i < 3 * 2 * 4; i++) {
        const struct ll_table *table = &other_tables[i / 3 % 2];
        struct picture_file exif = picture_exif_segment(1 + i % 8);
        struct picture_file jpeg = picture_file_jpeg(&kinds[i / 6], (unsigned)i);
        picture_file_insert(&jpeg, 2, exif.data, exif.count);
        check_file(&jpeg, fits[i % 3], table, VISION_JPEG, 1 + i % 8);
        struct picture_file png = picture_file_png(50, 70, i % 2 == 0, (unsigned)i);
        check_file(&png, fits[i % 3], table, VISION_PNG, 1);
        struct picture_file bmp = picture_file_bmp(70, 50, (unsigned)i);
        check_file(&bmp, fits[i % 3], table, VISION_BMP, 1);
        picture_file_finish(&exif);
        picture_file_finish(&jpeg);
        picture_file_finish(&png);
        picture_file_finish(&bmp);
    }
}

/* A progressive picture needs all of its coefficients at once, a turned one its pixels twice. */
static void test_measure(void)
{
    const struct picture_jpeg kinds[] = {{80, 64, 2, 2, false, false, 85},
                                         {80, 64, 2, 2, false, true, 85}};
    int64_t bytes[2];
    struct ll_error err = {.text = ""};
    for (int i = 0; i < 2; i++) {
        struct picture_file jpeg = picture_file_jpeg(&kinds[i], 1);
        struct vision_measure measure;
        CU_ASSERT_EQUAL_FATAL(vision_measure(jpeg.data, jpeg.count, &measure, &err), LL_OK);
        CU_ASSERT(measure.w == 80 && measure.h == 64);
        bytes[i] = measure.bytes;
        picture_file_finish(&jpeg);
    }
    CU_ASSERT_EQUAL(bytes[0], INT64_C(2) * 3 * 80 * 64);
    CU_ASSERT(bytes[1] - bytes[0] >= INT64_C(80) * 64 * 3 / 2 * 2);
}

/* A file of a few bytes that announces a huge picture is refused from its header. */
static void test_measure_of_huge_files(void)
{
    struct ll_buf *whole = NULL;
    struct picture_file bmp = picture_file_bmp(4, 4, 1);
    const uint8_t huge[] = {0xff, 0xff, 0xff, 0x7f};
    memcpy(bmp.data + 18, huge, sizeof(huge));
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(bmp.data, bmp.count, &whole), LL_OK);
    struct vision_file file = {
        .bytes = whole, .format = VISION_BMP, .orientation = 1, .fit = VISION_FIT_CROP};
    struct ll_error err = {.text = ""};
    int64_t bytes = 0;
    CU_ASSERT_EQUAL(vision_input_measure(&file, &other_tables[0], &bytes, &err), LL_E_EXHAUSTED);
    float *data = NULL;
    file.format = VISION_PNG;
    CU_ASSERT_EQUAL(vision_input_of_file(&file, &other_tables[0], &data, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "a BMP picture, not the PNG that it is said to be");
    CU_ASSERT_EQUAL(vision_input_measure(&file, &other_tables[0], &bytes, &err), LL_E_INVALID);
    ll_buf_unref(whole);
    picture_file_finish(&bmp);
}

/* What stands in the input's place is what its file gives; at the best quality hardly another
 * picture. */
static void test_squeeze(void)
{
    for (int i = 0; i < 2; i++) {
        const struct ll_table *table = &other_tables[i];
        struct picture_file bmp = picture_file_bmp(100, 80, 9);
        const struct vision_input_source source = {
            .image = ll_test_new_file("p", bmp.data, bmp.count), .fit = VISION_FIT_LETTERBOX};
        struct vision_input input = {0};
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL_FATAL(vision_input_load(&source, table, &input, &err), LL_OK);
        CU_ASSERT_PTR_NULL(input.file.bytes);
        float *before = malloc((size_t)table->in_floats * sizeof(float));
        float *after = NULL;
        CU_ASSERT_PTR_NOT_NULL_FATAL(before);
        memcpy(before, input.data, (size_t)table->in_floats * sizeof(float));
        CU_ASSERT_EQUAL_FATAL(vision_input_squeeze(&input, table, 100, &err), LL_OK);
        CU_ASSERT_EQUAL_FATAL(vision_input_of_file(&input.file, table, &after, &err), LL_OK);
        CU_ASSERT_EQUAL(memcmp(after, input.data, (size_t)table->in_floats * sizeof(float)), 0);
        float most = 0;
        for (int64_t at = 0; at < table->in_floats; at++) {
            float difference = before[at] - after[at];
            most = difference > most ? difference : -difference > most ? -difference : most;
        }
        CU_ASSERT(most > 0 && most < 0.03F);
        size_t best_bytes = ll_buf_bytes(input.file.bytes);
        CU_ASSERT_EQUAL_FATAL(vision_input_squeeze(&input, table, 30, &err), LL_OK);
        CU_ASSERT(ll_buf_bytes(input.file.bytes) < best_bytes / 2);
        free(before);
        free(after);
        vision_input_finish(&input);
        picture_file_finish(&bmp);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_files_give_the_same_bits),
    LL_TEST(test_measure),
    LL_TEST(test_measure_of_huge_files),
    LL_TEST(test_squeeze),
    LL_TEST(test_load_png),
    LL_TEST(test_load_png_drops_alpha),
    LL_TEST(test_load_bmp),
    LL_TEST(test_write_png),
    LL_TEST(test_write_where_it_cannot),
    LL_TEST(test_load_keeps_the_picture),
    LL_TEST(test_load_luminance),
    LL_TEST(test_letterbox_has_grey_bars),
    LL_TEST(test_crop_takes_the_middle),
    LL_TEST(test_crop_values),
    LL_TEST(test_stretch_values),
    LL_TEST(test_stretch_lines),
    LL_TEST(test_fit_names),
    LL_TEST(test_load_other_channels),
    LL_TEST(test_load_missing_and_empty),
    LL_TEST(test_load_garbage),
    LL_TEST(test_load_truncated_jpeg),
    LL_TEST(test_load_truncated_png_and_bmp),
    LL_TEST(test_load_huge_jpeg),
    LL_TEST(test_load_huge_bmp),
    LL_TEST(test_load_huge_png),
    LL_TEST(test_load_lines),
    LL_TEST(test_load_raw),
    LL_TEST(test_load_raw_other_size),
    LL_TEST(test_load_missing_raw),
    LL_TEST(test_load_image_into_flat_input),
    LL_TEST(test_load_what_was_written),
    {NULL, NULL},
};
