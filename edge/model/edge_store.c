/* A store's beginning and end, and its records: a blob has one as long as somebody refers to it.
 * Its last reference removes the record and its file in one step under the store's lock, so that a
 * new record of the same name never meets the old file. */
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
};

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
        is_free = !edge_store_queue_drop_locked(store, blob);
        edge_store_forget_locked(store, blob);
    }
    ll_mutex_unlock(&store->lock);
    if (is_free) {
        edge_store_free_blob(blob);
    }
}
