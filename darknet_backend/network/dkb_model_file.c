#include "darknet_backend/network/dkb_model_file.h"

#include <stdlib.h>

#include "core/ll_limits.h"
#include "darknet_backend/network/dkb_network.h"
#include "darknet_backend/network/dkb_weights.h"

/* The header's bytes come on top of the model's. */
enum { HEADER_ROOM = 64 };

static ll_status out_of_memory(struct ll_error *err)
{
    return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
}

static ll_status name_blobs(struct ll_manifest *manifest, struct ll_buf *const *blobs)
{
    for (int i = 0; i < manifest->blob_count; i++) {
        const void *data = blobs[i] ? ll_buf_data(blobs[i]) : NULL;
        size_t bytes = blobs[i] ? ll_buf_bytes(blobs[i]) : 0;
        manifest->blobs[i].bytes = (int64_t)bytes;
        ll_status status = ll_digest_of(data, bytes, &manifest->blobs[i].digest);
        if (status != LL_OK) {
            return status;
        }
    }
    return LL_OK;
}

static ll_status load_weights_file(const char *path, struct dkb_model_file *file,
                                   struct ll_error *err)
{
    struct ll_buf *weights = NULL;
    ll_status status = ll_buf_map_file(path, LL_LIMIT_MODEL_BYTES + HEADER_ROOM, &weights, err);
    if (status != LL_OK) {
        return status;
    }
    file->blobs = calloc((size_t)file->network->table.layer_count, sizeof(struct ll_buf *));
    status = file->blobs ? dkb_weights_slice(file->network, weights, file->blobs, err)
                         : out_of_memory(err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", path);
    }
    ll_buf_unref(weights);
    return status;
}

/* Everything behind the parser. */
static ll_status load(const struct ll_buf *cfg, const char *weights_path,
                      struct dkb_model_file *file, struct ll_error *err)
{
    ll_status status = load_weights_file(weights_path, file, err);
    if (status != LL_OK) {
        return status;
    }
    status = ll_manifest_init(&file->manifest, ll_buf_data(cfg), ll_buf_bytes(cfg),
                              file->network->table.layer_count);
    if (status == LL_OK) {
        status = name_blobs(&file->manifest, file->blobs);
    }
    if (status == LL_OK) {
        status = ll_manifest_model_id(&file->manifest, &file->model_id);
    }
    return status == LL_OK ? LL_OK : ll_fail(err, status, "%s", ll_status_text(status));
}

ll_status dkb_model_file_load(const char *cfg_path, const char *weights_path,
                              struct dkb_model_file *out_file, struct ll_error *err)
{
    struct dkb_model_file file = {0};
    struct ll_buf *cfg = NULL;
    ll_status status = ll_buf_map_file(cfg_path, LL_LIMIT_CFG_BYTES, &cfg, err);
    if (status != LL_OK) {
        return status;
    }
    status = dkb_network_parse(ll_buf_data(cfg), ll_buf_bytes(cfg), &file.network, err);
    if (status != LL_OK) {
        ll_error_prefix(err, "%s", cfg_path);
        goto out;
    }
    status = load(cfg, weights_path, &file, err);
    if (status != LL_OK) {
        dkb_model_file_finish(&file);
        goto out;
    }
    *out_file = file;
out:
    ll_buf_unref(cfg);
    return status;
}

void dkb_model_file_finish(struct dkb_model_file *file)
{
    if (file->blobs) {
        dkb_weights_unref(file->blobs, file->network->table.layer_count);
    }
    free(file->blobs);
    ll_network_unref(file->network);
    ll_manifest_finish(&file->manifest);
    *file = (struct dkb_model_file){0};
}
