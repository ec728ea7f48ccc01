/* Tensors in fewer bytes, losslessly: the values that a network's layers make.
 *
 * Behind a relu a large part of them is one value, which goes into a bitmap; the others are rotated
 * left by one bit, so that an f32's exponent is a byte of its own, and taken apart into planes of
 * bytes, each of which is written in Huffman's codes, by zstd, or as it is, whichever a trial says
 * is shortest. Integer operations alone: every bit pattern comes back.
 *
 * docs/protocol.md has the bytes. Pieces of LL_PLANES_PIECE_VALUES are coded each by itself.
 *
 * Threads: a coder is one thread's at a time. */
#ifndef LL_PLANES_H
#define LL_PLANES_H

#include <stddef.h>

#include "core/ll_status.h"

enum { LL_PLANES_PIECE_VALUES = 64 << 10 };

/* Scratch memory and zstd's states: about a megabyte. */
struct ll_planes;

/* Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_planes_create(struct ll_planes **out_planes);
/* NULL is allowed. */
void ll_planes_destroy(struct ll_planes *planes);

/* Values of `width` bytes (1, 2 or 4) one behind the other, little-endian, at any address; `bytes`
 * is a multiple of the width, above 0. */
struct ll_planes_values {
    const void *data;
    size_t bytes;
    int width;
};

/* Encodes values into at most `room` bytes at `out`. Returns how many are used; 0 where they do not
 * fit, so that with a room of the values' bytes - 1 what does not shrink is refused. */
size_t ll_planes_encode(struct ll_planes *planes, const struct ll_planes_values *values, void *out,
                        size_t room);

/* What values of `width` bytes became. */
struct ll_planes_coded {
    const void *data;
    size_t bytes;
    int width;
};

/* Decodes hostile bytes into exactly `bytes` at `out`.
 *
 * Errors: LL_E_INVALID where they are not those of so many (`out` is undefined then); `err` says
 * what is wrong with them, and where. */
LL_MUST_USE ll_status ll_planes_decode(struct ll_planes *planes,
                                       const struct ll_planes_coded *coded, void *out, size_t bytes,
                                       struct ll_error *err);

#endif
