#include "core/ll_memory.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Runs and creations that hold memory end within a second or so. */
enum { RETRY_MS = 1000 };

struct ll_memory {
    int64_t limit;
    atomic_int_least64_t used;
    ll_memory_reclaim reclaim;
    void *arg;
};

ll_status ll_memory_create(int64_t limit_bytes, struct ll_memory **out_memory)
{
    assert(limit_bytes > 0);
    struct ll_memory *memory = calloc(1, sizeof(*memory));
    if (!memory) {
        return LL_E_NO_MEMORY;
    }
    memory->limit = limit_bytes;
    *out_memory = memory;
    return LL_OK;
}

void ll_memory_destroy(struct ll_memory *memory)
{
    assert(!memory || atomic_load(&memory->used) == 0);
    free(memory);
}

void ll_memory_set_reclaim(struct ll_memory *memory, ll_memory_reclaim reclaim, void *arg)
{
    memory->reclaim = reclaim;
    memory->arg = arg;
}

static bool try_take(struct ll_memory *memory, int64_t bytes)
{
    int64_t used = atomic_load(&memory->used);
    do {
        if (bytes > memory->limit - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&memory->used, &used, used + bytes));
    return true;
}

ll_status ll_memory_take(struct ll_memory *memory, int64_t bytes, const char *what,
                         struct ll_error *err)
{
    assert(bytes >= 0);
    if (!memory) {
        return LL_OK;
    }
    if (bytes > memory->limit) {
        return ll_fail_limit(err, "memory_bytes", memory->limit, 0,
                             "no memory for %s: %lld bytes; limit memory_bytes is %lld", what,
                             (long long)bytes, (long long)memory->limit);
    }
    while (!try_take(memory, bytes)) {
        if (!memory->reclaim || !memory->reclaim(memory->arg)) {
            return ll_fail_limit(
                err, "memory_bytes", memory->limit, RETRY_MS,
                "no memory for %s: %lld bytes; %lld of limit memory_bytes, %lld, are taken", what,
                (long long)bytes, (long long)atomic_load(&memory->used), (long long)memory->limit);
        }
    }
    return LL_OK;
}

void ll_memory_give(struct ll_memory *memory, int64_t bytes)
{
    if (memory) {
        int64_t before = atomic_fetch_sub(&memory->used, bytes);
        assert(before >= bytes);
        (void)before;
    }
}

int64_t ll_memory_used(const struct ll_memory *memory)
{
    return memory ? atomic_load(&memory->used) : 0;
}

int64_t ll_memory_limit(const struct ll_memory *memory)
{
    return memory ? memory->limit : 0;
}
