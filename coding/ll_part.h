/* Parts of a frame: arrays of bytes of a length that the reader knows, each written by itself in
 * whichever of three forms is shortest.
 *
 *   part      varint L, then L bytes
 *   L == n    the n bytes as they are (n: the part's length)
 *   L == 1    every byte is this one (n > 1)
 *   L < n     a zstd frame without its magic number, which gives exactly n bytes
 *
 * zstd serves as a Huffman coder here: at its least level it finds no matches, which weights do not
 * have and which cost more than they save; all that is left are literals in Huffman's codes.
 *
 * Threads: a coder is one thread's at a time. */
#ifndef LL_PART_H
#define LL_PART_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_status.h"

enum {
    /* Of one part; its length takes two bytes of varint at most unless it stands as it is. */
    LL_PART_BYTES = 64 << 10,
    /* What a part needs more than its bytes, at most. */
    LL_PART_HEAD_BYTES = 3,
};

/* zstd's states. */
struct ll_part_coder {
    /* Literals alone, and with matches: ZSTD_CCtx. */
    struct ZSTD_CCtx_s *literals;
    struct ZSTD_CCtx_s *matches;
    struct ZSTD_DCtx_s *decoder;
};

/* Errors: LL_E_NO_MEMORY; LL_E_UNSUPPORTED where zstd lacks a parameter (finish is allowed then).
 */
LL_MUST_USE ll_status ll_part_coder_init(struct ll_part_coder *coder);
void ll_part_coder_finish(struct ll_part_coder *coder);
/* From now on matches are found in half the time, and fewer of them: what is written again and
 * again wants that, what is kept does not. */
void ll_part_coder_hurry(struct ll_part_coder *coder);

/* ---- Writing: how many bytes were written at `out` ---- */

size_t ll_part_write_varint(size_t value, uint8_t *out);

typedef enum {
    LL_PART_PLAIN,
    /* Huffman's codes, where they are shorter. */
    LL_PART_LITERALS,
    /* The same with matches, for what repeats itself. */
    LL_PART_MATCHES,
} ll_part_form;

/* Writes a part of at most LL_PART_BYTES; at most LL_PART_HEAD_BYTES more than `bytes` are written
 * and touched. */
size_t ll_part_write(struct ll_part_coder *coder, ll_part_form form, const uint8_t *data,
                     size_t bytes, uint8_t *out);

/* zstd of all of `data` with matches, without a length before it; 0 where that is not shorter than
 * `most` bytes. */
size_t ll_part_write_matches(struct ll_part_coder *coder, const void *data, size_t bytes,
                             uint8_t *out, size_t most);

/* ---- Reading hostile bytes ---- */

/* Bytes that nobody has read yet. */
struct ll_part_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Errors: LL_E_INVALID where the bytes end in it, it is longer than its value needs, or that is
 * above `most`. `what` names it in `err`. */
LL_MUST_USE ll_status ll_part_read_varint(struct ll_part_reader *reader, const char *what,
                                          size_t most, size_t *out_value, struct ll_error *err);

/* A part of `bytes` bytes: where they are, either among the reader's or in `scratch`, which has
 * room for them. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_part_read(struct ll_part_coder *coder, struct ll_part_reader *reader,
                                   size_t bytes, uint8_t *scratch, const uint8_t **out_data,
                                   struct ll_error *err);

/* All that is left, as one zstd frame of exactly `bytes` bytes. Errors: LL_E_INVALID. */
LL_MUST_USE ll_status ll_part_read_matches(struct ll_part_coder *coder,
                                           struct ll_part_reader *reader, void *out, size_t bytes,
                                           struct ll_error *err);

#endif
