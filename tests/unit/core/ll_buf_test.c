#include "core/ll_buf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* How many of the pages from `data` on are in this process's memory (bit 63 of pagemap's entries).
 */
static int present_pages(const void *data, int pages, long page_bytes)
{
    uint64_t entries[8] = {0};
    FILE *file = fopen("/proc/self/pagemap", "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    long at = (long)((uintptr_t)data / (uintptr_t)page_bytes * sizeof(entries[0]));
    CU_ASSERT_EQUAL_FATAL(fseek(file, at, SEEK_SET), 0);
    CU_ASSERT_EQUAL_FATAL(fread(entries, sizeof(entries[0]), (size_t)pages, file), (size_t)pages);
    fclose(file);
    int present = 0;
    for (int i = 0; i < pages; i++) {
        present += (int)(entries[i] >> 63);
    }
    return present;
}

static void test_pages_go_and_come_back(void)
{
    enum { PAGES = 6 };
    long page_bytes = sysconf(_SC_PAGESIZE);
    size_t bytes = PAGES * (size_t)page_bytes;
    char path[4096];
    snprintf(path, sizeof(path), "%s/pages", ll_test_folder());
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (size_t i = 0; i < bytes; i++) {
        fputc((int)(i % 251), file);
    }
    fclose(file);
    struct ll_buf *whole = NULL;
    struct ll_buf *part = NULL;
    struct ll_error err;
    CU_ASSERT_EQUAL_FATAL(ll_buf_map_file(path, 1 << 20, &whole, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_slice(whole, 100, bytes - 200, &part), LL_OK);
    const unsigned char *data = ll_buf_data(whole);
    unsigned sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum += data[i];
    }
    CU_ASSERT_EQUAL(present_pages(data, PAGES, page_bytes), PAGES);
    ll_buf_let_pages_go(part);
    CU_ASSERT_EQUAL(present_pages(data, PAGES, page_bytes), 2);
    for (size_t i = 0; i < bytes; i++) {
        sum -= data[i];
        CU_ASSERT_EQUAL(data[i], i % 251);
    }
    CU_ASSERT_EQUAL(sum, 0);
    ll_buf_unref(part);
    ll_buf_unref(whole);
    /* Memory that is nowhere else stays. */
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(bytes, &whole), LL_OK);
    memset(ll_buf_writable(whole), 7, bytes);
    ll_buf_let_pages_go(whole);
    CU_ASSERT_EQUAL(((const char *)ll_buf_data(whole))[bytes / 2], 7);
    ll_buf_unref(whole);
}

const char *const ll_test_suite = "ll_buf";
const struct ll_test ll_tests[] = {
    LL_TEST(test_wrap_releases_once_after_the_last_slice),
    LL_TEST(test_create_is_aligned_and_takes_zero_bytes),
    LL_TEST(test_map_file_refuses_what_is_no_file),
    LL_TEST(test_pages_go_and_come_back),
    {NULL, NULL},
};
