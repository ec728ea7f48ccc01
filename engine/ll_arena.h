/* Plans where a run's tensors lie in one piece of memory: each gets a place when it is made and
 * gives it back after its last reader, so that the memory is as large as what lives at once, not as
 * the sum over the layers.
 *
 * Units are floats; places are multiples of 16 (64 bytes). The best gap is the smallest that fits.
 *
 * Threads: one per arena. */
#ifndef LL_ARENA_H
#define LL_ARENA_H

#include <stdint.h>

#include "core/ll_status.h"
#include "engine/ll_engine.h"

struct ll_arena_block {
    int64_t at;
    int64_t floats;
};

struct ll_arena {
    /* What lives, in order of place; room for `capacity`. */
    struct ll_arena_block *blocks;
    int count;
    int capacity;
    /* Memory needed so far, in floats. */
    int64_t peak;
};

/* Room for `capacity` blocks that live at once. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_arena_init(struct ll_arena *arena, int capacity);
/* Takes a zeroed arena too. */
void ll_arena_finish(struct ll_arena *arena);

/* Forgets all blocks and the peak. */
void ll_arena_reset(struct ll_arena *arena);

/* A place for `floats` floats (at least 1). There is room for one block more. */
int64_t ll_arena_take(struct ll_arena *arena, int64_t floats);

/* Gives back the place that ll_arena_take returned. */
void ll_arena_give(struct ll_arena *arena, int64_t at);

/* Makes `*memory`, which the caller gives back by ll_arena_drop, hold at least `floats` floats;
 * what it held is lost. The context takes the bytes of its budget.
 *
 * Errors: LL_E_EXHAUSTED beyond the budget or LL_LIMIT_CONTEXT_BYTES, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_arena_grow(struct ll_engine_context *context, float **memory,
                                    int64_t *held_floats, int64_t floats, struct ll_error *err);
void ll_arena_drop(struct ll_engine_context *context, float **memory, int64_t *held_floats);

#endif
