#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* After stdio.h, which it needs. */
#include <jpeglib.h>

#include "core/ll_sync.h"
#include "tests/support/ll_test.h"
#include "vision/vision_decode.h"
#include "vision/vision_exif.h"

const char *const ll_test_suite = "vision_jpeg";

enum { W = 40, H = 24 };

struct bytes {
    uint8_t *data;
    size_t count;
};

/* What a test's file is like. */
struct kind {
    J_COLOR_SPACE from;
    J_COLOR_SPACE stored;
    int h_sampling, v_sampling;
    bool is_progressive;
    /* Blocks between two restart markers; 0: none. */
    unsigned restart;
    /* A scan for each component. */
    bool is_apart;
};

static const struct kind plain = {JCS_RGB, JCS_YCbCr, 1, 1, false, 0, false};

static uint8_t sample(int x, int y, int c)
{
    return (uint8_t)(c == 0 ? 5 * x + 20 : c == 1 ? 8 * y + 10 : 3 * x + 2 * y + 30);
}

/* The picture in the colours that the kind begins with; of four, Adobe's inverted ones, with some
 * black. */
static void make_row(int y, int channels, uint8_t *row)
{
    for (int x = 0; x < W; x++) {
        for (int c = 0; c < channels; c++) {
            row[x * channels + c] = c == 3 ? (uint8_t)(255 - y) : sample(x, y, c);
        }
    }
}

static int channels_of(J_COLOR_SPACE space)
{
    return space == JCS_GRAYSCALE ? 1 : space == JCS_CMYK ? 4 : space == JCS_UNKNOWN ? 2 : 3;
}

