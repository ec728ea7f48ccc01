/* What a store that lasts asks of its file system: every call that changes something, in one table,
 * so that a test can stop the world, or cut its power, at any of them.
 *
 * Internal to the blob store.
 *
 * Threads: any. */
#ifndef EDGE_STORE_FILES_H
#define EDGE_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As the system's calls are: -1 and errno. Names are within a folder that is open. */
struct edge_store_files {
    int (*open)(int folder_fd, const char *name, int flags, mode_t mode);
    ssize_t (*write)(int fd, const void *data, size_t bytes, off_t offset);
    /* Blocks for [offset, offset + bytes), which the file reaches to then. */
    int (*reserve)(int fd, off_t offset, off_t bytes);
    int (*truncate)(int fd, off_t bytes);
    /* Contents, or of a folder its names, are on disk. */
    int (*sync)(int fd);
    /* The same of everything on the folder's file system. */
    int (*sync_all)(int folder_fd);
    int (*rename)(int folder_fd, const char *from, const char *to);
    int (*unlink)(int folder_fd, const char *name);
    int (*close)(int fd);
};

extern const struct edge_store_files edge_store_system_files;

/* All of it; returns 0 or the errno. */
int edge_store_files_write(const struct edge_store_files *files, int fd, const void *data,
                           size_t bytes, int64_t offset);
/* Reads all of it; returns 0 or the errno, EIO where the file is shorter. */
int edge_store_files_read(int fd, void *data, size_t bytes, int64_t offset);
/* A whole small file in one step: `name`.tmp written, synced and renamed, and the folder synced.
 * Returns 0 or the errno; there is no new file then. */
int edge_store_files_put(const struct edge_store_files *files, int folder_fd, const char *name,
                         const void *data, size_t bytes);

#endif
