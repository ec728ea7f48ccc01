/* The blob store: layers' weights, named by their content; large ones in a folder, one file each.
 *
 * A blob is written front to back, by whoever brings the bytes at its frontier first, hashed on the
 * way, and counts only when the whole has the right digest; then it is shared by every model that
 * names it. What was written of an unfinished blob stays for the next session. Blobs live as long
 * as somebody refers to them.
 *
 * A large blob is a file that is mapped read-only. A process may have only so many mappings, and
 * thousands of files take seconds to come and go: a small blob lies in memory, and where it lasts,
 * in a pack with others.
 *
 * The folder belongs to one process at a time (a lock file says so). A store with a folder of its
 * own lasts: whatever end a process or a machine comes to, a new process finds verified blobs, and
 * of unfinished ones what edge_blob_stored said, or after a loss of power edge_blob_resumable. A
 * temporary folder is removed at the end; a new one removes those of the same user whose process is
 * gone.
 *
 * Threads: any, except that one thread at a time writes. */
#ifndef EDGE_STORE_H
#define EDGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_digest.h"
#include "core/ll_memory.h"
#include "core/ll_status.h"

struct edge_store;
struct edge_store_files;
struct edge_blob;

struct edge_store_config {
    /* Made if it does not exist; what is in it lasts. NULL: a temporary folder, removed at the end.
     */
    const char *folder;
    /* Where `folder` (and folders above it, made if need be) cannot be had, a temporary one does.
     */
    bool may_be_temporary;
    /* Where temporary folders are made; NULL: /tmp. */
    const char *temporary_parent;
    /* What all blobs together may take. */
    int64_t budget_bytes;
    /* How many large ones may have begun, each a file and a mapping; 0: a quarter of the mappings
     * that the system gives a process. */
    int most_mappings;
    /* What small ones count against, NULL: nothing. */
    struct ll_memory *memory;
    /* Of a store that lasts, for tests: how files are changed; NULL: as the system does. */
    const struct edge_store_files *files;
    /* Of a store that lasts: an unfinished blob that an earlier process left turns out to be whole,
     * on the store's thread, without locks. May be NULL. */
    void (*recovered)(void *arg);
    void *recovered_arg;
};

/* From this size on a blob is large. */
enum { EDGE_STORE_MAPPED_BYTES = 64 << 10 };
/* What is left of an unfinished blob ends at a multiple of this. */
enum { EDGE_STORE_FRAME_BYTES = 64 << 10 };

/* Errors: LL_E_IO, LL_E_PRECONDITION where another process has the folder, LL_E_UNSUPPORTED where a
 * newer version has written it, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_create(const struct edge_store_config *config,
                                        struct edge_store **out_store, struct ll_error *err);
/* After the last edge_blob_unref. NULL is allowed. */
void edge_store_destroy(struct edge_store *store);

const char *edge_store_folder(const struct edge_store *store);
bool edge_store_lasts(const struct edge_store *store);

/* Once all that an earlier process's models name is referred to: removes the other blobs that it
 * left. */
void edge_store_remove_orphans(struct edge_store *store);
/* Waits until what was verified is on disk (or the disk has refused it), and what an earlier
 * process left has been looked at. */
void edge_store_settle(struct edge_store *store);
/* The process ends: blobs leave their files from now on. Waits until what was verified is on disk.
 */
void edge_store_leave_files(struct edge_store *store);

/* For a process that leaves without edge_store_destroy: removes the temporary folder of a store
 * that does not last. Blobs that are mapped stay readable. */
void edge_store_remove(const char *folder);

/* Bytes that blobs take now, unfinished ones included. */
int64_t edge_store_used_bytes(struct edge_store *store);
int64_t edge_store_budget_bytes(const struct edge_store *store);
/* How many large blobs there may be. */
int edge_store_most_mappings(const struct edge_store *store);

