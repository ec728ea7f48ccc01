#include "vision/vision_strip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "tests/support/picture_files.h"
#include "vision/vision_decode.h"

const char *const ll_test_suite = "vision_strip";

enum { W = 45, H = 37 };

static const struct picture_jpeg kinds[] = {
    {W, H, 2, 2, false, false, 85}, {W, H, 2, 1, false, false, 75}, {W, H, 1, 2, false, false, 90},
    {W, H, 1, 1, false, false, 95}, {W, H, 1, 1, true, false, 85},  {W, H, 2, 2, false, true, 85},
    {W, H, 1, 1, true, true, 60},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Behind SOI and JFIF's segment. */
enum { BEHIND_JFIF = 20 };

static bool has(const void *bytes, size_t count, const char *word)
{
    return memmem(bytes, count, word, strlen(word)) != NULL;
}

/* Whether both files are the same picture, held upright. */
static bool is_same_picture(const struct picture_file *a, struct ll_buf *b)
{
    struct vision_picture first = {0};
    struct vision_picture second = {0};
    int upright = 1;
    ll_status status = vision_decode_held(a->data, a->count, &upright, &first, NULL);
    CU_ASSERT_EQUAL_FATAL(status, LL_OK);
    status = vision_decode_held(ll_buf_data(b), ll_buf_bytes(b), &upright, &second, NULL);
    CU_ASSERT_EQUAL_FATAL(status, LL_OK);
    bool is_same = first.w == second.w && first.h == second.h &&
                   memcmp(first.pixels, second.pixels, (size_t)first.w * (size_t)first.h * 3) == 0;
    vision_picture_finish(&first);
    vision_picture_finish(&second);
    return is_same;
}

/* The file stripped: the same picture, nothing of what tells of a person, and nothing that could be
 * stripped once more. */
static struct ll_buf *strip(const struct picture_file *file)
{
    struct ll_buf *stripped = NULL;
    struct ll_buf *again = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(vision_strip(file->data, file->count, &stripped, &err), LL_OK);
    const uint8_t *bytes = ll_buf_data(stripped);
    size_t count = ll_buf_bytes(stripped);
    CU_ASSERT(is_same_picture(file, stripped));
    CU_ASSERT_FALSE(has(bytes, count, PICTURE_GPS));
    CU_ASSERT_FALSE(has(bytes, count, "Exif"));
    CU_ASSERT_FALSE(has(bytes, count, "at home"));
    CU_ASSERT_EQUAL_FATAL(vision_strip(bytes, count, &again, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(again), count);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(again), bytes, count), 0);
    ll_buf_unref(again);
    return stripped;
}

static bool is_refused(const uint8_t *bytes, size_t count, ll_status status, const char *words)
{
    struct ll_buf *stripped = NULL;
    struct ll_error err = {.text = ""};
    ll_status got = vision_strip(bytes, count, &stripped, &err);
    ll_buf_unref(stripped);
    return got == status && strstr(err.text, words) != NULL;
}

/* A file with nothing to strip stays as it is, byte for byte. */
static void test_plain_jpeg(void)
{
    for (int i = 0; i < KINDS; i++) {
        struct picture_file file = picture_file_jpeg(&kinds[i], (unsigned)i);
        struct ll_buf *stripped = strip(&file);
        CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(stripped), file.count);
        CU_ASSERT_EQUAL(memcmp(ll_buf_data(stripped), file.data, file.count), 0);
        ll_buf_unref(stripped);
        picture_file_finish(&file);
    }
}

