/* What brings packs to disk, and in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_pack_state.h"

/* One pack that has something to bring to disk, or NULL. */
static struct edge_pack *take_dirty(struct edge_packs *packs, bool *out_is_new)
{
    ll_mutex_lock(&packs->lock);
    struct edge_pack *pack = packs->first;
    while (pack && !pack->is_dirty) {
        pack = pack->next;
    }
    if (pack) {
        *out_is_new = pack->is_new;
        pack->is_dirty = pack->is_new = false;
    }
    ll_mutex_unlock(&packs->lock);
    return pack;
}

static bool sync_packs(struct edge_packs *packs)
{
    bool is_new = false;
    bool is_synced = true;
    struct edge_pack *pack = NULL;
    while ((pack = take_dirty(packs, &is_new)) != NULL) {
        if (packs->files->sync(pack->fd) != 0 ||
            (is_new && packs->files->sync(packs->folder_fd) != 0)) {
            ll_log(LL_LOG_WARN, "store", "small blobs may not survive a loss of power: %s",
                   strerrordesc_np(errno));
            is_synced = false;
        }
    }
    return is_synced;
}

/* A pack that is dead by more than half, or NULL. It gets no more records. */
static struct edge_pack *take_dead(struct edge_packs *packs)
{
    ll_mutex_lock(&packs->lock);
    struct edge_pack **link = &packs->first;
    while (*link && (*link)->bytes - (*link)->live_bytes <= (*link)->live_bytes) {
        link = &(*link)->next;
    }
    struct edge_pack *pack = *link;
    if (pack) {
        *link = pack->next;
    }
    ll_mutex_unlock(&packs->lock);
    return pack;
}

/* Any record of the pack, or NULL. */
static struct edge_pack_record *record_of_locked(struct edge_packs *packs,
                                                 const struct edge_pack *pack, int *bucket)
    LL_REQUIRES(packs->lock)
{
    for (; *bucket < EDGE_PACK_BUCKETS; (*bucket)++) {
        struct edge_pack_record *record = packs->buckets[*bucket];
        while (record && record->pack != pack) {
            record = record->next;
        }
        if (record) {
            return record;
        }
    }
    return NULL;
}

/* Writes one record of the pack, from `*bucket` on, into the last one. False when there is none, or
 * with `*out_failure`. */
static bool move_record(struct edge_packs *packs, struct edge_pack *pack, int *bucket,
                        int *out_failure)
{
    ll_mutex_lock(&packs->lock);
    struct edge_pack_record *record = record_of_locked(packs, pack, bucket);
    char *data = record ? malloc(record->bytes) : NULL;
    struct edge_pack *to = NULL;
    int failure = record && !data ? ENOMEM : 0;
    if (record && failure == 0) {
        failure = edge_store_files_read(pack->fd, data, record->bytes,
                                        record->offset + EDGE_PACK_ALIGNMENT);
    }
    if (record && failure == 0) {
        to = edge_pack_last_locked(packs);
        failure =
            to ? edge_pack_write_locked(packs, to, &record->digest, data, record->bytes) : errno;
    }
    if (to && failure == 0) {
        pack->live_bytes -= edge_pack_record_bytes(record->bytes);
        record->pack = to;
        record->offset = to->bytes;
        to->bytes += edge_pack_record_bytes(record->bytes);
        to->live_bytes += edge_pack_record_bytes(record->bytes);
    }
    ll_mutex_unlock(&packs->lock);
    free(data);
    *out_failure = failure;
    return to && failure == 0;
}

/* The old pack goes only when the new ones are on disk. */
static bool rewrite(struct edge_packs *packs, struct edge_pack *pack)
{
    char name[EDGE_PACK_NAME_BYTES];
    int bucket = 0;
    int failure = 0;
    while (move_record(packs, pack, &bucket, &failure)) {
    }
    if (failure == 0 && sync_packs(packs)) {
        edge_pack_name(pack->number, name);
        packs->files->unlink(packs->folder_fd, name);
        edge_pack_free(packs, pack);
        return true;
    }
    /* Back behind the others: it is whole. */
    ll_mutex_lock(&packs->lock);
    struct edge_pack **link = &packs->first;
    while (*link) {
        link = &(*link)->next;
    }
    pack->next = NULL;
    *link = pack;
    ll_mutex_unlock(&packs->lock);
    ll_log(LL_LOG_WARN, "store", "dead bytes stay in a pack: %s", strerrordesc_np(failure));
    return false;
}

void edge_packs_tidy(struct edge_packs *packs)
{
    struct edge_pack *pack = NULL;
    (void)sync_packs(packs);
    do {
        pack = take_dead(packs);
    } while (pack && rewrite(packs, pack));
}
