#include "engine/ll_arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "engine/ll_engine_backend.h"

enum { ARENA_UNIT_FLOATS = 16, MEMORY_ALIGNMENT = 64 };

ll_status ll_arena_init(struct ll_arena *arena, int capacity)
{
    *arena = (struct ll_arena){.capacity = capacity};
    arena->blocks = calloc(capacity > 0 ? (size_t)capacity : 1, sizeof(*arena->blocks));
    return arena->blocks ? LL_OK : LL_E_NO_MEMORY;
}

void ll_arena_finish(struct ll_arena *arena)
{
    free(arena->blocks);
    *arena = (struct ll_arena){0};
}

void ll_arena_reset(struct ll_arena *arena)
{
    arena->count = 0;
    arena->peak = 0;
}

/* The block before which the smallest gap lies that holds `floats`; `count` (the open end) where
 * none does. Sets the gap's place. */
static int find_gap(const struct ll_arena *arena, int64_t floats, int64_t *out_at)
{
    int best = arena->count;
    int64_t best_gap = INT64_MAX;
    int64_t end = 0;
    for (int i = 0; i < arena->count; i++) {
        int64_t gap = arena->blocks[i].at - end;
        if (gap >= floats && gap < best_gap) {
            best = i;
            best_gap = gap;
            *out_at = end;
        }
        end = arena->blocks[i].at + arena->blocks[i].floats;
    }
    if (best == arena->count) {
        *out_at = end;
    }
    return best;
}

int64_t ll_arena_take(struct ll_arena *arena, int64_t floats)
{
    assert(floats > 0 && arena->count < arena->capacity);
    floats = (floats + ARENA_UNIT_FLOATS - 1) / ARENA_UNIT_FLOATS * ARENA_UNIT_FLOATS;
    int64_t at = 0;
    int before = find_gap(arena, floats, &at);
    memmove(arena->blocks + before + 1, arena->blocks + before,
            (size_t)(arena->count - before) * sizeof(*arena->blocks));
    arena->blocks[before] = (struct ll_arena_block){at, floats};
    arena->count++;
    if (at + floats > arena->peak) {
        arena->peak = at + floats;
    }
    return at;
}

void ll_arena_give(struct ll_arena *arena, int64_t at)
{
    int i = 0;
    while (i < arena->count && arena->blocks[i].at != at) {
        i++;
    }
    assert(i < arena->count);
    memmove(arena->blocks + i, arena->blocks + i + 1,
            (size_t)(arena->count - i - 1) * sizeof(*arena->blocks));
    arena->count--;
}

void ll_arena_drop(struct ll_engine_context *context, float **memory, int64_t *held_floats)
{
    free(*memory);
    ll_engine_context_give(context, *held_floats * (int64_t)sizeof(float));
    *memory = NULL;
    *held_floats = 0;
}

ll_status ll_arena_grow(struct ll_engine_context *context, float **memory, int64_t *held_floats,
                        int64_t floats, struct ll_error *err)
{
    if (floats <= *held_floats) {
        return LL_OK;
    }
    if (floats > LL_LIMIT_CONTEXT_BYTES / (int64_t)sizeof(float)) {
        return ll_fail_limit(err, "context_bytes", LL_LIMIT_CONTEXT_BYTES, 0,
                             "no memory for a run: it needs %lld bytes; limit context_bytes is "
                             "%lld",
                             (long long)floats * (long long)sizeof(float),
                             (long long)LL_LIMIT_CONTEXT_BYTES);
    }
    ll_arena_drop(context, memory, held_floats);
    int64_t bytes = floats * (int64_t)sizeof(float);
    ll_status status = ll_engine_context_take(context, bytes, err);
    if (status != LL_OK) {
        return status;
    }
    void *grown = NULL;
    if (posix_memalign(&grown, MEMORY_ALIGNMENT, (size_t)bytes) != 0) {
        ll_engine_context_give(context, bytes);
        return ll_fail(err, LL_E_NO_MEMORY, "no memory for a run: %lld bytes", (long long)bytes);
    }
    *memory = grown;
    *held_floats = floats;
    return LL_OK;
}
