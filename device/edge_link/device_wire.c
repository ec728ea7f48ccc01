#include "device/edge_link/device_wire.h"

#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_manifest.h"
#include "proto/wire/wire_pack.h"
#include "proto/wire/wire_plan.h"
#include "proto/wire/wire_tensor.h"

ll_status device_wire_open(const struct device_model *model, const char *device, uint8_t **out_data,
                           size_t *out_bytes)
{
    struct wire_manifest manifest;
    ll_status status = wire_manifest_init(&manifest, model->manifest);
    if (status != LL_OK) {
        return status;
    }
    struct wire_plan plan;
    status = wire_plan_init(&plan, model->plan);
    if (status == LL_OK) {
        Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
        open.manifest = &manifest.message;
        open.n_plan = plan.count;
        open.plan = plan.list;
        open.device = (char *)device;
        Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
        request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
        request.open = &open;
        status = wire_pack(&request.base, out_data, out_bytes);
        wire_plan_finish(&plan);
    }
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
