#include "edge/model/edge_store.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/ll_test.h"

enum { BYTES = 1000 };

static char content[BYTES];

/* Files in a folder, but for those that a store that lasts always has. */
static bool is_counted(const char *name)
{
    return name[0] != '.' && !strstr(name, ".lock") && strncmp(name, "pack-", 5) != 0 &&
           strcmp(name, "VERSION") != 0 && strcmp(name, "models") != 0;
}

static int count_files(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += is_counted(entry->d_name);
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

/* A record of `bytes` times `value`, which the caller frees with the blob. */
static struct edge_blob *open_filled(struct edge_store *store, char value, size_t bytes,
                                     char **out_data)
{
    struct ll_digest digest;
    struct edge_blob *blob = NULL;
    char *data = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    memset(data, value, bytes);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(data, bytes, &digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digest, (int64_t)bytes, &blob), LL_OK);
    *out_data = data;
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
    enum { LARGE = EDGE_STORE_MAPPED_BYTES };
    struct edge_store *store = open_store(NULL, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = open_filled(store, 'x', LARGE, &data);
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
    struct edge_store *store = open_store(folder, 1 << 20);
    CU_ASSERT_EQUAL(count_files(folder), 6);
    edge_store_remove_orphans(store);
    CU_ASSERT_EQUAL(count_files(folder), 3);
    edge_store_destroy(store);
}

static void test_unusable_folder_is_named(void)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.folder = "/proc/none/such", .budget_bytes = 1};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/proc/none/such"));
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
    struct edge_store *store = open_store(folder, 1 << 20);
    static const size_t sizes[] = {1, EDGE_STORE_MAPPED_BYTES - 1, EDGE_STORE_MAPPED_BYTES};
    struct edge_blob *blobs[3];
    for (int i = 0; i < 3; i++) {
        char *data = NULL;
        edge_write_outcome outcome;
        blobs[i] = open_filled(store, (char)('a' + i), sizes[i], &data);
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
    struct edge_blob *first = open_filled(store, 'a', bytes, &data[0]);
    struct edge_blob *second = open_filled(store, 'b', bytes, &data[1]);
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
        struct edge_blob *wrong = open_filled(store, 'a', sizes[i], &data[0]);
        struct edge_blob *right = open_filled(store, 'b', sizes[i], &data[1]);
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

/* ---- Temporary folders ---- */

/* `parent`/layerlift-store-`digits`, with a lock file and a blob's if wished. */
static void make_stale(const char *parent, const char *digits, bool has_lock, char out_path[9000])
{
    char path[9100];
    snprintf(out_path, 9000, "%s/layerlift-store-%s", parent, digits);
    CU_ASSERT_EQUAL_FATAL(mkdir(out_path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%0*d-10.part", out_path, 64, 1);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    if (has_lock) {
        snprintf(path, sizeof(path), "%s/layerlift.lock", out_path);
        file = fopen(path, "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        fclose(file);
    }
}

static struct edge_store *open_temporary(const char *parent)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.temporary_parent = parent, .budget_bytes = 1 << 20};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, NULL), LL_OK);
    return store;
}

static void test_folders_of_killed_servers_are_removed(void)
{
    const char *parent = ll_test_folder();
    char stale[9000];
    make_stale(parent, "abc123", true, stale);
    struct edge_store *store = open_temporary(parent);
    CU_ASSERT_NOT_EQUAL(access(stale, F_OK), 0);
    CU_ASSERT_EQUAL(count_files(parent), 1);
    edge_store_destroy(store);
    CU_ASSERT_EQUAL(count_files(parent), 0);
}

