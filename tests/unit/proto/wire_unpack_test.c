#include "proto/wire/wire_unpack.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "layerlift/v1/offload.pb-c.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "wire_unpack";

/* `count` empty sub-messages as field `field`. Freed by the caller. */
static uint8_t *empty_parts(unsigned field, size_t count)
{
    uint8_t *data = malloc(2 * count);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (size_t i = 0; i < count; i++) {
        data[2 * i] = (uint8_t)(field << 3 | 2);
        data[2 * i + 1] = 0;
    }
    return data;
}

static ll_status unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                        size_t bytes, ProtobufCMessage **out_message, struct ll_error *err)
{
    *err = (struct ll_error){.text = ""};
    *out_message = NULL;
    return wire_unpack(descriptor, data, bytes, out_message, err);
}

static void test_what_fits_is_unpacked(void)
{
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    const ProtobufCMessageDescriptor *descriptor = &layerlift__v1__upload_open__descriptor;
    CU_ASSERT_EQUAL(unpack(descriptor, (const uint8_t *)"", 0, &message, &err), LL_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    uint8_t *data = empty_parts(2, LL_LIMIT_LAYERS);
    CU_ASSERT_EQUAL_FATAL(unpack(descriptor, data, 2 * (size_t)LL_LIMIT_LAYERS, &message, &err),
                          LL_OK);
    CU_ASSERT_EQUAL(((Layerlift__V1__UploadOpen *)message)->n_plan, LL_LIMIT_LAYERS);
    protobuf_c_message_free_unpacked(message, NULL);
    free(data);
}

/* The largest that anybody sends: blobs with their digests, and a plan, for every layer. */
static void test_an_open_of_the_most_layers_fits(void)
{
    static Layerlift__V1__Blob blobs[LL_LIMIT_LAYERS];
    static Layerlift__V1__Blob *blob_list[LL_LIMIT_LAYERS];
    static Layerlift__V1__Partition partitions[LL_LIMIT_LAYERS];
    static Layerlift__V1__Partition *partition_list[LL_LIMIT_LAYERS];
    static uint8_t cfg[LL_LIMIT_CFG_BYTES];
    char digest[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for (int i = 0; i < LL_LIMIT_LAYERS; i++) {
        layerlift__v1__blob__init(&blobs[i]);
        blobs[i].size = 1000;
        blobs[i].digest = digest;
        blob_list[i] = &blobs[i];
        layerlift__v1__partition__init(&partitions[i]);
        partitions[i].end = (uint32_t)i + 1;
        partition_list[i] = &partitions[i];
    }
    Layerlift__V1__Manifest manifest = LAYERLIFT__V1__MANIFEST__INIT;
    manifest.cfg = (ProtobufCBinaryData){.len = sizeof(cfg), .data = cfg};
    manifest.n_blobs = LL_LIMIT_LAYERS;
    manifest.blobs = blob_list;
    Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
    open.manifest = &manifest;
    open.n_plan = LL_LIMIT_LAYERS;
    open.plan = partition_list;
    size_t bytes = protobuf_c_message_get_packed_size(&open.base);
    uint8_t *data = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL(protobuf_c_message_pack(&open.base, data), bytes);
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    CU_ASSERT_EQUAL_FATAL(
        unpack(&layerlift__v1__upload_open__descriptor, data, bytes, &message, &err), LL_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    free(data);
}

/* Eight MiB of empty sub-messages would take 160: refused, with nothing kept. */
static void test_unpacking_is_bounded(void)
{
    enum { PARTS = 4 << 20 };
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    uint8_t *data = empty_parts(2, PARTS);
    size_t before = mallinfo2().uordblks;
    CU_ASSERT_EQUAL(
        unpack(&layerlift__v1__upload_open__descriptor, data, 2 * (size_t)PARTS, &message, &err),
        LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "UploadOpen"));
    CU_ASSERT_TRUE(mallinfo2().uordblks <= before + 4096);
    free(data);
}

/* An answer's head of more tensors than any network has. */
static void test_parts_are_counted(void)
{
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    uint8_t *data = empty_parts(6, WIRE_UNPACKED_PARTS);
    CU_ASSERT_EQUAL(unpack(&layerlift__v1__answer__descriptor, data,
                           2 * (size_t)WIRE_UNPACKED_PARTS, &message, &err),
                    LL_E_INVALID);
    CU_ASSERT_EQUAL_FATAL(unpack(&layerlift__v1__answer__descriptor, data,
                                 2 * (size_t)LL_LIMIT_LAYERS, &message, &err),
                          LL_OK);
    CU_ASSERT_EQUAL(((Layerlift__V1__Answer *)message)->n_tensors, LL_LIMIT_LAYERS);
    protobuf_c_message_free_unpacked(message, NULL);
    free(data);
}

static void test_other_bytes_are_no_message(void)
{
    struct ll_error err;
    ProtobufCMessage *message = NULL;
    CU_ASSERT_EQUAL(unpack(&layerlift__v1__upload_event__descriptor, (const uint8_t *)"\xff", 1,
                           &message, &err),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1 bytes that are no layerlift.v1.UploadEvent"));
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_what_fits_is_unpacked),      LL_TEST(test_an_open_of_the_most_layers_fits),
    LL_TEST(test_unpacking_is_bounded),       LL_TEST(test_parts_are_counted),
    LL_TEST(test_other_bytes_are_no_message), {NULL, NULL},
};
