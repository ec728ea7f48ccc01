/* Files are opened for each write: a session may interleave thousands of blobs, and an open costs
 * microseconds beside a chunk's hash. The hash is taken of the bytes as they arrive, so that
 * completing a blob costs nothing beyond a rename and a mapping.
 *
 * Only the writing thread moves a frontier or completes a blob; others read both through atomics.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/model/edge_store_state.h"

static ll_status write_error(struct edge_store *store, int number, struct ll_error *err)
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

static ll_status write_at(struct edge_blob *blob, int64_t offset, const char *data, size_t bytes,
                          struct ll_error *err)
{
    char name[EDGE_STORE_NAME_BYTES];
    if (!edge_store_is_large(blob)) {
        memcpy((char *)ll_buf_writable(blob->draft) + offset, data, bytes);
        return LL_OK;
    }
    edge_store_blob_name(blob, true, name);
    /* O_TRUNC at the front: no byte of a rejected attempt survives, but those that are kept. */
    bool is_new = offset == 0 && blob->kept_from == blob->bytes;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (is_new ? O_TRUNC : 0);
    int fd = openat(blob->store->folder.fd, name, flags, 0600);
    if (fd < 0) {
        return write_error(blob->store, errno, err);
    }
    size_t done = 0;
    int failure = 0;
    while (done < bytes && failure == 0) {
        ssize_t written = pwrite(fd, data + done, bytes - done, (off_t)offset + (off_t)done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            failure = errno;
        }
    }
    /* Some file systems report a full disk only now. */
    if (close(fd) != 0 && failure == 0 && errno != EINTR) {
        failure = errno;
    }
    if (failure != 0 && is_new) {
        unlinkat(blob->store->folder.fd, name, 0);
    }
    return failure == 0 ? LL_OK : write_error(blob->store, failure, err);
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

