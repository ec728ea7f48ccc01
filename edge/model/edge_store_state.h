/* The inside of the blob store, from below: one blob and its place (edge_store_blob.c), what waits
 * for the store's thread (edge_store_queue.c), what of an unfinished file can be trusted
 * (edge_store_part.c), what an earlier process left (edge_store_scan.c), the thread that brings
 * things to disk (edge_store_sync.c), the store and its records (edge_store.c), and the bytes that
 * come (edge_store_write.c). */
#ifndef EDGE_STORE_STATE_H
#define EDGE_STORE_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ll_sync.h"
#include "edge/model/edge_store.h"
#include "edge/model/edge_store_files.h"
#include "edge/model/edge_store_folder.h"
#include "edge/model/edge_store_pack.h"

enum {
    EDGE_STORE_BUCKETS = 4096,
    /* 64 digits, '-', 20 digits, '.', 20 digits, ".part", NUL */
    EDGE_STORE_NAME_BYTES = 120,
};

/* What the store's thread has to do with a blob. */
typedef enum {
    EDGE_STORE_NO_JOB,
    /* Verified: bring it to disk, and give it its name. */
    EDGE_STORE_SYNC,
    /* Left by an earlier process: find out how much of it can be trusted. */
    EDGE_STORE_RECOVER,
} edge_store_job;

struct edge_blob {
    struct edge_store *store;
    struct ll_digest digest;
    int64_t bytes;
    /* The writing thread's: whether it has its place; a small one's is here, until it is verified.
     */
    bool has_place;
    atomic_bool holds_memory;
    struct ll_buf *draft;
    /* Not 0: a copy, which no bucket has. */
    uint64_t copy_number;
    atomic_int_least64_t written;
    /* Of that, what a new process would trust. */
    atomic_int_least64_t stored;
    /* The writing thread's: of that, what is on disk. */
    int64_t synced;
    /* The writing thread's: which bytes stay if the whole is rejected, and which have stayed
     * (edge_blob_keep_from); `bytes`: none. */
    int64_t keep_from;
    int64_t kept_from;
    /* Set once, when the blob is verified. */
    _Atomic(struct ll_buf *) data;
    /* The writing thread's: the hash of what is written of a large one. */
    struct ll_hasher *hasher;
    /* Its file is an earlier process's, and nobody has looked at it yet. */
    atomic_bool is_unread;
    /* Guarded by the store's lock: what that file counts. */
    int64_t unread_bytes;
    /* Guarded by the store's lock: where a small one that lasts is. */
    struct edge_pack_record *record;
    /* Guarded by the store's lock: the job that waits, and whether the last reference went while
     * one was done. */
    edge_store_job job;
    struct edge_blob *queue_next;
    bool is_gone;
    /* Guarded by the store's lock. */
    int refs;
    struct edge_blob *next;
};

/* The thread that brings things to disk, and its queue. */
struct edge_store_syncer {
    struct ll_thread thread;
    /* Something to do, or stop; nothing to do any more. */
    struct ll_cond work;
    struct ll_cond rest;
};

struct edge_store {
    struct edge_store_folder folder;
    const struct edge_store_files *files;
    int64_t budget_bytes;
    int most_mappings;
    struct ll_memory *memory;
    void (*recovered)(void *arg);
    void *recovered_arg;
    /* NULL in a store that does not last. */
    struct edge_packs *packs;
    int models_fd;
    /* The writing thread's: hashes of beginnings. */
    struct ll_hasher *check_hasher;
    struct edge_store_syncer syncer;
    /* The process ends: blobs leave their files. */
    atomic_bool leaves_files;
    /* Held while a blob is recovered; before `lock`. */
    struct ll_mutex recovery;

    struct ll_mutex lock;
    /* Guarded by lock. */
    int64_t used_bytes LL_GUARDED_BY(lock);
    int mappings LL_GUARDED_BY(lock);
    uint64_t last_copy LL_GUARDED_BY(lock);
    struct edge_blob *buckets[EDGE_STORE_BUCKETS] LL_GUARDED_BY(lock);
    struct edge_blob *queue_first LL_GUARDED_BY(lock);
    struct edge_blob **queue_last LL_GUARDED_BY(lock);
    /* What the store's thread is at. */
    struct edge_blob *current LL_GUARDED_BY(lock);
    bool is_tidying LL_GUARDED_BY(lock);
    bool wants_tidying LL_GUARDED_BY(lock);
    bool is_stopping LL_GUARDED_BY(lock);
};

/* Where the blobs of such a digest are listed. */
struct edge_blob **edge_store_bucket_locked(struct edge_store *store,
                                            const struct ll_digest *digest)
    LL_REQUIRES(store->lock);

/* The name of the blob's file: while it is written (`is_part`), or verified. */
void edge_store_blob_name(const struct edge_blob *blob, bool is_part,
                          char out_name[EDGE_STORE_NAME_BYTES]);
/* Whether the blob is a file, which is mapped; memory or a pack's otherwise. */
bool edge_store_is_large(const struct edge_blob *blob);

/* A failed write's status and sentence: `number` is its errno. */
ll_status edge_store_write_error(struct edge_store *store, int number, struct ll_error *err);

/* Its place for a blob that begins. Errors: LL_E_EXHAUSTED above a limit, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_take_place(struct edge_blob *blob, struct ll_error *err);
void edge_store_give_place_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);
/* How many bytes of a blob count against the budget. */
int64_t edge_store_held_bytes(const struct edge_blob *blob);
/* Forgets what is written, and gives the place back. */
void edge_store_forget_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);
/* Frees what nobody refers to any more. */
void edge_store_free_blob(struct edge_blob *blob);

/* ---- edge_store_part.c ---- */

/* Room for the checks of a file that is new. Returns 0 or the errno. */
int edge_store_part_begin(const struct edge_blob *blob, int fd);
/* Hashes bytes that have been written at `offset`, and writes the checks of the frames that they
 * complete. */
void edge_store_part_add(struct edge_blob *blob, int fd, int64_t offset, const char *data,
                         size_t bytes);
/* Maps the whole of a verified file, and leaves it for the store's thread to give it its name; a
 * store that does not last does so at once. Errors: LL_E_IO, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_part_publish(struct edge_blob *blob, struct ll_buf **out_data,
                                              struct ll_error *err);
/* Looks at a file that an earlier process left, if nobody has yet; what can be trusted counts as
 * written. */
void edge_store_part_recover(struct edge_blob *blob);

/* ---- edge_store_write.c ---- */

/* Appends a small one that lasts to a pack. Errors: LL_E_EXHAUSTED where the disk is full, LL_E_IO.
 */
LL_MUST_USE ll_status edge_store_pack_blob(struct edge_blob *blob, const struct ll_buf *data,
                                           struct ll_error *err);

/* ---- edge_store_scan.c ---- */

/* What is here of a new record. */
void edge_store_load_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);

/* ---- edge_store_sync.c ---- */

LL_MUST_USE ll_status edge_store_sync_start(struct edge_store *store, struct ll_error *err);
/* Does what waits, then ends the thread. Harmless without one. */
void edge_store_sync_stop(struct edge_store *store);

/* ---- edge_store_queue.c ---- */

void edge_store_queue_add_locked(struct edge_store *store, struct edge_blob *blob,
                                 edge_store_job job) LL_REQUIRES(store->lock);
void edge_store_queue_tidy(struct edge_store *store);
/* The last reference has gone: nothing waits any more. Returns whether the thread is at the blob,
 * which frees it then. */
LL_MUST_USE bool edge_store_queue_drop_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock);

#endif
