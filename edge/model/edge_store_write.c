/* Files are opened for each write: a session may interleave thousands of blobs, and an open costs
 * microseconds beside a chunk's hash. The hash is taken of the bytes as they arrive, so that
 * completing a blob costs nothing beyond a rename and a mapping.
 *
 * Only the writing thread moves a frontier or completes a blob; others read both through atomics.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

/* Puts bytes into a large blob's file, and into its hash. */
static ll_status write_file(struct edge_blob *blob, int64_t offset, const char *data, size_t bytes,
                            struct ll_error *err)
{
    struct edge_store *store = blob->store;
    const struct edge_store_files *files = store->files;
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, name);
    /* O_TRUNC at the front: no byte of a rejected attempt survives, but those that are kept. */
    bool is_new = offset == 0 && blob->kept_from == blob->bytes;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (is_new ? O_TRUNC : 0);
    int fd = files->open(store->folder.fd, name, flags, 0600);
    if (fd < 0) {
        return edge_store_write_error(store, errno, err);
    }
    int failure = is_new && edge_store_lasts(store) ? edge_store_part_begin(blob, fd) : 0;
    if (failure == 0) {
        failure = edge_store_files_write(files, fd, data, bytes, offset);
    }
    if (failure == 0) {
        edge_store_part_add(blob, fd, offset, data, bytes);
    }
    /* Some file systems report a full disk only now; the bytes are where they belong then. */
    if (files->close(fd) != 0 && failure == 0 && errno != EINTR) {
        ll_log(LL_LOG_WARN, "store", "%s: %s", name, strerrordesc_np(errno));
    }
    if (failure != 0 && is_new) {
        files->unlink(store->folder.fd, name);
    }
    return failure == 0 ? LL_OK : edge_store_write_error(store, failure, err);
}

static ll_status write_at(struct edge_blob *blob, int64_t offset, const char *data, size_t bytes,
                          struct ll_error *err)
{
    if (edge_store_is_large(blob)) {
        return write_file(blob, offset, data, bytes, err);
    }
    memcpy((char *)ll_buf_writable(blob->draft) + offset, data, bytes);
    return LL_OK;
}

static ll_status reserve(struct edge_store *store, int64_t bytes, struct ll_error *err)
{
    ll_mutex_lock(&store->lock);
    bool fits = store->used_bytes <= store->budget_bytes - bytes;
    if (fits) {
        store->used_bytes += bytes;
    }
    ll_mutex_unlock(&store->lock);
    return fits ? LL_OK
                : ll_fail_limit(err, "store_bytes", store->budget_bytes, LL_RETRY_MS,
                                "the store is full: limit store_bytes is %lld",
                                (long long)store->budget_bytes);
}

static void give_back(struct edge_store *store, int64_t bytes)
{
    ll_mutex_lock(&store->lock);
    store->used_bytes -= bytes;
    ll_mutex_unlock(&store->lock);
}

