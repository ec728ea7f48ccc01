#include "proto/wire/wire_head.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "layerlift/v1/offload.pb-c.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "wire_head";

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

/* protobuf-c has NULL for no bytes, which memcmp must not be given. */
static bool is_equal(const uint8_t *data, const uint8_t *expected, size_t bytes)
{
    return bytes == 0 || memcmp(data, expected, bytes) == 0;
}

static void check_upload_chunk(const struct wire_upload_chunk *chunk, size_t data_bytes)
{
    uint8_t head[WIRE_HEAD_BYTES];
    size_t head_bytes = wire_head_upload_chunk(head, chunk, data_bytes);
    CU_ASSERT_TRUE(head_bytes <= WIRE_HEAD_BYTES);
    uint8_t *message = join(head, head_bytes, data_bytes);
    Layerlift__V1__UploadRequest *request =
        layerlift__v1__upload_request__unpack(NULL, head_bytes + data_bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK);
    CU_ASSERT_EQUAL(request->chunk->layer, chunk->layer);
    CU_ASSERT_EQUAL(request->chunk->encoding, chunk->encoding);
    CU_ASSERT_EQUAL(request->chunk->offset, chunk->offset);
    CU_ASSERT_EQUAL(request->chunk->frame_bytes, chunk->frame_bytes);
    CU_ASSERT_EQUAL(request->chunk->frame_offset, chunk->frame_offset);
    CU_ASSERT_EQUAL_FATAL(request->chunk->data.len, data_bytes);
    CU_ASSERT(is_equal(request->chunk->data.data, message + head_bytes, data_bytes));
    /* The same bytes as protobuf-c's own, which packs fields in the order of their numbers. */
    uint8_t *packed = malloc(head_bytes + data_bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(packed);
    CU_ASSERT_EQUAL_FATAL(protobuf_c_message_get_packed_size(&request->base),
                          head_bytes + data_bytes);
    size_t packed_bytes = protobuf_c_message_pack(&request->base, packed);
    CU_ASSERT_EQUAL(memcmp(packed, message, packed_bytes), 0);
    free(packed);
    layerlift__v1__upload_request__free_unpacked(request, NULL);
    free(message);
}

static void test_upload_chunk_is_what_protobuf_reads(void)
{
    static const struct {
        struct wire_upload_chunk chunk;
        size_t data_bytes;
    } cases[] = {
        {{.encoding = LAYERLIFT__V1__ENCODING__ENCODING_RAW}, 1},
        {{127, LAYERLIFT__V1__ENCODING__ENCODING_RAW, 128, 0, 0}, 8192},
        {{4095, LAYERLIFT__V1__ENCODING__ENCODING_RAW, UINT64_MAX, 0, 0}, 262144},
        {{3, LAYERLIFT__V1__ENCODING__ENCODING_FRAME, 65536, 54321, 0}, 8192},
        {{3, LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME, 65536, 54321, 8192}, 46129},
        {{UINT32_MAX, INT32_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX}, 65536},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_upload_chunk(&cases[i].chunk, cases[i].data_bytes);
    }
}

static void check_tensor_chunk(uint64_t id, int32_t name, uint64_t offset, size_t data_bytes)
{
    uint8_t head[WIRE_HEAD_BYTES];
    size_t head_bytes = wire_head_tensor_chunk(head, id, name, offset, data_bytes);
    CU_ASSERT_TRUE(head_bytes <= WIRE_HEAD_BYTES);
    uint8_t *message = join(head, head_bytes, data_bytes);
    Layerlift__V1__OffloadRequest *request =
        layerlift__v1__offload_request__unpack(NULL, head_bytes + data_bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL_FATAL(request->kind_case, LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK);
    CU_ASSERT_EQUAL(request->chunk->id, id);
    CU_ASSERT_EQUAL(request->chunk->name, name);
    CU_ASSERT_EQUAL(request->chunk->offset, offset);
    CU_ASSERT_EQUAL_FATAL(request->chunk->data.len, data_bytes);
    CU_ASSERT(is_equal(request->chunk->data.data, message + head_bytes, data_bytes));
    layerlift__v1__offload_request__free_unpacked(request, NULL);
    Layerlift__V1__OffloadResponse *response =
        layerlift__v1__offload_response__unpack(NULL, head_bytes + data_bytes, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_EQUAL_FATAL(response->kind_case, LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK);
    CU_ASSERT_EQUAL(response->chunk->id, id);
    CU_ASSERT_EQUAL(response->chunk->name, name);
    CU_ASSERT_EQUAL(response->chunk->offset, offset);
    CU_ASSERT_EQUAL_FATAL(response->chunk->data.len, data_bytes);
    CU_ASSERT(is_equal(response->chunk->data.data, message + head_bytes, data_bytes));
    layerlift__v1__offload_response__free_unpacked(response, NULL);
    free(message);
}

static void test_tensor_chunk_is_what_protobuf_reads(void)
{
    check_tensor_chunk(0, 0, 0, 0);
    check_tensor_chunk(1, -1, 0, 4);
    check_tensor_chunk(UINT64_MAX, 4095, UINT64_MAX, 262144);
    check_tensor_chunk(300, 0, 127, 8192);
    check_tensor_chunk(5, INT32_MIN, 1, 1);
    check_tensor_chunk(5, INT32_MAX, 1, 1);
}

static void check_receipt(uint64_t received_bytes, int64_t received_at_ns)
{
    uint8_t message[WIRE_HEAD_BYTES];
    size_t bytes = wire_head_receipt(message, received_bytes, received_at_ns);
    CU_ASSERT_TRUE(bytes <= WIRE_HEAD_BYTES);
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

const struct ll_test ll_tests[] = {
    LL_TEST(test_upload_chunk_is_what_protobuf_reads),
    LL_TEST(test_tensor_chunk_is_what_protobuf_reads),
    LL_TEST(test_receipt_is_what_protobuf_reads),
    {NULL, NULL},
};
