/* The file of a large blob that lasts, while it is unfinished: the blob's bytes where they belong,
 * and behind them, from the next multiple of 8 on, 8 bytes for each frame of 64 KiB: the beginning
 * of the SHA-256 of all bytes up to the frame's end. Whatever end a process or a machine comes to,
 * the next start hashes the file and trusts it as far as the checks agree; the last frame needs
 * none, the blob's own digest says whether it is right. A file without room for checks behind its
 * bytes was verified (and cut) or rejected: it is trusted wholly, or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ll_log.h"
#include "edge/model/edge_store_state.h"

enum { CHECK_BYTES = 8, FRAME_BYTES = EDGE_STORE_FRAME_BYTES };

/* The check of the frame that begins at `offset`. */
static int64_t check_offset(const struct edge_blob *blob, int64_t offset)
{
    int64_t first = (blob->bytes + CHECK_BYTES - 1) / CHECK_BYTES * CHECK_BYTES;
    return first + offset / FRAME_BYTES * CHECK_BYTES;
}

int edge_store_part_begin(const struct edge_blob *blob, int fd)
{
    int64_t first = check_offset(blob, 0);
    int64_t end = check_offset(blob, blob->bytes - 1) + CHECK_BYTES;
    if (blob->store->files->reserve(fd, (off_t)first, (off_t)(end - first)) == 0) {
        return 0;
    }
    /* Without blocks of their own they come when they are written. */
    return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? 0 : errno;
}

/* The frame that ends at `border` is written. Without its check a new process trusts only what lies
 * before it: the blob goes on. */
static void write_check(struct edge_blob *blob, int fd, int64_t border)
{
    struct edge_store *store = blob->store;
    struct ll_digest digest;
    if (atomic_load(&blob->stored) != border - FRAME_BYTES ||
        ll_hasher_copy(store->check_hasher, blob->hasher) != LL_OK) {
        return;
    }
    ll_hasher_finish(store->check_hasher, &digest);
    if (edge_store_files_write(store->files, fd, digest.bytes, CHECK_BYTES,
                               check_offset(blob, border - FRAME_BYTES)) == 0) {
        atomic_store(&blob->stored, border);
    }
}

void edge_store_part_add(struct edge_blob *blob, int fd, int64_t offset, const char *data,
                         size_t bytes)
{
    while (bytes > 0) {
        int64_t border = offset - offset % FRAME_BYTES + FRAME_BYTES;
        size_t piece = (int64_t)bytes < border - offset ? bytes : (size_t)(border - offset);
        ll_hasher_update(blob->hasher, data, piece);
        offset += (int64_t)piece;
        data += piece;
        bytes -= piece;
        if (offset == border && edge_store_lasts(blob->store)) {
            write_check(blob, fd, border);
        }
    }
}

static ll_status map_part(const struct edge_blob *blob, const char *name, struct ll_buf **out_data,
                          struct ll_error *err)
{
    const struct edge_store *store = blob->store;
    int fd = store->files->open(store->folder.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        return ll_fail(err, LL_E_IO, "%s cannot be opened: %s", name, strerrordesc_np(errno));
    }
    ll_status status = ll_buf_map_open(fd, name, (size_t)blob->bytes, out_data, err);
    store->files->close(fd);
    return status;
}

ll_status edge_store_part_publish(struct edge_blob *blob, struct ll_buf **out_data,
                                  struct ll_error *err)
{
    struct edge_store *store = blob->store;
    char part[EDGE_STORE_NAME_BYTES];
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, part);
    edge_store_blob_name(blob, false, name);
    ll_status status = map_part(blob, part, out_data, err);
    if (status != LL_OK || edge_store_lasts(store)) {
        return status;
    }
    if (store->files->rename(store->folder.fd, part, name) != 0) {
        ll_buf_unref(*out_data);
        *out_data = NULL;
        return ll_fail(err, LL_E_IO, "%s cannot be renamed: %s", part, strerrordesc_np(errno));
    }
    return LL_OK;
}

/* ---- Recovery ---- */

/* How far a file can be trusted. */
struct recovery {
    /* A frame's bytes. */
    char *frame;
    struct ll_hasher *trial;
    struct ll_hasher *check;
    /* The hash of [0, written). */
    struct ll_hasher *hasher;
    int64_t written;
    /* Of the whole, where it is right. */
    struct ll_buf *data;
};

