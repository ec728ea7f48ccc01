/* The folder in which a blob store has its files: one process's at a time.
 *
 * Internal to the blob store.
 *
 * Threads: one at a time. */
#ifndef EDGE_STORE_FOLDER_H
#define EDGE_STORE_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#include "core/ll_status.h"
#include "edge/model/edge_store_files.h"

struct edge_store_folder {
    char path[PATH_MAX];
    /* Open, for names within the folder; and its lock. */
    int fd;
    int lock_fd;
    bool is_temporary;
};

/* None: to be left without harm. */
void edge_store_folder_init(struct edge_store_folder *folder);

/* Whether a file has the form of a blob's name. */
bool edge_store_folder_is_blob_name(const char *name);

/* Takes a folder that lasts, made if it does not exist, and with `makes_parents` those above it. It
 * is to be left even after an error.
 *
 * Errors: LL_E_IO, LL_E_INVALID, LL_E_PRECONDITION where another process has it, LL_E_UNSUPPORTED
 * where a newer version has written it. */
LL_MUST_USE ll_status edge_store_folder_take(struct edge_store_folder *folder, const char *path,
                                             bool makes_parents,
                                             const struct edge_store_files *files,
                                             struct ll_error *err);
/* Opens the folder of models' manifests in one that lasts. Errors: LL_E_IO. */
LL_MUST_USE ll_status edge_store_folder_open_models(const struct edge_store_folder *folder,
                                                    const struct edge_store_files *files,
                                                    int *out_fd, struct ll_error *err);
/* Takes a new one below `parent`, which does not last; those of the same user whose process is gone
 * are removed.
 */
LL_MUST_USE ll_status edge_store_folder_take_temporary(struct edge_store_folder *folder,
                                                       const char *parent, struct ll_error *err);
/* Gives the folder back; a temporary one, which is to be without blobs by then, is removed. */
void edge_store_folder_leave(struct edge_store_folder *folder);

/* For a process that leaves without edge_store_folder_leave: removes a temporary folder and the
 * blobs' files in it. */
void edge_store_folder_remove(const char *folder);

#endif
