#include "tests/support/ll_fail_alloc.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int good_left = INT_MAX;
static atomic_bool has_failed;

void ll_fail_alloc_after(int count)
{
    atomic_store(&has_failed, false);
    atomic_store(&good_left, count);
}

bool ll_fail_alloc_finish(void)
{
    atomic_store(&good_left, INT_MAX);
    return atomic_load(&has_failed);
}

static bool must_fail(void)
{
    if (atomic_load(&good_left) == INT_MAX || atomic_fetch_sub(&good_left, 1) != 0) {
        return false;
    }
    atomic_store(&has_failed, true);
    return true;
}

/* The linker's names. NOLINTBEGIN(readability-identifier-naming) */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_reallocarray(void *memory, size_t count, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_reallocarray(void *memory, size_t count, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return must_fail() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return must_fail() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return must_fail() ? NULL : __real_realloc(memory, bytes);
}

void *__wrap_reallocarray(void *memory, size_t count, size_t bytes)
{
    return must_fail() ? NULL : __real_reallocarray(memory, count, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return must_fail() ? NULL : __real_aligned_alloc(alignment, bytes);
}
/* NOLINTEND(readability-identifier-naming) */