/* Takes the next frame if it is right. Errors: LL_E_INVALID where it is not, LL_E_NO_MEMORY. */
static ll_status take_frame(struct recovery *recovery, const struct edge_blob *blob, int fd,
                            bool has_checks)
{
    struct ll_digest digest;
    uint8_t check[CHECK_BYTES] = {0};
    int64_t left = blob->bytes - recovery->written;
    size_t bytes = left < FRAME_BYTES ? (size_t)left : FRAME_BYTES;
    bool is_last = (int64_t)bytes == left;
    if (edge_store_files_read(fd, recovery->frame, bytes, recovery->written) != 0 ||
        (has_checks && !is_last &&
         edge_store_files_read(fd, check, CHECK_BYTES, check_offset(blob, recovery->written)) !=
             0)) {
        return LL_E_INVALID;
    }
    if (ll_hasher_copy(recovery->trial, recovery->hasher) != LL_OK) {
        return LL_E_NO_MEMORY;
    }
    ll_hasher_update(recovery->trial, recovery->frame, bytes);
    if (is_last || has_checks) {
        if (ll_hasher_copy(recovery->check, recovery->trial) != LL_OK) {
            return LL_E_NO_MEMORY;
        }
        ll_hasher_finish(recovery->check, &digest);
    }
    bool is_right = is_last ? ll_digest_equal(&digest, &blob->digest)
                            : !has_checks || memcmp(digest.bytes, check, CHECK_BYTES) == 0;
    if (!is_right) {
        return LL_E_INVALID;
    }
    struct ll_hasher *swapped = recovery->hasher;
    recovery->hasher = recovery->trial;
    recovery->trial = swapped;
    recovery->written += (int64_t)bytes;
    return LL_OK;
}

/* What is left of the file, and its end. */
static void read_file(struct recovery *recovery, struct edge_blob *blob, const char *name)
{
    struct edge_store *store = blob->store;
    struct stat info;
    int fd =
        store->files->open(store->folder.fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        info.st_size = 0;
    }
    bool has_checks = info.st_size > check_offset(blob, 0);
    ll_status status = info.st_size >= blob->bytes ? LL_OK : LL_E_INVALID;
    while (status == LL_OK && recovery->written < blob->bytes) {
        status = take_frame(recovery, blob, fd, has_checks);
    }
    if (recovery->written < blob->bytes && !has_checks) {
        recovery->written = 0;
    }
    if (recovery->written == blob->bytes &&
        ll_buf_map_open(fd, name, (size_t)blob->bytes, &recovery->data, NULL) != LL_OK) {
        recovery->written = 0;
    }
    /* Checks of what is not trusted go. */
    if (recovery->written > 0 && !recovery->data &&
        (store->files->truncate(fd, (off_t)check_offset(blob, recovery->written)) != 0 ||
         edge_store_part_begin(blob, fd) != 0)) {
        recovery->written = 0;
    }
    if (fd >= 0) {
        store->files->close(fd);
    }
}

/* The result becomes the blob's. */
static void commit(struct recovery *recovery, struct edge_blob *blob)
{
    struct edge_store *store = blob->store;
    ll_mutex_lock(&store->lock);
    if (blob->is_gone) {
        ll_buf_unref(recovery->data);
    } else if (recovery->written == 0) {
        edge_store_forget_locked(store, blob);
    } else {
        store->used_bytes += recovery->written - blob->unread_bytes;
        blob->unread_bytes = 0;
        atomic_store(&blob->written, recovery->written);
        atomic_store(&blob->stored, recovery->written);
        atomic_store(&blob->data, recovery->data);
        if (recovery->data) {
            edge_store_queue_add_locked(store, blob, EDGE_STORE_SYNC);
        } else {
            blob->hasher = recovery->hasher;
            recovery->hasher = NULL;
        }
        atomic_store(&blob->is_unread, false);
    }
    ll_mutex_unlock(&store->lock);
}

static void recover(struct edge_blob *blob)
{
    struct recovery recovery = {.frame = malloc(FRAME_BYTES)};
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, name);
    if (recovery.frame && ll_hasher_create(&recovery.trial) == LL_OK &&
        ll_hasher_create(&recovery.check) == LL_OK && ll_hasher_create(&recovery.hasher) == LL_OK) {
        read_file(&recovery, blob, name);
    }
    ll_log(LL_LOG_DEBUG, "store", "%s: %lld of %lld bytes can be trusted", name,
           (long long)recovery.written, (long long)blob->bytes);
    commit(&recovery, blob);
    ll_hasher_destroy(recovery.trial);
    ll_hasher_destroy(recovery.check);
    ll_hasher_destroy(recovery.hasher);
    free(recovery.frame);
}

void edge_store_part_recover(struct edge_blob *blob)
{
    if (!atomic_load(&blob->is_unread)) {
        return;
    }
    ll_mutex_lock(&blob->store->recovery);
    bool is_first = atomic_load(&blob->is_unread);
    if (is_first) {
        recover(blob);
    }
    ll_mutex_unlock(&blob->store->recovery);
    if (is_first && edge_blob_data(blob) && blob->store->recovered) {
        blob->store->recovered(blob->store->recovered_arg);
    }
}
