/* A store that lasts, ended at every single call that changes its files, in each way in which
 * things end: the process alone, a machine whose disk has what was synced and not a byte more, and
 * one whose disk has all names and sizes, but of files only what was synced. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/model/edge_store.h"
#include "edge/model/edge_store_models.h"
#include "tests/support/crash_files.h"
#include "tests/support/ll_test.h"

enum {
    FRAME = EDGE_STORE_FRAME_BYTES,
    TWO_FRAMES = 2 * FRAME,
    LARGE = 3 * FRAME + 100,
    BLOBS = 6,
    CHUNK = 50000,
    NEVER = 1 << 30,
};

/* Two large ones, small ones, a large one whose size is no multiple of 8, and one that comes in one
 * piece. */
static const int64_t sizes[BLOBS] = {LARGE, TWO_FRAMES, 999, 4000, FRAME + 3, FRAME};

static char *contents[BLOBS];
static struct ll_digest digests[BLOBS];

static const char model_text[] = "a model's file";

static void make_contents(void)
{
    unsigned seed = 1;
    for (int i = 0; i < BLOBS; i++) {
        contents[i] = malloc((size_t)sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(contents[i]);
        for (int64_t at = 0; at < sizes[i]; at++) {
            seed = seed * 1664525U + 1013904223U;
            contents[i][at] = (char)(seed >> 16);
        }
        CU_ASSERT_EQUAL_FATAL(ll_digest_of(contents[i], (size_t)sizes[i], &digests[i]), LL_OK);
    }
}

static void free_contents(void)
{
    for (int i = 0; i < BLOBS; i++) {
        free(contents[i]);
    }
}

static struct edge_store *open_store(const char *folder, const struct edge_store_files *files)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {
        .folder = folder, .budget_bytes = 1 << 30, .files = files};
    return edge_store_create(&config, &store, NULL) == LL_OK ? store : NULL;
}

/* What was acknowledged before the end. */
struct promises {
    bool has_model;
    /* Whatever ends the process; whatever ends the machine. */
    int64_t stored[BLOBS];
    int64_t resumable[BLOBS];
};

static void get_blobs(struct edge_store *store, struct edge_blob **out_blobs)
{
    for (int i = 0; i < BLOBS; i++) {
        CU_ASSERT_EQUAL_FATAL(edge_store_get(store, &digests[i], sizes[i], &out_blobs[i]), LL_OK);
    }
}

/* Notes what is promised now, unless the end has come. */
static void note(struct promises *promises, struct edge_blob *const *blobs, bool is_settled)
{
    for (int i = 0; i < BLOBS && !crash_files_has_stopped(); i++) {
        promises->stored[i] = edge_blob_stored(blobs[i]);
        bool is_whole = edge_blob_data(blobs[i]) != NULL;
        if (!is_whole || is_settled) {
            promises->resumable[i] = edge_blob_resumable(blobs[i]);
        }
    }
}

/* Brings [written, end) of a blob in chunks. */
static void bring(struct promises *promises, struct edge_blob **blobs, int which, int64_t end)
{
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    int64_t at = edge_blob_written(blobs[which]);
    while (at < end) {
        int64_t bytes = end - at < CHUNK ? end - at : CHUNK;
        if (edge_blob_write(blobs[which], at, contents[which] + at, (size_t)bytes, &outcome,
                            NULL) != LL_OK) {
            return;
        }
        note(promises, blobs, false);
        at += bytes;
    }
}

