#include "edge/model/edge_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/ll_test.h"
#include "tests/support/store_fixture.h"

enum { BYTES = 1000 };

static char content[BYTES];

/* A record for `content`, filled from `seed`. */
static struct edge_blob *open_blob(struct edge_store *store, unsigned seed)
{
    for (int i = 0; i < BYTES; i++) {
        seed = seed * 1664525U + 1013904223U;
        content[i] = (char)(seed >> 16);
    }
    struct ll_digest digest;
    struct edge_blob *blob = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(content, BYTES, &digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digest, BYTES, &blob), LL_OK);
    return blob;
}

static edge_write_outcome write_part(struct edge_blob *blob, int64_t offset, int64_t bytes)
{
    edge_write_outcome outcome = EDGE_WRITE_BEYOND;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_blob_write(blob, offset, content + offset, (size_t)bytes, &outcome, &err),
                    LL_OK);
    return outcome;
}

static void test_blob_is_available_once_whole(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(blob, 0, 400), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 400);
    CU_ASSERT_PTR_NULL(edge_blob_data(blob));
    CU_ASSERT_EQUAL(write_part(blob, 400, 600), EDGE_WRITE_COMPLETED);
    struct ll_buf *data = edge_blob_data(blob);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL(ll_buf_bytes(data), BYTES);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(data), content, BYTES), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), BYTES);
    CU_ASSERT_EQUAL(write_part(blob, 0, 1000), EDGE_WRITE_KEPT);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 0);
    edge_store_destroy(store);
}

