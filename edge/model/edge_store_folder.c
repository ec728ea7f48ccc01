/* Temporary folders. Whoever can lock a folder's lock file knows that its process is gone, however
 * it went, and removes it. Between the making of a folder and its lock another server may do so:
 * then the lock that was taken is not the file that stands there, and another folder is made. */
#include "edge/model/edge_store_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_digest.h"
#include "core/ll_log.h"

enum {
    TEMPORARY_DIGITS = 6,
    /* How often another process may be faster than we are in a folder that we made. */
    TEMPORARY_TRIES = 10,
};

/* Of what is in a folder that lasts. */
enum { VERSION = 1, VERSION_BYTES = 64 };
static const char version_name[] = "VERSION";
static const char version_prefix[] = "layerlift-store-";
static const char models_name[] = "models";

static const char lock_name[] = "layerlift.lock";
/* Followed by mkdtemp's digits. */
static const char temporary_name[] = "layerlift-store-";

bool edge_store_folder_is_blob_name(const char *name)
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
    return edge_store_folder_is_blob_name(entry->d_name);
}

/* Removes all blobs' files. */
static void remove_files(const char *folder)
{
    struct dirent **entries = NULL;
    char path[PATH_MAX + sizeof(entries[0]->d_name) + 1];
    int count = scandir(folder, &entries, is_blob_entry, NULL);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        unlink(path);
        free(entries[i]);
    }
    free(entries);
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

static ll_status make_temporary(struct edge_store_folder *folder, const char *parent,
                                struct ll_error *err)
{
    int length =
        snprintf(folder->path, sizeof(folder->path), "%s/%sXXXXXX", parent, temporary_name);
    if (length >= (int)sizeof(folder->path) || !mkdtemp(folder->path)) {
        return ll_fail(err, LL_E_IO, "store: a temporary folder %s cannot be made: %s",
                       folder->path, strerrordesc_np(errno));
    }
    folder->is_temporary = true;
    return LL_OK;
}

/* The folders above one. What cannot be made shows when the folder itself is. */
static void make_parents(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", path);
    for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(parent, 0700);
        *slash = '/';
    }
}

static ll_status make_folder(struct edge_store_folder *folder, const char *path,
                             struct ll_error *err)
{
    int length = snprintf(folder->path, sizeof(folder->path), "%s", path);
    if (length >= (int)sizeof(folder->path)) {
        return ll_fail(err, LL_E_INVALID, "store: the folder's name is too long");
    }
    if (mkdir(folder->path, 0700) != 0 && errno != EEXIST) {
        return ll_fail(err, LL_E_IO, "store: folder %s cannot be made: %s", path,
                       strerrordesc_np(errno));
    }
    return LL_OK;
}

