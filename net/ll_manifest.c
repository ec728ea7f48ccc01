#include "net/ll_manifest.h"

#include <stdlib.h>
#include <string.h>

ll_status ll_manifest_init(struct ll_manifest *manifest, const char *cfg, size_t cfg_bytes,
                           int blob_count)
{
    *manifest = (struct ll_manifest){.cfg_bytes = cfg_bytes, .blob_count = blob_count};
    manifest->cfg = malloc(cfg_bytes + 1);
    manifest->blobs = calloc((size_t)blob_count + 1, sizeof(*manifest->blobs));
    if (!manifest->cfg || !manifest->blobs) {
        ll_manifest_finish(manifest);
        return LL_E_NO_MEMORY;
    }
    memcpy(manifest->cfg, cfg, cfg_bytes);
    manifest->cfg[cfg_bytes] = '\0';
    return LL_OK;
}

void ll_manifest_finish(struct ll_manifest *manifest)
{
    free(manifest->cfg);
    free(manifest->blobs);
    *manifest = (struct ll_manifest){0};
}

ll_status ll_manifest_model_id(const struct ll_manifest *manifest, struct ll_digest *out_id)
{
    static const char head[] = "layerlift-model-1\n";
    struct ll_hasher *hasher = NULL;
    ll_status status = ll_hasher_create(&hasher);
    if (status != LL_OK) {
        return status;
    }
    ll_hasher_update(hasher, head, sizeof(head) - 1);
    ll_hasher_update_u64(hasher, manifest->cfg_bytes);
    ll_hasher_update(hasher, manifest->cfg, manifest->cfg_bytes);
    for (int i = 0; i < manifest->blob_count; i++) {
        ll_hasher_update_u64(hasher, (uint64_t)manifest->blobs[i].bytes);
        ll_hasher_update(hasher, manifest->blobs[i].digest.bytes, LL_DIGEST_BYTES);
    }
    ll_hasher_finish(hasher, out_id);
    ll_hasher_destroy(hasher);
    return LL_OK;
}
