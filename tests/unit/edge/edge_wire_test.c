#include "edge/edge_wire.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

static void test_chunk_head_is_what_protobuf_packs(void)
{
    static const struct {
        uint64_t id;
        int name;
        uint64_t offset;
        size_t bytes;
    } chunks[] = {
        {0, 0, 0, 0},
        {1, -1, 1, 1},
        {127, 127, 128, 127},
        {UINT64_MAX, LL_LIMIT_LAYERS, INT64_MAX, 65536},
        {300, INT32_MIN, UINT64_MAX, 262144},
    };
    uint8_t *data = calloc(1, LL_LIMIT_CHUNK_BYTES + EDGE_WIRE_CHUNK_HEAD_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        size_t bytes = chunks[i].bytes;
        uint8_t head[EDGE_WIRE_CHUNK_HEAD_BYTES];
        size_t head_bytes =
            edge_wire_chunk_head(chunks[i].id, chunks[i].name, chunks[i].offset, bytes, head);
        CU_ASSERT_FATAL(head_bytes <= sizeof(head));
        memcpy(data, head, head_bytes);
        memset(data + head_bytes, 0x5A, bytes);
        Layerlift__V1__OffloadResponse *response =
            layerlift__v1__offload_response__unpack(NULL, head_bytes + bytes, data);
        CU_ASSERT_PTR_NOT_NULL_FATAL(response);
        CU_ASSERT_EQUAL_FATAL(response->kind_case, LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_CHUNK);
        CU_ASSERT_EQUAL(response->chunk->id, chunks[i].id);
        CU_ASSERT_EQUAL(response->chunk->name, chunks[i].name);
        CU_ASSERT_EQUAL(response->chunk->offset, chunks[i].offset);
        CU_ASSERT_EQUAL_FATAL(response->chunk->data.len, bytes);
        CU_ASSERT(bytes == 0 || response->chunk->data.data[bytes - 1] == 0x5A);
        layerlift__v1__offload_response__free_unpacked(response, NULL);
    }
    free(data);
}

static void test_text_becomes_printable(void)
{
    char text[] = "line\n\xff\x80 \xc3\xa4~";
    edge_wire_clean(text);
    CU_ASSERT_STRING_EQUAL(text, "line??? ??~");
}

static void test_unpacking_is_bounded(void)
{
    struct ll_error err = {.text = ""};
    ProtobufCMessage *message = NULL;
    const ProtobufCMessageDescriptor *descriptor = &layerlift__v1__upload_open__descriptor;
    CU_ASSERT_EQUAL(edge_unpack(descriptor, (const uint8_t *)"", 0, &message, &err), LL_OK);
    protobuf_c_message_free_unpacked(message, NULL);
    /* Empty partitions, two bytes each. */
    enum { COUNT = 1000000 };
    uint8_t *data = malloc(2 * (size_t)COUNT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (size_t i = 0; i < COUNT; i++) {
        data[2 * i] = 2 << 3 | 2;
        data[2 * i + 1] = 0;
    }
    CU_ASSERT_EQUAL(edge_unpack(descriptor, data, 2 * (size_t)COUNT, &message, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "UploadOpen"));
    CU_ASSERT_EQUAL(edge_unpack(descriptor, data, 2000, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(((Layerlift__V1__UploadOpen *)message)->n_plan, 1000);
    protobuf_c_message_free_unpacked(message, NULL);
    free(data);
}

/* A manifest of one blob. */
static ll_status copy_manifest(uint64_t size, const char *digest, struct ll_manifest *out_manifest,
                               struct ll_error *err)
{
    Layerlift__V1__Manifest message = LAYERLIFT__V1__MANIFEST__INIT;
    Layerlift__V1__Blob blob = LAYERLIFT__V1__BLOB__INIT;
    Layerlift__V1__Blob *blobs[1] = {&blob};
    message.cfg.data = (uint8_t *)"x";
    message.cfg.len = 1;
    message.blobs = blobs;
    message.n_blobs = 1;
    blob.size = size;
    blob.digest = (char *)digest;
    return edge_wire_manifest(&message, out_manifest, err);
}

static void test_manifest_takes_nothing_with_or_without_its_digest(void)
{
    struct ll_manifest manifest;
    struct ll_digest nothing;
    struct ll_error err = {.text = ""};
    char text[LL_DIGEST_TEXT_BYTES];
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("", 0, &nothing), LL_OK);
    ll_digest_format(&nothing, text);
    const char *digests[] = {"", text};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(copy_manifest(0, digests[i], &manifest, &err), LL_OK);
        CU_ASSERT(ll_digest_equal(&manifest.blobs[0].digest, &nothing));
        ll_manifest_finish(&manifest);
    }
    text[10] = text[10] == '0' ? '1' : '0';
    CU_ASSERT_EQUAL(copy_manifest(0, text, &manifest, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not that of nothing"));
    CU_ASSERT_EQUAL(copy_manifest(4, "", &manifest, &err), LL_E_INVALID);
    CU_ASSERT_EQUAL(copy_manifest(UINT64_MAX, text, &manifest, &err), LL_E_EXHAUSTED);
}

static void test_manifest_counts_are_limited(void)
{
    Layerlift__V1__Manifest message = LAYERLIFT__V1__MANIFEST__INIT;
    struct ll_manifest manifest;
    struct ll_error err = {.text = ""};
    message.cfg.data = (uint8_t *)"x";
    message.cfg.len = 1;
    CU_ASSERT_EQUAL(edge_wire_manifest(&message, &manifest, &err), LL_E_INVALID);
    message.n_blobs = LL_LIMIT_LAYERS + 1;
    CU_ASSERT_EQUAL(edge_wire_manifest(&message, &manifest, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit layers is 4096"));
    message.n_blobs = 1;
    message.cfg.len = LL_LIMIT_CFG_BYTES + 1;
    CU_ASSERT_EQUAL(edge_wire_manifest(&message, &manifest, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit cfg_bytes is 4194304"));
    message.cfg.len = 0;
    CU_ASSERT_EQUAL(edge_wire_manifest(&message, &manifest, &err), LL_E_INVALID);
}

const char *const ll_test_suite = "edge_wire";
const struct ll_test ll_tests[] = {
    LL_TEST(test_chunk_head_is_what_protobuf_packs),
    LL_TEST(test_text_becomes_printable),
    LL_TEST(test_unpacking_is_bounded),
    LL_TEST(test_manifest_takes_nothing_with_or_without_its_digest),
    LL_TEST(test_manifest_counts_are_limited),
    {NULL, NULL},
};