/* What cameras, phones and programs add, wherever it stands: the plain file comes back. */
static void test_metadata_of_jpeg(void)
{
    static const uint8_t comment[] = {0xff, 0xfe, 0, 9, 'a', 't', ' ', 'h', 'o', 'm', 'e'};
    static const uint8_t profile[] = {0xff, 0xff, 0xe2, 0, 8, 'I', 'C', 'C', '_', 'P', 'R'};
    static const uint8_t photoshop[] = {0xff, 0xed, 0, 9, 'a', 't', ' ', 'h', 'o', 'm', 'e'};
    static const uint8_t no_jfif[] = {0xff, 0xe0, 0, 9, 'a', 't', ' ', 'h', 'o', 'm', 'e'};
    static const uint8_t stray[] = {'a', 't', ' ', 'h', 'o', 'm', 'e'};
    struct picture_file exif = picture_exif_segment(6);
    for (int i = 0; i < KINDS; i++) {
        struct picture_file plain = picture_file_jpeg(&kinds[i], (unsigned)i);
        struct picture_file file = picture_file_jpeg(&kinds[i], (unsigned)i);
        size_t before_end = file.count - 2;
        picture_file_insert(&file, file.count, exif.data, exif.count);
        picture_file_insert(&file, before_end, comment, sizeof(comment));
        picture_file_insert(&file, before_end, exif.data, exif.count);
        picture_file_insert(&file, BEHIND_JFIF, stray, sizeof(stray));
        picture_file_insert(&file, BEHIND_JFIF, profile, sizeof(profile));
        picture_file_insert(&file, BEHIND_JFIF, photoshop, sizeof(photoshop));
        picture_file_insert(&file, BEHIND_JFIF, no_jfif, sizeof(no_jfif));
        picture_file_insert(&file, 2, exif.data, exif.count);
        struct ll_buf *stripped = strip(&file);
        CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(stripped), plain.count);
        CU_ASSERT_EQUAL(memcmp(ll_buf_data(stripped), plain.data, plain.count), 0);
        ll_buf_unref(stripped);
        picture_file_finish(&plain);
        picture_file_finish(&file);
    }
    picture_file_finish(&exif);
}

/* JFIF may have a thumbnail, which may show what was cut off the picture. */
static void test_thumbnail(void)
{
    struct picture_file file = picture_file_jpeg(&kinds[0], 1);
    static const uint8_t thumbnail[] = {'a', 't', ' ', 'h', 'o', 'm', 'e', '!', '!'};
    picture_file_insert(&file, BEHIND_JFIF, thumbnail, sizeof(thumbnail));
    file.data[5] = 16 + sizeof(thumbnail);
    file.data[18] = 3;
    file.data[19] = 1;
    struct ll_buf *stripped = strip(&file);
    const uint8_t *bytes = ll_buf_data(stripped);
    CU_ASSERT_EQUAL(ll_buf_bytes(stripped), file.count - sizeof(thumbnail));
    CU_ASSERT_EQUAL(bytes[5], 16);
    CU_ASSERT(bytes[18] == 0 && bytes[19] == 0);
    ll_buf_unref(stripped);
    picture_file_finish(&file);
}

/* Adobe's marker says that the samples are red, green and blue: without it, they would be read as
 * YCbCr. */
static void test_adobe(void)
{
    static const uint8_t adobe[] = {0xff, 0xee, 0, 16, 'A', 'd', 'o', 'b', 'e',
                                    0,    100,  0, 0,  0,   0,   0,   'x', 'y'};
    struct picture_file file = picture_file_jpeg(&kinds[3], 1);
    /* In the place of JFIF's. */
    memmove(file.data + 2, file.data + BEHIND_JFIF, file.count - BEHIND_JFIF);
    file.count -= BEHIND_JFIF - 2;
    picture_file_insert(&file, 2, adobe, sizeof(adobe));
    struct ll_buf *stripped = strip(&file);
    CU_ASSERT_EQUAL(ll_buf_bytes(stripped), file.count - 2);
    ll_buf_unref(stripped);
    struct ll_buf *whole = NULL;
    memmove(file.data + 2, file.data + 2 + sizeof(adobe), file.count - 2 - sizeof(adobe));
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(file.data, file.count - sizeof(adobe), &whole), LL_OK);
    picture_file_insert(&file, 2, adobe, sizeof(adobe));
    CU_ASSERT_FALSE(is_same_picture(&file, whole));
    ll_buf_unref(whole);
    picture_file_finish(&file);
}

static void test_png(void)
{
    struct picture_file exif = picture_exif_chunk(8);
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        struct picture_file file = picture_file_png(W, H, interlaced == 1, 3);
        CU_ASSERT(has(file.data, file.count, "at home"));
        CU_ASSERT(has(file.data, file.count, "gAMA"));
        picture_file_insert(&file, 33, exif.data, exif.count);
        picture_file_insert(&file, file.count, exif.data, exif.count);
        int orientation = 0;
        struct vision_picture picture = {0};
        CU_ASSERT_EQUAL_FATAL(
            vision_decode_held(file.data, file.count, &orientation, &picture, NULL), LL_OK);
        CU_ASSERT_EQUAL(orientation, 8);
        CU_ASSERT(picture.w == H && picture.h == W);
        vision_picture_finish(&picture);
        struct ll_buf *stripped = strip(&file);
        CU_ASSERT_FALSE(has(ll_buf_data(stripped), ll_buf_bytes(stripped), "gAMA"));
        ll_buf_unref(stripped);
        picture_file_finish(&file);
    }
    picture_file_finish(&exif);
}

