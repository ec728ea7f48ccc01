/* What a store that lasts keeps for the next process, and what it does not. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/model/edge_store.h"
#include "edge/model/edge_store_models.h"
#include "tests/support/crash_files.h"
#include "tests/support/ll_test.h"

enum { FRAME = EDGE_STORE_FRAME_BYTES, LARGE = 2 * FRAME + 100, SMALL = 100, NEVER = 1 << 30 };

static struct edge_store *open_with(const char *folder, const struct edge_store_files *files)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {
        .folder = folder, .budget_bytes = 1 << 30, .files = files};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&config, &store, NULL), LL_OK);
    return store;
}

static struct edge_store *open_store(const char *folder)
{
    return open_with(folder, NULL);
}

/* The end of a process that ends in order. */
static void end(struct edge_store *store, struct edge_blob **blobs, int count)
{
    edge_store_leave_files(store);
    for (int i = 0; i < count; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_destroy(store);
}

/* `bytes` that follow from `seed`; the caller frees them. */
static char *make_bytes(unsigned seed, size_t bytes)
{
    char *data = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525U + 1013904223U;
        data[i] = (char)(seed >> 16);
    }
    return data;
}

static struct edge_blob *get(struct edge_store *store, const char *data, size_t bytes)
{
    struct ll_digest digest;
    struct edge_blob *blob = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(data, bytes, &digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digest, (int64_t)bytes, &blob), LL_OK);
    return blob;
}

static edge_write_outcome bring(struct edge_blob *blob, const char *data, int64_t from, int64_t to)
{
    edge_write_outcome outcome = EDGE_WRITE_BEYOND;
    CU_ASSERT_EQUAL(edge_blob_write(blob, from, data + from, (size_t)(to - from), &outcome, NULL),
                    LL_OK);
    return outcome;
}

static bool has(struct edge_blob *blob, const char *data)
{
    struct ll_buf *buf = edge_blob_data(blob);
    return buf && memcmp(ll_buf_data(buf), data, (size_t)edge_blob_bytes(blob)) == 0;
}

/* Files of the folder whose names contain `part`. */
static int count_files(const char *folder, const char *part)
{
    int count = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += strstr(entry->d_name, part) != NULL;
    }
    closedir(dir);
    return count;
}

static void test_next_process_finds_all(void)
{
    const char *folder = ll_test_folder();
    static const size_t sizes[] = {LARGE, SMALL, LARGE + 1};
    char *data[3];
    struct edge_blob *blobs[3];
    struct edge_store *store = open_store(folder);
    for (int i = 0; i < 3; i++) {
        data[i] = make_bytes((unsigned)i, sizes[i]);
        blobs[i] = get(store, data[i], sizes[i]);
        CU_ASSERT_EQUAL(bring(blobs[i], data[i], 0, i == 2 ? FRAME + 7 : (int64_t)sizes[i]),
                        i == 2 ? EDGE_WRITE_KEPT : EDGE_WRITE_COMPLETED);
    }
    CU_ASSERT_EQUAL(edge_blob_stored(blobs[1]), SMALL);
    CU_ASSERT_EQUAL(edge_blob_stored(blobs[2]), FRAME);
    /* Not on disk yet: nobody is told. */
    CU_ASSERT_EQUAL(edge_blob_resumable(blobs[2]), 0);
    end(store, blobs, 3);
    CU_ASSERT_EQUAL(count_files(folder, ".part"), 1);
    store = open_store(folder);
    for (int i = 0; i < 3; i++) {
        blobs[i] = get(store, data[i], sizes[i]);
    }
    edge_store_sync_blobs(store, blobs, 3);
    CU_ASSERT(has(blobs[0], data[0]));
    CU_ASSERT(has(blobs[1], data[1]));
    CU_ASSERT_PTR_NULL(edge_blob_data(blobs[2]));
    CU_ASSERT_EQUAL(edge_blob_written(blobs[2]), FRAME);
    CU_ASSERT_EQUAL(edge_blob_resumable(blobs[2]), FRAME);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), LARGE + SMALL + FRAME);
    CU_ASSERT_EQUAL(bring(blobs[2], data[2], FRAME, LARGE + 1), EDGE_WRITE_COMPLETED);
    CU_ASSERT(has(blobs[2], data[2]));
    /* Whoever refers to none any more has none. */
    for (int i = 0; i < 3; i++) {
        edge_blob_unref(blobs[i]);
        free(data[i]);
    }
    edge_store_settle(store);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(count_files(folder, "-"), 0);
    edge_store_destroy(store);
}

