#include "device/device_draft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_buf.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_draft";

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 8 200000\n"
                          "layer 8 0\n"
                          "layer 8 65536\n"
                          "layer 8 70001\n"
                          "layer 8 100000\n";
enum { LAYERS = 5 };

static struct fake_model model;
static struct device_draft draft;

static void begin(void)
{
    fake_model_init_weights(&model, cfg, 3);
}

static void make(int mantissa_bits)
{
    struct device_draft_source source = {
        .table = &model.network->table, .blobs = model.blobs, .manifest = &model.manifest};
    CU_ASSERT_EQUAL_FATAL(device_draft_init(&draft, &source, mantissa_bits), LL_OK);
}

static void end(void)
{
    device_draft_finish(&draft);
    fake_model_finish(&model);
}

/* The digest of a blob whose weights were rounded as offload.proto has it, by another way than
 * frames. */
static struct ll_digest rounded_digest(int layer, int mantissa_bits)
{
    size_t bytes = ll_buf_bytes(model.blobs[layer]);
    uint32_t *words = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(words);
    memcpy(words, ll_buf_data(model.blobs[layer]), bytes);
    for (size_t i = 0; i < bytes / 4; i++) {
        words[i] = (words[i] + (1U << (22 - mantissa_bits))) >> (23 - mantissa_bits)
                                                                    << (23 - mantissa_bits);
    }
    struct ll_digest digest;
    CU_ASSERT_EQUAL_FATAL(ll_digest_of(words, bytes, &digest), LL_OK);
    free(words);
    return digest;
}

static void check_layer(int layer, bool is_rounded, int mantissa_bits)
{
    CU_ASSERT_EQUAL(draft.is_rounded[layer], is_rounded);
    if (is_rounded) {
        struct ll_digest digest = rounded_digest(layer, mantissa_bits);
        CU_ASSERT_TRUE(ll_digest_equal(&draft.digests[layer], &digest));
    }
}

static void check_rounding(int mantissa_bits)
{
    static const bool is_rounded[LAYERS] = {true, false, false, false, true};
    begin();
    make(mantissa_bits);
    for (int i = 0; i < LAYERS; i++) {
        check_layer(i, is_rounded[i], mantissa_bits);
    }
    CU_ASSERT_TRUE(device_draft_has_any(&draft, LAYERS));
    CU_ASSERT_EQUAL(device_draft_bits(&draft), 9 + mantissa_bits);
    end();
}

static void test_large_blobs_of_floats_are_rounded(void)
{
    check_rounding(4);
    check_rounding(7);
}

/* The draft is a model: its id is that of a manifest with the rounded blobs. */
static void test_the_id_is_that_of_the_rounded_model(void)
{
    begin();
    make(7);
    struct ll_manifest manifest;
    fake_model_copy_manifest(&model, &manifest);
    manifest.blobs[0].digest = rounded_digest(0, 7);
    manifest.blobs[4].digest = rounded_digest(4, 7);
    struct ll_digest id;
    char text[LL_DIGEST_TEXT_BYTES];
    CU_ASSERT_EQUAL_FATAL(ll_manifest_model_id(&manifest, &id), LL_OK);
    ll_digest_format(&id, text);
    CU_ASSERT_STRING_EQUAL(draft.id, text);
    ll_manifest_finish(&manifest);
    end();
}

/* Whatever is infinite, or would be; and what rounding leaves as it is. */
static void test_blobs_without_a_draft_stay(void)
{
    begin();
    float *weights = ll_buf_writable(model.blobs[0]);
    weights[30000] = INFINITY;
    uint32_t *words = ll_buf_writable(model.blobs[4]);
    for (int i = 0; i < 25000; i++) {
        words[i] &= 0xffff0000U;
    }
    fake_model_rename(&model);
    make(7);
    CU_ASSERT_FALSE(device_draft_has_any(&draft, LAYERS));
    CU_ASSERT_STRING_EQUAL(draft.id, model.id_text);
    device_draft_finish(&draft);
    weights[30000] = 3.4028235e38F;
    fake_model_rename(&model);
    make(7);
    CU_ASSERT_FALSE(draft.is_rounded[0]);
    /* The hasher has begun anew behind the blob that was given up. */
    words[0] ^= 1;
    fake_model_rename(&model);
    device_draft_finish(&draft);
    make(7);
    struct ll_digest digest = rounded_digest(4, 7);
    CU_ASSERT_TRUE(draft.is_rounded[4]);
    CU_ASSERT_TRUE(ll_digest_equal(&draft.digests[4], &digest));
    end();
}

/* Draft and rest of 256 different weights would take twice the bytes of the blob itself. */
static void test_blobs_that_are_short_already_stay(void)
{
    begin();
    uint32_t *words = ll_buf_writable(model.blobs[0]);
    for (int i = 0; i < 50000; i++) {
        words[i] = 0x3c000000U + ((uint32_t)i * (uint32_t)i * 2654435761U >> 24) * 0x12345U;
    }
    fake_model_rename(&model);
    make(7);
    CU_ASSERT_FALSE(draft.is_rounded[0]);
    CU_ASSERT_TRUE(draft.is_rounded[4]);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_large_blobs_of_floats_are_rounded),
    LL_TEST(test_the_id_is_that_of_the_rounded_model),
    LL_TEST(test_blobs_without_a_draft_stay),
    LL_TEST(test_blobs_that_are_short_already_stay),
    {NULL, NULL},
};
