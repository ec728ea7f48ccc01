#include "engine/onednn/onednn_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct onednn_chunk {
    struct onednn_chunk *next;
    uint8_t *data;
    size_t bytes;
    size_t taken;
};

enum { PIECE_ALIGNMENT = 64, PAGE_BYTES = 4096 };

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static ll_status add_chunk(struct onednn_memory *memory, size_t bytes, struct ll_error *err)
{
    bytes = round_up(bytes, PAGE_BYTES);
    ll_status status = ll_engine_model_take(memory->owner, (int64_t)bytes, err);
    if (status != LL_OK) {
        return status;
    }
    struct onednn_chunk *chunk = calloc(1, sizeof(*chunk));
    void *mapped = MAP_FAILED;
    if (chunk) {
        chunk->bytes = bytes;
        mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (mapped == MAP_FAILED) {
        free(chunk);
        ll_engine_model_give(memory->owner, (int64_t)bytes);
        return LL_E_NO_MEMORY;
    }
    chunk->data = mapped;
    chunk->next = memory->chunks;
    memory->chunks = chunk;
    return LL_OK;
}

ll_status onednn_memory_take(struct onednn_memory *memory, size_t bytes, void **out_data,
                             struct ll_error *err)
{
    bytes = round_up(bytes > 0 ? bytes : 1, PIECE_ALIGNMENT);
    struct onednn_chunk *chunk = memory->chunks;
    if (!chunk || chunk->bytes - chunk->taken < bytes) {
        onednn_memory_trim(memory);
        size_t wanted = memory->expected_bytes > bytes ? memory->expected_bytes : bytes;
        ll_status status = add_chunk(memory, wanted, err);
        if (status != LL_OK) {
            return status;
        }
        chunk = memory->chunks;
    }
    *out_data = chunk->data + chunk->taken;
    chunk->taken += bytes;
    memory->expected_bytes -= memory->expected_bytes > bytes ? bytes : memory->expected_bytes;
    return LL_OK;
}

void onednn_memory_expect(struct onednn_memory *memory, size_t bytes)
{
    memory->expected_bytes = bytes;
}

void onednn_memory_trim(struct onednn_memory *memory)
{
    struct onednn_chunk *chunk = memory->chunks;
    if (!chunk) {
        return;
    }
    size_t kept = round_up(chunk->taken, PAGE_BYTES);
    if (kept > 0 && kept < chunk->bytes && munmap(chunk->data + kept, chunk->bytes - kept) == 0) {
        ll_engine_model_give(memory->owner, (int64_t)(chunk->bytes - kept));
        chunk->bytes = kept;
    }
}

static void drop_newest(struct onednn_memory *memory)
{
    struct onednn_chunk *chunk = memory->chunks;
    memory->chunks = chunk->next;
    munmap(chunk->data, chunk->bytes);
    ll_engine_model_give(memory->owner, (int64_t)chunk->bytes);
    free(chunk);
}

struct onednn_mark onednn_memory_mark(const struct onednn_memory *memory)
{
    const struct onednn_chunk *chunk = memory->chunks;
    return (struct onednn_mark){chunk, chunk ? chunk->taken : 0};
}

void onednn_memory_rewind(struct onednn_memory *memory, struct onednn_mark mark)
{
    while (memory->chunks != mark.chunk) {
        drop_newest(memory);
    }
    struct onednn_chunk *chunk = memory->chunks;
    if (chunk) {
        /* Who takes it next finds zeros. */
        memset(chunk->data + mark.taken, 0, chunk->taken - mark.taken);
        chunk->taken = mark.taken;
    }
    memory->expected_bytes = 0;
}

void onednn_memory_finish(struct onednn_memory *memory)
{
    while (memory->chunks) {
        drop_newest(memory);
    }
    memory->expected_bytes = 0;
}