static void test_changed_part_is_cut_at_the_last_right_border(void)
{
    const char *folder = ll_test_folder();
    char path[9000];
    char text[LL_DIGEST_TEXT_BYTES];
    struct ll_digest digest;
    char *data = make_bytes(1, LARGE);
    struct edge_store *store = open_store(folder);
    struct edge_blob *blob = get(store, data, LARGE);
    bring(blob, data, 0, 2 * FRAME + 50);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), (int64_t)2 * FRAME);
    end(store, &blob, 1);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(data, LARGE, &digest), LL_OK);
    ll_digest_format(&digest, text);
    snprintf(path, sizeof(path), "%s/%s-%d.part", folder, text + strlen("sha256:"), LARGE);
    FILE *file = fopen(path, "r+be");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, FRAME + 5, SEEK_SET);
    fputc(data[FRAME + 5] ^ 1, file);
    fclose(file);
    store = open_store(folder);
    blob = get(store, data, LARGE);
    edge_store_settle(store);
    CU_ASSERT_EQUAL(edge_blob_written(blob), FRAME);
    CU_ASSERT_EQUAL(bring(blob, data, FRAME, LARGE), EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
    free(data);
}

static void test_rejected_bytes_are_not_found_again(void)
{
    const char *folder = ll_test_folder();
    char *data = make_bytes(2, LARGE);
    struct edge_store *store = open_store(folder);
    struct edge_blob *blob = get(store, data, LARGE);
    data[3] ^= 1;
    edge_blob_keep_from(blob, FRAME);
    CU_ASSERT_EQUAL(bring(blob, data, 0, LARGE), EDGE_WRITE_REJECTED);
    CU_ASSERT_EQUAL(edge_blob_stored(blob), 0);
    end(store, &blob, 1);
    data[3] ^= 1;
    store = open_store(folder);
    blob = get(store, data, LARGE);
    edge_store_settle(store);
    CU_ASSERT_EQUAL(edge_blob_written(blob), 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    CU_ASSERT_EQUAL(bring(blob, data, 0, LARGE), EDGE_WRITE_COMPLETED);
    edge_blob_unref(blob);
    edge_store_destroy(store);
    free(data);
}

static void test_adopted_copies_last(void)
{
    static const size_t sizes[] = {LARGE, SMALL};
    for (int i = 0; i < 2; i++) {
        const char *folder = ll_test_folder();
        char *data = make_bytes(3, sizes[i]);
        struct edge_store *store = open_store(folder);
        struct edge_blob *blob = get(store, data, sizes[i]);
        struct edge_blob *copy = NULL;
        struct edge_blob *other = NULL;
        bring(blob, data, 0, 50);
        CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &copy), LL_OK);
        CU_ASSERT_EQUAL_FATAL(edge_store_copy(store, blob, &other), LL_OK);
        bring(other, data, 0, 50);
        CU_ASSERT_EQUAL(bring(copy, data, 0, (int64_t)sizes[i]), EDGE_WRITE_COMPLETED);
        edge_blob_adopt(blob, copy);
        edge_blob_unref(copy);
        CU_ASSERT(has(blob, data));
        CU_ASSERT_EQUAL(edge_blob_stored(blob), (int64_t)sizes[i]);
        /* Another copy is forgotten with its process. */
        struct edge_blob *both[] = {blob, other};
        end(store, both, 2);
        store = open_store(folder);
        blob = get(store, data, sizes[i]);
        edge_store_remove_orphans(store);
        CU_ASSERT(has(blob, data));
        CU_ASSERT_EQUAL(count_files(folder, ".part"), 0);
        edge_blob_unref(blob);
        edge_store_destroy(store);
        free(data);
    }
}

static void test_orphans_are_removed(void)
{
    const char *folder = ll_test_folder();
    char *large = make_bytes(4, LARGE);
    char *small = make_bytes(5, SMALL);
    struct edge_store *store = open_store(folder);
    struct edge_blob *blobs[] = {get(store, large, LARGE), get(store, small, SMALL)};
    bring(blobs[0], large, 0, LARGE);
    bring(blobs[1], small, 0, SMALL);
    end(store, blobs, 2);
    CU_ASSERT_EQUAL(count_files(folder, "-"), 2);
    store = open_store(folder);
    edge_store_remove_orphans(store);
    edge_store_settle(store);
    CU_ASSERT_EQUAL(count_files(folder, "-"), 0);
    edge_store_destroy(store);
    free(large);
    free(small);
}

/* ---- Packs ---- */