/* What an edge does, up to the end. */
static void live(struct edge_store *store, struct promises *promises)
{
    struct edge_blob *blobs[BLOBS];
    get_blobs(store, blobs);
    if (edge_store_put_model(store, &digests[0], model_text, sizeof(model_text), NULL) == LL_OK) {
        promises->has_model = !crash_files_has_stopped();
    }
    bring(promises, blobs, 0, TWO_FRAMES + 10);
    bring(promises, blobs, 1, FRAME);
    edge_store_sync_blobs(store, blobs, BLOBS);
    note(promises, blobs, false);
    bring(promises, blobs, 2, sizes[2]);
    edge_store_settle(store);
    note(promises, blobs, true);
    bring(promises, blobs, 0, sizes[0]);
    edge_store_settle(store);
    note(promises, blobs, true);
    bring(promises, blobs, 3, sizes[3]);
    bring(promises, blobs, 1, sizes[1] - 1);
    bring(promises, blobs, 4, FRAME + 1);
    edge_store_sync_blobs(store, blobs, BLOBS);
    note(promises, blobs, false);
    bring(promises, blobs, 4, sizes[4]);
    edge_store_settle(store);
    note(promises, blobs, true);
    bring(promises, blobs, 5, sizes[5]);
    edge_store_settle(store);
    note(promises, blobs, true);
    /* The end: nothing is tidied up behind it. */
    edge_store_leave_files(store);
    for (int i = 0; i < BLOBS; i++) {
        edge_blob_unref(blobs[i]);
    }
}

static ll_status check_model(void *arg, const struct edge_stored_model *stored,
                             struct ll_error *err)
{
    (void)err;
    /* The whole, or nothing: not under its name. */
    CU_ASSERT_EQUAL_FATAL(stored->bytes, sizeof(model_text));
    CU_ASSERT_EQUAL(memcmp(stored->data, model_text, sizeof(model_text)), 0);
    CU_ASSERT(ll_digest_equal(&stored->id, &digests[0]));
    *(bool *)arg = true;
    return LL_OK;
}

/* A new process: it has what was promised, no wrong byte, and the rest completes it. */
static void check_rest(const char *folder, const struct promises *promises, bool lost_power)
{
    struct edge_blob *blobs[BLOBS];
    struct promises none = {false, {0}, {0}};
    struct edge_store *store = open_store(folder, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(store);
    bool has_model = false;
    CU_ASSERT_EQUAL(edge_store_read_models(store, check_model, &has_model), LL_OK);
    CU_ASSERT(has_model || !promises->has_model);
    get_blobs(store, blobs);
    edge_store_sync_blobs(store, blobs, BLOBS);
    edge_store_remove_orphans(store);
    for (int i = 0; i < BLOBS; i++) {
        int64_t promised = lost_power ? promises->resumable[i] : promises->stored[i];
        CU_ASSERT(edge_blob_written(blobs[i]) >= promised);
        struct ll_buf *data = edge_blob_data(blobs[i]);
        CU_ASSERT(!data || memcmp(ll_buf_data(data), contents[i], (size_t)sizes[i]) == 0);
        bring(&none, blobs, i, sizes[i]);
        data = edge_blob_data(blobs[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(data);
        CU_ASSERT_EQUAL(memcmp(ll_buf_data(data), contents[i], (size_t)sizes[i]), 0);
    }
    for (int i = 0; i < BLOBS; i++) {
        edge_blob_unref(blobs[i]);
    }
    CU_ASSERT_EQUAL(edge_store_used_bytes(store), 0);
    edge_store_destroy(store);
}

/* Ends the life at one call. Returns whether it would have gone on. */
static bool end_at(int call)
{
    char folder[4096];
    char left[4096];
    struct promises promises = {false, {0}, {0}};
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    crash_files_begin(call);
    struct edge_store *store = open_store(folder, &crash_files);
    if (store) {
        live(store, &promises);
        edge_store_destroy(store);
    }
    bool has_stopped = crash_files_has_stopped();
    snprintf(left, sizeof(left), "%s", ll_test_folder());
    crash_files_copy(folder, left);
    check_rest(left, &promises, false);
    snprintf(left, sizeof(left), "%s", ll_test_folder());
    crash_files_lose_power(folder, false, left);
    check_rest(left, &promises, true);
    snprintf(left, sizeof(left), "%s", ll_test_folder());
    crash_files_lose_power(folder, true, left);
    check_rest(left, &promises, true);
    return has_stopped;
}

static void test_every_end_leaves_what_was_promised(void)
{
    int call = 0;
    make_contents();
    while (end_at(call)) {
        call++;
    }
    /* A life of so many calls. */
    CU_ASSERT(call > 50);
    free_contents();
}

const char *const ll_test_suite = "edge_store_crash";
const struct ll_test ll_tests[] = {
    LL_TEST(test_every_end_leaves_what_was_promised),
    {NULL, NULL},
};
