/* What an earlier process left of blobs: found when a model names them, removed when none does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

/* A file of the store's folder, or -1; its size, and what it takes of the disk. */
static int open_file(struct edge_store *store, const char *name, int64_t *out_bytes,
                     int64_t *out_disk_bytes)
{
    enum { BLOCK_BYTES = 512 };
    struct stat info = {.st_size = 0};
    int fd = store->files->open(store->folder.fd, name,
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)) {
        store->files->close(fd);
        fd = -1;
    }
    *out_bytes = fd >= 0 ? info.st_size : 0;
    *out_disk_bytes = fd >= 0 ? info.st_blocks * BLOCK_BYTES : 0;
    return fd;
}

static void count_locked(struct edge_store *store, struct edge_blob *blob) LL_REQUIRES(store->lock)
{
    blob->has_place = true;
    store->mappings++;
    store->used_bytes += edge_store_held_bytes(blob);
}

/* A verified file got its name only when it was on disk: its size alone is looked at. */
static bool load_whole_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    char name[EDGE_STORE_NAME_BYTES];
    struct ll_buf *data = NULL;
    int64_t bytes = 0;
    int64_t disk_bytes = 0;
    edge_store_blob_name(blob, false, name);
    int fd = open_file(store, name, &bytes, &disk_bytes);
    if (fd < 0) {
        return false;
    }
    if (bytes == blob->bytes &&
        ll_buf_map_open(fd, name, (size_t)blob->bytes, &data, NULL) == LL_OK) {
        atomic_store(&blob->written, bytes);
        atomic_store(&blob->stored, bytes);
        atomic_store(&blob->data, data);
        count_locked(store, blob);
    } else if (bytes != blob->bytes) {
        ll_log(LL_LOG_WARN, "store", "%s has %lld bytes: removed", name, (long long)bytes);
        store->files->unlink(store->folder.fd, name);
    }
    store->files->close(fd);
    return data != NULL;
}

static void load_part_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    char name[EDGE_STORE_NAME_BYTES];
    int64_t bytes = 0;
    int64_t disk_bytes = 0;
    edge_store_blob_name(blob, true, name);
    int fd = open_file(store, name, &bytes, &disk_bytes);
    if (fd < 0) {
        return;
    }
    store->files->close(fd);
    atomic_store(&blob->is_unread, true);
    /* Until it is looked at, what it takes. */
    blob->unread_bytes = disk_bytes < blob->bytes ? disk_bytes : blob->bytes;
    count_locked(store, blob);
    edge_store_queue_add_locked(store, blob, EDGE_STORE_RECOVER);
}

void edge_store_load_locked(struct edge_store *store, struct edge_blob *blob)
{
    if (!edge_store_lasts(store)) {
        return;
    }
    if (edge_store_is_large(blob)) {
        /* Where there are too many, the file waits for a time when there are fewer. */
        if (store->mappings < store->most_mappings && !load_whole_locked(store, blob)) {
            load_part_locked(store, blob);
        }
        return;
    }
    struct ll_buf *data = NULL;
    blob->record = edge_packs_find(store->packs, &blob->digest, (size_t)blob->bytes, &data);
    if (blob->record) {
        atomic_store(&blob->written, blob->bytes);
        atomic_store(&blob->stored, blob->bytes);
        atomic_store(&blob->data, data);
        store->used_bytes += blob->bytes;
    }
}

/* ---- Orphans ---- */

/* Whether a record has the blob that the file's name names. */
static bool is_wanted(struct edge_store *store, const char *name)
{
    enum { DIGITS = 2 * LL_DIGEST_BYTES };
    char text[LL_DIGEST_TEXT_BYTES];
    struct ll_digest digest;
    snprintf(text, sizeof(text), "sha256:%.*s", DIGITS, name);
    if (ll_digest_parse(text, &digest) != LL_OK) {
        return false;
    }
    char *end = NULL;
    int64_t bytes = strtoll(name + DIGITS + 1, &end, 10);
    /* A copy (".N.part") was one session's. */
    bool is_copy = *end == '.' && end[1] != 'p';
    ll_mutex_lock(&store->lock);
    const struct edge_blob *blob = *edge_store_bucket_locked(store, &digest);
    while (blob && !(blob->bytes == bytes && ll_digest_equal(&blob->digest, &digest))) {
        blob = blob->next;
    }
    ll_mutex_unlock(&store->lock);
    return blob && !is_copy;
}

static int is_blob_entry(const struct dirent *entry)
{
    return edge_store_folder_is_blob_name(entry->d_name);
}

void edge_store_remove_orphans(struct edge_store *store)
{
    struct dirent **entries = NULL;
    int removed = 0;
    if (!edge_store_lasts(store)) {
        return;
    }
    int count = scandirat(store->folder.fd, ".", &entries, is_blob_entry, NULL);
    for (int i = 0; i < count; i++) {
        if (!is_wanted(store, entries[i]->d_name)) {
            removed += store->files->unlink(store->folder.fd, entries[i]->d_name) == 0;
        }
        free(entries[i]);
    }
    free(entries);
    edge_packs_drop_unclaimed(store->packs);
    edge_store_queue_tidy(store);
    if (removed > 0) {
        ll_log(LL_LOG_INFO, "store", "removed %d files of weights that no model names", removed);
    }
}
