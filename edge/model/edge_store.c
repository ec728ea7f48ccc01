/* A large blob is one file, "HEX-SIZE.part" until it is verified and "HEX-SIZE" from then on, where
 * HEX is its SHA-256; a copy's is "HEX-SIZE.N.part", where N is its number. Files are opened for
 * each write: a session may interleave thousands of blobs, and an open costs microseconds beside a
 * chunk's hash. The hash is taken of the bytes as they arrive, so that completing a blob costs
 * nothing beyond a rename and a mapping.
 *
 * A blob has its place (a file and its mapping counted, or memory for all of its bytes) from its
 * first byte on until it is forgotten, so that nothing can be lacking when its last byte comes.
 *
 * Temporary folders. Whoever can lock a folder's lock file knows that its process is gone, however
 * it went, and removes it. Between the making of a folder and its lock another server may do so:
 * then the lock that was taken is not the file that stands there, and another folder is made.
 *
 * Only the writing thread moves a frontier or completes a blob; others read both through atomics. A
 * blob's last reference removes its record and its file in one step under the store's lock, so that
 * a new record of the same name never meets the old file. */
#include "edge/model/edge_store.h"

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
    /* 64 digits, '-', 20 digits, '.', 20 digits, ".part", NUL */
    NAME_BYTES = 120,
    TEMPORARY_DIGITS = 6,
    /* How often another process may be faster than we are in a folder that we made. */
    TEMPORARY_TRIES = 10,
    /* Of the mappings that the system gives a process; libraries, stacks and packed weights want
     * some, too. And Linux's default, where it cannot be read. */
    MAPPING_PARTS = 4,
    SYSTEM_MAPPINGS = 65530,
    /* What a small blob takes besides its bytes: its record, its buffer's. */
    SMALL_OVERHEAD_BYTES = 512,
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
    int most_mappings;
    struct ll_memory *memory;
    struct ll_mutex lock;
    /* Guarded by lock. */
    int64_t used_bytes LL_GUARDED_BY(lock);
    int mappings LL_GUARDED_BY(lock);
    uint64_t last_copy LL_GUARDED_BY(lock);
    struct edge_blob *buckets[BUCKETS] LL_GUARDED_BY(lock);
};

static const char lock_name[] = "layerlift.lock";
/* Followed by mkdtemp's digits. */
static const char temporary_name[] = "layerlift-store-";

