/* A blob is one file, "HEX-SIZE.part" until it is verified and "HEX-SIZE" from then on, where HEX
 * is its SHA-256. Files are opened for each write: a session may interleave thousands of blobs, and
 * an open costs microseconds beside a chunk's hash. The hash is taken of the bytes as they arrive,
 * so that completing a blob costs nothing beyond a rename and a mapping.
 *
 * Only the writing thread moves a frontier or completes a blob; others read both through atomics. A
 * blob's last reference removes its record and its file in one step under the store's lock, so that
 * a new record of the same name never meets the old file. */
#include "edge/edge_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_log.h"
#include "core/ll_sync.h"

enum {
    BUCKETS = 4096,
    /* 64 digits, '-', 20 digits, ".part", NUL */
    NAME_BYTES = 96,
};

struct edge_blob {
    struct edge_store *store;
    struct ll_digest digest;
    int64_t bytes;
    atomic_int_least64_t written;
    /* Set once, when the blob is verified. */
    _Atomic(struct ll_buf *) data;
    /* The writing thread's: the hash of what is written. */
    struct ll_hasher *hasher;
    /* Guarded by the store's lock. */
    int refs;
    struct edge_blob *next;
};

struct edge_store {
    char folder[PATH_MAX];
    /* Relative paths below are the folder's. */
    int folder_fd;
    int lock_fd;
    bool is_temporary;
    int64_t budget_bytes;
    struct ll_mutex lock;
    /* Guarded by lock. */
    int64_t used_bytes LL_GUARDED_BY(lock);
    struct edge_blob *buckets[BUCKETS] LL_GUARDED_BY(lock);
};

static const char lock_name[] = "layerlift.lock";

static void blob_name(const struct edge_blob *blob, bool is_part, char out_name[NAME_BYTES])
{
    char text[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(&blob->digest, text);
    snprintf(out_name, NAME_BYTES, "%s-%lld%s", text + strlen("sha256:"), (long long)blob->bytes,
             is_part ? ".part" : "");
}

/* Whether a file has the form of a blob's name. */
static bool is_blob_name(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");
    if (digits != 2 * (size_t)LL_DIGEST_BYTES || name[digits] != '-') {
        return false;
    }
    const char *size = name + digits + 1;
    size_t size_digits = strspn(size, "0123456789");
    const char *end = size + size_digits;
    return size_digits > 0 && (*end == '\0' || strcmp(end, ".part") == 0);
}

static int is_blob_entry(const struct dirent *entry)
{
    return is_blob_name(entry->d_name);
}

/* Removes all blobs' files; returns how many there were. */
static int remove_files(const char *folder)
{
    struct dirent **entries = NULL;
    char path[PATH_MAX + sizeof(entries[0]->d_name) + 1];
    int count = scandir(folder, &entries, is_blob_entry, NULL);
    int removed = 0;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        removed += unlink(path) == 0;
        free(entries[i]);
    }
    free(entries);
    return removed;
}

static void remove_leftovers(struct edge_store *store)
{
    int removed = remove_files(store->folder);
    if (removed > 0) {
        ll_log(LL_LOG_INFO, "store", "removed %d files that an earlier server left in %s", removed,
               store->folder);
    }
}

static ll_status make_temporary(struct edge_store *store, const char *parent, struct ll_error *err)
{
    int length = snprintf(store->folder, sizeof(store->folder), "%s/layerlift-store-XXXXXX",
                          parent ? parent : "/tmp");
    if (length >= (int)sizeof(store->folder) || !mkdtemp(store->folder)) {
        return ll_fail(err, LL_E_IO, "store: a temporary folder %s cannot be made: %s",
                       store->folder, strerrordesc_np(errno));
    }
    store->is_temporary = true;
    return LL_OK;
}

static ll_status make_folder(struct edge_store *store, const char *folder, struct ll_error *err)
{
    int length = snprintf(store->folder, sizeof(store->folder), "%s", folder);
    if (length >= (int)sizeof(store->folder)) {
        return ll_fail(err, LL_E_INVALID, "store: the folder's name is too long");
    }
    if (mkdir(store->folder, 0700) != 0 && errno != EEXIST) {
        return ll_fail(err, LL_E_IO, "store: folder %s cannot be made: %s", folder,
                       strerrordesc_np(errno));
    }
    return LL_OK;
}

