/* Copies of blobs that several devices bring, and how one becomes the blob. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
        edge_store_queue_add_locked(store, blob, EDGE_STORE_SYNC);
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
