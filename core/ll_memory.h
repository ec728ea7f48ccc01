/* A budget of memory: one number that everything large counts against before it is allocated, so
 * that no load within the limits exhausts the machine.
 *
 * Whoever allocates takes bytes first and gives them back after the release. When too few are left,
 * the budget asks its owner to make room (an idle context, a model that nobody uses) until there is
 * enough or nothing more can go; then the taker is refused by the limit "memory_bytes".
 *
 * Threads: any, without locks held: making room runs on the thread that takes. */
#ifndef LL_MEMORY_H
#define LL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ll_status.h"

struct ll_memory;

/* Gives back something that nobody needs now. False when there is nothing. */
typedef bool (*ll_memory_reclaim)(void *arg);

/* `limit_bytes` from 1. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_memory_create(int64_t limit_bytes, struct ll_memory **out_memory);
/* All is given back. NULL is allowed. */
void ll_memory_destroy(struct ll_memory *memory);

/* Before the first take. */
void ll_memory_set_reclaim(struct ll_memory *memory, ll_memory_reclaim reclaim, void *arg);

/* Counts `bytes` (from 0) against the budget; nothing happens where `memory` is NULL. `what` is for
 * the sentence: "packed weights".
 *
 * Errors: LL_E_EXHAUSTED as a limit, finally where the budget could never hold it. */
LL_MUST_USE ll_status ll_memory_take(struct ll_memory *memory, int64_t bytes, const char *what,
                                     struct ll_error *err);
void ll_memory_give(struct ll_memory *memory, int64_t bytes);

/* 0 for NULL. */
int64_t ll_memory_used(const struct ll_memory *memory);
int64_t ll_memory_limit(const struct ll_memory *memory);

#endif
