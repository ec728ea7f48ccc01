/* Reads the idx files of MNIST and its kin: big-endian header, then unsigned bytes, usually
 * gzipped. Format: http://yann.lecun.com/exdb/mnist/ ("the IDX file format").
 *
 * Threads: everything here is pure but for the file. */
#ifndef LAB_IDX_H
#define LAB_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

/* `count` items of `item_bytes` bytes: an image's rows one after the other, or one label. */
struct lab_idx {
    uint32_t count;
    uint32_t item_bytes;
    uint8_t *data;
};

/* Reads a whole file, gzipped or plain.
 *
 * Ownership: the caller calls lab_idx_finish.
 * Errors:    LL_E_IO, LL_E_INVALID for another format, a wrong length or more than 1 GiB,
 *            LL_E_NO_MEMORY. */
LL_MUST_USE ll_status lab_idx_read(const char *path, struct lab_idx *out_idx, struct ll_error *err);

void lab_idx_finish(struct lab_idx *idx);

#endif
