/* What names a model: the id changes with every part of the manifest and with nothing else. */
#include "net/ll_manifest.h"

#include <string.h>

#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

enum { BLOBS = 2 };

/* Two blobs, of 3 bytes and of none. */
static struct ll_manifest make(const char *cfg, size_t cfg_bytes)
{
    struct ll_manifest manifest;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&manifest, cfg, cfg_bytes, BLOBS), LL_OK);
    manifest.blobs[0].bytes = 3;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("abc", 3, &manifest.blobs[0].digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("", 0, &manifest.blobs[1].digest), LL_OK);
    return manifest;
}

static struct ll_digest id_of(const struct ll_manifest *manifest)
{
    struct ll_digest id;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(manifest, &id), LL_OK);
    return id;
}

/* Takes the manifest. */
static void check_other_id(struct ll_manifest manifest, const struct ll_digest *id)
{
    struct ll_digest other = id_of(&manifest);
    CU_ASSERT_FALSE(ll_digest_equal(&other, id));
    ll_manifest_finish(&manifest);
}

static void test_init_copies_the_cfg(void)
{
    char cfg[] = "[net]\0x";
    struct ll_manifest manifest;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&manifest, cfg, sizeof(cfg) - 1, BLOBS), LL_OK);
    memset(cfg, '?', sizeof(cfg));
    CU_ASSERT_EQUAL(manifest.cfg_bytes, 7);
    CU_ASSERT_EQUAL(memcmp(manifest.cfg, "[net]\0x", 7), 0);
    CU_ASSERT_EQUAL(manifest.blob_count, BLOBS);
    for (int i = 0; i < BLOBS; i++) {
        static const struct ll_blob_name zeroed;
        CU_ASSERT_EQUAL(manifest.blobs[i].bytes, 0);
        CU_ASSERT(ll_digest_equal(&manifest.blobs[i].digest, &zeroed.digest));
    }
    ll_manifest_finish(&manifest);
    CU_ASSERT_PTR_NULL(manifest.cfg);
    CU_ASSERT_PTR_NULL(manifest.blobs);
    /* Again is harmless. */
    ll_manifest_finish(&manifest);
}

static void test_equal_manifests_have_one_id(void)
{
    struct ll_manifest a = make("[net]\n", 6);
    struct ll_manifest b = make("[net]\n", 6);
    struct ll_digest id_a = id_of(&a);
    struct ll_digest id_b = id_of(&b);
    CU_ASSERT(ll_digest_equal(&id_a, &id_b));
    ll_manifest_finish(&a);
    ll_manifest_finish(&b);
}

static void test_every_part_changes_the_id(void)
{
    struct ll_manifest plain = make("[net]\n", 6);
    struct ll_digest id = id_of(&plain);
    check_other_id(make("[net]", 5), &id);
    check_other_id(make("[net]\r\n", 7), &id);
    check_other_id(make("[net]\n\0", 7), &id);
    check_other_id(make("\xef\xbb\xbf[net]\n", 9), &id);

    struct ll_manifest other = make("[net]\n", 6);
    other.blobs[0].bytes = 4;
    check_other_id(other, &id);
    other = make("[net]\n", 6);
    other.blobs[0].digest.bytes[LL_DIGEST_BYTES - 1] ^= 1;
    check_other_id(other, &id);
    /* The layers' order. */
    other = make("[net]\n", 6);
    struct ll_blob_name first = other.blobs[0];
    other.blobs[0] = other.blobs[1];
    other.blobs[1] = first;
    check_other_id(other, &id);
    /* A layer less. */
    other = make("[net]\n", 6);
    other.blob_count = 1;
    check_other_id(other, &id);
    ll_manifest_finish(&plain);
}

/* The same bytes behind one another, divided elsewhere. */
static void test_lengths_are_part_of_the_id(void)
{
    struct ll_manifest divided;
    struct ll_manifest whole;
    char cfg[6 + sizeof(uint64_t) + LL_DIGEST_BYTES] = "[net]\n";
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&divided, cfg, 6, 1), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&whole, cfg, sizeof(cfg), 0), LL_OK);
    struct ll_digest id = id_of(&divided);
    check_other_id(whole, &id);
    ll_manifest_finish(&divided);
}

static void test_lack_of_memory_leaves_nothing(void)
{
    int count = 0;
    for (;; count++) {
        struct ll_manifest manifest;
        ll_fail_alloc_after(count);
        ll_status status = ll_manifest_init(&manifest, "[net]\n", 6, BLOBS);
        bool has_failed = ll_fail_alloc_finish();
        CU_ASSERT_EQUAL(status, has_failed ? LL_E_NO_MEMORY : LL_OK);
        ll_manifest_finish(&manifest);
        if (!has_failed) {
            break;
        }
        CU_ASSERT_FATAL(count < 10);
    }
    CU_ASSERT_EQUAL(count, 2);
}

const char *const ll_test_suite = "ll_manifest";
const struct ll_test ll_tests[] = {
    LL_TEST(test_init_copies_the_cfg),           LL_TEST(test_equal_manifests_have_one_id),
    LL_TEST(test_every_part_changes_the_id),     LL_TEST(test_lengths_are_part_of_the_id),
    LL_TEST(test_lack_of_memory_leaves_nothing), {NULL, NULL},
};
