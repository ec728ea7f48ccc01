#include "device/device_wire.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_wire";

/* A head and its payload, as they follow each other on the wire. */
static uint8_t *join(const uint8_t *head, size_t head_bytes, size_t data_bytes)
{
    uint8_t *message = malloc(head_bytes + data_bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(message);
    memcpy(message, head, head_bytes);
    for (size_t i = 0; i < data_bytes; i++) {
        message[head_bytes + i] = (uint8_t)(i * 7);
    }
    return message;
}

static void check_upload_chunk(uint32_t layer, uint64_t offset, size_t data_bytes)
{
    uint8_t head[DEVICE_WIRE_HEAD_BYTES];
    size_t head_bytes = device_wire_upload_chunk(head, layer, offset, data_bytes);
    CU_ASSERT_TRUE(head_bytes <= DEVICE_WIRE_HEAD_BYTES);
    uint8_t *message = join(head, head_bytes, data_bytes);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, head_bytes + data_bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK);
    CU_ASSERT_EQUAL(request->chunk->layer, layer);
    CU_ASSERT_EQUAL(request->chunk->encoding, LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    CU_ASSERT_EQUAL(request->chunk->offset, offset);
    CU_ASSERT_EQUAL_FATAL(request->chunk->data.len, data_bytes);
    CU_ASSERT_EQUAL(memcmp(request->chunk->data.data, message + head_bytes, data_bytes), 0);
    /* The same bytes as protobuf-c's own, which packs fields in the order of their numbers. */
    uint8_t *packed = NULL;
    size_t packed_bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_pack(&request->base, &packed, &packed_bytes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(packed_bytes, head_bytes + data_bytes);
    CU_ASSERT_EQUAL(memcmp(packed, message, packed_bytes), 0);
    free(packed);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(message);
}

static void test_upload_chunk_is_what_protobuf_reads(void)
{
    check_upload_chunk(0, 0, 1);
    check_upload_chunk(127, 128, 8192);
    check_upload_chunk(4095, UINT64_MAX, 262144);
    check_upload_chunk(UINT32_MAX, (uint64_t)1 << 35, 65536);
}

static void check_tensor_chunk(uint64_t id, int32_t name, uint64_t offset, size_t data_bytes)
{
    uint8_t head[DEVICE_WIRE_HEAD_BYTES];
    size_t head_bytes = device_wire_tensor_chunk(head, id, name, offset, data_bytes);
    CU_ASSERT_TRUE(head_bytes <= DEVICE_WIRE_HEAD_BYTES);
    uint8_t *message = join(head, head_bytes, data_bytes);
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, head_bytes + data_bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK);
    CU_ASSERT_EQUAL(request->chunk->id, id);
    CU_ASSERT_EQUAL(request->chunk->name, name);
    CU_ASSERT_EQUAL(request->chunk->offset, offset);
    CU_ASSERT_EQUAL_FATAL(request->chunk->data.len, data_bytes);
    CU_ASSERT_EQUAL(memcmp(request->chunk->data.data, message + head_bytes, data_bytes), 0);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    free(message);
}

static void test_tensor_chunk_is_what_protobuf_reads(void)
{
    check_tensor_chunk(1, -1, 0, 4);
    check_tensor_chunk(UINT64_MAX, 4095, UINT64_MAX, 262144);
    check_tensor_chunk(300, 0, 127, 8192);
    check_tensor_chunk(5, INT32_MIN, 1, 1);
    check_tensor_chunk(5, INT32_MAX, 1, 1);
}

static void check_receipt(uint64_t received_bytes, int64_t received_at_ns)
{
    uint8_t message[DEVICE_WIRE_HEAD_BYTES];
    size_t bytes = device_wire_receipt(message, received_bytes, received_at_ns);
    CU_ASSERT_TRUE(bytes <= DEVICE_WIRE_HEAD_BYTES);
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_RECEIPT);
    CU_ASSERT_EQUAL(request->receipt->received_bytes, received_bytes);
    CU_ASSERT_EQUAL(request->receipt->received_at_ns, (uint64_t)received_at_ns);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
}

static void test_receipt_is_what_protobuf_reads(void)
{
    check_receipt(1, 1);
    check_receipt(128, 1000000000);
    check_receipt(UINT64_MAX, INT64_MAX);
}

static void test_open_has_manifest_and_plan(void)
{
    struct fake_model fake;
    struct ll_plan plan;
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\nlayer 4 0\n", 3);
    fake_model_plan(&fake, &plan);
    struct device_model model = {
        .table = &fake.network->table, .manifest = &fake.manifest, .plan = &plan};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_open(&model, "me", &data, &bytes), LL_OK);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    const Layerlift__V1__UploadOpen *open = request->open;
    CU_ASSERT_EQUAL(open->manifest->cfg.len, fake.manifest.cfg_bytes);
    CU_ASSERT_EQUAL_FATAL(open->manifest->n_blobs, 2);
    CU_ASSERT_EQUAL(open->manifest->blobs[0]->size, 64);
    CU_ASSERT_EQUAL(strncmp(open->manifest->blobs[0]->digest, "sha256:", 7), 0);
    CU_ASSERT_EQUAL(open->manifest->blobs[1]->size, 0);
    CU_ASSERT_EQUAL_FATAL(open->n_plan, (size_t)plan.count);
    CU_ASSERT_EQUAL(open->plan[plan.count - 1]->end, 2);
    CU_ASSERT_STRING_EQUAL(open->device, "me");
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(data);
    ll_plan_finish(&plan);
    fake_model_finish(&fake);
}

static void test_a_query_tells_how_its_tensors_are_written(void)
{
    struct fake_model fake;
    fake_model_init(&fake, "fake\ninput 4\nlayer 8 64\nlayer 4 0 reads 0 -1\n", 3);
    struct device_model model = {.table = &fake.network->table, .id = "sha256:1"};
    int name_list[] = {-1, 0};
    struct ll_names names = {2, name_list};
    ll_dtype dtypes[] = {LL_U8, LL_F16};
    struct device_wire_query query = {
        .id = 5, .first = 1, .end = 2, .answer_dtype = LL_F16, .inputs = &names, .dtypes = dtypes};
    uint8_t *data = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL_FATAL(device_wire_query(&model, &query, &data, &bytes), LL_OK);
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, bytes, data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->query->n_tensors, 2);
    CU_ASSERT_EQUAL(request->query->tensors[0]->dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8);
    CU_ASSERT_EQUAL(request->query->tensors[1]->dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16);
    CU_ASSERT_EQUAL(request->query->answer_dtype, LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16);
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    free(data);
    fake_model_finish(&fake);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_upload_chunk_is_what_protobuf_reads),
    LL_TEST(test_tensor_chunk_is_what_protobuf_reads),
    LL_TEST(test_receipt_is_what_protobuf_reads),
    LL_TEST(test_open_has_manifest_and_plan),
    LL_TEST(test_a_query_tells_how_its_tensors_are_written),
    {NULL, NULL},
};
