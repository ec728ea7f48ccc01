#include "core/ll_buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"

static void count_release(void *arg, void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    ++*(int *)arg;
}

static void test_wrap_releases_once_after_the_last_slice(void)
{
    char memory[] = "0123456789";
    int released = 0;
    struct ll_buf *whole = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_wrap(memory, 10, count_release, &released, &whole), LL_OK);
    struct ll_buf *part = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(whole, 3, 4, &part), LL_OK);
    ll_buf_unref(whole);
    CU_ASSERT_EQUAL(released, 0);
    CU_ASSERT_EQUAL(ll_buf_bytes(part), 4);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(part), "3456", 4), 0);
    struct ll_buf *again = ll_buf_ref(part);
    ll_buf_unref(part);
    CU_ASSERT_EQUAL(released, 0);
    ll_buf_unref(again);
    CU_ASSERT_EQUAL(released, 1);
    ll_buf_unref(NULL);
}

static void test_create_is_aligned_and_takes_zero_bytes(void)
{
    for (size_t bytes = 0; bytes < 200; bytes += 67) {
        struct ll_buf *buf = NULL;
        CU_ASSERT_EQUAL_FATAL(ll_buf_create(bytes, &buf), LL_OK);
        CU_ASSERT_EQUAL((uintptr_t)ll_buf_data(buf) % 64, 0);
        memset(ll_buf_writable(buf), 1, bytes);
        ll_buf_unref(buf);
    }
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL(ll_buf_create(SIZE_MAX, &buf), LL_E_NO_MEMORY);
    CU_ASSERT_EQUAL(ll_buf_create(SIZE_MAX / 2, &buf), LL_E_NO_MEMORY);
    CU_ASSERT_PTR_NULL(buf);
}

static void test_map_file_refuses_what_is_no_file(void)
{
    struct ll_error err;
    struct ll_buf *buf = NULL;
    const char *folder = ll_test_folder();
    CU_ASSERT_EQUAL(ll_buf_map_file(folder, 1 << 20, &buf, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not a regular file"));
    char path[4096];
    snprintf(path, sizeof(path), "%s/file", folder);
    CU_ASSERT_EQUAL(ll_buf_map_file(path, 1 << 20, &buf, &err), LL_E_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("hello", file);
    fclose(file);
    CU_ASSERT_EQUAL(ll_buf_map_file(path, 4, &buf, &err), LL_E_EXHAUSTED);
    CU_ASSERT_EQUAL_FATAL(ll_buf_map_file(path, 5, &buf, &err), LL_OK);
    CU_ASSERT_EQUAL(ll_buf_bytes(buf), 5);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(buf), "hello", 5), 0);
    ll_buf_unref(buf);
    file = fopen(path, "w");
    fclose(file);
    CU_ASSERT_EQUAL_FATAL(ll_buf_map_file(path, 5, &buf, &err), LL_OK);
    CU_ASSERT_EQUAL(ll_buf_bytes(buf), 0);
    ll_buf_unref(buf);
}

const char *const ll_test_suite = "ll_buf";
const struct ll_test ll_tests[] = {
    LL_TEST(test_wrap_releases_once_after_the_last_slice),
    LL_TEST(test_create_is_aligned_and_takes_zero_bytes),
    LL_TEST(test_map_file_refuses_what_is_no_file),
    {NULL, NULL},
};
