#include "proto/wire/wire_manifest.h"

#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

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
    return wire_manifest_read(&message, out_manifest, err);
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
    CU_ASSERT_EQUAL(wire_manifest_read(&message, &manifest, &err), LL_E_INVALID);
    message.n_blobs = LL_LIMIT_LAYERS + 1;
    CU_ASSERT_EQUAL(wire_manifest_read(&message, &manifest, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit layers is 4096"));
    message.n_blobs = 1;
    message.cfg.len = LL_LIMIT_CFG_BYTES + 1;
    CU_ASSERT_EQUAL(wire_manifest_read(&message, &manifest, &err), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit cfg_bytes is 4194304"));
    message.cfg.len = 0;
    CU_ASSERT_EQUAL(wire_manifest_read(&message, &manifest, &err), LL_E_INVALID);
}

static void test_what_is_written_is_read_as_it_was(void)
{
    struct fake_model model;
    struct wire_manifest wire;
    struct ll_manifest manifest;
    struct ll_error err = {.text = ""};
    fake_model_init(&model, "fake\ninput 4\nlayer 8 64\nlayer 4 0\nlayer 4 9\n", 3);
    CU_ASSERT_EQUAL_FATAL(wire_manifest_init(&wire, &model.manifest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(wire_manifest_read(&wire.message, &manifest, &err), LL_OK);
    wire_manifest_finish(&wire);
    struct ll_digest id;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(&manifest, &id), LL_OK);
    CU_ASSERT(ll_digest_equal(&id, &model.id));
    ll_manifest_finish(&manifest);
    fake_model_finish(&model);
}

const char *const ll_test_suite = "wire_manifest";
const struct ll_test ll_tests[] = {
    LL_TEST(test_what_is_written_is_read_as_it_was),
    LL_TEST(test_manifest_takes_nothing_with_or_without_its_digest),
    LL_TEST(test_manifest_counts_are_limited),
    {NULL, NULL},
};
