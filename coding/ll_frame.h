/* Weights in fewer bytes: frames of at most 64 KiB of little-endian f32, each encoded by itself.
 *
 * An f32 consists of its exponent, of which trained weights have few, and of sign and mantissa,
 * which are noise: a frame is taken apart into the exponents, sign with the upper mantissa bits,
 * and the rest, and each part is written in Huffman's codes where that is shorter, else as it is.
 * Where a frame has few distinct values a palette, or zstd on the whole, is shorter still. Integer
 * operations alone: every bit pattern comes back.
 *
 * A draft (offload.proto, "Words") splits the same bits into two frames: what the rounded weights
 * have, and what is left. What is exact of a frame (biases, normalisation: the first `exact_bytes`,
 * the last `exact_tail_bytes`) is not rounded and stands in the draft's frame wholly. Both together
 * are hardly longer than the frame in one.
 *
 * docs/protocol.md has the bytes.
 *
 * Threads: a coder is one thread's at a time. */
#ifndef LL_FRAME_H
#define LL_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "core/ll_status.h"

enum {
    /* Frames begin at multiples of this in a blob. */
    LL_FRAME_BYTES = 64 << 10,
    /* No frame is longer when encoded. */
    LL_FRAME_ENCODED_BYTES = LL_FRAME_BYTES + 64,
    /* Of a draft. */
    LL_FRAME_MANTISSA_MOST = 22,
};

/* Scratch memory and zstd's states: 0.4 MB for who decodes, 0.5 for who encodes, 1.2 once there
 * were frames with few distinct values. */
struct ll_frame_coder;

/* Errors: LL_E_NO_MEMORY; LL_E_UNSUPPORTED where zstd lacks one of its experimental parameters. */
LL_MUST_USE ll_status ll_frame_coder_create(struct ll_frame_coder **out_coder);
/* NULL is allowed. */
void ll_frame_coder_destroy(struct ll_frame_coder *coder);

/* Bytes at any address. A frame's own are 4 to LL_FRAME_BYTES, a multiple of 4: there are no others
 * in blobs, encoding gives 0 for them and decoding LL_E_INVALID. */
struct ll_frame {
    const void *data;
    size_t bytes;
};

/* ---- Encoding: into LL_FRAME_ENCODED_BYTES at `out`; returns how many are used ---- */

/* 0: it does not shrink, and is to be sent as it is. */
size_t ll_frame_encode(struct ll_frame_coder *coder, const struct ll_frame *frame, void *out);
/* The same of what it differs by from `base`, of as many bytes: of f32 as integers, since a weight
 * that was trained on stays near what it was (XOR takes a tenth to a fifth more: a carry changes
 * many bits). */
size_t ll_frame_encode_delta(struct ll_frame_coder *coder, const struct ll_frame *frame,
                             const void *base, void *out);

/* How a draft is rounded, in one frame. */
struct ll_frame_draft {
    /* 1 to LL_FRAME_MANTISSA_MOST. */
    int mantissa_bits;
    /* How many of the frame's first and of its last bytes are not rounded; multiples of 4. Together
     * at most the frame. */
    size_t exact_bytes;
    size_t exact_tail_bytes;
};

/* Never 0 for a frame of a blob: a draft's are never sent raw. */
size_t ll_frame_encode_draft(struct ll_frame_coder *coder, const struct ll_frame *frame,
                             const struct ll_frame_draft *draft, void *out);
/* 0: nothing is left (all of it is exact in the draft). */
size_t ll_frame_encode_rest(struct ll_frame_coder *coder, const struct ll_frame *frame,
                            const struct ll_frame_draft *draft, void *out);

/* ---- Decoding: `encoded` is hostile ----
 *
 * Into exactly `bytes` at `out`, whose number the decoder knows. Errors: LL_E_INVALID where the
 * encoded bytes are not those of such a frame (what of `out` is written then is undefined); `err`
 * says what is wrong with them. */

LL_MUST_USE ll_status ll_frame_decode(struct ll_frame_coder *coder, const struct ll_frame *encoded,
                                      size_t bytes, void *out, struct ll_error *err);
/* `out` and `base` are different memory. */
LL_MUST_USE ll_status ll_frame_decode_delta(struct ll_frame_coder *coder,
                                            const struct ll_frame *encoded, const void *base,
                                            size_t bytes, void *out, struct ll_error *err);
/* The draft's f32. */
LL_MUST_USE ll_status ll_frame_decode_draft(struct ll_frame_coder *coder,
                                            const struct ll_frame *encoded,
                                            const struct ll_frame_draft *draft, size_t bytes,
                                            void *out, struct ll_error *err);
/* The frame's own f32, from the draft's: as many bytes as `rounded` has, and `out` may be the same
 * memory. */
LL_MUST_USE ll_status ll_frame_decode_rest(struct ll_frame_coder *coder,
                                           const struct ll_frame *encoded,
                                           const struct ll_frame_draft *draft,
                                           const struct ll_frame *rounded, void *out,
                                           struct ll_error *err);

/* ---- Rounding ---- */

/* The draft's f32 of a whole blob, of which `draft` says what stays. False where it cannot have
 * one: a weight has exponent 255, or would get it (`out` is undefined then). `out` may be `data`.
 */
LL_MUST_USE bool ll_frame_round(const void *data, size_t bytes, const struct ll_frame_draft *draft,
                                void *out);

#endif
