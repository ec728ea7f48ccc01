/* What is written of a blob that is not complete, for those who compare it with another one or go
 * on from it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "edge/model/edge_store_state.h"

static ll_status read_file(const struct edge_blob *blob, int64_t offset, char *data, size_t bytes,
                           struct ll_error *err)
{
    char name[EDGE_STORE_NAME_BYTES];
    edge_store_blob_name(blob, true, name);
    int fd = openat(blob->store->folder.fd, name, O_RDONLY | O_CLOEXEC);
    int failure = fd < 0 ? errno : 0;
    size_t done = 0;
    while (failure == 0 && done < bytes) {
        ssize_t got = pread(fd, data + done, bytes - done, (off_t)offset + (off_t)done);
        if (got > 0) {
            done += (size_t)got;
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

ll_status edge_blob_read(const struct edge_blob *blob, int64_t offset, void *data, size_t bytes,
                         struct ll_error *err)
{
    struct ll_buf *whole = edge_blob_data(blob);
    if (!whole && edge_store_is_large(blob)) {
        return read_file(blob, offset, data, bytes, err);
    }
    memcpy(data, (const char *)ll_buf_data(whole ? whole : blob->draft) + offset, bytes);
    return LL_OK;
}
