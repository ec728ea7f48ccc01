#include "vision/vision_webp.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
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

/* Bits of a file, the lowest of a byte first. */
struct writer {
    uint8_t *bytes;
    size_t at;
};

static void put(struct writer *writer, unsigned value, int bits)
{
    for (int i = 0; i < bits; i++, writer->at++) {
        writer->bytes[writer->at / 8] |= (uint8_t)((value >> i & 1U) << writer->at % 8);
    }
}

/* A code in which the first 256 symbols have 8 bits, and `others` behind them none. */
static void put_flat_code(struct writer *writer, int others)
{
    put(writer, 0, 1);
    put(writer, 8, 4);
    for (int i = 0; i < 12; i++) {
        put(writer, i == 2 || i == 11, 3);
    }
    put(writer, 0, 1);
    for (int i = 0; i < 256 + others; i++) {
        put(writer, i < 256, 1);
    }
}

/* One symbol, which takes no bits. */
static void put_single_code(struct writer *writer)
{
    put(writer, 1, 4);
}

/* A black picture of 1024 x 1024 pixels in which each of 65536 tiles has codes of its own: `*count`
 * bytes. */
static uint8_t *make_tiles(size_t *count)
{
    static const uint8_t head[] = {'R', 'I', 'F', 'F', 0,   0,   0,   0,
                                   'W', 'E', 'B', 'P', 'V', 'P', '8', 'L'};
    enum { SIDE = 1024, TILES = 1 << 16, CODES = 5, HEAD_BYTES = 20, ROOM = 400000 };
    struct writer writer = {.bytes = calloc(1, ROOM), .at = (size_t)HEAD_BYTES * 8};
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer.bytes);
    put(&writer, 0x2f, 8);
    put(&writer, SIDE - 1, 14);
    put(&writer, SIDE - 1, 14);
    /* No alpha, version 0, no transform, no cache; tiles of 4 x 4. */
    put(&writer, 0, 6);
    put(&writer, 1, 1);
    put(&writer, 0, 3);
    put(&writer, 0, 1);
    put_flat_code(&writer, 24);
    put_flat_code(&writer, 0);
    for (int i = 2; i < CODES; i++) {
        put_single_code(&writer);
    }
    /* The picture's tiles in any order: codes go by their highest bit first. */
    for (unsigned i = 0; i < TILES; i++) {
        put(&writer, i, 16);
    }
    for (int i = 0; i < TILES * CODES; i++) {
        put_single_code(&writer);
    }
    *count = (writer.at / 8 + 17) / 2 * 2;
    uint32_t size = (uint32_t)*count - HEAD_BYTES;
    uint32_t whole = (uint32_t)*count - 8;
    memcpy(writer.bytes, head, sizeof(head));
    memcpy(writer.bytes + 4, &whole, sizeof(whole));
    memcpy(writer.bytes + 16, &size, sizeof(size));
    return writer.bytes;
}

/* Few bytes may ask the decoder for many tables. */
static void test_tables_are_measured(void)
{
    struct ll_error err = {.text = ""};
    int64_t bytes = 0;
    int w = 0;
    int h = 0;
    size_t count = 0;
    uint8_t *file = make_tiles(&count);
    CU_ASSERT(WebPGetInfo(file, count, &w, &h) && w == 1024 && h == 1024);
    CU_ASSERT_EQUAL(vision_webp_measure(file, count, h, w, &bytes, &err), LL_OK);
    CU_ASSERT(count < 300000 && bytes > (int64_t)65536 * 20000);
    CU_ASSERT_EQUAL(vision_webp_measure(file, 25, h, w, &bytes, &err), LL_E_INVALID);
    file[0] = 'r';
    CU_ASSERT_EQUAL(vision_webp_measure(file, count, h, w, &bytes, &err), LL_E_INVALID);
    free(file);
}

/* Whatever the encoder uses: transforms, palettes, caches, tiles. */
static void test_what_encoders_write_is_measured(void)
{
    enum { W = 100, H = 60, LEAST_BYTES = 7 * W * H };
    uint8_t pixels[3 * W * H];
    for (int colours = 2; colours <= 512; colours *= 4) {
        for (size_t i = 0; i < sizeof(pixels); i++) {
            int sample = picture_sample(9, (int)(i / 3 % W), (int)(i / 3 / W), (int)(i % 3));
            pixels[i] = (uint8_t)(colours > 256 ? sample : sample * colours / 256);
        }
        for (int level = 0; level < 7; level += 3) {
            struct ll_error err = {.text = ""};
            int64_t bytes = 0;
            WebPConfig config;
            WebPPicture picture;
            WebPMemoryWriter writer;
            WebPMemoryWriterInit(&writer);
            CU_ASSERT_FATAL(WebPConfigInit(&config) && WebPPictureInit(&picture) &&
                            WebPConfigLosslessPreset(&config, level));
            picture.use_argb = 1;
            picture.width = W;
            picture.height = H;
            picture.writer = WebPMemoryWrite;
            picture.custom_ptr = &writer;
            CU_ASSERT_FATAL(WebPPictureImportRGB(&picture, pixels, 3 * W) &&
                            WebPEncode(&config, &picture));
            CU_ASSERT_EQUAL(vision_webp_measure(writer.mem, writer.size, H, W, &bytes, &err),
                            LL_OK);
            /* Tiles of 4 x 4 and more. */
            CU_ASSERT(bytes >= LEAST_BYTES && bytes < LEAST_BYTES + (int64_t)400 * 21 * 1024);
            WebPPictureFree(&picture);
            WebPMemoryWriterClear(&writer);
        }
    }
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
    LL_TEST(test_round_trips),
    LL_TEST(test_fits),
    LL_TEST(test_sizes),
    LL_TEST(test_other_kinds),
    LL_TEST(test_damage),
    LL_TEST(test_tables_are_measured),
    LL_TEST(test_what_encoders_write_is_measured),
    {NULL, NULL},
};
