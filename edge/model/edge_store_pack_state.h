/* The inside of the packs: edge_store_pack.c finds and appends records; above it stand the start
 * (edge_store_pack_walk.c) and what brings packs to disk and in order (edge_store_pack_tidy.c).
 *
 * Records begin at multiples of 64, and so do their bytes, so that engines compute with them where
 * they lie. One lock guards all; an append holds it while the page cache takes the bytes, so that
 * records never overlap. Only the tidying thread removes packs: it may use one without the lock. */
#ifndef EDGE_STORE_PACK_STATE_H
#define EDGE_STORE_PACK_STATE_H

#include "core/ll_sync.h"
#include "edge/model/edge_store_pack.h"

enum {
    EDGE_PACK_ALIGNMENT = 64,
    /* Larger ones get no more records. */
    EDGE_PACK_BYTES = 16 << 20,
    EDGE_PACK_BUCKETS = 4096,
    EDGE_PACK_NAME_BYTES = 32,
};

/* As it stands in the file, little-endian on every machine that this runs on. */
struct edge_pack_head {
    char magic[8];
    uint64_t bytes;
    uint8_t digest[LL_DIGEST_BYTES];
    uint8_t zeros[16];
};
extern const char edge_pack_magic[8];
_Static_assert(sizeof(struct edge_pack_head) == EDGE_PACK_ALIGNMENT, "bytes follow aligned");

struct edge_pack {
    struct edge_pack *next;
    unsigned number;
    int fd;
    /* Where the next record goes; of that, what records take that are alive. */
    int64_t bytes;
    int64_t live_bytes;
    bool is_dirty;
    /* Its name is not on disk yet. */
    bool is_new;
    /* What was here at the start, or NULL. */
    struct ll_buf *map;
};

struct edge_pack_record {
    struct edge_pack_record *next;
    struct ll_digest digest;
    size_t bytes;
    struct edge_pack *pack;
    /* The head's. */
    int64_t offset;
    bool is_claimed;
};

struct edge_packs {
    int folder_fd;
    const struct edge_store_files *files;

    struct ll_mutex lock;
    /* Guarded by lock; the last pack first. */
    struct edge_pack *first LL_GUARDED_BY(lock);
    unsigned last_number LL_GUARDED_BY(lock);
    struct edge_pack_record *buckets[EDGE_PACK_BUCKETS] LL_GUARDED_BY(lock);
};

/* What a record of so many bytes takes. */
int64_t edge_pack_record_bytes(size_t bytes);
void edge_pack_name(unsigned number, char out_name[EDGE_PACK_NAME_BYTES]);

/* NULL: there is none. */
struct edge_pack_record *edge_pack_find_locked(struct edge_packs *packs,
                                               const struct ll_digest *digest, size_t bytes)
    LL_REQUIRES(packs->lock);
/* NULL without memory. */
struct edge_pack_record *edge_pack_add_locked(struct edge_packs *packs, struct edge_pack *pack,
                                              const struct ll_digest *digest, size_t bytes,
                                              int64_t offset) LL_REQUIRES(packs->lock);
void edge_pack_drop_locked(struct edge_packs *packs, struct edge_pack_record *record)
    LL_REQUIRES(packs->lock);

/* The pack that takes the next record, or NULL with errno. */
struct edge_pack *edge_pack_last_locked(struct edge_packs *packs) LL_REQUIRES(packs->lock);
/* Writes a record at the pack's end, which stays where it is. Returns 0 or the errno. */
int edge_pack_write_locked(struct edge_packs *packs, struct edge_pack *pack,
                           const struct ll_digest *digest, const void *data, size_t bytes)
    LL_REQUIRES(packs->lock);
void edge_pack_free(struct edge_packs *packs, struct edge_pack *pack);

#endif