static void test_two_writers_share_one_frontier(void)
{
    struct edge_store *store = store_fixture_open(NULL, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(blob, 0, 300), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(write_part(blob, 0, 200), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 300);
    CU_ASSERT_EQUAL(write_part(blob, 200, 500), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 700);
    CU_ASSERT_EQUAL(write_part(blob, 300, 700), EDGE_WRITE_COMPLETED);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), BYTES);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(edge_blob_data(blob)), content, BYTES), 0);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_write_beyond_frontier_is_dropped(void)
{
    struct edge_store *store = store_fixture_open(NULL, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(blob, 1, 999), EDGE_WRITE_BEYOND);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_wrong_bytes_are_forgotten(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    content[500] ^= 1;
    CU_ASSERT_EQUAL(write_part(blob, 0, 999), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(write_part(blob, 999, 1), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(store_fixture_count_files(folder), 0);
    content[500] ^= 1;
    CU_ASSERT_EQUAL(write_part(blob, 0, 1000), EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_same_name_is_the_same_blob(void)
{
    struct edge_store *store = store_fixture_open(NULL, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    struct edge_blob *again = open_blob(store, 1);
    struct edge_blob *other = open_blob(store, 2);
    CU_ASSERT_PTR_EQUAL(blob, again);
    CU_ASSERT_PTR_NOT_EQUAL(blob, other);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_blob_bytes(again), BYTES);
    edge_blob_unref(again);
    edge_blob_unref(other);
    edge_store_destroy(store);
}

static void test_budget_is_kept_and_named(void)
{
    struct edge_store *store = store_fixture_open(NULL, 1500);
    struct edge_blob *first = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(first, 0, 1000), EDGE_WRITE_COMPLETED);
    struct edge_blob *second = open_blob(store, 2);
    CU_ASSERT_EQUAL(write_part(second, 0, 500), EDGE_WRITE_KEPT);
    edge_write_outcome outcome;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_blob_write(second, 500, content + 500, 1, &outcome, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "store_bytes is 1500"));
    CU_ASSERT_EQUAL(edge_blob_written(second), 500);
    edge_blob_unref(first);
    CU_ASSERT_EQUAL(write_part(second, 500, 500), EDGE_WRITE_COMPLETED);
    edge_blob_unref(second);
    edge_store_destroy(store);
}

static void test_full_disk_is_reported_and_survived(void)
{
    enum { LARGE = EDGE_STORE_MAPPED_BYTES };
    struct edge_store *store = store_fixture_open(NULL, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = store_fixture_get_filled(store, 'x', LARGE, &data);
    edge_write_outcome outcome;
    CU_ASSERT_EQUAL(edge_blob_write(blob, 0, data, 100, &outcome, NULL), LL_OK);
    /* A file-size limit stands for a disk without room. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = 600;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &low), 0);
    struct ll_error err = {.text = ""};
    ll_status status = edge_blob_write(blob, 100, data + 100, LARGE - 100, &outcome, &err);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL(status, LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "disk is full"));
    CU_ASSERT_EQUAL(edge_blob_written(blob), 100);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 100);
    CU_ASSERT_EQUAL(edge_blob_write(blob, 100, data + 100, LARGE - 100, &outcome, NULL), LL_OK);
    CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
    free(data);
}

/* ---- Many and small ones ---- */

/* Mappings of this process whose file lies in `folder`. */
static int count_mappings(const char *folder)
{
    char line[9000];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof(line), file)) {
        count += strstr(line, folder) != NULL;
    }
    fclose(file);
    return count;
}

static void test_only_large_blobs_are_mappings(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = store_fixture_open(folder, 1 << 20);
    static const size_t sizes[] = {1, EDGE_STORE_MAPPED_BYTES - 1, EDGE_STORE_MAPPED_BYTES};
    struct edge_blob *blobs[3];
    for (int i = 0; i < 3; i++) {
        char *data = NULL;
        edge_write_outcome outcome;
        blobs[i] = store_fixture_get_filled(store, (char)('a' + i), sizes[i], &data);
        CU_ASSERT_EQUAL(edge_blob_write(blobs[i], 0, data, sizes[i], &outcome, NULL), LL_OK);
        CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
        struct ll_buf *read = edge_blob_data(blobs[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(read);
        CU_ASSERT_EQUAL(ll_buf_bytes(read), sizes[i]);
        CU_ASSERT_EQUAL(memcmp(ll_buf_data(read), data, sizes[i]), 0);
        CU_ASSERT_EQUAL(count_mappings(folder), i == 2);
        free(data);
    }
    for (int i = 0; i < 3; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_settle(store);
    CU_ASSERT_EQUAL(count_mappings(folder), 0);
    edge_store_destroy(store);
}

/* One blob more than a limit allows is refused by its name, and taken once another one has gone. */
static void check_limit(const struct edge_store_config *config, size_t bytes, const char *limit)
{
    struct edge_store *store = NULL;
    struct ll_error err = {.text = ""};
    char *data[2] = {NULL};
    edge_write_outcome outcome;
    CU_ASSERT_EQUAL_FATAL(edge_store_create(config, &store, NULL), LL_OK);
    struct edge_blob *first = store_fixture_get_filled(store, 'a', bytes, &data[0]);
    struct edge_blob *second = store_fixture_get_filled(store, 'b', bytes, &data[1]);
    /* A blob that has only begun has its place, too. */
    CU_ASSERT_EQUAL(edge_blob_write(first, 0, data[0], 1, &outcome, &err), LL_OK);
    CU_ASSERT_EQUAL(edge_blob_write(second, 0, data[1], 1, &outcome, &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, limit);
    CU_ASSERT(err.retry_ms > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, limit));
    CU_ASSERT_EQUAL(edge_blob_written(second), 0);
    CU_ASSERT_EQUAL(edge_blob_write(first, 1, data[0] + 1, bytes - 1, &outcome, &err), LL_OK);
    CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
    edge_blob_unref(first);
    CU_ASSERT_EQUAL(edge_blob_write(second, 0, data[1], bytes, &outcome, &err), LL_OK);
    CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
    edge_blob_unref(second);
    edge_store_destroy(store);
    free(data[0]);
    free(data[1]);
}

static void test_mappings_and_memory_are_bounded(void)
{
    enum { SMALL = 100, LARGE = EDGE_STORE_MAPPED_BYTES };
    struct edge_store_config config = {
        .temporary_parent = ll_test_tmp(), .budget_bytes = 1 << 20, .most_mappings = 1};
    check_limit(&config, LARGE, "store_mappings");
    struct ll_memory *memory = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(1000, &memory), LL_OK);
    config = (struct edge_store_config){
        .temporary_parent = ll_test_tmp(), .budget_bytes = 1 << 20, .memory = memory};
    check_limit(&config, SMALL, "memory_bytes");
    CU_ASSERT_EQUAL(ll_memory_used(memory), 0);
    ll_memory_destroy(memory);
}

static void test_rejected_blob_gives_its_place_back(void)
{
    static const size_t sizes[] = {100, EDGE_STORE_MAPPED_BYTES};
    struct ll_memory *memory = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(1000, &memory), LL_OK);
    const struct edge_store_config config = {.temporary_parent = ll_test_tmp(),
                                             .budget_bytes = 1 << 20,
                                             .most_mappings = 1,
                                             .memory = memory};
    for (int i = 0; i < 2; i++) {
        struct edge_store *store = NULL;
        char *data[2] = {NULL};
        edge_write_outcome outcome;
        CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, NULL), LL_OK);
        struct edge_blob *wrong = store_fixture_get_filled(store, 'a', sizes[i], &data[0]);
        struct edge_blob *right = store_fixture_get_filled(store, 'b', sizes[i], &data[1]);
        CU_ASSERT_EQUAL(edge_blob_write(wrong, 0, data[1], sizes[i], &outcome, NULL), LL_OK);
        CU_ASSERT_EQUAL(outcome, EDGE_WRITE_REJECTED);
        CU_ASSERT_EQUAL(ll_memory_used(memory), 0);
        CU_ASSERT_EQUAL(edge_blob_write(right, 0, data[1], sizes[i], &outcome, NULL), LL_OK);
        CU_ASSERT_EQUAL(outcome, EDGE_WRITE_COMPLETED);
        edge_blob_unref(wrong);
        edge_blob_unref(right);
        edge_store_destroy(store);
        free(data[0]);
        free(data[1]);
    }
    CU_ASSERT_EQUAL(ll_memory_used(memory), 0);
    ll_memory_destroy(memory);
}

const char *const ll_test_suite = "edge_store";
const struct ll_test ll_tests[] = {
    LL_TEST(test_blob_is_available_once_whole),
    LL_TEST(test_two_writers_share_one_frontier),
    LL_TEST(test_write_beyond_frontier_is_dropped),
    LL_TEST(test_wrong_bytes_are_forgotten),
    LL_TEST(test_same_name_is_the_same_blob),
    LL_TEST(test_budget_is_kept_and_named),
    LL_TEST(test_full_disk_is_reported_and_survived),
    LL_TEST(test_only_large_blobs_are_mappings),
    LL_TEST(test_mappings_and_memory_are_bounded),
    LL_TEST(test_rejected_blob_gives_its_place_back),
    {NULL, NULL},
};
