/* Runs of bytes in fewer bytes: Huffman's codes alone, or what zstd finds. Both are zstd frames
 * (RFC 8878) of known size without checksum, and one decoder reads them.
 *
 * zstd's least level with its literals compressed is a Huffman coder: it looks for hardly any
 * repetition. On planes of bytes that repeat nothing it is both smaller and faster than level 1.
 *
 * Threads: a coder is one thread's at a time. */
#ifndef LL_ENTROPY_H
#define LL_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/ll_status.h"

/* zstd's states. */
struct ll_entropy;

typedef enum {
    LL_ENTROPY_HUFFMAN,
    /* zstd's level 1. */
    LL_ENTROPY_MATCHES,
    LL_ENTROPY_METHODS,
} ll_entropy_method;

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_entropy_create(struct ll_entropy **out_entropy);
/* NULL is allowed. */
void ll_entropy_destroy(struct ll_entropy *entropy);

/* Encodes `bytes` at `data` into at most `room` bytes at `out`. Returns how many are used; 0 where
 * they do not fit. */
size_t ll_entropy_encode(struct ll_entropy *entropy, ll_entropy_method method, const void *data,
                         size_t bytes, void *out, size_t room);

/* Decodes hostile bytes into exactly `bytes` at `out`. False where they are not one frame that says
 * to have so many and has them (`out` is undefined then). `bytes` is above 0. */
LL_MUST_USE bool ll_entropy_decode(struct ll_entropy *entropy, const void *encoded,
                                   size_t encoded_bytes, void *out, size_t bytes);

#endif
