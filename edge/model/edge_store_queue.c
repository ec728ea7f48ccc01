/* What waits for the store's thread (edge_store_sync.c): blobs, each with one job, and the packs.
 */
#include "core/ll_clock.h"
#include "edge/model/edge_store_state.h"

void edge_store_queue_add_locked(struct edge_store *store, struct edge_blob *blob,
                                 edge_store_job job)
{
    if (blob->job == EDGE_STORE_NO_JOB) {
        blob->queue_next = NULL;
        *store->queue_last = blob;
        store->queue_last = &blob->queue_next;
    }
    blob->job = job;
    ll_cond_signal(&store->syncer.work);
}

void edge_store_queue_tidy(struct edge_store *store)
{
    ll_mutex_lock(&store->lock);
    store->wants_tidying = true;
    ll_cond_signal(&store->syncer.work);
    ll_mutex_unlock(&store->lock);
}

bool edge_store_queue_drop_locked(struct edge_store *store, struct edge_blob *blob)
{
    if (blob->job != EDGE_STORE_NO_JOB) {
        struct edge_blob **link = &store->queue_first;
        while (*link != blob) {
            link = &(*link)->queue_next;
        }
        *link = blob->queue_next;
        if (store->queue_last == &blob->queue_next) {
            store->queue_last = link;
        }
        blob->job = EDGE_STORE_NO_JOB;
    }
    blob->is_gone = store->current == blob;
    return blob->is_gone;
}

void edge_store_settle(struct edge_store *store)
{
    ll_mutex_lock(&store->lock);
    while (edge_store_lasts(store) &&
           (store->queue_first || store->current || store->is_tidying || store->wants_tidying)) {
        ll_cond_wait(&store->syncer.rest, &store->lock, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&store->lock);
}
