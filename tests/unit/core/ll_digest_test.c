#include "core/ll_digest.h"

#include <string.h>

#include "net/ll_manifest.h"
#include "tests/support/ll_test.h"

static const char abc_digest[] =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void test_standards_example(void)
{
    struct ll_digest digest;
    char text[LL_DIGEST_TEXT_BYTES];
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("abc", 3, &digest), LL_OK);
    ll_digest_format(&digest, text);
    CU_ASSERT_STRING_EQUAL(text, abc_digest);
    struct ll_digest parsed;
    CU_ASSERT_EQUAL_FATAL(ll_digest_parse(abc_digest, &parsed), LL_OK);
    CU_ASSERT(ll_digest_equal(&digest, &parsed));
}

static void test_hasher_starts_anew_after_finish(void)
{
    struct ll_hasher *hasher = NULL;
    struct ll_digest first;
    struct ll_digest second;
    CU_ASSERT_EQUAL_FATAL(ll_hasher_create(&hasher), LL_OK);
    ll_hasher_update(hasher, "a", 1);
    ll_hasher_update(hasher, NULL, 0);
    ll_hasher_update(hasher, "bc", 2);
    ll_hasher_finish(hasher, &first);
    ll_hasher_update(hasher, "abc", 3);
    ll_hasher_finish(hasher, &second);
    CU_ASSERT(ll_digest_equal(&first, &second));
    ll_hasher_destroy(hasher);
    ll_hasher_destroy(NULL);
}

static void test_copied_hasher_goes_on_alone(void)
{
    struct ll_hasher *hasher = NULL;
    struct ll_hasher *copy = NULL;
    struct ll_digest digest;
    struct ll_digest expected;
    CU_ASSERT_EQUAL_FATAL(ll_hasher_create(&hasher), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_hasher_create(&copy), LL_OK);
    ll_hasher_update(hasher, "head ", 5);
    CU_ASSERT_EQUAL_FATAL(ll_hasher_copy(copy, hasher), LL_OK);
    ll_hasher_update(copy, "one", 3);
    ll_hasher_update(hasher, "other", 5);
    ll_hasher_finish(copy, &digest);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("head one", 8, &expected), LL_OK);
    CU_ASSERT(ll_digest_equal(&digest, &expected));
    ll_hasher_finish(hasher, &digest);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("head other", 10, &expected), LL_OK);
    CU_ASSERT(ll_digest_equal(&digest, &expected));
    ll_hasher_destroy(hasher);
    ll_hasher_destroy(copy);
}

static void test_parse_refuses_what_is_no_digest(void)
{
    struct ll_digest digest;
    char text[LL_DIGEST_TEXT_BYTES + 1];
    CU_ASSERT_EQUAL(ll_digest_parse("", &digest), LL_E_INVALID);
    CU_ASSERT_EQUAL(ll_digest_parse("sha256:", &digest), LL_E_INVALID);
    CU_ASSERT_EQUAL(ll_digest_parse(abc_digest + 1, &digest), LL_E_INVALID);
    strncpy(text, abc_digest, sizeof(text) - 1);
    text[20] = 'g';
    CU_ASSERT_EQUAL(ll_digest_parse(text, &digest), LL_E_INVALID);
    text[20] = 'F';
    CU_ASSERT_EQUAL(ll_digest_parse(text, &digest), LL_OK);
    text[LL_DIGEST_TEXT_BYTES - 1] = '0';
    text[LL_DIGEST_TEXT_BYTES] = '\0';
    CU_ASSERT_EQUAL(ll_digest_parse(text, &digest), LL_E_INVALID);
}

/* Worked out with sha256sum from the definition: line, u64 4, "[x]\n", u64 3, digest of "abc", u64
 * 0, digest of nothing. */
static void test_model_id_follows_its_definition(void)
{
    struct ll_manifest manifest;
    CU_ASSERT_EQUAL_FATAL(ll_manifest_init(&manifest, "[x]\n", 4, 2), LL_OK);
    manifest.blobs[0].bytes = 3;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("abc", 3, &manifest.blobs[0].digest), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_digest_of("", 0, &manifest.blobs[1].digest), LL_OK);
    struct ll_digest id;
    char text[LL_DIGEST_TEXT_BYTES];
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(&manifest, &id), LL_OK);
    ll_digest_format(&id, text);
    CU_ASSERT_STRING_EQUAL(
        text, "sha256:b8b11353e931c3655bfb44bfd85d7730fc19ebc4f843b764a6d0639e8083c8a2");
    ll_manifest_finish(&manifest);
}

const char *const ll_test_suite = "ll_digest";
const struct ll_test ll_tests[] = {
    LL_TEST(test_standards_example),
    LL_TEST(test_hasher_starts_anew_after_finish),
    LL_TEST(test_copied_hasher_goes_on_alone),
    LL_TEST(test_parse_refuses_what_is_no_digest),
    LL_TEST(test_model_id_follows_its_definition),
    {NULL, NULL},
};
