#include "core/ll_buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUF_ALIGNMENT = 64 };

struct ll_buf {
    atomic_uint refs;
    size_t bytes;
    void *data;
    ll_buf_release release;
    void *arg;
};

static void release_heap(void *arg, void *data, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(data);
}

static void release_slice(void *arg, void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    ll_buf_unref(arg);
}

static void release_mapping(void *arg, void *data, size_t bytes)
{
    (void)arg;
    munmap(data, bytes);
}

ll_status ll_buf_wrap(void *data, size_t bytes, ll_buf_release release, void *arg,
                      struct ll_buf **out_buf)
{
    struct ll_buf *buf = malloc(sizeof(*buf));
    if (!buf) {
        return LL_E_NO_MEMORY;
    }
    atomic_init(&buf->refs, 1);
    buf->bytes = bytes;
    buf->data = data;
    buf->release = release;
    buf->arg = arg;
    *out_buf = buf;
    return LL_OK;
}

ll_status ll_buf_create(size_t bytes, struct ll_buf **out_buf)
{
    size_t padded = 0;
    if (__builtin_add_overflow(bytes, (size_t)BUF_ALIGNMENT, &padded)) {
        return LL_E_NO_MEMORY;
    }
    padded -= padded % BUF_ALIGNMENT;
    void *data = aligned_alloc(BUF_ALIGNMENT, padded);
    if (!data) {
        return LL_E_NO_MEMORY;
    }
    ll_status status = ll_buf_wrap(data, bytes, release_heap, NULL, out_buf);
    if (status != LL_OK) {
        free(data);
    }
    return status;
}

ll_status ll_buf_copy(const void *data, size_t bytes, struct ll_buf **out_buf)
{
    struct ll_buf *buf = NULL;
    ll_status status = ll_buf_create(bytes, &buf);
    if (status != LL_OK) {
        return status;
    }
    if (bytes > 0) {
        memcpy(buf->data, data, bytes);
    }
    *out_buf = buf;
    return LL_OK;
}

ll_status ll_buf_slice(struct ll_buf *whole, size_t offset, size_t bytes, struct ll_buf **out_buf)
{
    assert(offset <= whole->bytes && bytes <= whole->bytes - offset);
    char *start = bytes > 0 ? (char *)whole->data + offset : NULL;
    ll_status status = ll_buf_wrap(start, bytes, release_slice, whole, out_buf);
    if (status == LL_OK) {
        ll_buf_ref(whole);
    }
    return status;
}

static ll_status examine(int descriptor, const char *path, int64_t *out_bytes, struct ll_error *err)
{
    struct stat info;
    if (fstat(descriptor, &info) != 0) {
        return ll_fail(err, LL_E_IO, "%s: cannot be examined: %s", path, strerrordesc_np(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return ll_fail(err, LL_E_IO, "%s: not a regular file", path);
    }
    *out_bytes = info.st_size;
    return LL_OK;
}

static ll_status map_bytes(int descriptor, const char *path, size_t bytes, struct ll_buf **out_buf,
                           struct ll_error *err)
{
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
        return ll_fail(err, LL_E_IO, "%s: cannot be mapped: %s", path, strerrordesc_np(errno));
    }
    ll_status status = ll_buf_wrap(data, bytes, release_mapping, NULL, out_buf);
    if (status != LL_OK) {
        munmap(data, bytes);
        return ll_fail(err, status, "%s: out of memory", path);
    }
    return LL_OK;
}

ll_status ll_buf_map_open(int descriptor, const char *name, size_t bytes, struct ll_buf **out_buf,
                          struct ll_error *err)
{
    int64_t file_bytes = 0;
    ll_status status = examine(descriptor, name, &file_bytes, err);
    if (status == LL_OK && file_bytes < (int64_t)bytes) {
        status = ll_fail(err, LL_E_IO, "%s: %lld bytes instead of %zu", name, (long long)file_bytes,
                         bytes);
    }
    return status == LL_OK ? map_bytes(descriptor, name, bytes, out_buf, err) : status;
}

static ll_status map_descriptor(int descriptor, const char *path, int64_t limit_bytes,
                                struct ll_buf **out_buf, struct ll_error *err)
{
    int64_t bytes = 0;
    ll_status status = examine(descriptor, path, &bytes, err);
    if (status != LL_OK) {
        return status;
    }
    if (bytes > limit_bytes) {
        return ll_fail(err, LL_E_EXHAUSTED, "%s: %lld bytes, the limit is %lld", path,
                       (long long)bytes, (long long)limit_bytes);
    }
    if (bytes == 0) {
        return ll_buf_wrap(NULL, 0, NULL, NULL, out_buf);
    }
    return map_bytes(descriptor, path, (size_t)bytes, out_buf, err);
}

ll_status ll_buf_map_file(const char *path, int64_t limit_bytes, struct ll_buf **out_buf,
                          struct ll_error *err)
{
    /* O_NONBLOCK: opening a pipe must not wait for its writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return ll_fail(err, errno == ENOENT ? LL_E_NOT_FOUND : LL_E_IO, "%s: cannot be opened: %s",
                       path, strerrordesc_np(errno));
    }
    ll_status status = map_descriptor(descriptor, path, limit_bytes, out_buf, err);
    close(descriptor);
    return status;
}

static bool is_mapped(const struct ll_buf *buf)
{
    while (buf->release == release_slice) {
        buf = buf->arg;
    }
    return buf->release == release_mapping;
}

void ll_buf_let_pages_go(const struct ll_buf *buf)
{
    if (!is_mapped(buf)) {
        return;
    }
    /* Whole pages only: a slice's neighbours stay. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)buf->data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)buf->data + buf->bytes) / page * page;
    if (first < end) {
        /* Private and never written: the file still has every byte. */
        (void)madvise((char *)buf->data + (first - (uintptr_t)buf->data), end - first,
                      MADV_DONTNEED);
    }
}

struct ll_buf *ll_buf_ref(struct ll_buf *buf)
{
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void ll_buf_unref(struct ll_buf *buf)
{
    if (!buf || atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (buf->release) {
        buf->release(buf->arg, buf->data, buf->bytes);
    }
    free(buf);
}

const void *ll_buf_data(const struct ll_buf *buf)
{
    return buf->data;
}

size_t ll_buf_bytes(const struct ll_buf *buf)
{
    return buf->bytes;
}

void *ll_buf_writable(struct ll_buf *buf)
{
    return buf->data;
}
