/* Copies of blobs whose bytes are contested, and how one becomes the blob. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

ll_status edge_store_copy(struct edge_store *store, const struct edge_blob *blob,
                          struct edge_blob **out_copy)
{
    struct edge_blob *copy = calloc(1, sizeof(*copy));
    if (!copy) {
        return LL_E_NO_MEMORY;
    }
    copy->store = store;
    copy->digest = blob->digest;
    copy->bytes = blob->bytes;
    copy->keep_from = copy->kept_from = blob->bytes;
    copy->refs = 1;
    ll_mutex_lock(&store->lock);
    copy->copy_number = ++store->last_copy;
    ll_mutex_unlock(&store->lock);
    *out_copy = copy;
    return LL_OK;
}

void edge_blob_contest(struct edge_blob *blob)
{
    blob->is_contested = true;
}

bool edge_blob_is_contested(const struct edge_blob *blob)
{
    return blob->is_contested;
}

/* The copy's file, or place in a pack, becomes the blob's. */
static void adopt_file(struct edge_blob *blob, struct edge_blob *copy)
{
    struct edge_store *store = blob->store;
    char from[EDGE_STORE_NAME_BYTES];
    char to[EDGE_STORE_NAME_BYTES];
    struct ll_error err = {.text = ""};
    if (!edge_store_is_large(blob)) {
        if (edge_store_pack_blob(blob, edge_blob_data(copy), &err) != LL_OK) {
            ll_log(LL_LOG_WARN, "store", "a small blob is here until the end only: %s", err.text);
        }
        return;
    }
    edge_store_blob_name(copy, true, from);
    edge_store_blob_name(blob, true, to);
    ll_mutex_lock(&store->lock);
    if (store->files->rename(store->folder.fd, from, to) != 0) {
        ll_log(LL_LOG_WARN, "store", "%s cannot be renamed: %s", from, strerrordesc_np(errno));
    } else {
        edge_store_sync_add_locked(store, blob, EDGE_STORE_SYNC);
    }
    ll_mutex_unlock(&store->lock);
}

void edge_blob_adopt(struct edge_blob *blob, struct edge_blob *copy)
{
    struct edge_store *store = blob->store;
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_part_recover(blob);
    ll_mutex_lock(&store->lock);
    if (edge_store_is_large(blob) && edge_store_held_bytes(blob) > 0) {
        edge_store_blob_name(blob, true, name);
        store->files->unlink(store->folder.fd, name);
    }
    store->used_bytes -= edge_store_held_bytes(blob);
    blob->keep_from = blob->kept_from = blob->bytes;
    edge_store_give_place_locked(store, blob);
    blob->has_place = copy->has_place;
    copy->has_place = false;
    atomic_store(&blob->holds_memory, atomic_exchange(&copy->holds_memory, false));
    atomic_store(&blob->written, blob->bytes);
    atomic_store(&copy->written, 0);
    ll_mutex_unlock(&store->lock);
    if (edge_store_lasts(store)) {
        adopt_file(blob, copy);
    }
    ll_hasher_destroy(blob->hasher);
    blob->hasher = NULL;
    atomic_store(&blob->stored, blob->bytes);
    atomic_store(&blob->data, atomic_exchange(&copy->data, NULL));
}

/* The first `written` bytes of a large copy's file against `right`. */
static bool file_agrees(const struct edge_blob *copy, int64_t written, const char *right)
{
    enum { PIECE_BYTES = 16 << 10 };
    char piece[PIECE_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(copy, true, name);
    int fd = written > 0 ? openat(copy->store->folder.fd, name, O_RDONLY | O_CLOEXEC) : -1;
    bool agrees = true;
    int64_t at = 0;
    while (fd >= 0 && agrees && at < written) {
        int64_t left = written - at;
        ssize_t got = pread(fd, piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, (off_t)at);
        if (got <= 0) {
            break;
        }
        agrees = memcmp(piece, right + at, (size_t)got) == 0;
        at += got;
    }
    if (fd >= 0) {
        close(fd);
    }
    return agrees;
}

bool edge_blob_agrees(const struct edge_blob *copy, const struct edge_blob *blob)
{
    const char *right = ll_buf_data(edge_blob_data(blob));
    int64_t written = atomic_load(&copy->written);
    if (edge_store_is_large(copy)) {
        return file_agrees(copy, written, right);
    }
    return !copy->draft || memcmp(ll_buf_data(copy->draft), right, (size_t)written) == 0;
}