/* Whether the file that we have locked is the one that others would lock. */
static bool has_real_lock(const struct edge_store_folder *folder)
{
    struct stat ours;
    struct stat theirs;
    return fstat(folder->lock_fd, &ours) == 0 &&
           fstatat(folder->fd, lock_name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Opens the folder and takes it for this process. */
static ll_status take_folder(struct edge_store_folder *folder, struct ll_error *err)
{
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0) {
        return ll_fail(err, LL_E_IO, "store: folder %s cannot be opened: %s", folder->path,
                       strerrordesc_np(errno));
    }
    folder->lock_fd =
        openat(folder->fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0) {
        return ll_fail(err, LL_E_IO, "store: %s/%s cannot be made: %s", folder->path, lock_name,
                       strerrordesc_np(errno));
    }
    if (flock(folder->lock_fd, LOCK_EX | LOCK_NB) != 0 || !has_real_lock(folder)) {
        return ll_fail(err, LL_E_PRECONDITION, "store: another process uses folder %s",
                       folder->path);
    }
    return LL_OK;
}

/* ---- What lasts ---- */

static ll_status write_version(struct edge_store_folder *folder,
                               const struct edge_store_files *files, struct ll_error *err)
{
    char text[VERSION_BYTES];
    int length = snprintf(text, sizeof(text), "%s%d\n", version_prefix, VERSION);
    int failure = edge_store_files_put(files, folder->fd, version_name, text, (size_t)length);
    return failure == 0 ? LL_OK
                        : ll_fail(err, LL_E_IO, "store: %s/%s cannot be written: %s", folder->path,
                                  version_name, strerrordesc_np(failure));
}

/* A folder says what has written it. One that does not is new, or of a time when nothing lasted. */
static ll_status check_version(struct edge_store_folder *folder,
                               const struct edge_store_files *files, struct ll_error *err)
{
    char text[VERSION_BYTES] = "";
    size_t prefix = strlen(version_prefix);
    int fd = openat(folder->fd, version_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return write_version(folder, files, err);
    }
    ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    char *end = NULL;
    long version =
        got > 0 && strncmp(text, version_prefix, prefix) == 0 ? strtol(text + prefix, &end, 10) : 0;
    if (version < 1 || *end != '\n') {
        return ll_fail(err, LL_E_INVALID, "store: %s/%s is not a store's version", folder->path,
                       version_name);
    }
    if (version > VERSION) {
        return ll_fail(err, LL_E_UNSUPPORTED,
                       "store: a newer server has written folder %s (version %ld, this one knows "
                       "%d)",
                       folder->path, version, VERSION);
    }
    return LL_OK;
}

ll_status edge_store_folder_open_models(const struct edge_store_folder *folder,
                                        const struct edge_store_files *files, int *out_fd,
                                        struct ll_error *err)
{
    bool is_new = mkdirat(folder->fd, models_name, 0700) == 0;
    *out_fd = openat(folder->fd, models_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out_fd < 0 || (is_new && files->sync(folder->fd) != 0)) {
        return ll_fail(err, LL_E_IO, "store: %s/%s cannot be made: %s", folder->path, models_name,
                       strerrordesc_np(errno));
    }
    return LL_OK;
}

void edge_store_folder_init(struct edge_store_folder *folder)
{
    *folder = (struct edge_store_folder){.fd = -1, .lock_fd = -1};
}

static void close_folder(struct edge_store_folder *folder)
{
    if (folder->lock_fd >= 0) {
        close(folder->lock_fd);
    }
    if (folder->fd >= 0) {
        close(folder->fd);
    }
    folder->lock_fd = -1;
    folder->fd = -1;
}

ll_status edge_store_folder_take_temporary(struct edge_store_folder *folder, const char *parent,
                                           struct ll_error *err)
{
    remove_stale_folders(parent);
    edge_store_folder_init(folder);
    ll_status status = LL_E_PRECONDITION;
    for (int i = 0; i < TEMPORARY_TRIES && status == LL_E_PRECONDITION; i++) {
        close_folder(folder);
        status = make_temporary(folder, parent, err);
        if (status == LL_OK) {
            status = take_folder(folder, err);
        }
    }
    return status;
}

ll_status edge_store_folder_take(struct edge_store_folder *folder, const char *path,
                                 bool makes_parents, const struct edge_store_files *files,
                                 struct ll_error *err)
{
    edge_store_folder_init(folder);
    if (makes_parents) {
        make_parents(path);
    }
    ll_status status = make_folder(folder, path, err);
    if (status == LL_OK) {
        status = take_folder(folder, err);
    }
    return status == LL_OK ? check_version(folder, files, err) : status;
}

void edge_store_folder_leave(struct edge_store_folder *folder)
{
    if (folder->lock_fd >= 0 && folder->is_temporary) {
        unlinkat(folder->fd, lock_name, 0);
    }
    close_folder(folder);
    if (folder->is_temporary && rmdir(folder->path) != 0) {
        ll_log(LL_LOG_WARN, "store", "folder %s cannot be removed: %s", folder->path,
               strerrordesc_np(errno));
    }
}

void edge_store_folder_remove(const char *folder)
{
    char path[PATH_MAX + sizeof(lock_name) + 1];
    remove_files(folder);
    snprintf(path, sizeof(path), "%s/%s", folder, lock_name);
    unlink(path);
    rmdir(folder);
}