/* A whole blob's bytes, to be read from now on. */
static ll_status publish(struct edge_blob *blob, struct ll_buf **out_data, struct ll_error *err)
{
    if (!edge_store_is_large(blob)) {
        *out_data = blob->draft;
        blob->draft = NULL;
        return LL_OK;
    }
    char part[EDGE_STORE_NAME_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    char path[PATH_MAX + EDGE_STORE_NAME_BYTES];
    struct ll_buf *data = NULL;
    edge_store_blob_name(blob, true, part);
    edge_store_blob_name(blob, false, name);
    if (renameat(blob->store->folder.fd, part, blob->store->folder.fd, name) != 0) {
        return ll_fail(err, LL_E_IO, "%s cannot be renamed: %s", part, strerrordesc_np(errno));
    }
    snprintf(path, sizeof(path), "%s/%s", blob->store->folder.path, name);
    ll_status status = ll_buf_map_file(path, blob->bytes, &data, err);
    if (status == LL_OK && (int64_t)ll_buf_bytes(data) != blob->bytes) {
        status = ll_fail(err, LL_E_IO, "%s has %lld bytes instead of %lld", path,
                         (long long)ll_buf_bytes(data), (long long)blob->bytes);
        ll_buf_unref(data);
        data = NULL;
    }
    if (status != LL_OK) {
        unlinkat(blob->store->folder.fd, name, 0);
    }
    *out_data = data;
    return status;
}

/* Hashes bytes [from, size), which a rejection has left here. */
static ll_status hash_kept(struct edge_blob *blob, struct ll_error *err)
{
    enum { PIECE_BYTES = 16 << 10 };
    char piece[PIECE_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    int64_t at = blob->kept_from;
    if (!edge_store_is_large(blob)) {
        ll_hasher_update(blob->hasher, (const char *)ll_buf_data(blob->draft) + at,
                         (size_t)(blob->bytes - at));
        return LL_OK;
    }
    edge_store_blob_name(blob, true, name);
    int fd = openat(blob->store->folder.fd, name, O_RDONLY | O_CLOEXEC);
    int failure = fd < 0 ? errno : 0;
    while (failure == 0 && at < blob->bytes) {
        int64_t left = blob->bytes - at;
        ssize_t got = pread(fd, piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, (off_t)at);
        if (got > 0) {
            ll_hasher_update(blob->hasher, piece, (size_t)got);
            at += got;
        } else if (got == 0) {
            failure = EIO;
        } else if (errno != EINTR) {
            failure = errno;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return failure == 0 ? LL_OK
                        : ll_fail(err, LL_E_IO, "the store cannot read %s: %s", name,
                                  strerrordesc_np(failure));
}

static void forget(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    edge_store_forget_locked(blob->store, blob);
    ll_mutex_unlock(&blob->store->lock);
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
    blob->kept_from = keep_from;
    blob->keep_from = blob->bytes;
}

/* All bytes are written: verifies and reads or maps them, or forgets them. */
static ll_status complete(struct edge_blob *blob, edge_write_outcome *out_outcome,
                          struct ll_error *err)
{
    struct ll_digest digest;
    struct ll_buf *data = NULL;
    ll_status status = blob->kept_from < blob->bytes ? hash_kept(blob, err) : LL_OK;
    /* All of it is in front of the frontier now. */
    atomic_store(&blob->written, blob->bytes);
    blob->kept_from = blob->bytes;
    ll_hasher_finish(blob->hasher, &digest);
    if (status == LL_OK && !ll_digest_equal(&digest, &blob->digest)) {
        reject(blob);
        *out_outcome = EDGE_WRITE_REJECTED;
        return LL_OK;
    }
    if (status == LL_OK) {
        status = publish(blob, &data, err);
    }
    if (status != LL_OK) {
        /* The hash is used up: whoever comes next begins anew. */
        forget(blob);
        return status;
    }
    ll_hasher_destroy(blob->hasher);
    blob->hasher = NULL;
    atomic_store(&blob->data, data);
    *out_outcome = EDGE_WRITE_COMPLETED;
    return LL_OK;
}

ll_status edge_blob_write(struct edge_blob *blob, int64_t offset, const void *data, size_t bytes,
                          edge_write_outcome *out_outcome, struct ll_error *err)
{
    int64_t written = atomic_load(&blob->written);
    if (offset > written) {
        *out_outcome = offset >= blob->kept_from ? EDGE_WRITE_KEPT : EDGE_WRITE_BEYOND;
        return LL_OK;
    }
    int64_t end = offset + (int64_t)bytes;
    end = end < blob->kept_from ? end : blob->kept_from;
    int64_t fresh_bytes = end - written;
    if (edge_blob_data(blob) || fresh_bytes <= 0) {
        *out_outcome = EDGE_WRITE_KEPT;
        return LL_OK;
    }
    if (!blob->hasher && ll_hasher_create(&blob->hasher) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    ll_status status = blob->has_place ? LL_OK : edge_store_take_place(blob, err);
    if (status == LL_OK) {
        status = reserve(blob->store, fresh_bytes, err);
    }
    if (status != LL_OK) {
        return status;
    }
    const char *fresh = (const char *)data + (written - offset);
    status = write_at(blob, written, fresh, (size_t)fresh_bytes, err);
    if (status != LL_OK) {
        give_back(blob->store, fresh_bytes);
        return status;
    }
    ll_hasher_update(blob->hasher, fresh, (size_t)fresh_bytes);
    atomic_store(&blob->written, end);
    if (end == blob->kept_from) {
        return complete(blob, out_outcome, err);
    }
    *out_outcome = EDGE_WRITE_KEPT;
    return LL_OK;
}

void edge_blob_keep_from(struct edge_blob *blob, int64_t offset)
{
    blob->keep_from = offset < blob->bytes ? offset : blob->bytes;
}

int64_t edge_blob_kept_from(const struct edge_blob *blob)
{
    return blob->kept_from;
}

void edge_blob_contest(struct edge_blob *blob)
{
    blob->is_contested = true;
}

bool edge_blob_is_contested(const struct edge_blob *blob)
{
    return blob->is_contested;
}

void edge_blob_adopt(struct edge_blob *blob, struct edge_blob *copy)
{
    struct edge_store *store = blob->store;
    char name[EDGE_STORE_NAME_BYTES];
    ll_mutex_lock(&store->lock);
    if (edge_store_is_large(blob) && edge_store_held_bytes(blob) > 0) {
        edge_store_blob_name(blob, true, name);
        unlinkat(store->folder.fd, name, 0);
    }
    store->used_bytes -= edge_store_held_bytes(blob);
    blob->keep_from = blob->kept_from = blob->bytes;
    edge_store_give_place_locked(store, blob);
    blob->has_place = copy->has_place;
    copy->has_place = false;
    atomic_store(&blob->written, blob->bytes);
    atomic_store(&copy->written, 0);
    ll_mutex_unlock(&store->lock);
    ll_hasher_destroy(blob->hasher);
    blob->hasher = NULL;
    atomic_store(&blob->data, atomic_exchange(&copy->data, NULL));
}

/* The first `written` bytes of a large copy's file against `right`. */
static bool file_agrees(const struct edge_blob *copy, int64_t written, const char *right)
{
    enum { PIECE_BYTES = 16 << 10 };
    char piece[PIECE_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(copy, true, name);
    int fd = written > 0 ? openat(copy->store->folder.fd, name, O_RDONLY | O_CLOEXEC) : -1;
    bool agrees = true;
    int64_t at = 0;
    while (fd >= 0 && agrees && at < written) {
        int64_t left = written - at;
        ssize_t got = pread(fd, piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, (off_t)at);
        if (got <= 0) {
            break;
        }
        agrees = memcmp(piece, right + at, (size_t)got) == 0;
        at += got;
    }
    if (fd >= 0) {
        close(fd);
    }
    return agrees;
}

bool edge_blob_agrees(const struct edge_blob *copy, const struct edge_blob *blob)
{
    const char *right = ll_buf_data(edge_blob_data(blob));
    int64_t written = atomic_load(&copy->written);
    if (edge_store_is_large(copy)) {
        return file_agrees(copy, written, right);
    }
    return !copy->draft || memcmp(ll_buf_data(copy->draft), right, (size_t)written) == 0;
}
