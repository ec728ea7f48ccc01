#include "edge/model/edge_store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };

static int system_open(int folder_fd, const char *name, int flags, mode_t mode)
{
    return openat(folder_fd, name, flags, mode);
}

static int system_reserve(int fd, off_t offset, off_t bytes)
{
    return fallocate(fd, 0, offset, bytes);
}

static int system_rename(int folder_fd, const char *from, const char *to)
{
    return renameat(folder_fd, from, folder_fd, to);
}

static int system_unlink(int folder_fd, const char *name)
{
    return unlinkat(folder_fd, name, 0);
}

const struct edge_store_files edge_store_system_files = {
    .open = system_open,
    .write = pwrite,
    .reserve = system_reserve,
    .truncate = ftruncate,
    .sync = fsync,
    .sync_all = syncfs,
    .rename = system_rename,
    .unlink = system_unlink,
    .close = close,
};

int edge_store_files_write(const struct edge_store_files *files, int fd, const void *data,
                           size_t bytes, int64_t offset)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t written =
            files->write(fd, (const char *)data + done, bytes - done, (off_t)offset + (off_t)done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int edge_store_files_read(int fd, void *data, size_t bytes, int64_t offset)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t got = pread(fd, (char *)data + done, bytes - done, (off_t)offset + (off_t)done);
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            return EIO;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int edge_store_files_put(const struct edge_store_files *files, int folder_fd, const char *name,
                         const void *data, size_t bytes)
{
    char temporary[NAME_BYTES];
    snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    /* Nothing that somebody else has put there is followed or waited for. */
    int fd = files->open(folder_fd, temporary,
                         O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno;
    }
    int failure = edge_store_files_write(files, fd, data, bytes, 0);
    if (failure == 0 && files->sync(fd) != 0) {
        failure = errno;
    }
    /* Some file systems report a full disk only now. */
    if (files->close(fd) != 0 && failure == 0 && errno != EINTR) {
        failure = errno;
    }
    if (failure == 0 && files->rename(folder_fd, temporary, name) != 0) {
        failure = errno;
    }
    if (failure == 0 && files->sync(folder_fd) != 0) {
        failure = errno;
    }
    if (failure != 0) {
        files->unlink(folder_fd, temporary);
    }
    return failure;
}
