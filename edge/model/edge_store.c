/* A large blob is one file, "HEX-SIZE.part" until it is verified and "HEX-SIZE" from then on (in a
 * store that lasts: once it is on disk), where HEX is its SHA-256; a copy's is "HEX-SIZE.N.part",
 * where N is its number. A small one that lasts is in a pack (edge_store_pack.h) besides.
 *
 * A blob has its place (a file and its mapping counted, or memory for all of its bytes) from its
 * first byte on until it is forgotten, so that nothing can be lacking when its last byte comes.
 *
 * A blob's last reference removes its record and its file in one step under the store's lock, so
 * that a new record of the same name never meets the old file. */
#include "edge/model/edge_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

enum {
    /* Of the mappings that the system gives a process; libraries, stacks and packed weights want
     * some, too. And Linux's default, where it cannot be read. */
    MAPPING_PARTS = 4,
    SYSTEM_MAPPINGS = 65530,
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

/* Mappings that the system gives a process. */
static int system_mappings(void)
{
    char line[32] = "";
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file && !fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    if (file) {
        fclose(file);
    }
    long mappings = strtol(line, NULL, 10);
    return mappings >= MAPPING_PARTS && mappings <= INT_MAX ? (int)mappings : SYSTEM_MAPPINGS;
}

/* What a store that lasts has besides its folder. */
static ll_status open_lasting(struct edge_store *store, struct ll_error *err)
{
    ll_status status = ll_hasher_create(&store->check_hasher);
    if (status != LL_OK) {
        return ll_fail(err, status, "store: out of memory");
    }
    status = edge_store_folder_open_models(&store->folder, store->files, &store->models_fd, err);
    if (status == LL_OK) {
        status = edge_packs_open(store->folder.fd, store->files, &store->packs, err);
    }
    return status == LL_OK ? edge_store_sync_start(store, err) : status;
}

static ll_status take_folder(struct edge_store *store, const struct edge_store_config *config,
                             struct ll_error *err)
{
    const char *parent = config->temporary_parent ? config->temporary_parent : "/tmp";
    if (!config->folder) {
        return edge_store_folder_take_temporary(&store->folder, parent, err);
    }
    struct ll_error reason = {.text = ""};
    ll_status status = edge_store_folder_take(&store->folder, config->folder,
                                              config->may_be_temporary, store->files, &reason);
    if (status == LL_OK) {
        return open_lasting(store, err);
    }
    if (!config->may_be_temporary) {
        return ll_fail(err, status, "%s", reason.text);
    }
    edge_store_folder_leave(&store->folder);
    status = edge_store_folder_take_temporary(&store->folder, parent, err);
    if (status == LL_OK) {
        ll_log(LL_LOG_WARN, "store", "%s: weights are kept in %s, until the end only", reason.text,
               store->folder.path);
    }
    return status;
}

LL_NO_ANALYSIS ll_status edge_store_create(const struct edge_store_config *config,
                                           struct edge_store **out_store, struct ll_error *err)
{
    struct edge_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return ll_fail(err, LL_E_NO_MEMORY, "store: out of memory");
    }
    store->budget_bytes = config->budget_bytes;
    store->files = config->files ? config->files : &edge_store_system_files;
    store->models_fd = -1;
    store->queue_last = &store->queue_first;
    ll_mutex_init(&store->lock);
    ll_mutex_init(&store->recovery);
    ll_cond_init(&store->syncer.work);
    ll_cond_init(&store->syncer.rest);
    store->memory = config->memory;
    store->recovered = config->recovered;
    store->recovered_arg = config->recovered_arg;
    store->most_mappings =
        config->most_mappings > 0 ? config->most_mappings : system_mappings() / MAPPING_PARTS;
    edge_store_folder_init(&store->folder);
    ll_status status = take_folder(store, config, err);
    if (status != LL_OK) {
        edge_store_destroy(store);
        return status;
    }
    *out_store = store;
    return LL_OK;
}

LL_NO_ANALYSIS void edge_store_destroy(struct edge_store *store)
{
    if (!store) {
        return;
    }
    edge_store_sync_stop(store);
    edge_packs_close(store->packs);
    if (store->models_fd >= 0) {
        close(store->models_fd);
    }
    edge_store_folder_leave(&store->folder);
    ll_hasher_destroy(store->check_hasher);
    ll_mutex_finish(&store->lock);
    ll_mutex_finish(&store->recovery);
    ll_cond_finish(&store->syncer.work);
    ll_cond_finish(&store->syncer.rest);
    free(store);
}

void edge_store_leave_files(struct edge_store *store)
{
    atomic_store(&store->leaves_files, edge_store_lasts(store));
    edge_store_settle(store);
}

bool edge_store_lasts(const struct edge_store *store)
{
    return store->packs != NULL;
}

const char *edge_store_folder(const struct edge_store *store)
{
    return store->folder.path;
}

void edge_store_remove(const char *folder)
{
    edge_store_folder_remove(folder);
}

int64_t edge_store_used_bytes(struct edge_store *store)
{
    ll_mutex_lock(&store->lock);
    int64_t used = store->used_bytes;
    ll_mutex_unlock(&store->lock);
    return used;
}

int64_t edge_store_budget_bytes(const struct edge_store *store)
{
    return store->budget_bytes;
}

int edge_store_most_mappings(const struct edge_store *store)
{
    return store->most_mappings;
}

struct edge_blob **edge_store_bucket_locked(struct edge_store *store,
                                            const struct ll_digest *digest)
{
    unsigned hash = digest->bytes[0] | ((unsigned)digest->bytes[1] << 8);
    return &store->buckets[hash % EDGE_STORE_BUCKETS];
}

ll_status edge_store_get(struct edge_store *store, const struct ll_digest *digest, int64_t bytes,
                         struct edge_blob **out_blob)
{
    struct edge_blob *fresh = calloc(1, sizeof(*fresh));
    if (!fresh) {
        return LL_E_NO_MEMORY;
    }
    fresh->store = store;
    fresh->digest = *digest;
    fresh->bytes = bytes;
    fresh->keep_from = fresh->kept_from = bytes;
    ll_mutex_lock(&store->lock);
    struct edge_blob **bucket = edge_store_bucket_locked(store, digest);
    struct edge_blob *blob = *bucket;
    while (blob && !(blob->bytes == bytes && ll_digest_equal(&blob->digest, digest))) {
        blob = blob->next;
    }
    if (!blob) {
        blob = fresh;
        fresh = NULL;
        blob->next = *bucket;
        *bucket = blob;
        edge_store_load_locked(store, blob);
    }
    blob->refs++;
    ll_mutex_unlock(&store->lock);
    free(fresh);
    *out_blob = blob;
    return LL_OK;
}

struct edge_blob *edge_blob_ref(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    blob->refs++;
    ll_mutex_unlock(&blob->store->lock);
    return blob;
}

/* ---- Places ---- */

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

void edge_blob_unref(struct edge_blob *blob)
{
    if (!blob) {
        return;
    }
    struct edge_store *store = blob->store;
    ll_mutex_lock(&store->lock);
    bool is_free = --blob->refs == 0;
    if (is_free) {
        struct edge_blob **link = edge_store_bucket_locked(store, &blob->digest);
        while (blob->copy_number == 0 && *link != blob) {
            link = &(*link)->next;
        }
        if (blob->copy_number == 0) {
            *link = blob->next;
        }
        is_free = !edge_store_sync_drop_locked(store, blob);
        edge_store_forget_locked(store, blob);
    }
    ll_mutex_unlock(&store->lock);
    if (is_free) {
        edge_store_free_blob(blob);
    }
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
