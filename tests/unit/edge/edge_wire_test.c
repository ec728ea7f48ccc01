#include "edge/edge_wire.h"

#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/ll_test.h"

static void test_text_becomes_printable(void)
{
    char text[] = "line\n\xff\x80 \xc3\xa4~";
    edge_wire_clean(text);
    CU_ASSERT_STRING_EQUAL(text, "line??? ??~");
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
    LL_TEST(test_text_becomes_printable),
    LL_TEST(test_manifest_takes_nothing_with_or_without_its_digest),
    LL_TEST(test_manifest_counts_are_limited),
    {NULL, NULL},
};
