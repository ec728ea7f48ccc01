#include "tests/support/crash_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/ll_sync.h"
#include "tests/support/ll_test.h"

enum { FILES = 256, NAMES = 256, NAME_BYTES = 256, PATH_BYTES = 9000 };

/* A file's synced contents. */
struct contents {
    ino_t file;
    size_t bytes;
    char *data;
};

/* A synced name. */
struct name {
    ino_t folder;
    ino_t file;
    char name[NAME_BYTES];
};

static struct {
    bool has_lock;
    struct ll_mutex lock;
    int calls LL_GUARDED_BY(lock);
    int syncs LL_GUARDED_BY(lock);
    int stop_at LL_GUARDED_BY(lock);
    /* 0: all calls fail. */
    int failure LL_GUARDED_BY(lock);
    int file_count LL_GUARDED_BY(lock);
    struct contents files[FILES] LL_GUARDED_BY(lock);
    int name_count LL_GUARDED_BY(lock);
    struct name names[NAMES] LL_GUARDED_BY(lock);
} disk;

static bool is_done_locked(bool takes_room) LL_REQUIRES(disk.lock);
static struct contents *find_contents_locked(ino_t file) LL_REQUIRES(disk.lock);
static void keep_contents_locked(int fd) LL_REQUIRES(disk.lock);
static void keep_names_locked(int folder_fd) LL_REQUIRES(disk.lock);
static void resize_contents_locked(int folder_fd) LL_REQUIRES(disk.lock);
static void lose_in_locked(const char *folder, bool has_all_names, const char *to)
    LL_REQUIRES(disk.lock);

void crash_files_begin(int stop_at)
{
    if (!disk.has_lock) {
        ll_mutex_init(&disk.lock);
        disk.has_lock = true;
    }
    ll_mutex_lock(&disk.lock);
    for (int i = 0; i < disk.file_count; i++) {
        free(disk.files[i].data);
    }
    disk.file_count = disk.name_count = disk.calls = disk.syncs = disk.failure = 0;
    disk.stop_at = stop_at;
    ll_mutex_unlock(&disk.lock);
}

void crash_files_fail(int stop_at, int number)
{
    crash_files_begin(stop_at);
    ll_mutex_lock(&disk.lock);
    disk.failure = number;
    ll_mutex_unlock(&disk.lock);
}

bool crash_files_has_stopped(void)
{
    ll_mutex_lock(&disk.lock);
    bool has_stopped = disk.calls > disk.stop_at;
    ll_mutex_unlock(&disk.lock);
    return has_stopped;
}

int crash_files_calls(void)
{
    ll_mutex_lock(&disk.lock);
    int calls = disk.calls;
    ll_mutex_unlock(&disk.lock);
    return calls;
}

int crash_files_syncs(void)
{
    ll_mutex_lock(&disk.lock);
    int syncs = disk.syncs;
    ll_mutex_unlock(&disk.lock);
    return syncs;
}

/* Counts a call; whether it is done. `takes_room`: a full disk may refuse it. */
static bool is_done_locked(bool takes_room)
{
    bool has_stopped = disk.calls++ >= disk.stop_at;
    if (has_stopped && (disk.failure == 0 || takes_room)) {
        errno = disk.failure != 0 ? disk.failure : EIO;
        return false;
    }
    return true;
}

static struct contents *find_contents_locked(ino_t file)
{
    for (int i = 0; i < disk.file_count; i++) {
        if (disk.files[i].file == file) {
            return &disk.files[i];
        }
    }
    CU_ASSERT_FATAL(disk.file_count < FILES);
    struct contents *contents = &disk.files[disk.file_count++];
    *contents = (struct contents){.file = file};
    return contents;
}

