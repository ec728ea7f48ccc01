/* The folder of a store that lasts, changed at any places between two processes: bytes of a pack,
 * of an unfinished blob's file and of a model's file are other ones, or gone, or more.
 *
 * The oracle: the next process has no blob with other bytes than those of its name, trusts no more
 * of the unfinished one than can be completed, and what it does not trust can be brought again. */
#include "edge/model/edge_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_models.h"
#include "tests/fuzz/ll_fuzz.h"

enum {
    FRAME = EDGE_STORE_FRAME_BYTES,
    LARGE = FRAME + 10,
    SMALL = 40,
    BLOBS = 3,
    FILES = 3,
    PATH_BYTES = 512,
    /* A file, a kind, a place (3 bytes), a value. */
    CHANGE_BYTES = 6,
};
static const int64_t sizes[BLOBS] = {LARGE, SMALL, SMALL + 1};
static uint8_t contents[BLOBS][LARGE];
static struct ll_digest digests[BLOBS];
static char folder[PATH_BYTES];
static char paths[FILES][PATH_BYTES + LL_DIGEST_TEXT_BYTES + 32];

static struct edge_store *open_store(void)
{
    struct edge_store *store = NULL;
    const struct edge_store_config config = {.folder = folder, .budget_bytes = 1 << 30};
    REQUIRE(edge_store_create(&config, &store, NULL) == LL_OK);
    return store;
}

static void get_blobs(struct edge_store *store, struct edge_blob **out_blobs)
{
    for (int i = 0; i < BLOBS; i++) {
        REQUIRE(edge_store_get(store, &digests[i], sizes[i], &out_blobs[i]) == LL_OK);
    }
}

static edge_write_outcome bring(struct edge_blob *blob, int which, int64_t end)
{
    edge_write_outcome outcome = EDGE_WRITE_KEPT;
    int64_t at = edge_blob_written(blob);
    REQUIRE(edge_blob_write(blob, at, contents[which] + at, (size_t)(end - at), &outcome, NULL) ==
            LL_OK);
    return outcome;
}

static void end(struct edge_store *store, struct edge_blob **blobs)
{
    edge_store_leave_files(store);
    for (int i = 0; i < BLOBS; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_destroy(store);
}

static void set_up(void)
{
    char text[LL_DIGEST_TEXT_BYTES];
    const char *parent = getenv("TEST_TMPDIR");
    ll_log_set_level(LL_LOG_ERROR);
    snprintf(folder, sizeof(folder), "%s/store-fuzz-%d", parent ? parent : "/tmp", (int)getpid());
    for (int i = 0; i < BLOBS; i++) {
        memset(contents[i], 'a' + i, sizeof(contents[i]));
        contents[i][7] = 1;
        REQUIRE(ll_digest_of(contents[i], (size_t)sizes[i], &digests[i]) == LL_OK);
    }
    ll_digest_format(&digests[0], text);
    const char *hex = text + strlen("sha256:");
    snprintf(paths[0], sizeof(paths[0]), "%s/%s-%d.part", folder, hex, LARGE);
    snprintf(paths[1], sizeof(paths[1]), "%s/pack-00000001", folder);
    snprintf(paths[2], sizeof(paths[2]), "%s/models/%s", folder, hex);
}

/* The first process. */
static void make_folder(void)
{
    struct edge_blob *blobs[BLOBS];
    struct edge_store *store = open_store();
    get_blobs(store, blobs);
    REQUIRE(bring(blobs[0], 0, FRAME + 5) == EDGE_WRITE_KEPT);
    REQUIRE(bring(blobs[1], 1, SMALL) == EDGE_WRITE_COMPLETED);
    REQUIRE(bring(blobs[2], 2, SMALL + 1) == EDGE_WRITE_COMPLETED);
    REQUIRE(edge_store_put_model(store, &digests[0], "model", 5, NULL) == LL_OK);
    end(store, blobs);
}

/* The change itself, `how[5]` times. */
static void write_changes(int fd, const uint8_t *how, off_t place)
{
    for (int i = 0; i < how[5]; i++) {
        REQUIRE(pwrite(fd, how, CHANGE_BYTES, place + (off_t)i * CHANGE_BYTES) == CHANGE_BYTES);
    }
}

static void change(const uint8_t *how)
{
    const char *path = paths[how[0] % FILES];
    struct stat info;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && fstat(fd, &info) == 0);
    off_t place = (how[2] | how[3] << 8 | how[4] << 16) % (info.st_size + 64);
    switch (how[1] % 3) {
    case 0:
        REQUIRE(pwrite(fd, &how[5], 1, place) == 1);
        break;
    case 1:
        REQUIRE(ftruncate(fd, place) == 0);
        break;
    default:
        write_changes(fd, how, place);
        break;
    }
    close(fd);
}

static ll_status take_model(void *arg, const struct edge_stored_model *stored, struct ll_error *err)
{
    *(size_t *)arg += stored->bytes;
    return stored->bytes == 5 ? LL_OK : ll_fail(err, LL_E_INVALID, "another size");
}

/* The blob's bytes: what is not here can be brought. */
static const struct ll_buf *complete(struct edge_blob *blob, int which)
{
    const struct ll_buf *data = edge_blob_data(blob);
    if (!data) {
        REQUIRE(bring(blob, which, sizes[which]) == EDGE_WRITE_COMPLETED);
        data = edge_blob_data(blob);
    }
    return data;
}

/* The second one. */
static void check_folder(void)
{
    struct edge_blob *blobs[BLOBS];
    size_t model_bytes = 0;
    struct edge_store *store = open_store();
    REQUIRE(edge_store_read_models(store, take_model, &model_bytes) == LL_OK);
    get_blobs(store, blobs);
    edge_store_remove_orphans(store);
    edge_store_settle(store);
    for (int i = 0; i < BLOBS; i++) {
        const struct ll_buf *data = complete(blobs[i], i);
        REQUIRE(data && memcmp(ll_buf_data(data), contents[i], (size_t)sizes[i]) == 0);
    }
    /* Nothing is left for the next input. */
    for (int i = 0; i < BLOBS; i++) {
        edge_blob_unref(blobs[i]);
    }
    edge_store_remove_model(store, &digests[0]);
    edge_store_settle(store);
    REQUIRE(edge_store_used_bytes(store) == 0);
    edge_store_destroy(store);
    REQUIRE(access(paths[0], F_OK) != 0);
    (void)remove(paths[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folder[0] == '\0') {
        set_up();
    }
    make_folder();
    for (size_t at = 0; at + CHANGE_BYTES <= size; at += CHANGE_BYTES) {
        change(data + at);
    }
    check_folder();
    return 0;
}
