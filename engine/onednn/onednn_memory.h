/* Memory for packed weights: taken piece by piece, given back all at once, or down to a mark where
 * a creation fails. It counts against the budget of the owner's engine. (Huge pages would save
 * faults, but where the system has to find and clear them first, as in a busy virtual machine,
 * creation took up to twice as long.)
 *
 * Threads: one at a time. */
#ifndef ONEDNN_MEMORY_H
#define ONEDNN_MEMORY_H

#include <stddef.h>

#include "core/ll_status.h"
#include "engine/ll_engine_backend.h"

struct onednn_chunk;

struct onednn_memory {
    /* Whose memory it is; set before the first piece is taken. */
    struct ll_engine_model *owner;
    /* The newest first. */
    struct onednn_chunk *chunks;
    /* What is probably still to be taken before the next trim: the next chunk's size. */
    size_t expected_bytes;
};

/* `bytes` zeroed bytes, aligned to 64. Errors: LL_E_NO_MEMORY, LL_E_EXHAUSTED beyond the budget. */
LL_MUST_USE ll_status onednn_memory_take(struct onednn_memory *memory, size_t bytes,
                                         void **out_data, struct ll_error *err);

/* How much is taken now, and back to it: what was taken since is given back. */
struct onednn_mark {
    const struct onednn_chunk *chunk;
    size_t taken;
};
struct onednn_mark onednn_memory_mark(const struct onednn_memory *memory);
void onednn_memory_rewind(struct onednn_memory *memory, struct onednn_mark mark);

/* Says that about `bytes` bytes will be taken until trim. */
void onednn_memory_expect(struct onednn_memory *memory, size_t bytes);

/* Gives back what the newest chunk has left. */
void onednn_memory_trim(struct onednn_memory *memory);

void onednn_memory_finish(struct onednn_memory *memory);

#endif