enum { MANY = 10000, MANY_BYTES = 64 };

static void many_bytes(int number, char out_data[MANY_BYTES])
{
    memset(out_data, 'm', MANY_BYTES);
    snprintf(out_data, MANY_BYTES, "%d", number);
}

/* Thousands of small blobs come and go with few files, calls and syncs. */
static void test_thousands_of_small_blobs_are_few_files(void)
{
    const char *folder = ll_test_folder();
    char data[MANY_BYTES];
    struct edge_blob **blobs = calloc(MANY, sizeof(struct edge_blob *));
    CU_ASSERT_PTR_NOT_NULL_FATAL(blobs);
    struct edge_store *store = open_store(folder);
    for (int i = 0; i < MANY; i++) {
        many_bytes(i, data);
        blobs[i] = get(store, data, MANY_BYTES);
        CU_ASSERT_EQUAL(bring(blobs[i], data, 0, MANY_BYTES), EDGE_WRITE_COMPLETED);
    }
    end(store, blobs, MANY);
    CU_ASSERT_EQUAL(count_files(folder, "pack-"), 1);
    crash_files_begin(NEVER);
    store = open_with(folder, &crash_files);
    int missing = 0;
    for (int i = 0; i < MANY; i++) {
        many_bytes(i, data);
        blobs[i] = get(store, data, MANY_BYTES);
        missing += !has(blobs[i], data);
    }
    CU_ASSERT_EQUAL(missing, 0);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), (int64_t)MANY * MANY_BYTES);
    /* The version is there, the pack is opened: no call for each. */
    CU_ASSERT(crash_files_calls() < 10);
    edge_store_leave_files(store);
    for (int i = 0; i < MANY; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_destroy(store);
    free(blobs);
}

static int64_t pack_bytes(const char *folder)
{
    char path[9000];
    struct stat info;
    int64_t bytes = 0;
    DIR *dir = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        bytes += strstr(entry->d_name, "pack-") && stat(path, &info) == 0 ? info.st_size : 0;
    }
    closedir(dir);
    return bytes;
}