/* The blob of this name and size (above 0), empty if nobody had it before. The caller owns a
 * reference. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_get(struct edge_store *store, const struct ll_digest *digest,
                                     int64_t bytes, struct edge_blob **out_blob);
/* An empty blob of the same name and size that is nobody else's: for bytes that are not to be mixed
 * with others'. It counts against the budget, and is forgotten by its edge_blob_unref; once it is
 * verified, edge_blob_adopt makes its bytes the blob's. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_store_copy(struct edge_store *store, const struct edge_blob *blob,
                                      struct edge_blob **out_copy);
struct edge_blob *edge_blob_ref(struct edge_blob *blob);
/* The last one forgets the blob and its file. NULL is allowed. */
void edge_blob_unref(struct edge_blob *blob);

int64_t edge_blob_bytes(const struct edge_blob *blob);
/* Whether it counts against the budget of memory. */
bool edge_blob_holds_memory(const struct edge_blob *blob);
/* The frontier: how many bytes are here. */
int64_t edge_blob_written(const struct edge_blob *blob);
/* How many of its first bytes survive the end of this process, whatever ends it (not that of the
 * machine): those up to the last border of EDGE_STORE_FRAME_BYTES, or all of a verified blob. Falls
 * only by a rejection. */
int64_t edge_blob_stored(const struct edge_blob *blob);
/* Brings to disk what is stored of unfinished blobs; some may be NULL. May take as long as a few
 * files' syncs, and where an earlier process left them, as their hashes.
 *
 * Threads: the writing one. */
void edge_store_sync_blobs(struct edge_store *store, struct edge_blob *const *blobs, int count);
/* How many of its first bytes a device that comes back need not send, whatever happens meanwhile:
 * in a store that lasts those on disk, in another one those that are here.
 *
 * Threads: the writing one. */
int64_t edge_blob_resumable(const struct edge_blob *blob);
/* The verified bytes, or NULL while they are not complete. Lives as long as the blob. */
struct ll_buf *edge_blob_data(const struct edge_blob *blob);

/* `blob` becomes available with the bytes of `copy`, which is verified, and its own are forgotten.
 */
void edge_blob_adopt(struct edge_blob *blob, struct edge_blob *copy);
/* Reads bytes [offset, offset + bytes), which are written, whether or not the blob is complete.
 * Errors: LL_E_IO.
 *
 * Threads: the writing one. */
LL_MUST_USE ll_status edge_blob_read(const struct edge_blob *blob, int64_t offset, void *data,
                                     size_t bytes, struct ll_error *err);

/* Should the whole have another digest, then bytes [offset, size) stay, for one rejection: the
 * outcome is EDGE_WRITE_REJECTED as ever, the frontier is 0, and once it reaches `offset` again
 * they are hashed and the blob is completed, or rejected again. 0 < offset; the size or more keeps
 * nothing. Who brings bytes from `offset` on meanwhile has them dropped.
 *
 * Threads: the writing one, both. */
void edge_blob_keep_from(struct edge_blob *blob, int64_t offset);
/* Where the bytes begin that a rejection has left beyond the frontier; the size: there are none. */
int64_t edge_blob_kept_from(const struct edge_blob *blob);

typedef enum {
    /* The bytes are on disk, or were before. */
    EDGE_WRITE_KEPT,
    /* They were the last: the blob is verified and available. */
    EDGE_WRITE_COMPLETED,
    /* They were the last, and the whole has another digest: its bytes are forgotten, but for those
     * that edge_blob_keep_from named. */
    EDGE_WRITE_REJECTED,
    /* They lie beyond the frontier (which fell by a rejection): dropped. */
    EDGE_WRITE_BEYOND,
} edge_write_outcome;

/* Takes bytes [offset, offset + bytes) of a blob; offset + bytes is within its size. What lies
 * before the frontier is dropped: it is there.
 *
 * Errors: LL_E_EXHAUSTED above a limit (store_bytes, store_mappings, memory_bytes) or
 *         when the disk is full, LL_E_IO, LL_E_NO_MEMORY; the frontier has not moved then, and
 * `err` says why. */
LL_MUST_USE ll_status edge_blob_write(struct edge_blob *blob, int64_t offset, const void *data,
                                      size_t bytes, edge_write_outcome *out_outcome,
                                      struct ll_error *err);

#endif
