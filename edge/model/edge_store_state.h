/* The inside of the blob store: edge_store.c keeps records, places and files, edge_store_write.c
 * stands above it and brings bytes. */
#ifndef EDGE_STORE_STATE_H
#define EDGE_STORE_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_sync.h"
#include "edge/model/edge_store.h"
#include "edge/model/edge_store_folder.h"

enum {
    EDGE_STORE_BUCKETS = 4096,
    /* 64 digits, '-', 20 digits, '.', 20 digits, ".part", NUL */
    EDGE_STORE_NAME_BYTES = 120,
};

struct edge_blob {
    struct edge_store *store;
    struct ll_digest digest;
    int64_t bytes;
    /* The writing thread's: whether it has its place; a small one's is here, until it is verified.
     */
    bool has_place;
    struct ll_buf *draft;
    /* Not 0: a copy, which no bucket has. */
    uint64_t copy_number;
    /* The writing thread's. */
    bool is_contested;
    atomic_int_least64_t written;
    /* The writing thread's: which bytes stay if the whole is rejected, and which have stayed
     * (edge_blob_keep_from); `bytes`: none. */
    int64_t keep_from;
    int64_t kept_from;
    /* Set once, when the blob is verified. */
    _Atomic(struct ll_buf *) data;
    /* The writing thread's: the hash of what is written. */
    struct ll_hasher *hasher;
    /* Guarded by the store's lock. */
    int refs;
    struct edge_blob *next;
};

struct edge_store {
    struct edge_store_folder folder;
    int64_t budget_bytes;
    int most_mappings;
    struct ll_memory *memory;
    struct ll_mutex lock;
    /* Guarded by lock. */
    int64_t used_bytes LL_GUARDED_BY(lock);
    int mappings LL_GUARDED_BY(lock);
    uint64_t last_copy LL_GUARDED_BY(lock);
    struct edge_blob *buckets[EDGE_STORE_BUCKETS] LL_GUARDED_BY(lock);
};

/* The name of the blob's file: while it is written (`is_part`), or verified. */
void edge_store_blob_name(const struct edge_blob *blob, bool is_part,
                          char out_name[EDGE_STORE_NAME_BYTES]);
/* Whether the blob is a file, which is mapped; memory otherwise. */
bool edge_store_is_large(const struct edge_blob *blob);

/* Its place for a blob that begins. Errors: LL_E_EXHAUSTED above a limit, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_take_place(struct edge_blob *blob, struct ll_error *err);
void edge_store_give_place_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);
/* How many bytes of a blob count against the budget. */
int64_t edge_store_held_bytes(const struct edge_blob *blob);
/* Forgets what is written, and gives the place back. */
void edge_store_forget_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);

#endif
