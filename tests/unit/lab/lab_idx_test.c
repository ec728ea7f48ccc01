#include "tools/lab/lab_idx.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/ll_test.h"

static const uint8_t two_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0,
                                     1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
static const uint8_t three_labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};

/* Writes a file, gzipped or plain, and gives its path. */
static const char *write_file(const void *data, size_t bytes, bool gzipped)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s/idx", ll_test_folder());
    /* "T" writes without compression. */
    gzFile file = gzopen(path, gzipped ? "wb" : "wbT");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(gzwrite(file, data, (unsigned)bytes), (int)bytes);
    CU_ASSERT_EQUAL(gzclose(file), Z_OK);
    return path;
}

static void check_refused(const void *data, size_t bytes, ll_status expected)
{
    struct lab_idx idx = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(lab_idx_read(write_file(data, bytes, true), &idx, &err), expected);
    CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
    CU_ASSERT_PTR_NULL(idx.data);
}

static void test_read_images_gzipped_and_plain(void)
{
    for (int gzipped = 0; gzipped < 2; gzipped++) {
        struct lab_idx idx = {0};
        const char *path = write_file(two_images, sizeof(two_images), gzipped);
        CU_ASSERT_EQUAL_FATAL(lab_idx_read(path, &idx, NULL), LL_OK);
        CU_ASSERT_EQUAL(idx.count, 2);
        CU_ASSERT_EQUAL(idx.item_bytes, 3);
        CU_ASSERT_EQUAL(memcmp(idx.data, "\1\2\3\4\5\6", 6), 0);
        lab_idx_finish(&idx);
    }
}

static void test_read_labels(void)
{
    struct lab_idx idx = {0};
    const char *path = write_file(three_labels, sizeof(three_labels), true);
    CU_ASSERT_EQUAL_FATAL(lab_idx_read(path, &idx, NULL), LL_OK);
    CU_ASSERT_EQUAL(idx.count, 3);
    CU_ASSERT_EQUAL(idx.item_bytes, 1);
    CU_ASSERT_EQUAL(memcmp(idx.data, "\7\10\11", 3), 0);
    lab_idx_finish(&idx);
}

static void test_every_truncation_is_refused(void)
{
    for (size_t bytes = 0; bytes < sizeof(two_images); bytes++) {
        check_refused(two_images, bytes, LL_E_INVALID);
    }
}

static void test_bytes_behind_the_last_item_are_refused(void)
{
    uint8_t longer[sizeof(three_labels) + 1] = {0};
    memcpy(longer, three_labels, sizeof(three_labels));
    check_refused(longer, sizeof(longer), LL_E_INVALID);
}

static void test_other_formats_and_sizes_are_refused(void)
{
    static const uint8_t floats[] = {0, 0, 13, 1, 0, 0, 0, 1, 0};
    static const uint8_t none[] = {0, 0, 8, 1, 0, 0, 0, 0};
    /* 2^16 x 2^16 wraps around to a small product when it is not checked. */
    static const uint8_t huge[] = {0, 0, 8, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t large[] = {0, 0, 8, 1, 0x40, 0, 0, 1, 0};
    check_refused(floats, sizeof(floats), LL_E_INVALID);
    check_refused(none, sizeof(none), LL_E_INVALID);
    check_refused(huge, sizeof(huge), LL_E_INVALID);
    check_refused(large, sizeof(large), LL_E_INVALID);
}

static void test_missing_file_is_named(void)
{
    struct lab_idx idx = {0};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(lab_idx_read("/nonexistent/file", &idx, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nonexistent/file"));
}

const char *const ll_test_suite = "lab_idx";
const struct ll_test ll_tests[] = {
    LL_TEST(test_read_images_gzipped_and_plain),
    LL_TEST(test_read_labels),
    LL_TEST(test_every_truncation_is_refused),
    LL_TEST(test_bytes_behind_the_last_item_are_refused),
    LL_TEST(test_other_formats_and_sizes_are_refused),
    LL_TEST(test_missing_file_is_named),
    {NULL, NULL},
};
