#include "device/device_draft.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_buf.h"

/* Sign and exponent. */
enum { DRAFT_OTHER_BITS = 9 };

struct ll_draft_blob device_draft_blob(const struct device_draft *draft,
                                       const struct ll_layer *layer)
{
    return (struct ll_draft_blob){
        .mantissa_bits = draft->mantissa_bits,
        .bytes = layer->blob_bytes,
        .exact_bytes = layer->exact_bytes,
        .exact_tail_bytes = layer->exact_tail_bytes,
    };
}

int device_draft_bits(const struct device_draft *draft)
{
    return DRAFT_OTHER_BITS + draft->mantissa_bits;
}

bool device_draft_has_any(const struct device_draft *draft, int layer_count)
{
    for (int i = 0; i < layer_count; i++) {
        if (draft->is_rounded[i]) {
            return true;
        }
    }
    return false;
}

/* The digest of a blob's rounded weights; false where they have no draft. */
static bool round_blob(struct ll_hasher *hasher, const struct ll_draft_blob *blob,
                       const uint8_t *data, uint8_t *frame, struct ll_digest *out_digest)
{
    bool is_rounded = ll_draft_has_blob(blob);
    for (int64_t offset = 0; is_rounded && offset < blob->bytes; offset += LL_FRAME_BYTES) {
        size_t bytes = ll_draft_frame_bytes(blob, offset);
        struct ll_frame_draft how = ll_draft_frame(blob, offset);
        is_rounded = ll_frame_round(data + offset, bytes, &how, frame);
        ll_hasher_update(hasher, frame, is_rounded ? bytes : 0);
    }
    /* Also where it ended early: the hasher begins anew. */
    ll_hasher_finish(hasher, out_digest);
    return is_rounded;
}

/* A blob that rounding leaves as it is needs none of its own. */
static ll_status round_blobs(struct device_draft *draft, const struct device_draft_source *source,
                             struct ll_hasher *hasher)
{
    uint8_t *frame = malloc(LL_FRAME_BYTES);
    if (!frame) {
        return LL_E_NO_MEMORY;
    }
    for (int i = 0; i < source->table->layer_count; i++) {
        struct ll_draft_blob blob = device_draft_blob(draft, &source->table->layers[i]);
        draft->is_rounded[i] =
            source->blobs[i] &&
            round_blob(hasher, &blob, ll_buf_data(source->blobs[i]), frame, &draft->digests[i]) &&
            !ll_digest_equal(&draft->digests[i], &source->manifest->blobs[i].digest);
    }
    free(frame);
    return LL_OK;
}

/* The model id of the same network with the draft's blobs. */
static ll_status name_draft(struct device_draft *draft, const struct ll_manifest *model)
{
    struct ll_manifest manifest;
    ll_status status = ll_manifest_init(&manifest, model->cfg, model->cfg_bytes, model->blob_count);
    if (status != LL_OK) {
        return status;
    }
    memcpy(manifest.blobs, model->blobs, (size_t)model->blob_count * sizeof(*model->blobs));
    for (int i = 0; i < model->blob_count; i++) {
        if (draft->is_rounded[i]) {
            manifest.blobs[i].digest = draft->digests[i];
        }
    }
    struct ll_digest id;
    status = ll_manifest_model_id(&manifest, &id);
    if (status == LL_OK) {
        ll_digest_format(&id, draft->id);
    }
    ll_manifest_finish(&manifest);
    return status;
}

ll_status device_draft_init(struct device_draft *draft, const struct device_draft_source *source,
                            int mantissa_bits)
{
    size_t layers = (size_t)source->table->layer_count;
    struct ll_hasher *hasher = NULL;
    *draft = (struct device_draft){
        .mantissa_bits = mantissa_bits,
        .is_rounded = calloc(layers, sizeof(*draft->is_rounded)),
        .digests = calloc(layers, sizeof(*draft->digests)),
    };
    ll_status status =
        draft->is_rounded && draft->digests ? ll_hasher_create(&hasher) : LL_E_NO_MEMORY;
    if (status == LL_OK) {
        status = round_blobs(draft, source, hasher);
        ll_hasher_destroy(hasher);
    }
    if (status == LL_OK) {
        status = name_draft(draft, source->manifest);
    }
    if (status != LL_OK) {
        device_draft_finish(draft);
    }
    return status;
}

void device_draft_finish(struct device_draft *draft)
{
    free(draft->is_rounded);
    free(draft->digests);
    *draft = (struct device_draft){.mantissa_bits = 0};
}
