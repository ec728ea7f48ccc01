#include "device/edge_link/device_wire.h"

#include <stdlib.h>

#include "proto/wire/wire_dtype.h"

ll_status device_wire_pack(const ProtobufCMessage *message, uint8_t **out_data, size_t *out_bytes)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(bytes + 1);
    if (!data) {
        return LL_E_NO_MEMORY;
    }
    *out_bytes = protobuf_c_message_pack(message, data);
    *out_data = data;
    return LL_OK;
}

/* The repeated fields of an open message. */
struct wire_open_lists {
    Layerlift__V1__Blob *blobs;
    Layerlift__V1__Blob **blob_list;
    char (*digests)[LL_DIGEST_TEXT_BYTES];
    Layerlift__V1__Partition *partitions;
    Layerlift__V1__Partition **partition_list;
};

static void open_lists_finish(struct wire_open_lists *lists)
{
    free(lists->blobs);
    free(lists->blob_list);
    free(lists->digests);
    free(lists->partitions);
    free(lists->partition_list);
}

static ll_status open_lists_init(struct wire_open_lists *lists, const struct device_model *model)
{
    size_t blobs = (size_t)model->manifest->blob_count;
    size_t partitions = (size_t)model->plan->count;
    *lists = (struct wire_open_lists){
        .blobs = calloc(blobs + 1, sizeof(*lists->blobs)),
        .blob_list = calloc(blobs + 1, sizeof(Layerlift__V1__Blob *)),
        .digests = calloc(blobs + 1, sizeof(*lists->digests)),
        .partitions = calloc(partitions + 1, sizeof(*lists->partitions)),
        .partition_list = calloc(partitions + 1, sizeof(Layerlift__V1__Partition *)),
    };
    if (!lists->blobs || !lists->blob_list || !lists->digests || !lists->partitions ||
        !lists->partition_list) {
        open_lists_finish(lists);
        return LL_E_NO_MEMORY;
    }
    for (size_t i = 0; i < blobs; i++) {
        const struct ll_blob_name *name = &model->manifest->blobs[i];
        ll_digest_format(&name->digest, lists->digests[i]);
        layerlift__v1__blob__init(&lists->blobs[i]);
        lists->blobs[i].size = (uint64_t)name->bytes;
        lists->blobs[i].digest = lists->digests[i];
        lists->blob_list[i] = &lists->blobs[i];
    }
    for (size_t i = 0; i < partitions; i++) {
        layerlift__v1__partition__init(&lists->partitions[i]);
        lists->partitions[i].first = (uint32_t)model->plan->partitions[i].first;
        lists->partitions[i].end = (uint32_t)model->plan->partitions[i].end;
        lists->partition_list[i] = &lists->partitions[i];
    }
    return LL_OK;
}

ll_status device_wire_open(const struct device_model *model, const char *device, uint8_t **out_data,
                           size_t *out_bytes)
{
    struct wire_open_lists lists;
    ll_status status = open_lists_init(&lists, model);
    if (status != LL_OK) {
        return status;
    }
    Layerlift__V1__Manifest manifest = LAYERLIFT__V1__MANIFEST__INIT;
    manifest.cfg.data = (uint8_t *)model->manifest->cfg;
    manifest.cfg.len = model->manifest->cfg_bytes;
    manifest.n_blobs = (size_t)model->manifest->blob_count;
    manifest.blobs = lists.blob_list;
    Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
    open.manifest = &manifest;
    open.n_plan = (size_t)model->plan->count;
    open.plan = lists.partition_list;
    open.device = (char *)device;
    Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
    request.open = &open;
    status = device_wire_pack(&request.base, out_data, out_bytes);
    open_lists_finish(&lists);
    return status;
}

/* Channels, height, width; or one number where the tensor has no shape. */
static size_t tensor_shape(const struct ll_table *table, int name, uint32_t out_shape[3])
{
    int c = table->in_c;
    int h = table->in_h;
    int w = table->in_w;
    if (name != LL_TENSOR_INPUT) {
        c = table->layers[name].out_c;
        h = table->layers[name].out_h;
        w = table->layers[name].out_w;
    }
    int64_t floats = ll_table_tensor_floats(table, name);
    if ((int64_t)c * h * w != floats) {
        out_shape[0] = (uint32_t)floats;
        return 1;
    }
    out_shape[0] = (uint32_t)c;
    out_shape[1] = (uint32_t)h;
    out_shape[2] = (uint32_t)w;
    return 3;
}

ll_status device_wire_query(const struct device_model *model, const struct device_wire_query *query,
                            uint8_t **out_data, size_t *out_bytes)
{
    const struct ll_names *inputs = query->inputs;
    size_t count = (size_t)inputs->count;
    Layerlift__V1__Tensor *tensors = calloc(count + 1, sizeof(*tensors));
    Layerlift__V1__Tensor **list = calloc(count + 1, sizeof(Layerlift__V1__Tensor *));
    uint32_t(*shapes)[3] = calloc(count + 1, sizeof(*shapes));
    ll_status status = LL_E_NO_MEMORY;
    if (!tensors || !list || !shapes) {
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        layerlift__v1__tensor__init(&tensors[i]);
        tensors[i].name = inputs->names[i];
        tensors[i].dtype = wire_dtype_of(query->dtypes[i]);
        tensors[i].n_shape = tensor_shape(model->table, inputs->names[i], shapes[i]);
        tensors[i].shape = shapes[i];
        list[i] = &tensors[i];
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
    message.sends_receipts = true;
    message.n_tensors = count;
    message.tensors = list;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &message;
    status = device_wire_pack(&request.base, out_data, out_bytes);
out:
    free(tensors);
    free(list);
    free(shapes);
    return status;
}

ll_status device_wire_cancel(uint64_t id, uint8_t **out_data, size_t *out_bytes)
{
    Layerlift__V1__Cancel cancel = LAYERLIFT__V1__CANCEL__INIT;
    cancel.id = id;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CANCEL;
    request.cancel = &cancel;
    return device_wire_pack(&request.base, out_data, out_bytes);
}
