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
    bases->list = calloc(layers, sizeof(Layerlift__V1__DeltaBase *));
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

/* The draft; its digests stay the model's. Without one, `digests` is NULL. */
static ll_status init_draft(Layerlift__V1__Draft *message, const struct device_model *model)
{
    layerlift__v1__draft__init(message);
    if (!model->draft) {
        return LL_OK;
    }
    size_t layers = (size_t)model->table->layer_count;
    message->digests = calloc(layers, sizeof(*message->digests));
    if (!message->digests) {
        return LL_E_NO_MEMORY;
    }
    message->mantissa_bits = (uint32_t)model->draft->mantissa_bits;
    message->n_digests = layers;
    for (size_t i = 0; i < layers; i++) {
        if (model->draft->is_rounded[i]) {
            message->digests[i] = (ProtobufCBinaryData){.data = model->draft->digests[i].bytes,
                                                        .len = LL_DIGEST_BYTES};
        }
    }
    return LL_OK;
}

/* What besides frames. */
static size_t list_encodings(const struct device_model *model, Layerlift__V1__Encoding list[4])
{
    size_t count = 0;
    list[count++] = LAYERLIFT__V1__ENCODING__ENCODING_FRAME;
    if (model->bases) {
        list[count++] = LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME;
    }
    if (model->draft) {
        list[count++] = LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME;
        list[count++] = LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME;
    }
    return count;
}

ll_status device_wire_open(const struct device_model *model, const char *device, uint8_t **out_data,
                           size_t *out_bytes)
{
    struct wire_manifest manifest = {0};
    struct wire_plan plan = {0};
    struct wire_bases bases = {.count = 0};
    Layerlift__V1__Draft draft;
    Layerlift__V1__Encoding encodings[4];
    ll_status status = wire_manifest_init(&manifest, model->manifest);
    if (status != LL_OK) {
        return status;
    }
    status = wire_plan_init(&plan, model->plan);
    if (status != LL_OK) {
        wire_manifest_finish(&manifest);
        return status;
    }
    status = init_draft(&draft, model);
    if (status == LL_OK) {
        status = init_bases(&bases, model);
    }
    if (status == LL_OK) {
        Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
        open.manifest = &manifest.message;
        open.n_plan = plan.count;
        open.plan = plan.list;
        open.device = (char *)device;
        open.n_encodings = list_encodings(model, encodings);
        open.encodings = encodings;
        open.draft = model->draft ? &draft : NULL;
        open.n_delta_bases = bases.count;
        open.delta_bases = bases.list;
        Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
        request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
        request.open = &open;
        status = wire_pack(&request.base, out_data, out_bytes);
        finish_bases(&bases);
    }
    free(draft.digests);
    wire_plan_finish(&plan);
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
    if (query->takes_draft) {
        message.precision = LAYERLIFT__V1__PRECISION__PRECISION_DRAFT;
        message.draft_id = (char *)model->draft->id;
    }
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
