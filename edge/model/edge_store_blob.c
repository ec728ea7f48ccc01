/* One blob: what it is called, and its place.
 *
 * A large blob is one file, "HEX-SIZE.part" until it is verified and "HEX-SIZE" from then on (in a
 * store that lasts: once it is on disk), where HEX is its SHA-256; a copy's is "HEX-SIZE.N.part",
 * where N is its number. A small one that lasts is in a pack (edge_store_pack.h) besides.
 *
 * A blob has its place (a file and its mapping counted, or memory for all of its bytes) from its
 * first byte on until it is forgotten, so that nothing can be lacking when its last byte comes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/model/edge_store_state.h"

enum {
    /* What a small blob takes besides its bytes: its record, its buffer's. */
    SMALL_OVERHEAD_BYTES = 512,
};

void edge_store_blob_name(const struct edge_blob *blob, bool is_part,
                          char out_name[EDGE_STORE_NAME_BYTES])
{
    char text[LL_DIGEST_TEXT_BYTES];
    char number[24] = "";
    ll_digest_format(&blob->digest, text);
    if (is_part && blob->copy_number > 0) {
        snprintf(number, sizeof(number), ".%llu", (unsigned long long)blob->copy_number);
    }
    snprintf(out_name, EDGE_STORE_NAME_BYTES, "%s-%lld%s%s", text + strlen("sha256:"),
             (long long)blob->bytes, number, is_part ? ".part" : "");
}

bool edge_store_lasts(const struct edge_store *store)
{
    return store->packs != NULL;
}

struct edge_blob **edge_store_bucket_locked(struct edge_store *store,
                                            const struct ll_digest *digest)
{
    unsigned hash = digest->bytes[0] | ((unsigned)digest->bytes[1] << 8);
    return &store->buckets[hash % EDGE_STORE_BUCKETS];
}

struct edge_blob *edge_blob_ref(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    blob->refs++;
    ll_mutex_unlock(&blob->store->lock);
    return blob;
}

bool edge_store_is_large(const struct edge_blob *blob)
{
    return blob->bytes >= EDGE_STORE_MAPPED_BYTES;
}

static ll_status take_mapping(struct edge_store *store, struct ll_error *err)
{
    ll_mutex_lock(&store->lock);
    bool fits = store->mappings < store->most_mappings;
    store->mappings += fits;
    ll_mutex_unlock(&store->lock);
    return fits ? LL_OK
                : ll_fail_limit(err, "store_mappings", store->most_mappings, LL_RETRY_MS,
                                "the store is full: limit store_mappings is %d",
                                store->most_mappings);
}

static ll_status take_draft(struct edge_blob *blob, struct ll_error *err)
{
    struct ll_memory *memory = blob->store->memory;
    ll_status status =
        ll_memory_take(memory, blob->bytes + SMALL_OVERHEAD_BYTES, "a layer's weights", err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_buf_create((size_t)blob->bytes, &blob->draft);
    if (status != LL_OK) {
        ll_memory_give(memory, blob->bytes + SMALL_OVERHEAD_BYTES);
        return ll_fail(err, status, "out of memory for a layer's weights");
    }
    atomic_store(&blob->holds_memory, true);
    return LL_OK;
}

ll_status edge_store_write_error(struct edge_store *store, int number, struct ll_error *err)
{
    bool is_full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    ll_status status =
        ll_fail(err, is_full ? LL_E_EXHAUSTED : LL_E_IO,
                is_full ? "the store's disk is full: %s: %s" : "the store cannot write: %s: %s",
                store->folder.path, strerrordesc_np(number));
    if (is_full && err) {
        /* No limit of this server, but not for ever either. */
        err->retry_ms = LL_RETRY_MS;
    }
    return status;
}

/* For a blob that begins. */
ll_status edge_store_take_place(struct edge_blob *blob, struct ll_error *err)
{
    ll_status status =
        edge_store_is_large(blob) ? take_mapping(blob->store, err) : take_draft(blob, err);
    blob->has_place = status == LL_OK;
    return status;
}

void edge_store_give_place_locked(struct edge_store *store, struct edge_blob *blob)
{
    if (blob->has_place && edge_store_is_large(blob)) {
        store->mappings--;
    } else if (blob->has_place) {
        ll_buf_unref(blob->draft);
        blob->draft = NULL;
        ll_memory_give(store->memory, blob->bytes + SMALL_OVERHEAD_BYTES);
        atomic_store(&blob->holds_memory, false);
    }
    blob->has_place = false;
}

int64_t edge_store_held_bytes(const struct edge_blob *blob)
{
    return atomic_load(&blob->written) + blob->bytes - blob->kept_from + blob->unread_bytes;
}

static void remove_files_locked(struct edge_store *store, const struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    char name[EDGE_STORE_NAME_BYTES];
    /* The file without ".part" is the blob's, not its copies'. */
    int first = blob->copy_number > 0 ? 1 : 0;
    for (int is_part = first; is_part < 2; is_part++) {
        edge_store_blob_name(blob, is_part, name);
        store->files->unlink(store->folder.fd, name);
    }
}

void edge_store_forget_locked(struct edge_store *store, struct edge_blob *blob)
{
    bool leaves_files = atomic_load(&store->leaves_files);
    edge_store_give_place_locked(store, blob);
    bool has_file = edge_store_held_bytes(blob) > 0 || atomic_load(&blob->is_unread);
    if (edge_store_is_large(blob) && has_file && !leaves_files) {
        remove_files_locked(store, blob);
    }
    if (blob->record && !leaves_files) {
        edge_packs_drop(store->packs, blob->record);
        store->wants_tidying = true;
        ll_cond_signal(&store->syncer.work);
    }
    blob->record = NULL;
    store->used_bytes -= edge_store_held_bytes(blob);
    atomic_store(&blob->written, 0);
    atomic_store(&blob->stored, 0);
    blob->unread_bytes = 0;
    blob->synced = 0;
    blob->keep_from = blob->kept_from = blob->bytes;
    /* The last: who sees it looks at the rest without the lock. */
    atomic_store(&blob->is_unread, false);
}

void edge_store_free_blob(struct edge_blob *blob)
{
    ll_buf_unref(atomic_load(&blob->data));
    ll_hasher_destroy(blob->hasher);
    free(blob);
}

int64_t edge_blob_bytes(const struct edge_blob *blob)
{
    return blob->bytes;
}

bool edge_blob_holds_memory(const struct edge_blob *blob)
{
    return atomic_load(&blob->holds_memory);
}

int64_t edge_blob_written(const struct edge_blob *blob)
{
    return atomic_load(&blob->written);
}

int64_t edge_blob_stored(const struct edge_blob *blob)
{
    return edge_store_lasts(blob->store) ? atomic_load(&blob->stored) : 0;
}

struct ll_buf *edge_blob_data(const struct edge_blob *blob)
{
    return atomic_load(&blob->data);
}
