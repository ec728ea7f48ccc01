#include "edge/edge_store.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/ll_test.h"

enum { BYTES = 1000 };

static char content[BYTES];

/* Files in a folder, those of the store's own lock not counted. */
static int count_files(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += entry->d_name[0] != '.' && !strstr(entry->d_name, ".lock");
    }
    closedir(dir);
    return count;
}

static struct edge_store *open_store(const char *folder, int64_t budget_bytes)
{
    struct edge_store *store = NULL;
    struct ll_error err;
    const struct edge_store_config config = {.folder = folder, .budget_bytes = budget_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, &err), LL_OK);
    return store;
}

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
    struct edge_store *store = open_store(folder, 1 << 20);
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
    CU_ASSERT_EQUAL(count_files(folder), 0);
    edge_store_destroy(store);
}

static void test_two_writers_share_one_frontier(void)
{
    struct edge_store *store = open_store(NULL, 1 << 20);
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
    struct edge_store *store = open_store(NULL, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(blob, 1, 999), EDGE_WRITE_BEYOND);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_wrong_bytes_are_forgotten(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = open_store(folder, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    content[500] ^= 1;
    CU_ASSERT_EQUAL(write_part(blob, 0, 999), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL(write_part(blob, 999, 1), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(folder), 0);
    content[500] ^= 1;
    CU_ASSERT_EQUAL(write_part(blob, 0, 1000), EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_same_name_is_the_same_blob(void)
{
    struct edge_store *store = open_store(NULL, 1 << 20);
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
    struct edge_store *store = open_store(NULL, 1500);
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
    struct edge_store *store = open_store(NULL, 1 << 20);
    struct edge_blob *blob = open_blob(store, 1);
    CU_ASSERT_EQUAL(write_part(blob, 0, 100), EDGE_WRITE_KEPT);
    /* A file-size limit stands for a disk without room. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = 600;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &low), 0);
    edge_write_outcome outcome;
    struct ll_error err = {.text = ""};
    ll_status status = edge_blob_write(blob, 100, content + 100, 900, &outcome, &err);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_EQUAL(status, LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "disk is full"));
    CU_ASSERT_EQUAL(edge_blob_written(blob), 100);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 100);
    CU_ASSERT_EQUAL(write_part(blob, 100, 900), EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
}

static void test_folder_belongs_to_one_store(void)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = open_store(folder, 1 << 20);
    struct edge_store *second = NULL;
    const struct edge_store_config config = {.folder = folder, .budget_bytes = 1};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_store_create(&config, &second, &err), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, folder));
    edge_store_destroy(store);
    edge_store_destroy(open_store(folder, 1 << 20));
}

static void test_leftovers_are_removed_and_other_files_stay(void)
{
    const char *folder = ll_test_folder();
    char path[9000];
    static const char digits[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const names[] = {"-10",     "-10.part",  "-10.7.part",
                                        "-10.txt", "-10..part", "x-10"};
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/%s%s", folder, digits, names[i]);
        FILE *file = fopen(path, "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fclose(file);
    }
    edge_store_destroy(open_store(folder, 1 << 20));
    CU_ASSERT_EQUAL(count_files(folder), 3);
}

static void test_unusable_folder_is_named(void)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.folder = "/proc/none/such", .budget_bytes = 1};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/proc/none/such"));
}

static void test_copy_becomes_the_blob(void)
{
    struct edge_store *store = open_store(NULL, 10 * BYTES);
    struct edge_blob *blob = open_blob(store, 1);
    struct edge_blob *copy = NULL;
    struct edge_blob *wrong = NULL;
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(write_part(blob, 0, 10), EDGE_WRITE_KEPT);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &copy), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &wrong), LL_OK);
    CU_ASSERT_EQUAL(edge_blob_written(copy), 0);
    CU_ASSERT_EQUAL(edge_blob_write(wrong, 0, "wrong", 5, &outcome, &err), LL_OK);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 15);
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), 2);
    CU_ASSERT_EQUAL(write_part(copy, 0, BYTES), EDGE_WRITE_COMPLETED);
    edge_blob_adopt(blob, copy);
    CU_ASSERT_PTR_NULL(edge_blob_data(copy));
    edge_blob_unref(copy);
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge_blob_data(blob));
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(edge_blob_data(blob)), content, BYTES), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), BYTES + 5);
    /* Who wrote something else is found out; who did not is not. */
    CU_ASSERT_FALSE(edge_blob_agrees(wrong, blob));
    edge_blob_unref(wrong);
    CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &copy), LL_OK);
    CU_ASSERT(edge_blob_agrees(copy, blob));
    CU_ASSERT_EQUAL(write_part(copy, 0, BYTES - 1), EDGE_WRITE_KEPT);
    CU_ASSERT(edge_blob_agrees(copy, blob));
    edge_blob_unref(copy);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), BYTES);
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), 1);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), 0);
    edge_store_destroy(store);
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
    LL_TEST(test_folder_belongs_to_one_store),
    LL_TEST(test_leftovers_are_removed_and_other_files_stay),
    LL_TEST(test_unusable_folder_is_named),
    LL_TEST(test_copy_becomes_the_blob),
    {NULL, NULL},
};
