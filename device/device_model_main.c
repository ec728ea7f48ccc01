#include "device/device_model_main.h"

#include <stdlib.h>

/* Bits of mantissa of --draft's choices. */
enum { DRAFT_BF16_MANTISSA = 7, DRAFT_M4_MANTISSA = 4 };

/* The cfg is the same, and so are the sizes of all blobs. */
static ll_status load_base(struct device_model_source *source, const struct device_options *options,
                           struct ll_error *err)
{
    ll_status status =
        dkb_model_file_load(options->model.cfg, options->delta_from, &source->base, err);
    if (status != LL_OK) {
        return status;
    }
    size_t layers = (size_t)source->model.table->layer_count;
    source->base_digests = calloc(layers, sizeof(*source->base_digests));
    if (!source->base_digests) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < layers; i++) {
        source->base_digests[i] = source->base.manifest.blobs[i].digest;
    }
    source->model.bases = source->base.blobs;
    source->model.base_digests = source->base_digests;
    return LL_OK;
}

static ll_status make_draft(struct device_model_source *source, device_draft_kind kind,
                            struct ll_error *err)
{
    struct device_draft_source exact = {
        .table = source->model.table,
        .blobs = source->model.blobs,
        .manifest = source->model.manifest,
    };
    int mantissa_bits = kind == DEVICE_DRAFT_M4 ? DRAFT_M4_MANTISSA : DRAFT_BF16_MANTISSA;
    if (device_draft_init(&source->draft, &exact, mantissa_bits) != LL_OK) {
        return ll_fail(err, LL_E_NO_MEMORY, "out of memory");
    }
    if (device_draft_has_any(&source->draft, exact.table->layer_count)) {
        source->model.draft = &source->draft;
    }
    return LL_OK;
}

ll_status device_model_source_load(struct device_model_source *source,
                                   const struct device_options *options, struct ll_error *err)
{
    ll_status status =
        dkb_model_file_load(options->model.cfg, options->model.weights, &source->file, err);
    if (status != LL_OK) {
        return status;
    }
    source->model = (struct device_model){
        .table = &source->file.network->table,
        .blobs = source->file.blobs,
        .manifest = &source->file.manifest,
        .is_raw = options->weight_encoding == DEVICE_WEIGHTS_RAW,
    };
    ll_digest_format(&source->file.model_id, source->model.id);
    if (options->delta_from) {
        status = load_base(source, options, err);
    }
    /* Without an edge nobody wants one. */
    if (status == LL_OK && options->precision == DEVICE_PRECISION_DRAFT &&
        options->edge_count > 0) {
        status = make_draft(source, options->draft, err);
    }
    return status;
}

void device_model_source_finish(struct device_model_source *source)
{
    device_draft_finish(&source->draft);
    free(source->base_digests);
    dkb_model_file_finish(&source->base);
    dkb_model_file_finish(&source->file);
    *source = (struct device_model_source){.base_digests = NULL};
}
