/* Memory for packed weights: taken piece by piece, given back all at once, or down to a mark where
 * a creation fails. It counts against the budget of the owner's engine. (Huge pages would save
 * faults, but where the system has to find and clear them first, as in a busy virtual machine,
 * creation took up to twice as long.)
 *
 * Threads: one at a time. */
#ifndef DKB_ONEDNN_MEMORY_H
#define DKB_ONEDNN_MEMORY_H

#include <stddef.h>

#include "core/ll_engine.h"
#include "core/ll_status.h"

struct dkb_onednn_chunk;

struct dkb_onednn_memory {
    /* Whose memory it is; set before the first piece is taken. */
    struct ll_engine_model *owner;
    /* The newest first. */
    struct dkb_onednn_chunk *chunks;
    /* What is probably still to be taken before the next trim: the next chunk's size. */
    size_t expected_bytes;
};

/* `bytes` zeroed bytes, aligned to 64. Errors: LL_E_NO_MEMORY, LL_E_EXHAUSTED beyond the budget. */
LL_MUST_USE ll_status dkb_onednn_memory_take(struct dkb_onednn_memory *memory, size_t bytes,
                                             void **out_data, struct ll_error *err);

/* How much is taken now, and back to it: what was taken since is given back. */
struct dkb_onednn_mark {
    const struct dkb_onednn_chunk *chunk;
    size_t taken;
};
struct dkb_onednn_mark dkb_onednn_memory_mark(const struct dkb_onednn_memory *memory);
void dkb_onednn_memory_rewind(struct dkb_onednn_memory *memory, struct dkb_onednn_mark mark);

/* Says that about `bytes` bytes will be taken until trim. */
void dkb_onednn_memory_expect(struct dkb_onednn_memory *memory, size_t bytes);

/* Gives back what the newest chunk has left. */
void dkb_onednn_memory_trim(struct dkb_onednn_memory *memory);

void dkb_onednn_memory_finish(struct dkb_onednn_memory *memory);

#endif
