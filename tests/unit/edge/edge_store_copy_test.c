/* Copies of blobs, and what stays of a blob's bytes. */
#include <stdlib.h>
#include <string.h>

#include "edge/model/edge_store.h"
#include "tests/support/ll_test.h"
#include "tests/support/store_fixture.h"

static edge_write_outcome write_of(struct edge_blob *blob, const char *data, int64_t offset,
                                   int64_t bytes)
{
    edge_write_outcome outcome = EDGE_WRITE_BEYOND;
    CU_ASSERT_EQUAL(edge_blob_write(blob, offset, data + offset, (size_t)bytes, &outcome, NULL),
                    LL_OK);
    return outcome;
}

/* In memory or in files, as blobs of that size are. */
static void check_copies(size_t bytes)
{
    struct edge_store *store = store_fixture_open(NULL, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = store_fixture_get_filled(store, 'a', bytes, &data);
    struct edge_blob *copy = NULL;
    struct edge_blob *wrong = NULL;
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    int files = bytes < EDGE_STORE_MAPPED_BYTES ? 0 : 1;
    int64_t whole = (int64_t)bytes;
    CU_ASSERT_EQUAL(edge_blob_write(blob, 0, data, 10, &outcome, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &copy), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &wrong), LL_OK);
    CU_ASSERT_EQUAL(edge_blob_written(copy), 0);
    CU_ASSERT_EQUAL(edge_blob_write(wrong, 0, "wrong", 5, &outcome, NULL), LL_OK);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 15);
    CU_ASSERT_EQUAL(store_fixture_count_files(edge_store_folder(store)), 2 * files);
    CU_ASSERT_EQUAL(edge_blob_write(copy, 0, data, bytes, &outcome, NULL), LL_OK);
    CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
    edge_blob_adopt(blob, copy);
    CU_ASSERT_PTR_NULL(edge_blob_data(copy));
    edge_blob_unref(copy);
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge_blob_data(blob));
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(edge_blob_data(blob)), data, bytes), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), whole + 5);
    /* What is written can be read of both. */
    char read[5];
    CU_ASSERT_EQUAL(edge_blob_read(wrong, 1, read, 4, NULL), LL_OK);
    CU_ASSERT_EQUAL(memcmp(read, "rong", 4), 0);
    CU_ASSERT_EQUAL(edge_blob_read(blob, 3, read, 5, NULL), LL_OK);
    CU_ASSERT_EQUAL(memcmp(read, data + 3, 5), 0);
    edge_blob_unref(wrong);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &copy), LL_OK);
    CU_ASSERT_EQUAL(edge_blob_write(copy, 0, data, bytes - 1, &outcome, NULL), LL_OK);
    CU_ASSERT_EQUAL(edge_blob_read(copy, whole - 6, read, 5, NULL), LL_OK);
    CU_ASSERT_EQUAL(memcmp(read, data + whole - 6, 5), 0);
    edge_blob_unref(copy);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), whole);
    CU_ASSERT_EQUAL(store_fixture_count_files(edge_store_folder(store)), files);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(edge_store_folder(store)), 0);
    edge_store_destroy(store);
    free(data);
}

static void test_copy_becomes_the_blob(void)
{
    check_copies(100);
    check_copies(EDGE_STORE_MAPPED_BYTES);
}

/* The head is wrong and sent again; the tail stays. */
static void check_kept_tail(size_t bytes)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = store_fixture_get_filled(store, 'k', bytes, &data);
    int64_t whole = (int64_t)bytes;
    int64_t border = whole / 3;
    CU_ASSERT_EQUAL(edge_blob_kept_from(blob), whole);
    data[5] = 'x';
    CU_ASSERT_EQUAL(write_of(blob, data, 0, border), EDGE_WRITE_KEPT);
    edge_blob_keep_from(blob, border);
    CU_ASSERT_EQUAL(write_of(blob, data, border, whole - border), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), 0);
    CU_ASSERT_EQUAL(edge_blob_kept_from(blob), border);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), whole - border);
    /* What the tail has already, and what leaves a gap. */
    CU_ASSERT_EQUAL(write_of(blob, data, border, 10), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(write_of(blob, data, 1, 10), EDGE_WRITE_BEYOND);
    data[5] = 'k';
    CU_ASSERT_EQUAL(write_of(blob, data, 0, 7), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(write_of(blob, data, 7, border), EDGE_WRITE_COMPLETED);
    CU_ASSERT_EQUAL(edge_blob_kept_from(blob), whole);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), whole);
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge_blob_data(blob));
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(edge_blob_data(blob)), data, bytes), 0);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 0);
    edge_store_destroy(store);
    free(data);
}

/* The tail is the wrong one: it stays for one rejection, not for a second. */
static void check_wrong_tail(size_t bytes)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = store_fixture_get_filled(store, 'k', bytes, &data);
    int64_t whole = (int64_t)bytes;
    data[whole - 1] = 'x';
    edge_blob_keep_from(blob, 50);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, whole), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, 50), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_kept_from(blob), whole);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 0);
    /* Nor is it left behind by a blob that goes. */
    edge_blob_keep_from(blob, 50);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, whole), EDGE_WRITE_REJECTED);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 0);
    edge_store_destroy(store);
    free(data);
}

static void test_kept_bytes_survive_one_rejection(void)
{
    static const size_t sizes[] = {100, EDGE_STORE_MAPPED_BYTES + 1};
    for (int i = 0; i < 2; i++) {
        check_kept_tail(sizes[i]);
        check_wrong_tail(sizes[i]);
    }
}

static void test_stored_bytes_end_at_borders(void)
{
    enum { FRAME = EDGE_STORE_FRAME_BYTES, LARGE = 2 * FRAME + 100 };
    struct edge_store *store = store_fixture_open(ll_test_folder(), 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = store_fixture_get_filled(store, 's', LARGE, &data);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), 0);
    write_of(blob, data, 0, FRAME - 1);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), 0);
    write_of(blob, data, FRAME - 1, 1);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), FRAME);
    write_of(blob, data, FRAME, FRAME + 99);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), INT64_C(2) * FRAME);
    CU_ASSERT_EQUAL(write_of(blob, data, LARGE - 1, 1), EDGE_WRITE_COMPLETED);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), LARGE);
    edge_blob_unref(blob);
    edge_store_destroy(store);
    free(data);
}

const char *const ll_test_suite = "edge_store_copy";
const struct ll_test ll_tests[] = {
    LL_TEST(test_copy_becomes_the_blob),
    LL_TEST(test_kept_bytes_survive_one_rejection),
    LL_TEST(test_stored_bytes_end_at_borders),
    {NULL, NULL},
};