static struct bytes make_file(const struct kind *kind)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long count = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &data, &count);
    jpeg.image_width = W;
    jpeg.image_height = H;
    jpeg.input_components = channels_of(kind->from);
    jpeg.in_color_space = kind->from;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, kind->stored);
    jpeg_set_quality(&jpeg, 95, TRUE);
    jpeg.comp_info[0].h_samp_factor = kind->h_sampling;
    jpeg.comp_info[0].v_samp_factor = kind->v_sampling;
    jpeg.restart_interval = kind->restart;
    static const jpeg_scan_info scans[] = {
        {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    if (kind->is_apart) {
        jpeg.scan_info = scans;
        jpeg.num_scans = 3;
    }
    if (kind->is_progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < H) {
        uint8_t row[4 * W];
        JSAMPROW rows = row;
        make_row((int)jpeg.next_scanline, jpeg.input_components, row);
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (struct bytes){data, count};
}

/* Puts `count` bytes in front of byte `at`. */
static void insert(struct bytes *file, size_t at, const void *bytes, size_t count)
{
    uint8_t *data = malloc(file->count + count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memcpy(data, file->data, at);
    memcpy(data + at, bytes, count);
    memcpy(data + at + count, file->data + at, file->count - at);
    free(file->data);
    *file = (struct bytes){data, file->count + count};
}

static const char *write_file(const struct bytes *file)
{
    static char path[4096];
    if (!path[0]) {
        snprintf(path, sizeof(path), "%s/p.jpg", ll_test_folder());
    }
    ll_test_write_file(path, file->data, file->count);
    return path;
}

static ll_status load(const struct bytes *file, struct vision_picture *picture,
                      struct ll_error *err)
{
    *picture = (struct vision_picture){0};
    return vision_decode_file(write_file(file), picture, err);
}

static bool is_same(const struct vision_picture *a, const struct vision_picture *b)
{
    return a->w == b->w && a->h == b->h &&
           memcmp(a->pixels, b->pixels, (size_t)a->w * (size_t)a->h * 3) == 0;
}

/* Whether the file is read as that picture. */
static bool gives(const struct bytes *file, const struct vision_picture *expected)
{
    struct vision_picture picture;
    struct ll_error err = {.text = ""};
    ll_status status = load(file, &picture, &err);
    if (status != LL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    bool same = is_same(&picture, expected);
    vision_picture_finish(&picture);
    return same;
}

static bool is_refused(const struct bytes *file, ll_status status, const char *words)
{
    struct vision_picture picture;
    struct ll_error err = {.text = ""};
    ll_status got = load(file, &picture, &err);
    bool is = got == status && strstr(err.text, words) && !picture.pixels;
    if (!is) {
        fprintf(stderr, "%s: %s\n", ll_status_name(got), err.text);
    }
    vision_picture_finish(&picture);
    return is;
}

/* The picture of an undamaged file. */
static struct vision_picture picture_of(const struct bytes *file)
{
    struct vision_picture picture;
    CU_ASSERT_EQUAL_FATAL(load(file, &picture, NULL), LL_OK);
    return picture;
}

static int distance(int a, int b)
{
    return a > b ? a - b : b - a;
}

/* The largest difference to what the file was made from: little where its coding is understood. */
static int error_of(const struct vision_picture *picture, const struct kind *kind)
{
    int worst = 0;
    for (int at = 0; at < W * H; at++) {
        uint8_t row[4 * W];
        int channels = channels_of(kind->from);
        make_row(at / W, channels, row);
        const uint8_t *from = row + (ptrdiff_t)(at % W) * channels;
        for (int c = 0; c < 3; c++) {
            int expected = channels == 1   ? from[0]
                           : channels == 4 ? from[c] * from[3] / 255
                                           : from[c];
            int off = distance(picture->pixels[3 * at + c], expected);
            worst = off > worst ? off : worst;
        }
    }
    return worst;
}

static void test_kinds(void)
{
    static const struct kind kinds[] = {
        {JCS_RGB, JCS_YCbCr, 1, 1, false, 0, false},
        {JCS_RGB, JCS_YCbCr, 2, 2, false, 0, false},
        {JCS_RGB, JCS_YCbCr, 2, 1, true, 0, false},
        {JCS_RGB, JCS_YCbCr, 1, 2, false, 0, false},
        {JCS_RGB, JCS_YCbCr, 4, 1, false, 0, false},
        {JCS_RGB, JCS_YCbCr, 3, 1, false, 0, false},
        {JCS_RGB, JCS_RGB, 1, 1, false, 0, false},
        {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, false, 0, false},
        {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 1, true, 0, false},
        {JCS_CMYK, JCS_CMYK, 1, 1, false, 0, false},
        {JCS_CMYK, JCS_YCCK, 2, 2, false, 0, false},
        {JCS_CMYK, JCS_YCCK, 1, 1, true, 3, false},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct bytes file = make_file(&kinds[i]);
        struct vision_picture picture = picture_of(&file);
        CU_ASSERT(picture.w == W && picture.h == H && picture.channels == 3);
        CU_ASSERT(error_of(&picture, &kinds[i]) <= 12);
        vision_picture_finish(&picture);
        free(file.data);
    }
}

/* Without Adobe's marker, 255 is all of the ink. */
static void test_plain_cmyk(void)
{
    const struct kind kind = {JCS_CMYK, JCS_CMYK, 1, 1, false, 0, false};
    struct bytes file = make_file(&kind);
    struct vision_picture inverted = picture_of(&file);
    size_t at = 0;
    while (at + 16 < file.count && memcmp(file.data + at + 4, "Adobe", 5) != 0) {
        at++;
    }
    CU_ASSERT_FATAL(file.data[at + 1] == 0xee);
    memmove(file.data + at, file.data + at + 16, file.count - at - 16);
    file.count -= 16;
    struct vision_picture picture = picture_of(&file);
    CU_ASSERT_FALSE(is_same(&picture, &inverted));
    /* The first row has all black ink there is. */
    CU_ASSERT(picture.pixels[0] <= 2 && inverted.pixels[0] >= 18);
    vision_picture_finish(&picture);
    vision_picture_finish(&inverted);
    free(file.data);
}

static void test_no_colours(void)
{
    const struct kind kind = {JCS_UNKNOWN, JCS_UNKNOWN, 1, 1, false, 0, false};
    struct bytes file = make_file(&kind);
    CU_ASSERT(is_refused(&file, LL_E_UNSUPPORTED, "2 components, which are no known colours"));
    free(file.data);
}

/* ---- Damage that is none ---- */

static void test_extraneous_bytes(void)
{
    struct bytes file = make_file(&plain);
    struct vision_picture picture = picture_of(&file);
    uint8_t stray[300];
    memset(stray, 0x5a, sizeof(stray));
    insert(&file, file.count - 2, stray, sizeof(stray));
    CU_ASSERT(gives(&file, &picture));
    /* Before the first table, too. */
    insert(&file, 20, stray, 7);
    CU_ASSERT(gives(&file, &picture));
    /* And behind the end. */
    insert(&file, file.count, stray, 9);
    CU_ASSERT(gives(&file, &picture));
    vision_picture_finish(&picture);
    free(file.data);
}

static bool is_restart(const struct bytes *file, size_t at)
{
    return file->data[at] == 0xff && (file->data[at + 1] & 0xf8) == 0xd0;
}

/* Encoders that always write the same number, count backwards, or begin with another one. */
static void test_wrong_restart_numbers(void)
{
    const struct kind kind = {JCS_RGB, JCS_YCbCr, 1, 1, false, 2, false};
    for (int rule = 0; rule < 3; rule++) {
        struct bytes file = make_file(&kind);
        struct vision_picture picture = picture_of(&file);
        int markers = 0;
        for (size_t i = 2; i + 1 < file.count; i++) {
            if (is_restart(&file, i)) {
                int number = rule == 0 ? 0 : rule == 1 ? 7 - markers % 8 : (markers + 5) % 8;
                file.data[i + 1] = (uint8_t)(0xd0 | number);
                markers++;
            }
        }
        CU_ASSERT(markers > 5);
        CU_ASSERT(gives(&file, &picture));
        vision_picture_finish(&picture);
        free(file.data);
    }
}

/* The same with an interval cut out: its pixels are not there. */
static void test_missing_interval(void)
{
    const struct kind kind = {JCS_RGB, JCS_YCbCr, 1, 1, false, 2, false};
    struct bytes file = make_file(&kind);
    size_t first = 0;
    size_t second = 0;
    for (size_t i = 2; i + 1 < file.count && second == 0; i++) {
        if (is_restart(&file, i)) {
            first = first == 0 ? i : first;
            second = i > first ? i : 0;
        }
    }
    CU_ASSERT_FATAL(second > first);
    memmove(file.data + first, file.data + second, file.count - second);
    file.count -= second - first;
    CU_ASSERT(is_refused(&file, LL_E_INVALID, "damaged JPEG picture"));
    free(file.data);
}

/* ---- Damage ---- */

/* A file without its end marker has every pixel; one byte less, and it may not. */
static void test_every_truncation(void)
{
    struct bytes file = make_file(&plain);
    struct vision_picture picture = picture_of(&file);
    const size_t whole = file.count;
    for (file.count = whole - 2; file.count < whole; file.count++) {
        CU_ASSERT(gives(&file, &picture));
    }
    for (file.count = 2; file.count < whole - 4; file.count++) {
        CU_ASSERT(is_refused(&file, LL_E_INVALID, "JPEG"));
    }
    vision_picture_finish(&picture);
    free(file.data);
}

static void test_every_truncation_of_scans(void)
{
    const struct kind kind = {JCS_RGB, JCS_YCbCr, 2, 2, true, 0, false};
    struct bytes file = make_file(&kind);
    const size_t whole = file.count;
    for (file.count = 2; file.count < whole; file.count++) {
        CU_ASSERT(is_refused(&file, LL_E_INVALID, "JPEG"));
    }
    free(file.data);
}

/* Any byte may be another: no crash, and what is accepted has the picture's size. */
static void test_other_bytes(void)
{
    struct bytes file = make_file(&plain);
    uint32_t state = 7;
    for (size_t i = 2; i < file.count; i++) {
        uint8_t was = file.data[i];
        state = state * 1664525U + 1013904223U;
        file.data[i] = (uint8_t)(state >> 24);
        struct vision_picture picture;
        ll_status status = load(&file, &picture, NULL);
        CU_ASSERT(status == LL_OK ? picture.w > 0 && picture.h > 0
                                  : status == LL_E_INVALID || status == LL_E_EXHAUSTED ||
                                        status == LL_E_UNSUPPORTED);
        vision_picture_finish(&picture);
        file.data[i] = was;
    }
    free(file.data);
}

/* The last of three scans, one for each component, again and again. */
static void test_too_many_scans(void)
{
    struct kind kind = plain;
    kind.is_apart = true;
    struct bytes file = make_file(&kind);
    struct vision_picture picture = picture_of(&file);
    CU_ASSERT(error_of(&picture, &kind) <= 12);
    size_t at = file.count - 2;
    while (!(file.data[at] == 0xff && file.data[at + 1] == 0xda)) {
        at--;
    }
    size_t count = file.count - 2 - at;
    uint8_t *scan = malloc(count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scan);
    memcpy(scan, file.data + at, count);
    for (int scans = 4; scans <= 520; scans++) {
        insert(&file, file.count - 2, scan, count);
        if (scans == 400) {
            CU_ASSERT(gives(&file, &picture));
        }
    }
    CU_ASSERT(is_refused(&file, LL_E_EXHAUSTED, "more than 500 scans"));
    vision_picture_finish(&picture);
    free(scan);
    free(file.data);
}

/* The beginning of a grey progressive picture of 8192 x 8192 pixels whose DC codes take a bit a
 * block, and whose AC scans say that 16384 blocks have nothing more. */
static struct bytes begin_large(void)
{
    enum { BLOCKS = 1 << 20, BITS_OF_BYTE = 8 };
    static const uint8_t sizes[] = {0xff, 0xc2, 0, 11, 8, 0x20, 0, 0x20, 0, 1, 1, 0x11, 0};
    /* One code of one bit each: a difference of 0; a run of 2^14 and 14 bits more of blocks. */
    static const uint8_t codes[40] = {
        0xff, 0xc4, 0, 38, [5] = 1, [22] = 0x10, [23] = 1, [39] = 0xe0};
    static const uint8_t first[] = {0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0};
    size_t room =
        2 + 4 + 1 + 64 + sizeof(sizes) + sizeof(codes) + sizeof(first) + BLOCKS / BITS_OF_BYTE + 2;
    struct bytes file = {.data = calloc(1, room), .count = room};
    CU_ASSERT_PTR_NOT_NULL_FATAL(file.data);
    uint8_t *out = file.data;
    const uint8_t begin[] = {0xff, 0xd8, 0xff, 0xdb, 0, 67, 0};
    memcpy(out, begin, sizeof(begin));
    memset(out + sizeof(begin), 1, 64);
    out += sizeof(begin) + 64;
    memcpy(out, sizes, sizeof(sizes));
    out += sizeof(sizes);
    memcpy(out, codes, sizeof(codes));
    out += sizeof(codes);
    memcpy(out, first, sizeof(first));
    file.data[room - 2] = 0xff;
    file.data[room - 1] = 0xd9;
    return file;
}

/* Few bytes a scan, and many pixels: the scans that are allowed are fewer. */
static void test_scans_of_a_large_picture(void)
{
    enum { RUNS_BYTES = 64 * 15 / 8, SCAN_BYTES = 10 + RUNS_BYTES };
    struct bytes file = begin_large();
    uint8_t scan[SCAN_BYTES] = {0xff, 0xda, 0, 8, 1, 1, 0, 1, 1, 0x01};
    for (int i = 1; i < 16; i++) {
        scan[7] = scan[8] = (uint8_t)i;
        insert(&file, file.count - 2, scan, sizeof(scan));
    }
    /* The last bit of the first coefficient. */
    scan[7] = scan[8] = 1;
    scan[9] = 0x10;
    insert(&file, file.count - 2, scan, sizeof(scan));
    CU_ASSERT(is_refused(&file, LL_E_EXHAUSTED, "more than 16 scans of 8192 x 8192 pixels"));
    free(file.data);
}

/* ---- Orientation ---- */

/* An APP1 segment with this orientation, in either order of bytes. */
static void insert_orientation(struct bytes *file, bool is_big, int orientation)
{
    uint8_t big[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0,
                     'M',  'M',  0, 42, 0,   0,   0,   8,   0, 1,
                     1,    0x12, 0, 3,  0,   0,   0,   1,   0, (uint8_t)orientation,
                     0,    0,    0, 0,  0,   0};
    uint8_t little[] = {0xff,
                        0xe1,
                        0,
                        34,
                        'E',
                        'x',
                        'i',
                        'f',
                        0,
                        0,
                        'I',
                        'I',
                        42,
                        0,
                        8,
                        0,
                        0,
                        0,
                        1,
                        0,
                        0x12,
                        1,
                        3,
                        0,
                        1,
                        0,
                        0,
                        0,
                        (uint8_t)orientation,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0};
    insert(file, 2, is_big ? big : little, sizeof(big));
}

/* Where the stored picture's pixel (x, y) stands upright (EXIF 2.32, 4.6.4, Orientation). */
static void place(int orientation, int x, int y, int *out_x, int *out_y)
{
    const int places[9][2] = {{0, 0},         {x, y}, {W - 1 - x, y}, {W - 1 - x, H - 1 - y},
                              {x, H - 1 - y}, {y, x}, {H - 1 - y, x}, {H - 1 - y, W - 1 - x},
                              {y, W - 1 - x}};
    *out_x = places[orientation][0];
    *out_y = places[orientation][1];
}

static bool is_turned(const struct vision_picture *stored, const struct vision_picture *upright,
                      int orientation)
{
    bool is_tall = orientation >= 5;
    if (upright->w != (is_tall ? H : W) || upright->h != (is_tall ? W : H)) {
        return false;
    }
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            int to_x = 0;
            int to_y = 0;
            place(orientation, x, y, &to_x, &to_y);
            if (memcmp(stored->pixels + 3 * (ptrdiff_t)(y * W + x),
                       upright->pixels + 3 * (ptrdiff_t)(to_y * upright->w + to_x), 3) != 0) {
                return false;
            }
        }
    }
    return true;
}

static void test_orientations(void)
{
    struct bytes file = make_file(&plain);
    struct vision_picture stored = picture_of(&file);
    free(file.data);
    for (int orientation = 1; orientation <= 8; orientation++) {
        for (int is_big = 0; is_big <= 1; is_big++) {
            file = make_file(&plain);
            insert_orientation(&file, is_big, orientation);
            struct vision_picture upright = picture_of(&file);
            CU_ASSERT(is_turned(&stored, &upright, orientation));
            vision_picture_finish(&upright);
            free(file.data);
        }
    }
    vision_picture_finish(&stored);
}

/* Numbers that mean nothing, and EXIF that ends anywhere, leave the picture as it is stored. */
static void test_orientations_that_are_none(void)
{
    static const int numbers[] = {0, 9, 255};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct bytes file = make_file(&plain);
        insert_orientation(&file, true, numbers[i]);
        CU_ASSERT_EQUAL(vision_exif_of_jpeg(file.data, file.count), 1);
        free(file.data);
    }
    struct bytes file = make_file(&plain);
    insert_orientation(&file, false, 6);
    CU_ASSERT_EQUAL(vision_exif_of_jpeg(file.data, file.count), 6);
    /* The segment's content is bytes 12 to 38; its entry ends at byte 34. */
    for (size_t count = 0; count < 22; count++) {
        CU_ASSERT_EQUAL(vision_exif_orientation(file.data + 12, count), 1);
    }
    CU_ASSERT_EQUAL(vision_exif_orientation(file.data + 12, 22), 6);
    /* The list of entries anywhere, also outside. */
    static const uint8_t offsets[] = {0, 1, 7, 20, 21, 22, 255};
    for (size_t i = 0; i < sizeof(offsets); i++) {
        memset(file.data + 16, i + 1 == sizeof(offsets) ? 0xff : 0, 4);
        file.data[16] = offsets[i];
        (void)vision_exif_orientation(file.data + 12, 22);
        CU_ASSERT_EQUAL(vision_exif_orientation(file.data + 12, 22), 1);
    }
    free(file.data);
}

/* ---- Pipes ---- */

struct writer {
    const char *path;
    const struct bytes *file;
};

static void write_pipe(void *arg)
{
    const struct writer *writer = arg;
    FILE *out = fopen(writer->path, "wb");
    if (out) {
        fwrite(writer->file->data, 1, writer->file->count, out);
        fclose(out);
    }
}

static void test_pipe(void)
{
    struct bytes file = make_file(&plain);
    struct vision_picture expected = picture_of(&file);
    char path[4096];
    snprintf(path, sizeof(path), "%s/pipe", ll_test_folder());
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    struct writer writer = {path, &file};
    struct ll_thread thread;
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&thread, "writer", write_pipe, &writer), LL_OK);
    struct vision_picture picture = {0};
    CU_ASSERT_EQUAL_FATAL(vision_decode_file(path, &picture, NULL), LL_OK);
    ll_thread_join(&thread);
    CU_ASSERT(is_same(&picture, &expected));
    vision_picture_finish(&picture);
    vision_picture_finish(&expected);
    free(file.data);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_kinds),
    LL_TEST(test_plain_cmyk),
    LL_TEST(test_no_colours),
    LL_TEST(test_extraneous_bytes),
    LL_TEST(test_wrong_restart_numbers),
    LL_TEST(test_missing_interval),
    LL_TEST(test_every_truncation),
    LL_TEST(test_every_truncation_of_scans),
    LL_TEST(test_other_bytes),
    LL_TEST(test_too_many_scans),
    LL_TEST(test_scans_of_a_large_picture),
    LL_TEST(test_orientations),
    LL_TEST(test_orientations_that_are_none),
    LL_TEST(test_pipe),
    {NULL, NULL},
};
