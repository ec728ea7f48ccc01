/* Which weights of a draft are rounded: device and edge must agree, from the layer's sizes alone.
 *
 * Blobs of at most LL_DRAFT_EXACT_BLOB_BYTES stay as they are (depthwise kernels, which suffer most
 * and weigh least), and of the others biases and normalisation. A blob with infinities or NaNs, or
 * that would get them, stays too, and one that is short already (ll_draft_pays): that is in its
 * bytes, and the one who has them says so by an empty digest in Draft.digests.
 *
 * Threads: pure, but for the coder. */
#ifndef LL_DRAFT_H
#define LL_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coding/ll_frame.h"

enum { LL_DRAFT_EXACT_BLOB_BYTES = 64 << 10 };

/* A layer's blob as its table row tells it, and the draft's bits of mantissa (1 to
 * LL_FRAME_MANTISSA_MOST). */
struct ll_draft_blob {
    int mantissa_bits;
    int64_t bytes;
    /* At the blob's beginning and end; together at most `bytes`; multiples of 4. */
    int64_t exact_bytes;
    int64_t exact_tail_bytes;
};

/* Whether the draft has a blob of its own for the layer, should its weights allow it. */
bool ll_draft_has_blob(const struct ll_draft_blob *blob);

/* Whether draft and rest of the blob at `data` take hardly more bytes than the blob in one. They
 * take up to twice as many where weights have few distinct values, which were 8-bit integers, say:
 * a draft had better leave such a blob as it is, too. Told by a frame from its middle. `blob` has a
 * draft's blob (ll_draft_has_blob). */
bool ll_draft_pays(struct ll_frame_coder *coder, const struct ll_draft_blob *blob,
                   const void *data);

/* Bytes of the frame at `offset`, a multiple of LL_FRAME_BYTES below the blob's end. */
size_t ll_draft_frame_bytes(const struct ll_draft_blob *blob, int64_t offset);

/* How that frame is rounded, for ll_frame_* on it. */
struct ll_frame_draft ll_draft_frame(const struct ll_draft_blob *blob, int64_t offset);

/* Whether all of that frame is exact: the draft's frame is the model's, and no rest is sent for it.
 */
bool ll_draft_frame_is_exact(const struct ll_draft_blob *blob, int64_t offset);

/* How the blob is rounded as one, for ll_frame_round. */
struct ll_frame_draft ll_draft_whole(const struct ll_draft_blob *blob);

#endif
