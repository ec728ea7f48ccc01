/* A thread of the store's own brings to disk what is verified, so that nobody waits for that: a
 * blob is available long before. What is left undone by the end of the process is found by the next
 * one, as a file that is complete but has no name yet; what the disk refuses stays such a file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

/* The file's bytes first, so that the checks behind them go only when nobody needs them. */
static int sync_file(struct edge_blob *blob, const char *part)
{
    const struct edge_store_files *files = blob->store->files;
    int fd = files->open(blob->store->folder.fd, part, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int failure = 0;
    if (files->sync(fd) != 0 || files->truncate(fd, (off_t)blob->bytes) != 0 ||
        files->sync(fd) != 0) {
        failure = errno;
    }
    if (files->close(fd) != 0 && failure == 0 && errno != EINTR) {
        failure = errno;
    }
    return failure;
}

/* The store's thread; the blob is its `current`. */
static void sync_blob(struct edge_blob *blob)
{
    struct edge_store *store = blob->store;
    char part[EDGE_STORE_NAME_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, part);
    edge_store_blob_name(blob, false, name);
    int failure = sync_file(blob, part);
    ll_mutex_lock(&store->lock);
    bool is_gone = blob->is_gone;
    /* Under the lock: a file that is to go must not get a new name. */
    if (failure == 0 && !is_gone && store->files->rename(store->folder.fd, part, name) != 0) {
        failure = errno;
    }
    ll_mutex_unlock(&store->lock);
    if (failure == 0 && !is_gone && store->files->sync(store->folder.fd) != 0) {
        failure = errno;
    }
    if (failure != 0 && !is_gone) {
        ll_log(LL_LOG_WARN, "store", "%s is not on disk yet, the next start looks at it: %s", part,
               strerrordesc_np(failure));
    }
}

/* Waits for something to do; false on stop, when nothing waits. */
static bool next_job(struct edge_store *store, edge_store_job *out_job, struct edge_blob **out_blob)
{
    ll_mutex_lock(&store->lock);
    while (!store->queue_first && !store->wants_tidying && !store->is_stopping) {
        ll_cond_broadcast(&store->syncer.rest);
        ll_cond_wait(&store->syncer.work, &store->lock, LL_CLOCK_NEVER);
    }
    struct edge_blob *blob = store->queue_first;
    bool has_work = blob || store->wants_tidying;
    *out_job = EDGE_STORE_NO_JOB;
    if (blob) {
        store->queue_first = blob->queue_next;
        if (!store->queue_first) {
            store->queue_last = &store->queue_first;
        }
        *out_job = blob->job;
        blob->job = EDGE_STORE_NO_JOB;
        store->current = blob;
    } else if (has_work) {
        store->wants_tidying = false;
        store->is_tidying = true;
    }
    *out_blob = blob;
    ll_mutex_unlock(&store->lock);
    return has_work;
}

static void end_job(struct edge_store *store)
{
    ll_mutex_lock(&store->lock);
    struct edge_blob *blob = store->current;
    bool is_gone = blob && blob->is_gone;
    store->current = NULL;
    store->is_tidying = false;
    ll_mutex_unlock(&store->lock);
    if (is_gone) {
        edge_store_free_blob(blob);
    }
}

static void work(void *arg)
{
    struct edge_store *store = arg;
    edge_store_job job = EDGE_STORE_NO_JOB;
    struct edge_blob *blob = NULL;
    while (next_job(store, &job, &blob)) {
        if (job == EDGE_STORE_SYNC) {
            sync_blob(blob);
        } else if (job == EDGE_STORE_RECOVER) {
            /* The next process looks at it. */
            if (!atomic_load(&store->leaves_files)) {
                edge_store_part_recover(blob);
            }
        } else {
            edge_packs_tidy(store->packs);
        }
        end_job(store);
    }
}

ll_status edge_store_sync_start(struct edge_store *store, struct ll_error *err)
{
    ll_status status = ll_thread_start(&store->syncer.thread, "store", work, store);
    return status == LL_OK ? LL_OK : ll_fail(err, status, "store: the system gives no thread");
}

void edge_store_sync_stop(struct edge_store *store)
{
    ll_mutex_lock(&store->lock);
    store->is_stopping = true;
    ll_cond_broadcast(&store->syncer.work);
    ll_mutex_unlock(&store->lock);
    ll_thread_join(&store->syncer.thread);
}

/* ---- Unfinished ones ---- */

static int sync_part(struct edge_blob *blob)
{
    const struct edge_store *store = blob->store;
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, name);
    int fd = store->files->open(store->folder.fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    int failure = fd < 0 || store->files->sync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        store->files->close(fd);
    }
    return failure;
}

/* Whether something of it is to be brought to disk. */
static bool is_behind(struct edge_blob *blob)
{
    edge_store_part_recover(blob);
    return edge_store_is_large(blob) && !edge_blob_data(blob) &&
           atomic_load(&blob->stored) > blob->synced;
}

void edge_store_sync_blobs(struct edge_store *store, struct edge_blob *const *blobs, int count)
{
    /* So many files are synced one by one: whoever has more must not hold up the others for
     * longer. */
    enum { FILES = 4 };
    int behind = 0;
    if (!edge_store_lasts(store)) {
        return;
    }
    for (int i = 0; i < count; i++) {
        behind += blobs[i] && is_behind(blobs[i]);
    }
    bool is_synced = behind > 0;
    if (behind > FILES) {
        is_synced = store->files->sync_all(store->folder.fd) == 0;
    }
    for (int i = 0; i < count && behind > 0 && behind <= FILES; i++) {
        is_synced = is_synced && (!blobs[i] || !is_behind(blobs[i]) || sync_part(blobs[i]) == 0);
    }
    if (!is_synced || store->files->sync(store->folder.fd) != 0) {
        return;
    }
    for (int i = 0; i < count; i++) {
        if (blobs[i] && is_behind(blobs[i])) {
            blobs[i]->synced = atomic_load(&blobs[i]->stored);
        }
    }
}

int64_t edge_blob_resumable(const struct edge_blob *blob)
{
    if (edge_blob_data(blob)) {
        return blob->bytes;
    }
    return edge_store_lasts(blob->store) ? blob->synced : atomic_load(&blob->written);
}
