/* Reference-counted bytes: blobs, tensors and message payloads that several threads share.
 *
 * The bytes are written by whoever created the buffer, before anybody else sees it, and are
 * constant from then on.
 *
 * Threads: ref and unref from any thread; the release function runs on the thread that drops the
 * last reference. */
#ifndef LL_BUF_H
#define LL_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

struct ll_buf;

typedef void (*ll_buf_release)(void *arg, void *data, size_t bytes);

/* A new buffer of `bytes` bytes, not initialised, aligned to 64. `bytes` may be 0.
 *
 * Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_buf_create(size_t bytes, struct ll_buf **out_buf);

/* The same, with `bytes` bytes copied from `data`. */
LL_MUST_USE ll_status ll_buf_copy(const void *data, size_t bytes, struct ll_buf **out_buf);

/* A buffer over memory that belongs to somebody else (a mapping); `release` (may be NULL) is called
 * once with it when the last reference goes.
 *
 * Errors: LL_E_NO_MEMORY; `release` is not called then. */
LL_MUST_USE ll_status ll_buf_wrap(void *data, size_t bytes, ll_buf_release release, void *arg,
                                  struct ll_buf **out_buf);

/* A buffer over [offset, offset + bytes) of `whole`, which it keeps alive. */
LL_MUST_USE ll_status ll_buf_slice(struct ll_buf *whole, size_t offset, size_t bytes,
                                   struct ll_buf **out_buf);

/* Maps a file read-only. An empty file gives an empty buffer.
 *
 * Errors: LL_E_NOT_FOUND, LL_E_EXHAUSTED above `limit_bytes`, LL_E_IO; `err` names the file. */
LL_MUST_USE ll_status ll_buf_map_file(const char *path, int64_t limit_bytes,
                                      struct ll_buf **out_buf, struct ll_error *err);

/* Maps the first `bytes` (above 0) of an open file read-only; `name` is for `err`.
 *
 * Errors: LL_E_IO where the file is none, or shorter, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_buf_map_open(int descriptor, const char *name, size_t bytes,
                                      struct ll_buf **out_buf, struct ll_error *err);

/* Nobody is going to read the bytes soon: where they come from a mapped file, their pages leave the
 * process. Who reads them nevertheless finds them, slowly. Nothing happens to other buffers.
 *
 * Threads: any, also while others read. */
void ll_buf_let_pages_go(const struct ll_buf *buf);

/* Takes another reference and returns `buf`. */
struct ll_buf *ll_buf_ref(struct ll_buf *buf);
/* NULL is allowed. */
void ll_buf_unref(struct ll_buf *buf);

const void *ll_buf_data(const struct ll_buf *buf);
size_t ll_buf_bytes(const struct ll_buf *buf);

/* The bytes for writing: only for the creator, before the buffer is shared. */
void *ll_buf_writable(struct ll_buf *buf);

#endif