static void test_other_folders_stay(void)
{
    char parent[4096];
    char elsewhere[4096];
    snprintf(parent, sizeof(parent), "%s", ll_test_folder());
    snprintf(elsewhere, sizeof(elsewhere), "%s", ll_test_folder());
    char path[9000];
    char target[9000];
    char unlocked[9000];
    struct edge_store *alive = open_temporary(parent);
    make_stale(parent, "nolock", false, unlocked);
    /* A link to what would be removed, did it stand here. */
    make_stale(elsewhere, "target", true, target);
    snprintf(path, sizeof(path), "%s/layerlift-store-linked", parent);
    CU_ASSERT_EQUAL_FATAL(symlink(target, path), 0);
    /* Neither the form of a name that we give. */
    char longer[9000];
    make_stale(parent, "abc1234", true, longer);
    edge_store_destroy(open_temporary(parent));
    CU_ASSERT_EQUAL(access(edge_store_folder(alive), F_OK), 0);
    CU_ASSERT_EQUAL(access(unlocked, F_OK), 0);
    CU_ASSERT_EQUAL(access(longer, F_OK), 0);
    CU_ASSERT_EQUAL(access(target, F_OK), 0);
    CU_ASSERT_EQUAL(count_files(target), 1);
    edge_store_destroy(alive);
    CU_ASSERT_EQUAL(count_files(parent), 3);
}

static void test_files_that_are_not_the_stores_keep_a_stale_folder(void)
{
    const char *parent = ll_test_folder();
    char stale[9000];
    char path[9100];
    make_stale(parent, "abc123", true, stale);
    snprintf(path, sizeof(path), "%s/letter.txt", stale);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
    edge_store_destroy(open_temporary(parent));
    CU_ASSERT_EQUAL(access(path, F_OK), 0);
    CU_ASSERT_EQUAL(count_files(stale), 1);
}

/* In memory or in files, as blobs of that size are. */
static void check_copies(size_t bytes)
{
    struct edge_store *store = open_store(NULL, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = open_filled(store, 'a', bytes, &data);
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
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), 2 * files);
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
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), files);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(edge_store_folder(store)), 0);
    edge_store_destroy(store);
    free(data);
}

static void test_copy_becomes_the_blob(void)
{
    check_copies(100);
    check_copies(EDGE_STORE_MAPPED_BYTES);
}

/* ---- What stays ---- */

static edge_write_outcome write_of(struct edge_blob *blob, const char *data, int64_t offset,
                                   int64_t bytes)
{
    edge_write_outcome outcome = EDGE_WRITE_BEYOND;
    CU_ASSERT_EQUAL(edge_blob_write(blob, offset, data + offset, (size_t)bytes, &outcome, NULL),
                    LL_OK);
    return outcome;
}

/* The head is wrong and sent again; the tail stays. */
static void check_kept_tail(size_t bytes)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = open_store(folder, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = open_filled(store, 'k', bytes, &data);
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
    CU_ASSERT_EQUAL(count_files(folder), 0);
    edge_store_destroy(store);
    free(data);
}

/* The tail is the wrong one: it stays for one rejection, not for a second. */
static void check_wrong_tail(size_t bytes)
{
    const char *folder = ll_test_folder();
    struct edge_store *store = open_store(folder, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = open_filled(store, 'k', bytes, &data);
    int64_t whole = (int64_t)bytes;
    data[whole - 1] = 'x';
    edge_blob_keep_from(blob, 50);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, whole), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, 50), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_kept_from(blob), whole);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(folder), 0);
    /* Nor is it left behind by a blob that goes. */
    edge_blob_keep_from(blob, 50);
    CU_ASSERT_EQUAL(write_of(blob, data, 0, whole), EDGE_WRITE_REJECTED);
    edge_blob_unref(blob);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(folder), 0);
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
    struct edge_store *store = open_store(NULL, 1 << 20);
    char *data = NULL;
    struct edge_blob *blob = open_filled(store, 's', LARGE, &data);
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
    LL_TEST(test_only_large_blobs_are_mappings),
    LL_TEST(test_mappings_and_memory_are_bounded),
    LL_TEST(test_rejected_blob_gives_its_place_back),
    LL_TEST(test_folders_of_killed_servers_are_removed),
    LL_TEST(test_other_folders_stay),
    LL_TEST(test_files_that_are_not_the_stores_keep_a_stale_folder),
    LL_TEST(test_copy_becomes_the_blob),
    LL_TEST(test_kept_bytes_survive_one_rejection),
    LL_TEST(test_stored_bytes_end_at_borders),
    {NULL, NULL},
};