/* Opens the folder and takes it for this process. */
static ll_status take_folder(struct edge_store *store, struct ll_error *err)
{
    store->folder_fd = open(store->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder_fd < 0) {
        return ll_fail(err, LL_E_IO, "store: folder %s cannot be opened: %s", store->folder,
                       strerrordesc_np(errno));
    }
    store->lock_fd = openat(store->folder_fd, lock_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        return ll_fail(err, LL_E_IO, "store: %s/%s cannot be made: %s", store->folder, lock_name,
                       strerrordesc_np(errno));
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return ll_fail(err, LL_E_PRECONDITION, "store: another process uses folder %s",
                       store->folder);
    }
    remove_leftovers(store);
    return LL_OK;
}

ll_status edge_store_create(const struct edge_store_config *config, struct edge_store **out_store,
                            struct ll_error *err)
{
    struct edge_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return ll_fail(err, LL_E_NO_MEMORY, "store: out of memory");
    }
    store->folder_fd = -1;
    store->lock_fd = -1;
    store->budget_bytes = config->budget_bytes;
    ll_mutex_init(&store->lock);
    ll_status status = config->folder ? make_folder(store, config->folder, err)
                                      : make_temporary(store, config->temporary_parent, err);
    if (status == LL_OK) {
        status = take_folder(store, err);
    }
    if (status != LL_OK) {
        edge_store_destroy(store);
        return status;
    }
    *out_store = store;
    return LL_OK;
}

void edge_store_destroy(struct edge_store *store)
{
    if (!store) {
        return;
    }
    if (store->lock_fd >= 0) {
        if (store->is_temporary) {
            unlinkat(store->folder_fd, lock_name, 0);
        }
        close(store->lock_fd);
    }
    if (store->folder_fd >= 0) {
        close(store->folder_fd);
    }
    if (store->is_temporary && rmdir(store->folder) != 0) {
        ll_log(LL_LOG_WARN, "store", "folder %s cannot be removed: %s", store->folder,
               strerrordesc_np(errno));
    }
    ll_mutex_finish(&store->lock);
    free(store);
}

const char *edge_store_folder(const struct edge_store *store)
{
    return store->folder;
}

void edge_store_remove(const char *folder, bool is_temporary)
{
    char path[PATH_MAX + sizeof(lock_name) + 1];
    remove_files(folder);
    if (is_temporary) {
        snprintf(path, sizeof(path), "%s/%s", folder, lock_name);
        unlink(path);
        rmdir(folder);
    }
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

static struct edge_blob **bucket_of(struct edge_store *store, const struct ll_digest *digest)
{
    unsigned hash = digest->bytes[0] | ((unsigned)digest->bytes[1] << 8);
    return &store->buckets[hash % BUCKETS];
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
    struct edge_blob **bucket = bucket_of(store, digest);
    ll_mutex_lock(&store->lock);
    struct edge_blob *blob = *bucket;
    while (blob && !(blob->bytes == bytes && ll_digest_equal(&blob->digest, digest))) {
        blob = blob->next;
    }
    if (!blob) {
        blob = fresh;
        fresh = NULL;
        blob->next = *bucket;
        *bucket = blob;
    }
    blob->refs++;
    ll_mutex_unlock(&store->lock);
    free(fresh);
    *out_blob = blob;
    return LL_OK;
}

struct edge_blob *edge_blob_ref(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    blob->refs++;
    ll_mutex_unlock(&blob->store->lock);
    return blob;
}

static void forget_files_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    char name[NAME_BYTES];
    for (int is_part = 0; is_part < 2 && atomic_load(&blob->written) > 0; is_part++) {
        blob_name(blob, is_part, name);
        unlinkat(store->folder_fd, name, 0);
    }
    store->used_bytes -= atomic_load(&blob->written);
    atomic_store(&blob->written, 0);
}

void edge_blob_unref(struct edge_blob *blob)
{
    if (!blob) {
        return;
    }
    struct edge_store *store = blob->store;
    ll_mutex_lock(&store->lock);
    bool is_last = --blob->refs == 0;
    if (is_last) {
        struct edge_blob **link = bucket_of(store, &blob->digest);
        while (*link != blob) {
            link = &(*link)->next;
        }
        *link = blob->next;
        forget_files_locked(store, blob);
    }
    ll_mutex_unlock(&store->lock);
    if (is_last) {
        ll_buf_unref(atomic_load(&blob->data));
        ll_hasher_destroy(blob->hasher);
        free(blob);
    }
}