static void test_bmp(void)
{
    struct picture_file file = picture_file_bmp(W, H, 5);
    size_t count = file.count;
    picture_file_insert(&file, count, PICTURE_GPS, sizeof(PICTURE_GPS));
    struct ll_buf *stripped = strip(&file);
    /* The last row's filling is none of its pixels. */
    CU_ASSERT(ll_buf_bytes(stripped) <= count && ll_buf_bytes(stripped) > count - 4);
    ll_buf_unref(stripped);
    picture_file_finish(&file);
}

static void test_refusals(void)
{
    static const uint8_t unknown[] = {0xff, 0xf0, 0, 3, 0};
    static const uint8_t critical[] = {0, 0, 0, 0, 'I', 'A', 'B', 'C', 0, 0, 0, 0};
    struct picture_file file = picture_file_jpeg(&kinds[0], 1);
    CU_ASSERT(is_refused(file.data, 0, LL_E_INVALID, "an empty file"));
    CU_ASSERT(is_refused(file.data + 1, file.count - 1, LL_E_INVALID, "neither"));
    CU_ASSERT(is_refused(file.data, file.count - 2, LL_E_INVALID, "without its end marker"));
    CU_ASSERT(is_refused(file.data, BEHIND_JFIF - 1, LL_E_INVALID, "length at byte 4"));
    picture_file_insert(&file, BEHIND_JFIF, unknown, sizeof(unknown));
    CU_ASSERT(is_refused(file.data, file.count, LL_E_UNSUPPORTED, "segment f0"));
    file.data[BEHIND_JFIF + 1] = 0xe5;
    file.data[BEHIND_JFIF + 3] = 1;
    CU_ASSERT(is_refused(file.data, file.count, LL_E_INVALID, "a segment's length at byte 22"));
    picture_file_finish(&file);

    file = picture_file_png(W, H, false, 1);
    CU_ASSERT(is_refused(file.data, 7, LL_E_INVALID, "the file ends"));
    CU_ASSERT(is_refused(file.data, file.count - 1, LL_E_INVALID, "before the picture does"));
    picture_file_insert(&file, 33, critical, sizeof(critical));
    CU_ASSERT(is_refused(file.data, file.count, LL_E_UNSUPPORTED, "not known, at byte 33"));
    file.data[33] = 0xff;
    CU_ASSERT(is_refused(file.data, file.count, LL_E_INVALID, "a chunk's length at byte 33"));
    picture_file_finish(&file);

    file = picture_file_bmp(W, H, 1);
    CU_ASSERT(is_refused(file.data, file.count - 9, LL_E_INVALID, "before the picture does"));
    picture_file_finish(&file);
}

/* A file that ends early is never a whole one, and nothing is read behind its end (under
 * AddressSanitizer). */
static void test_every_end(void)
{
    struct picture_file files[] = {picture_file_jpeg(&kinds[5], 1),
                                   picture_file_png(W, H, true, 1)};
    for (int i = 0; i < 2; i++) {
        for (size_t count = 0; count < files[i].count; count++) {
            struct ll_buf *stripped = NULL;
            struct ll_error err = {.text = ""};
            uint8_t *bytes = malloc(count + 1);
            CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
            uint8_t *exact = realloc(memcpy(bytes, files[i].data, count), count > 0 ? count : 1);
            CU_ASSERT_NOT_EQUAL(vision_strip(exact, count, &stripped, &err), LL_OK);
            CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
            free(exact);
        }
        picture_file_finish(&files[i]);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_plain_jpeg),
    LL_TEST(test_metadata_of_jpeg),
    LL_TEST(test_thumbnail),
    LL_TEST(test_adobe),
    LL_TEST(test_png),
    LL_TEST(test_bmp),
    LL_TEST(test_refusals),
    LL_TEST(test_every_end),
    {NULL, NULL},
};