/* Hashes bytes [from, size) of a large one, which a rejection has left here. */
static ll_status hash_kept(struct edge_blob *blob, struct ll_error *err)
{
    enum { PIECE_BYTES = 16 << 10 };
    char piece[PIECE_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    int64_t at = blob->kept_from;
    edge_store_blob_name(blob, true, name);
    int fd = blob->store->files->open(blob->store->folder.fd, name,
                                      O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    int failure = fd < 0 ? errno : 0;
    while (failure == 0 && at < blob->bytes) {
        int64_t left = blob->bytes - at;
        size_t bytes = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        failure = edge_store_files_read(fd, piece, bytes, at);
        if (failure == 0) {
            ll_hasher_update(blob->hasher, piece, bytes);
            at += (int64_t)bytes;
        }
    }
    if (fd >= 0) {
        blob->store->files->close(fd);
    }
    return failure == 0 ? LL_OK
                        : ll_fail(err, LL_E_IO, "the store cannot read %s: %s", name,
                                  strerrordesc_np(failure));
}

/* All of it is in front of the frontier now. */
static void count_kept(struct edge_blob *blob)
{
    atomic_store(&blob->written, blob->bytes);
    blob->kept_from = blob->bytes;
}

static void forget(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    edge_store_forget_locked(blob->store, blob);
    ll_mutex_unlock(&blob->store->lock);
}

/* No new process is to trust what was rejected. */
static void drop_checks(struct edge_blob *blob)
{
    const struct edge_store *store = blob->store;
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, name);
    int fd = store->files->open(store->folder.fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0 || store->files->truncate(fd, (off_t)blob->bytes) != 0) {
        ll_log(LL_LOG_WARN, "store", "%s cannot be cut: %s", name, strerrordesc_np(errno));
    }
    if (fd >= 0) {
        store->files->close(fd);
    }
}

/* The whole has another digest: forgets it, but for what is to be kept. */
static void reject(struct edge_blob *blob)
{
    struct edge_store *store = blob->store;
    int64_t keep_from = blob->keep_from;
    if (keep_from >= blob->bytes) {
        forget(blob);
        return;
    }
    ll_mutex_lock(&store->lock);
    store->used_bytes -= keep_from;
    ll_mutex_unlock(&store->lock);
    atomic_store(&blob->written, 0);
    atomic_store(&blob->stored, 0);
    blob->synced = 0;
    blob->kept_from = keep_from;
    blob->keep_from = blob->bytes;
    if (edge_store_is_large(blob) && edge_store_lasts(store)) {
        drop_checks(blob);
    }
}

/* The digest of a whole. */
static ll_status finish_hash(struct edge_blob *blob, struct ll_digest *out_digest,
                             struct ll_error *err)
{
    if (!edge_store_is_large(blob)) {
        ll_status status = ll_digest_of(ll_buf_data(blob->draft), (size_t)blob->bytes, out_digest);
        return status == LL_OK ? LL_OK : ll_fail(err, status, "out of memory");
    }
    ll_status status = blob->kept_from < blob->bytes ? hash_kept(blob, err) : LL_OK;
    ll_hasher_finish(blob->hasher, out_digest);
    return status;
}

ll_status edge_store_pack_blob(struct edge_blob *blob, const struct ll_buf *data,
                               struct ll_error *err)
{
    struct edge_store *store = blob->store;
    struct edge_pack_record *record = NULL;
    int failure = edge_packs_append(store->packs, &blob->digest, ll_buf_data(data),
                                    (size_t)blob->bytes, &record);
    if (failure != 0) {
        return edge_store_write_error(store, failure, err);
    }
    ll_mutex_lock(&store->lock);
    blob->record = record;
    store->wants_tidying = true;
    ll_cond_signal(&store->syncer.work);
    ll_mutex_unlock(&store->lock);
    return LL_OK;
}

/* A whole blob's bytes, to be read from now on. */
static ll_status publish(struct edge_blob *blob, struct ll_error *err)
{
    struct edge_store *store = blob->store;
    struct ll_buf *data = NULL;
    bool lasts = edge_store_lasts(store) && blob->copy_number == 0;
    if (edge_store_is_large(blob)) {
        ll_status status = edge_store_part_publish(blob, &data, err);
        if (status != LL_OK) {
            return status;
        }
    } else {
        ll_status status = lasts ? edge_store_pack_blob(blob, blob->draft, err) : LL_OK;
        if (status != LL_OK) {
            return status;
        }
        data = blob->draft;
        blob->draft = NULL;
    }
    ll_hasher_destroy(blob->hasher);
    blob->hasher = NULL;
    atomic_store(&blob->stored, blob->copy_number == 0 ? blob->bytes : 0);
    atomic_store(&blob->data, data);
    if (lasts && edge_store_is_large(blob)) {
        ll_mutex_lock(&store->lock);
        edge_store_queue_add_locked(store, blob, EDGE_STORE_SYNC);
        ll_mutex_unlock(&store->lock);
    }
    return LL_OK;
}

/* All bytes are written: verifies and reads or maps them, or forgets them. */
static ll_status complete(struct edge_blob *blob, edge_write_outcome *out_outcome,
                          struct ll_error *err)
{
    struct ll_digest digest;
    ll_status status = finish_hash(blob, &digest, err);
    if (status == LL_OK && !ll_digest_equal(&digest, &blob->digest)) {
        count_kept(blob);
        reject(blob);
        *out_outcome = EDGE_WRITE_REJECTED;
        return LL_OK;
    }
    if (status == LL_OK) {
        status = publish(blob, err);
    }
    if (status == LL_OK) {
        count_kept(blob);
        *out_outcome = EDGE_WRITE_COMPLETED;
    } else if (edge_store_is_large(blob)) {
        /* The hash is used up: whoever comes next begins anew. */
        forget(blob);
    }
    return status;
}

/* Takes the bytes that come next, without looking at limits. */
static ll_status advance(struct edge_blob *blob, const char *data, int64_t bytes,
                         edge_write_outcome *out_outcome, struct ll_error *err)
{
    int64_t before = atomic_load(&blob->written);
    ll_status status = reserve(blob->store, bytes, err);
    if (status != LL_OK) {
        return status;
    }
    status = write_at(blob, before, data, (size_t)bytes, err);
    if (status != LL_OK) {
        give_back(blob->store, bytes);
        return status;
    }
    atomic_store(&blob->written, before + bytes);
    *out_outcome = EDGE_WRITE_KEPT;
    if (before + bytes < blob->kept_from) {
        return LL_OK;
    }
    status = complete(blob, out_outcome, err);
    if (status != LL_OK && !edge_store_is_large(blob)) {
        /* A small one is as it was before these bytes. */
        atomic_store(&blob->written, before);
        give_back(blob->store, bytes);
    }
    return status;
}

ll_status edge_blob_write(struct edge_blob *blob, int64_t offset, const void *data, size_t bytes,
                          edge_write_outcome *out_outcome, struct ll_error *err)
{
    edge_store_part_recover(blob);
    int64_t written = atomic_load(&blob->written);
    *out_outcome = EDGE_WRITE_KEPT;
    if (offset > written) {
        *out_outcome = offset >= blob->kept_from ? EDGE_WRITE_KEPT : EDGE_WRITE_BEYOND;
        return LL_OK;
    }
    int64_t end = offset + (int64_t)bytes;
    end = end < blob->kept_from ? end : blob->kept_from;
    if (edge_blob_data(blob) || end <= written) {
        return LL_OK;
    }
    if (edge_store_is_large(blob) && !blob->hasher && ll_hasher_create(&blob->hasher) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    ll_status status = blob->has_place ? LL_OK : edge_store_take_place(blob, err);
    if (status != LL_OK) {
        return status;
    }
    return advance(blob, (const char *)data + (written - offset), end - written, out_outcome, err);
}

void edge_blob_keep_from(struct edge_blob *blob, int64_t offset)
{
    blob->keep_from = offset < blob->bytes ? offset : blob->bytes;
}

int64_t edge_blob_kept_from(const struct edge_blob *blob)
{
    return blob->kept_from;
}