static void keep_contents_locked(int fd)
{
    struct stat info;
    CU_ASSERT_EQUAL_FATAL(fstat(fd, &info), 0);
    struct contents *contents = find_contents_locked(info.st_ino);
    free(contents->data);
    contents->bytes = (size_t)info.st_size;
    contents->data = malloc(contents->bytes + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(contents->data);
    /* Whoever writes only has no right to read through this descriptor. */
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(edge_store_files_read(again, contents->data, contents->bytes, 0), 0);
    close(again);
}

static void keep_names_locked(int folder_fd)
{
    struct stat info;
    struct stat file;
    struct dirent **entries = NULL;
    CU_ASSERT_EQUAL_FATAL(fstat(folder_fd, &info), 0);
    int kept = 0;
    for (int i = 0; i < disk.name_count; i++) {
        if (disk.names[i].folder != info.st_ino) {
            disk.names[kept++] = disk.names[i];
        }
    }
    disk.name_count = kept;
    int count = scandirat(folder_fd, ".", &entries, NULL, NULL);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (fstatat(folder_fd, name, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(file.st_mode)) {
            CU_ASSERT_FATAL(disk.name_count < NAMES);
            struct name *entry = &disk.names[disk.name_count++];
            *entry = (struct name){.folder = info.st_ino, .file = file.st_ino};
            snprintf(entry->name, sizeof(entry->name), "%s", name);
        }
        free(entries[i]);
    }
    free(entries);
}

/* ---- The calls ---- */

static int crash_open(int folder_fd, const char *name, int flags, mode_t mode)
{
    struct stat info;
    ll_mutex_lock(&disk.lock);
    int fd = -1;
    /* Who only reads is no call. */
    if ((flags & O_ACCMODE) == O_RDONLY || is_done_locked(false)) {
        bool is_new =
            (flags & O_CREAT) && fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0;
        fd = openat(folder_fd, name, flags, mode);
        if (fd >= 0 && is_new && fstat(fd, &info) == 0) {
            /* The number may have been another file's. */
            struct contents *contents = find_contents_locked(info.st_ino);
            free(contents->data);
            *contents = (struct contents){.file = info.st_ino};
        }
    }
    ll_mutex_unlock(&disk.lock);
    return fd;
}

static ssize_t crash_write(int fd, const void *data, size_t bytes, off_t offset)
{
    ll_mutex_lock(&disk.lock);
    bool is_torn = disk.calls == disk.stop_at && disk.failure == 0;
    ssize_t written = -1;
    if (is_done_locked(true)) {
        written = pwrite(fd, data, bytes, offset);
    } else if (is_torn) {
        (void)!pwrite(fd, data, bytes / 2, offset);
        errno = EIO;
    }
    ll_mutex_unlock(&disk.lock);
    return written;
}

static int crash_reserve(int fd, off_t offset, off_t bytes)
{
    ll_mutex_lock(&disk.lock);
    int result = is_done_locked(true) ? fallocate(fd, 0, offset, bytes) : -1;
    ll_mutex_unlock(&disk.lock);
    return result;
}

static int crash_truncate(int fd, off_t bytes)
{
    ll_mutex_lock(&disk.lock);
    int result = is_done_locked(false) ? ftruncate(fd, bytes) : -1;
    ll_mutex_unlock(&disk.lock);
    return result;
}

static int crash_sync(int fd)
{
    struct stat info;
    ll_mutex_lock(&disk.lock);
    int result = -1;
    if (is_done_locked(true)) {
        disk.syncs++;
        CU_ASSERT_EQUAL_FATAL(fstat(fd, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            keep_names_locked(fd);
        } else {
            keep_contents_locked(fd);
        }
        result = 0;
    }
    ll_mutex_unlock(&disk.lock);
    return result;
}

static int crash_sync_all(int folder_fd)
{
    struct dirent **entries = NULL;
    ll_mutex_lock(&disk.lock);
    int result = is_done_locked(true) ? 0 : -1;
    int count = result == 0 ? scandirat(folder_fd, ".", &entries, NULL, NULL) : 0;
    for (int i = 0; i < count; i++) {
        int fd = openat(folder_fd, entries[i]->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        struct stat info;
        if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
            keep_contents_locked(fd);
        }
        if (fd >= 0) {
            close(fd);
        }
        free(entries[i]);
    }
    free(entries);
    if (result == 0) {
        disk.syncs++;
        keep_names_locked(folder_fd);
    }
    ll_mutex_unlock(&disk.lock);
    return result;
}

static int crash_rename(int folder_fd, const char *from, const char *to)
{
    ll_mutex_lock(&disk.lock);
    int result = is_done_locked(false) ? renameat(folder_fd, from, folder_fd, to) : -1;
    ll_mutex_unlock(&disk.lock);
    return result;
}

static int crash_unlink(int folder_fd, const char *name)
{
    ll_mutex_lock(&disk.lock);
    int result = is_done_locked(false) ? unlinkat(folder_fd, name, 0) : -1;
    ll_mutex_unlock(&disk.lock);
    return result;
}

const struct edge_store_files crash_files = {
    .open = crash_open,
    .write = crash_write,
    .reserve = crash_reserve,
    .truncate = crash_truncate,
    .sync = crash_sync,
    .sync_all = crash_sync_all,
    .rename = crash_rename,
    .unlink = crash_unlink,
    .close = close,
};

/* ---- What is left ---- */

static void put(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wbe");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL_FATAL(bytes > 0 ? fwrite(data, 1, bytes, file) : 0, bytes);
    CU_ASSERT_EQUAL_FATAL(fclose(file), 0);
}

/* Of files in the folder the size is known to the disk, of what it never got it has zeros. */
static void resize_contents_locked(int folder_fd)
{
    struct stat info;
    for (int i = 0; i < disk.name_count; i++) {
        if (fstatat(folder_fd, disk.names[i].name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            info.st_ino != disk.names[i].file) {
            continue;
        }
        struct contents *contents = find_contents_locked(info.st_ino);
        size_t bytes = (size_t)info.st_size;
        contents->data = realloc(contents->data, bytes + 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(contents->data);
        if (bytes > contents->bytes) {
            memset(contents->data + contents->bytes, 0, bytes - contents->bytes);
        }
        contents->bytes = bytes;
    }
}

static void lose_in_locked(const char *folder, bool has_all_names, const char *to)
{
    struct stat info;
    (void)mkdir(to, 0700);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (has_all_names) {
        keep_names_locked(fd);
        resize_contents_locked(fd);
    }
    CU_ASSERT_EQUAL_FATAL(fstat(fd, &info), 0);
    for (int i = 0; i < disk.name_count; i++) {
        if (disk.names[i].folder == info.st_ino) {
            const struct contents *contents = find_contents_locked(disk.names[i].file);
            put(to, disk.names[i].name, contents->data, contents->bytes);
        }
    }
    close(fd);
}

void crash_files_lose_power(const char *folder, bool has_all_names, const char *to)
{
    char from_models[PATH_BYTES];
    char to_models[PATH_BYTES];
    snprintf(from_models, sizeof(from_models), "%s/models", folder);
    snprintf(to_models, sizeof(to_models), "%s/models", to);
    ll_mutex_lock(&disk.lock);
    lose_in_locked(folder, has_all_names, to);
    lose_in_locked(from_models, has_all_names, to_models);
    ll_mutex_unlock(&disk.lock);
}

static void copy_in(const char *folder, const char *to)
{
    struct dirent **entries = NULL;
    char path[PATH_BYTES];
    struct stat info;
    (void)mkdir(to, 0700);
    int count = scandir(folder, &entries, NULL, NULL);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        CU_ASSERT_FATAL(fd >= 0 && fstat(fd, &info) == 0);
        if (S_ISREG(info.st_mode)) {
            char *data = malloc((size_t)info.st_size + 1);
            CU_ASSERT_PTR_NOT_NULL_FATAL(data);
            CU_ASSERT_EQUAL_FATAL(edge_store_files_read(fd, data, (size_t)info.st_size, 0), 0);
            put(to, entries[i]->d_name, data, (size_t)info.st_size);
            free(data);
        }
        close(fd);
        free(entries[i]);
    }
    free(entries);
}

void crash_files_copy(const char *folder, const char *to)
{
    char from_models[PATH_BYTES];
    char to_models[PATH_BYTES];
    snprintf(from_models, sizeof(from_models), "%s/models", folder);
    snprintf(to_models, sizeof(to_models), "%s/models", to);
    copy_in(folder, to);
    copy_in(from_models, to_models);
}