static void blob_name(const struct edge_blob *blob, bool is_part, char out_name[NAME_BYTES])
{
    char text[LL_DIGEST_TEXT_BYTES];
    char number[24] = "";
    ll_digest_format(&blob->digest, text);
    if (is_part && blob->copy_number > 0) {
        snprintf(number, sizeof(number), ".%llu", (unsigned long long)blob->copy_number);
    }
    snprintf(out_name, NAME_BYTES, "%s-%lld%s%s", text + strlen("sha256:"), (long long)blob->bytes,
             number, is_part ? ".part" : "");
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
    if (size_digits > 0 && *end == '.' && end[1] >= '0' && end[1] <= '9') {
        end += 1 + strspn(end + 1, "0123456789");
    }
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

static bool is_temporary_name(const char *name)
{
    size_t length = strlen(temporary_name);
    return strncmp(name, temporary_name, length) == 0 && strlen(name) == length + TEMPORARY_DIGITS;
}

static int is_temporary_entry(const struct dirent *entry)
{
    return is_temporary_name(entry->d_name);
}

/* Removes the files of a folder that is locked by us, or that nobody uses; then the folder. */
static bool remove_folder_at(int parent_fd, const char *name, int folder_fd)
{
    struct dirent **entries = NULL;
    int count = scandirat(folder_fd, ".", &entries, is_blob_entry, NULL);
    for (int i = 0; i < count; i++) {
        unlinkat(folder_fd, entries[i]->d_name, 0);
        free(entries[i]);
    }
    free(entries);
    unlinkat(folder_fd, lock_name, 0);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
}

/* Removes one temporary folder if it is this user's and its process is gone. No link is followed,
 * so that what is removed lies in the folder whose owner was looked at. */
static bool remove_if_stale(int parent_fd, const char *name)
{
    bool is_removed = false;
    int lock_fd = -1;
    struct stat info;
    int folder_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd >= 0 && fstat(folder_fd, &info) == 0 && info.st_uid == geteuid()) {
        /* Without a lock file it is not ours, or not yet. */
        lock_fd = openat(folder_fd, lock_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    if (lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0) {
        is_removed = remove_folder_at(parent_fd, name, folder_fd);
    }
    if (lock_fd >= 0) {
        close(lock_fd);
    }
    if (folder_fd >= 0) {
        close(folder_fd);
    }
    return is_removed;
}

/* Processes that were killed could not remove their folders. */
static void remove_stale_folders(const char *parent)
{
    struct dirent **entries = NULL;
    int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = parent_fd >= 0 ? scandirat(parent_fd, ".", &entries, is_temporary_entry, NULL) : 0;
    for (int i = 0; i < count; i++) {
        if (remove_if_stale(parent_fd, entries[i]->d_name)) {
            ll_log(LL_LOG_INFO, "store", "removed %s/%s, which a killed server left", parent,
                   entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    if (parent_fd >= 0) {
        close(parent_fd);
    }
}

static ll_status make_temporary(struct edge_store *store, const char *parent, struct ll_error *err)
{
    int length =
        snprintf(store->folder, sizeof(store->folder), "%s/%sXXXXXX", parent, temporary_name);
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

/* Whether the file that we have locked is the one that others would lock. */
static bool has_real_lock(const struct edge_store *store)
{
    struct stat ours;
    struct stat theirs;
    return fstat(store->lock_fd, &ours) == 0 &&
           fstatat(store->folder_fd, lock_name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
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
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0 || !has_real_lock(store)) {
        return ll_fail(err, LL_E_PRECONDITION, "store: another process uses folder %s",
                       store->folder);
    }
    remove_leftovers(store);
    return LL_OK;
}

static void leave_folder(struct edge_store *store)
{
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
    }
    if (store->folder_fd >= 0) {
        close(store->folder_fd);
    }
    store->lock_fd = -1;
    store->folder_fd = -1;
}

static ll_status take_temporary(struct edge_store *store, const char *parent, struct ll_error *err)
{
    remove_stale_folders(parent);
    ll_status status = LL_E_PRECONDITION;
    for (int i = 0; i < TEMPORARY_TRIES && status == LL_E_PRECONDITION; i++) {
        leave_folder(store);
        status = make_temporary(store, parent, err);
        if (status == LL_OK) {
            status = take_folder(store, err);
        }
    }
    return status;
}

static ll_status take_given(struct edge_store *store, const char *folder, struct ll_error *err)
{
    ll_status status = make_folder(store, folder, err);
    return status == LL_OK ? take_folder(store, err) : status;
}

/* Mappings that the system gives a process. */
static int system_mappings(void)
{
    char line[32] = "";
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file && !fgets(line, sizeof(line), file)) {
        line[0] = '\0';
    }
    if (file) {
        fclose(file);
    }
    long mappings = strtol(line, NULL, 10);
    return mappings >= MAPPING_PARTS && mappings <= INT_MAX ? (int)mappings : SYSTEM_MAPPINGS;
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
    store->memory = config->memory;
    store->most_mappings =
        config->most_mappings > 0 ? config->most_mappings : system_mappings() / MAPPING_PARTS;
    const char *parent = config->temporary_parent ? config->temporary_parent : "/tmp";
    ll_status status = config->folder ? take_given(store, config->folder, err)
                                      : take_temporary(store, parent, err);
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
    if (store->lock_fd >= 0 && store->is_temporary) {
        unlinkat(store->folder_fd, lock_name, 0);
    }
    leave_folder(store);
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

int edge_store_most_mappings(const struct edge_store *store)
{
    return store->most_mappings;
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

ll_status edge_store_copy(struct edge_store *store, const struct edge_blob *blob,
                          struct edge_blob **out_copy)
{
    struct edge_blob *copy = calloc(1, sizeof(*copy));
    if (!copy) {
        return LL_E_NO_MEMORY;
    }
    copy->store = store;
    copy->digest = blob->digest;
    copy->bytes = blob->bytes;
    copy->refs = 1;
    ll_mutex_lock(&store->lock);
    copy->copy_number = ++store->last_copy;
    ll_mutex_unlock(&store->lock);
    *out_copy = copy;
    return LL_OK;
}

struct edge_blob *edge_blob_ref(struct edge_blob *blob)
{
    ll_mutex_lock(&blob->store->lock);
    blob->refs++;
    ll_mutex_unlock(&blob->store->lock);
    return blob;
}

/* ---- Places ---- */

static bool is_large(const struct edge_blob *blob)
{
    return blob->bytes >= EDGE_STORE_MAPPED_BYTES;
}

static ll_status take_mapping(struct edge_store *store, struct ll_error *err)
{
    ll_mutex_lock(&store->lock);
    bool fits = store->mappings < store->most_mappings;
    store->mappings += fits;
    ll_mutex_unlock(&store->lock);
    return fits ? LL_OK
                : ll_fail_limit(err, "store_mappings", store->most_mappings, LL_RETRY_MS,
                                "the store is full: limit store_mappings is %d",
                                store->most_mappings);
}

static ll_status take_draft(struct edge_blob *blob, struct ll_error *err)
{
    struct ll_memory *memory = blob->store->memory;
    ll_status status =
        ll_memory_take(memory, blob->bytes + SMALL_OVERHEAD_BYTES, "a layer's weights", err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_buf_create((size_t)blob->bytes, &blob->draft);
    if (status != LL_OK) {
        ll_memory_give(memory, blob->bytes + SMALL_OVERHEAD_BYTES);
        return ll_fail(err, status, "out of memory for a layer's weights");
    }
    return LL_OK;
}

/* For a blob that begins. */
static ll_status take_place(struct edge_blob *blob, struct ll_error *err)
{
    ll_status status = is_large(blob) ? take_mapping(blob->store, err) : take_draft(blob, err);
    blob->has_place = status == LL_OK;
    return status;
}

static void give_place_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    if (blob->has_place && is_large(blob)) {
        store->mappings--;
    } else if (blob->has_place) {
        ll_buf_unref(blob->draft);
        blob->draft = NULL;
        ll_memory_give(store->memory, blob->bytes + SMALL_OVERHEAD_BYTES);
    }
    blob->has_place = false;
}

static void forget_files_locked(struct edge_store *store, struct edge_blob *blob)
    LL_REQUIRES(store->lock)
{
    char name[NAME_BYTES];
    give_place_locked(store, blob);
    /* The file without ".part" is the blob's, not its copies'. */
    int first = blob->copy_number > 0 ? 1 : 0;
    bool has_files = is_large(blob) && atomic_load(&blob->written) > 0;
    for (int is_part = first; has_files && is_part < 2; is_part++) {
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
        while (blob->copy_number == 0 && *link != blob) {
            link = &(*link)->next;
        }
        if (blob->copy_number == 0) {
            *link = blob->next;
        }
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
    ll_status status =
        ll_fail(err, is_full ? LL_E_EXHAUSTED : LL_E_IO,
                is_full ? "the store's disk is full: %s: %s" : "the store cannot write: %s: %s",
                store->folder, strerrordesc_np(number));
    if (is_full && err) {
        /* No limit of this server, but not for ever either. */
        err->retry_ms = LL_RETRY_MS;
    }
    return status;
}

static ll_status write_at(struct edge_blob *blob, int64_t offset, const char *data, size_t bytes,
                          struct ll_error *err)
{
    char name[NAME_BYTES];
    if (!is_large(blob)) {
        memcpy((char *)ll_buf_writable(blob->draft) + offset, data, bytes);
        return LL_OK;
    }
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
    if (!is_large(blob)) {
        *out_data = blob->draft;
        blob->draft = NULL;
        return LL_OK;
    }
    char part[NAME_BYTES];
    char name[NAME_BYTES];
    char path[PATH_MAX + NAME_BYTES];
    struct ll_buf *data = NULL;
    blob_name(blob, true, part);
    blob_name(blob, false, name);
    if (renameat(blob->store->folder_fd, part, blob->store->folder_fd, name) != 0) {
        return ll_fail(err, LL_E_IO, "%s cannot be renamed: %s", part, strerrordesc_np(errno));
    }
    snprintf(path, sizeof(path), "%s/%s", blob->store->folder, name);
    ll_status status = ll_buf_map_file(path, blob->bytes, &data, err);
    if (status == LL_OK && (int64_t)ll_buf_bytes(data) != blob->bytes) {
        status = ll_fail(err, LL_E_IO, "%s has %lld bytes instead of %lld", path,
                         (long long)ll_buf_bytes(data), (long long)blob->bytes);
        ll_buf_unref(data);
        data = NULL;
    }
    if (status != LL_OK) {
        unlinkat(blob->store->folder_fd, name, 0);
    }
    *out_data = data;
    return status;
}

/* All bytes are written: verifies and reads or maps them, or forgets them. */
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
    struct ll_buf *data = NULL;
    ll_status status = publish(blob, &data, err);
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
    ll_status status = blob->has_place ? LL_OK : take_place(blob, err);
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
    atomic_store(&blob->written, written + fresh_bytes);
    if (written + fresh_bytes == blob->bytes) {
        return complete(blob, out_outcome, err);
    }
    *out_outcome = EDGE_WRITE_KEPT;
    return LL_OK;
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
    char name[NAME_BYTES];
    ll_mutex_lock(&store->lock);
    if (is_large(blob) && atomic_load(&blob->written) > 0) {
        blob_name(blob, true, name);
        unlinkat(store->folder_fd, name, 0);
    }
    store->used_bytes -= atomic_load(&blob->written);
    give_place_locked(store, blob);
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
    char name[NAME_BYTES];
    blob_name(copy, true, name);
    int fd = written > 0 ? openat(copy->store->folder_fd, name, O_RDONLY | O_CLOEXEC) : -1;
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
    if (is_large(copy)) {
        return file_agrees(copy, written, right);
    }
    return !copy->draft || memcmp(ll_buf_data(copy->draft), right, (size_t)written) == 0;
}
