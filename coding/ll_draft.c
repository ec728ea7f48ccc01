#include "coding/ll_draft.h"

enum {
    WEIGHT_BYTES = 4,
    /* Draft and rest may take one part in so many more. */
    DEARER_ONE_IN = 32,
};

bool ll_draft_has_blob(const struct ll_draft_blob *blob)
{
    return blob->bytes > LL_DRAFT_EXACT_BLOB_BYTES && blob->bytes % WEIGHT_BYTES == 0 &&
           blob->exact_bytes < blob->bytes - blob->exact_tail_bytes;
}

static int64_t at_least_0_at_most(int64_t value, int64_t most)
{
    if (value < 0) {
        return 0;
    }
    return value < most ? value : most;
}

size_t ll_draft_frame_bytes(const struct ll_draft_blob *blob, int64_t offset)
{
    return (size_t)at_least_0_at_most(blob->bytes - offset, LL_FRAME_BYTES);
}

struct ll_frame_draft ll_draft_frame(const struct ll_draft_blob *blob, int64_t offset)
{
    int64_t bytes = (int64_t)ll_draft_frame_bytes(blob, offset);
    int64_t tail_begins = blob->bytes - blob->exact_tail_bytes;
    int64_t head = at_least_0_at_most(blob->exact_bytes - offset, bytes);
    int64_t tail = at_least_0_at_most(offset + bytes - tail_begins, bytes - head);
    return (struct ll_frame_draft){
        .mantissa_bits = blob->mantissa_bits,
        .exact_bytes = (size_t)head,
        .exact_tail_bytes = (size_t)tail,
    };
}

bool ll_draft_frame_is_exact(const struct ll_draft_blob *blob, int64_t offset)
{
    struct ll_frame_draft draft = ll_draft_frame(blob, offset);
    return draft.exact_bytes + draft.exact_tail_bytes == ll_draft_frame_bytes(blob, offset);
}

struct ll_frame_draft ll_draft_whole(const struct ll_draft_blob *blob)
{
    return (struct ll_frame_draft){
        .mantissa_bits = blob->mantissa_bits,
        .exact_bytes = (size_t)blob->exact_bytes,
        .exact_tail_bytes = (size_t)blob->exact_tail_bytes,
    };
}

bool ll_draft_pays(struct ll_frame_coder *coder, const struct ll_draft_blob *blob, const void *data)
{
    const int64_t middle = blob->bytes / 2 / LL_FRAME_BYTES * LL_FRAME_BYTES;
    const struct ll_frame_draft draft = ll_draft_frame(blob, middle);
    const struct ll_frame frame = {(const char *)data + middle, ll_draft_frame_bytes(blob, middle)};
    uint8_t encoded[LL_FRAME_ENCODED_BYTES];
    size_t whole = ll_frame_encode(coder, &frame, encoded);
    if (whole == 0) {
        whole = frame.bytes;
    }
    size_t both = ll_frame_encode_draft(coder, &frame, &draft, encoded);
    both += ll_frame_encode_rest(coder, &frame, &draft, encoded);
    return both <= whole + whole / DEARER_ONE_IN;
}