static void test_dead_records_are_written_off(void)
{
    enum { COUNT = 100, RECORD = 64 + 128 };
    const char *folder = ll_test_folder();
    char *data[COUNT];
    struct edge_blob *blobs[COUNT];
    struct edge_store *store = open_store(folder);
    for (int i = 0; i < COUNT; i++) {
        data[i] = make_bytes((unsigned)i, SMALL);
        blobs[i] = get(store, data[i], SMALL);
        bring(blobs[i], data[i], 0, SMALL);
    }
    edge_store_settle(store);
    CU_ASSERT_EQUAL(pack_bytes(folder), (int64_t)COUNT * RECORD);
    for (int i = 0; i < COUNT / 2; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_settle(store);
    CU_ASSERT_EQUAL(pack_bytes(folder), (int64_t)COUNT * RECORD);
    edge_blob_unref(blobs[COUNT / 2]);
    edge_store_settle(store);
    CU_ASSERT_EQUAL(pack_bytes(folder), (int64_t)(COUNT / 2 - 1) * RECORD);
    CU_ASSERT_EQUAL(count_files(folder, "pack-"), 1);
    end(store, blobs + COUNT / 2 + 1, COUNT / 2 - 1);
    store = open_store(folder);
    for (int i = 0; i < COUNT; i++) {
        blobs[i] = get(store, data[i], SMALL);
        CU_ASSERT_EQUAL(has(blobs[i], data[i]), i > COUNT / 2);
        free(data[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_destroy(store);
}

/* What nobody has asked for yet is found, too, when its pack was rewritten meanwhile. */
static void test_moved_records_are_found(void)
{
    enum { COUNT = 3 };
    const char *folder = ll_test_folder();
    char *data[COUNT];
    struct edge_blob *blobs[COUNT];
    struct edge_store *store = open_store(folder);
    for (int i = 0; i < COUNT; i++) {
        data[i] = make_bytes((unsigned)i, SMALL);
        blobs[i] = get(store, data[i], SMALL);
        bring(blobs[i], data[i], 0, SMALL);
    }
    end(store, blobs, COUNT);
    store = open_store(folder);
    for (int i = 0; i < COUNT - 1; i++) {
        edge_blob_unref(get(store, data[i], SMALL));
    }
    edge_store_settle(store);
    CU_ASSERT_EQUAL(count_files(folder, "pack-00000002"), 1);
    for (int i = 0; i < COUNT; i++) {
        blobs[i] = get(store, data[i], SMALL);
        CU_ASSERT_EQUAL(has(blobs[i], data[i]), i == COUNT - 1);
        edge_blob_unref(blobs[i]);
        free(data[i]);
    }
    edge_store_destroy(store);
}

/* Whatever stands in a pack: records that are whole and right are found, and nothing else. */
static void test_hostile_packs_are_cut(void)
{
    const char *folder = ll_test_folder();
    char path[9000];
    char *data[2] = {make_bytes(7, SMALL), make_bytes(8, SMALL)};
    struct edge_blob *blobs[2];
    struct edge_store *store = open_store(folder);
    for (int i = 0; i < 2; i++) {
        blobs[i] = get(store, data[i], SMALL);
        bring(blobs[i], data[i], 0, SMALL);
    }
    end(store, blobs, 2);
    snprintf(path, sizeof(path), "%s/pack-00000001", folder);
    FILE *file = fopen(path, "r+be");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    /* The first one's bytes, and behind the second one a head that says it has 2^64 - 1. */
    fseek(file, 64 + 5, SEEK_SET);
    fputc(data[0][5] ^ 1, file);
    fseek(file, 0, SEEK_END);
    fwrite("LLblob1\n\xff\xff\xff\xff\xff\xff\xff\xff", 1, 16, file);
    fwrite(data[0], 1, SMALL, file);
    fclose(file);
    store = open_store(folder);
    for (int i = 0; i < 2; i++) {
        blobs[i] = get(store, data[i], SMALL);
        CU_ASSERT_EQUAL(has(blobs[i], data[i]), i == 1);
    }
    CU_ASSERT_EQUAL(bring(blobs[0], data[0], 0, SMALL), EDGE_WRITE_COMPLETED);
    end(store, blobs, 2);
    store = open_store(folder);
    for (int i = 0; i < 2; i++) {
        blobs[i] = get(store, data[i], SMALL);
        CU_ASSERT(has(blobs[i], data[i]));
        edge_blob_unref(blobs[i]);
        free(data[i]);
    }
    edge_store_destroy(store);
}

/* ---- A full disk ---- */

/* The blob is refused while the disk is full, as an exhausted limit that a device comes back for,
 * and goes on where it was once there is room. */
static void check_full_disk(size_t bytes, int64_t before)
{
    const char *folder = ll_test_folder();
    char *data = make_bytes(9, bytes);
    int64_t whole = (int64_t)bytes;
    edge_write_outcome outcome;
    struct ll_error err = {.text = ""};
    crash_files_begin(NEVER);
    struct edge_store *store = open_with(folder, &crash_files);
    struct edge_blob *blob = get(store, data, bytes);
    bring(blob, data, 0, before);
    edge_store_settle(store);
    crash_files_fail(0, ENOSPC);
    CU_ASSERT_EQUAL(
        edge_blob_write(blob, before, data + before, bytes - (size_t)before, &outcome, &err),
        LL_E_EXHAUSTED);
    CU_ASSERT(err.retry_ms > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "disk is full"));
    CU_ASSERT_EQUAL(edge_blob_written(blob), before);
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), before);
    CU_ASSERT_EQUAL(edge_store_put_model(store, &(struct ll_digest){{1}}, "m", 1, &err),
                    LL_E_EXHAUSTED);
    crash_files_begin(NEVER);
    CU_ASSERT_EQUAL(bring(blob, data, before, whole), EDGE_WRITE_COMPLETED);
    end(store, &blob, 1);
    store = open_store(folder);
    blob = get(store, data, bytes);
    CU_ASSERT(has(blob, data));
    edge_blob_unref(blob);
    edge_store_destroy(store);
    free(data);
}

static void test_full_disk_is_waited_for(void)
{
    check_full_disk(LARGE, 0);
    check_full_disk(LARGE, FRAME + 100);
    check_full_disk(SMALL, 0);
    check_full_disk(SMALL, 50);
}

/* A disk that is full, or broken, when a verified blob is to be brought to it: the blob is there
 * nevertheless, for this process and for the next one. */
static void test_refused_syncs_lose_nothing(void)
{
    static const int failures[] = {ENOSPC, EIO};
    for (int i = 0; i < 2; i++) {
        const char *folder = ll_test_folder();
        char *data = make_bytes(10, LARGE);
        crash_files_begin(NEVER);
        struct edge_store *store = open_with(folder, &crash_files);
        struct edge_blob *blob = get(store, data, LARGE);
        bring(blob, data, 0, LARGE - 1);
        /* The last write is done, what follows is not. */
        crash_files_fail(2, failures[i]);
        CU_ASSERT_EQUAL(bring(blob, data, LARGE - 1, LARGE), EDGE_WRITE_COMPLETED);
        edge_store_settle(store);
        CU_ASSERT(has(blob, data));
        CU_ASSERT_EQUAL(count_files(folder, ".part"), 1);
        end(store, &blob, 1);
        store = open_store(folder);
        blob = get(store, data, LARGE);
        edge_store_settle(store);
        CU_ASSERT(has(blob, data));
        CU_ASSERT_EQUAL(count_files(folder, ".part"), 0);
        edge_blob_unref(blob);
        edge_store_destroy(store);
        free(data);
    }
}

/* However many files a device has begun, they are few syncs. */
static void test_many_parts_are_synced_at_once(void)
{
    enum { COUNT = 40 };
    const char *folder = ll_test_folder();
    char *data[COUNT];
    struct edge_blob *blobs[COUNT];
    crash_files_begin(NEVER);
    struct edge_store *store = open_with(folder, &crash_files);
    for (int i = 0; i < COUNT; i++) {
        data[i] = make_bytes((unsigned)i, LARGE);
        blobs[i] = get(store, data[i], LARGE);
        bring(blobs[i], data[i], 0, FRAME);
    }
    int before = crash_files_syncs();
    edge_store_sync_blobs(store, blobs, COUNT);
    CU_ASSERT(crash_files_syncs() - before <= 2);
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(edge_blob_resumable(blobs[i]), FRAME);
    }
    before = crash_files_syncs();
    edge_store_sync_blobs(store, blobs, COUNT);
    CU_ASSERT_EQUAL(crash_files_syncs(), before);
    for (int i = 0; i < COUNT; i++) {
        edge_blob_unref(blobs[i]);
        free(data[i]);
    }
    edge_store_destroy(store);
}

