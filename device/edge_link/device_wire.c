#include "device/edge_link/device_wire.h"

#include <stdlib.h>

#include "core/ll_digest.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_pack.h"
#include "proto/wire/wire_plan.h"
#include "proto/wire/wire_tensor.h"

/* What the edge may have of an earlier model. */
struct wire_bases {
    size_t count;
    Layerlift__V1__DeltaBase *bases;
    Layerlift__V1__DeltaBase **list;
    char (*texts)[LL_DIGEST_TEXT_BYTES];
};

static void finish_bases(struct wire_bases *bases)
{
    free(bases->bases);
    free(bases->list);
    free(bases->texts);
}

static ll_status init_bases(struct wire_bases *bases, const struct device_model *model)
{
    *bases = (struct wire_bases){.count = 0};
    if (!model->bases) {
        return LL_OK;
    }
    size_t layers = (size_t)model->table->layer_count;
    bases->bases = calloc(layers, sizeof(*bases->bases));
    bases->list = calloc(layers, sizeof(*bases->list));
    bases->texts = calloc(layers, sizeof(*bases->texts));
    if (!bases->bases || !bases->list || !bases->texts) {
        finish_bases(bases);
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < layers; i++) {
        if (model->bases[i]) {
            Layerlift__V1__DeltaBase *base = &bases->bases[bases->count];
            layerlift__v1__delta_base__init(base);
            ll_digest_format(&model->base_digests[i], bases->texts[bases->count]);
            base->layer = (uint32_t)i;
            base->digest = bases->texts[bases->count];
            bases->list[bases->count++] = base;
        }
    }
    return LL_OK;
}

ll_status device_wire_open(const struct device_model *model, const char *device, uint8_t **out_data,
                           size_t *out_bytes)
{
    struct wire_manifest manifest;
    ll_status status = wire_manifest_init(&manifest, model->manifest);
    if (status != LL_OK) {
        return status;
    }
    struct wire_bases bases;
    status = init_bases(&bases, model);
    if (status != LL_OK) {
        wire_manifest_finish(&manifest);
        return status;
    }
    struct wire_plan plan;
    status = wire_plan_init(&plan, model->plan);
    if (status == LL_OK) {
        Layerlift__V1__Encoding encodings[] = {LAYERLIFT__V1__ENCODING__ENCODING_FRAME,
                                               LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME};
        Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
        open.manifest = &manifest.message;
        open.n_plan = plan.count;
        open.plan = plan.list;
        open.device = (char *)device;
        open.n_encodings = bases.count > 0 ? 2 : 1;
        open.encodings = encodings;
        open.n_delta_bases = bases.count;
        open.delta_bases = bases.list;
        Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
        request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
        request.open = &open;
        status = wire_pack(&request.base, out_data, out_bytes);
        wire_plan_finish(&plan);
    }
    finish_bases(&bases);
    wire_manifest_finish(&manifest);
    return status;
}

ll_status device_wire_query(const struct device_model *model, const struct device_wire_query *query,
                            uint8_t **out_data, size_t *out_bytes)
{
    struct wire_tensors tensors;
    ll_status status = wire_tensors_init(&tensors, model->table, query->inputs, query->forms);
    if (status != LL_OK) {
        return status;
    }
    Layerlift__V1__Query message = LAYERLIFT__V1__QUERY__INIT;
    message.id = query->id;
    message.model_id = (char *)model->id;
    message.first = (uint32_t)query->first;
    message.end = (uint32_t)query->end;
    message.least_prefix = (uint32_t)query->least_prefix;
    message.deadline_ms = query->deadline_ms;
    message.answer_dtype = query->answer_dtype == LL_F32
                               ? LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_UNSPECIFIED
                               : wire_dtype_of(query->answer_dtype);
    Layerlift__V1__TensorCoding codings[WIRE_CODINGS];
    message.n_answer_codings = query->may_code_answer ? wire_codings(codings) : 0;
    message.answer_codings = codings;
    message.sends_receipts = true;
    message.n_tensors = tensors.count;
    message.tensors = tensors.list;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &message;
    status = wire_pack(&request.base, out_data, out_bytes);
    wire_tensors_finish(&tensors);
    return status;
}

ll_status device_wire_cancel(uint64_t id, uint8_t **out_data, size_t *out_bytes)
{
    Layerlift__V1__Cancel cancel = LAYERLIFT__V1__CANCEL__INIT;
    cancel.id = id;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL;
    request.cancel = &cancel;
    return wire_pack(&request.base, out_data, out_bytes);
}