int64_t edge_blob_bytes(const struct edge_blob *blob)
{
    return blob->bytes;
}

int64_t edge_blob_written(const struct edge_blob *blob)
{
    return atomic_load(&blob->written);
}

struct ll_buf *edge_blob_data(const struct edge_blob *blob)
{
    return atomic_load(&blob->data);
}

static ll_status write_error(struct edge_store *store, int number, struct ll_error *err)
{
    bool is_full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return ll_fail(err, is_full ? LL_E_EXHAUSTED : LL_E_IO,
                   is_full ? "the store's disk is full: %s: %s" : "the store cannot write: %s: %s",
                   store->folder, strerrordesc_np(number));
}

static ll_status write_at(struct edge_blob *blob, int64_t offset, const char *data, size_t bytes,
                          struct ll_error *err)
{
    char name[NAME_BYTES];
    blob_name(blob, true, name);
    /* O_TRUNC at the front: no byte of a rejected attempt survives. */
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0);
    int fd = openat(blob->store->folder_fd, name, flags, 0600);
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
    if (failure != 0 && offset == 0) {
        unlinkat(blob->store->folder_fd, name, 0);
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
                : ll_fail(err, LL_E_EXHAUSTED, "the store is full: limit store_bytes is %lld",
                          (long long)store->budget_bytes);
}

static void give_back(struct edge_store *store, int64_t bytes)
{
    ll_mutex_lock(&store->lock);
    store->used_bytes -= bytes;
    ll_mutex_unlock(&store->lock);
}

/* All bytes are written: verifies and maps them, or forgets them. */
static ll_status complete(struct edge_blob *blob, edge_write_outcome *out_outcome,
                          struct ll_error *err)
{
    struct edge_store *store = blob->store;
    struct ll_digest digest;
    ll_hasher_finish(blob->hasher, &digest);
    if (!ll_digest_equal(&digest, &blob->digest)) {
        ll_mutex_lock(&store->lock);
        forget_files_locked(store, blob);
        ll_mutex_unlock(&store->lock);
        *out_outcome = EDGE_WRITE_REJECTED;
        return LL_OK;
    }
    char part[NAME_BYTES];
    char name[NAME_BYTES];
    char path[PATH_MAX + NAME_BYTES];
    blob_name(blob, true, part);
    blob_name(blob, false, name);
    snprintf(path, sizeof(path), "%s/%s", store->folder, name);
    struct ll_buf *data = NULL;
    ll_status status = LL_OK;
    if (renameat(store->folder_fd, part, store->folder_fd, name) != 0) {
        status = ll_fail(err, LL_E_IO, "%s cannot be renamed: %s", part, strerrordesc_np(errno));
    } else {
        status = ll_buf_map_file(path, blob->bytes, &data, err);
    }
    if (status == LL_OK && (int64_t)ll_buf_bytes(data) != blob->bytes) {
        status = ll_fail(err, LL_E_IO, "%s has %lld bytes instead of %lld", path,
                         (long long)ll_buf_bytes(data), (long long)blob->bytes);
        ll_buf_unref(data);
    }
    if (status != LL_OK) {
        /* The hash is used up: whoever comes next begins anew. */
        ll_mutex_lock(&store->lock);
        forget_files_locked(store, blob);
        ll_mutex_unlock(&store->lock);
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
        *out_outcome = EDGE_WRITE_BEYOND;
        return LL_OK;
    }
    int64_t fresh_bytes = offset + (int64_t)bytes - written;
    if (edge_blob_data(blob) || fresh_bytes <= 0) {
        *out_outcome = EDGE_WRITE_KEPT;
        return LL_OK;
    }
    if (!blob->hasher && ll_hasher_create(&blob->hasher) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    ll_status status = reserve(blob->store, fresh_bytes, err);
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
    atomic_store(&blob->written, written + fresh_bytes);
    if (written + fresh_bytes == blob->bytes) {
        return complete(blob, out_outcome, err);
    }
    *out_outcome = EDGE_WRITE_KEPT;
    return LL_OK;
}