/* What is no file is not waited for, and no link is followed out of the folder. */
static void test_strange_files_are_refused(void)
{
    const char *folder = ll_test_folder();
    char path[4096 + 256];
    char elsewhere[4096 + 256];
    char text[LL_DIGEST_TEXT_BYTES];
    struct edge_store *store = NULL;
    struct ll_digest digest;
    struct ll_error err = {.text = ""};
    const struct edge_store_config config = {.folder = folder, .budget_bytes = 1 << 30};
    snprintf(path, sizeof(path), "%s/layerlift.lock", folder);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
    CU_ASSERT_EQUAL_FATAL(symlink(elsewhere, path), 0);
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_IO);
    CU_ASSERT_EQUAL(access(elsewhere, F_OK), -1);
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/pack-00000003", folder);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "pack-00000003"));
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/VERSION", folder);
    CU_ASSERT_EQUAL_FATAL(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/VERSION.tmp", folder);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(edge_store_create(&config, &store, &err), LL_E_IO);
    (void)unlink(path);
    store = open_store(folder);
    char *data = make_bytes(1, LARGE);
    struct edge_blob *blob = get(store, data, LARGE);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(data, LARGE, &digest), LL_OK);
    ll_digest_format(&digest, text);
    snprintf(path, sizeof(path), "%s/%s-%d.part", folder, text + strlen("sha256:"), LARGE);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    edge_write_outcome outcome;
    CU_ASSERT_EQUAL(edge_blob_write(blob, 0, data, FRAME, &outcome, &err), LL_E_IO);
    (void)unlink(path);
    CU_ASSERT_EQUAL(bring(blob, data, 0, LARGE), EDGE_WRITE_COMPLETED);
    CU_ASSERT(has(blob, data));
    end(store, &blob, 1);
    free(data);
}

const char *const ll_test_suite = "edge_store_lasting";
const struct ll_test ll_tests[] = {
    LL_TEST(test_next_process_finds_all),
    LL_TEST(test_changed_part_is_cut_at_the_last_right_border),
    LL_TEST(test_rejected_bytes_are_not_found_again),
    LL_TEST(test_adopted_copies_last),
    LL_TEST(test_orphans_are_removed),
    LL_TEST(test_thousands_of_small_blobs_are_few_files),
    LL_TEST(test_dead_records_are_written_off),
    LL_TEST(test_moved_records_are_found),
    LL_TEST(test_hostile_packs_are_cut),
    LL_TEST(test_full_disk_is_waited_for),
    LL_TEST(test_refused_syncs_lose_nothing),
    LL_TEST(test_many_parts_are_synced_at_once),
    LL_TEST(test_strange_files_are_refused),
    {NULL, NULL},
};
