/* The manifest: what names a model (design.md, "Words").
 *
 * Threads: any, once built. */
#ifndef LL_MANIFEST_H
#define LL_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/ll_digest.h"
#include "core/ll_status.h"

struct ll_blob_name {
    int64_t bytes;
    struct ll_digest digest;
};

struct ll_manifest {
    /* The cfg's bytes as they are; not terminated. */
    char *cfg;
    size_t cfg_bytes;
    /* One per layer. A layer without weights has 0 bytes and the digest of nothing. */
    int blob_count;
    struct ll_blob_name *blobs;
};

/* Copies the cfg and makes room for `blob_count` zeroed blob names. Errors: LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_manifest_init(struct ll_manifest *manifest, const char *cfg,
                                       size_t cfg_bytes, int blob_count);
void ll_manifest_finish(struct ll_manifest *manifest);

/* The model id: SHA-256 of the line "layerlift-model-1\n", the cfg's length as u64 little-endian
 * and its bytes, then for each layer the blob's size as u64 and its 32-byte digest. Errors:
 * LL_E_NO_MEMORY. */
LL_MUST_USE ll_status ll_manifest_model_id(const struct ll_manifest *manifest,
                                           struct ll_digest *out_id);

#endif
