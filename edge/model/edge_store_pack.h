/* Small blobs that last, packed together: no file and no mapping each.
 *
 * A pack is a file "pack-NUMBER" to which records are appended, each a head (magic, size, SHA-256)
 * and the blob's bytes behind it. What an earlier process left is mapped as a whole and walked from
 * head to head; where no record follows, the file ends (a torn append). Whether the bytes are right
 * is looked at when somebody wants them. What no model names is dead; a pack that is dead by more
 * than half is written anew, into the last one, and removed.
 *
 * Internal to the blob store.
 *
 * Threads: any; edge_packs_tidy: one. */
#ifndef EDGE_STORE_PACK_H
#define EDGE_STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ll_buf.h"
#include "core/ll_digest.h"
#include "core/ll_status.h"
#include "edge/model/edge_store_files.h"

struct edge_packs;
struct edge_pack_record;

/* Finds what is in the folder, which stays open. Errors: LL_E_IO, LL_E_NO_MEMORY. */
LL_MUST_USE ll_status edge_packs_open(int folder_fd, const struct edge_store_files *files,
                                      struct edge_packs **out_packs, struct ll_error *err);
/* Buffers from edge_packs_find stay. NULL is allowed. */
void edge_packs_close(struct edge_packs *packs);

/* The record of a blob that an earlier process has left, the caller's from now on, and its bytes,
 * verified; NULL where there is none. */
struct edge_pack_record *edge_packs_find(struct edge_packs *packs, const struct ll_digest *digest,
                                         size_t bytes, struct ll_buf **out_data);
/* Appends a blob's bytes, not synced yet. Returns 0 or the errno; nothing is appended then. */
int edge_packs_append(struct edge_packs *packs, const struct ll_digest *digest, const void *data,
                      size_t bytes, struct edge_pack_record **out_record);
/* The record is dead. */
void edge_packs_drop(struct edge_packs *packs, struct edge_pack_record *record);
/* So is every one that nobody has found or appended. */
void edge_packs_drop_unclaimed(struct edge_packs *packs);

/* Brings to disk what was appended, and writes anew what is dead by more than half. */
void edge_packs_tidy(struct edge_packs *packs);

/* What all packs' files take. */
int64_t edge_packs_file_bytes(struct edge_packs *packs);

#endif
