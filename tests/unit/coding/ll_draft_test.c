#include "coding/ll_draft.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_test.h"
#include "tests/unit/coding/coding_fixture.h"

const char *const ll_test_suite = "ll_draft";

#define K ((int64_t)1024)

enum { BF16 = 7 };

static void test_which_blobs(void)
{
    const struct {
        struct ll_draft_blob blob;
        bool has;
    } rows[] = {
        {{BF16, 64 * K, 0, 0}, false},
        {{BF16, 64 * K + 4, 0, 0}, true},
        {{BF16, 64 * K + 4, 64 * K, 0}, true},
        {{BF16, 64 * K + 4, 64 * K, 4}, false},
        {{BF16, 64 * K + 4, 64 * K + 4, 0}, false},
        {{BF16, 64 * K + 2, 0, 0}, false},
        {{BF16, 0, 0, 0}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(ll_draft_has_blob(&rows[i].blob), rows[i].has);
    }
}

static void test_frames(void)
{
    /* Exact: all of the first frame and 8 bytes of the second; the last 12 bytes of the second last
     * and all of the last. */
    const int64_t end = 256 * K + 100;
    const struct ll_draft_blob blob = {4, end, 64 * K + 8, 100 + 12};
    const struct {
        int64_t offset;
        int64_t bytes, head, tail;
    } rows[] = {
        {0, 64 * K, 64 * K, 0},   {64 * K, 64 * K, 8, 0}, {128 * K, 64 * K, 0, 0},
        {192 * K, 64 * K, 0, 12}, {256 * K, 100, 0, 100},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ll_frame_draft draft = ll_draft_frame(&blob, rows[i].offset);
        CU_ASSERT_EQUAL(ll_draft_frame_bytes(&blob, rows[i].offset), rows[i].bytes);
        CU_ASSERT_EQUAL(draft.mantissa_bits, 4);
        CU_ASSERT_EQUAL(draft.exact_bytes, rows[i].head);
        CU_ASSERT_EQUAL(draft.exact_tail_bytes, rows[i].tail);
        CU_ASSERT_EQUAL(ll_draft_frame_is_exact(&blob, rows[i].offset),
                        rows[i].head + rows[i].tail == rows[i].bytes);
    }
}

/* Head and tail within one frame. */
static void test_frame_with_both(void)
{
    const struct ll_draft_blob blob = {BF16, 100 * K, 96 * K, 3 * K};
    struct ll_frame_draft draft = ll_draft_frame(&blob, 64 * K);
    CU_ASSERT_EQUAL(draft.exact_bytes, 32 * K);
    CU_ASSERT_EQUAL(draft.exact_tail_bytes, 3 * K);
    CU_ASSERT_FALSE(ll_draft_frame_is_exact(&blob, 64 * K));
}

/* Rounding a blob as one gives what rounding its frames gives. */
static void test_frames_are_the_blob(void)
{
    enum { COUNT = 51200 };
    const size_t bytes = COUNT * sizeof(uint32_t);
    const size_t head = (size_t)70 * K;
    const size_t tail = (size_t)68 * K;
    const struct ll_draft_blob blob = {BF16, (int64_t)bytes, (int64_t)head, (int64_t)tail};
    uint8_t *data = malloc(bytes);
    uint8_t *whole = malloc(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    coding_fill(CODING_WEIGHTS, 5, COUNT, (uint32_t *)(void *)data);
    struct ll_frame_draft draft = ll_draft_whole(&blob);
    CU_ASSERT_TRUE(ll_frame_round(data, bytes, &draft, whole));
    CU_ASSERT_EQUAL(memcmp(data, whole, head), 0);
    CU_ASSERT_EQUAL(memcmp(data + bytes - tail, whole + bytes - tail, tail), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(data + head, whole + head, bytes - head - tail), 0);
    for (int64_t offset = 0; offset < blob.bytes; offset += LL_FRAME_BYTES) {
        draft = ll_draft_frame(&blob, offset);
        CU_ASSERT_TRUE(ll_frame_round(data + offset, ll_draft_frame_bytes(&blob, offset), &draft,
                                      data + offset));
    }
    CU_ASSERT_EQUAL(memcmp(data, whole, bytes), 0);
    free(data);
    free(whole);
}

static void test_pays_for_weights_alone(void)
{
    enum { COUNT = 51200 };
    static const struct {
        coding_sort sort;
        bool pays;
    } rows[] = {
        {CODING_WEIGHTS, true},
        {CODING_NOISE, true},
        {CODING_FEW_VALUES, false},
        {CODING_REPEATED, false},
    };
    static uint32_t data[COUNT];
    struct ll_frame_coder *coder = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int bits = 4; bits <= BF16; bits += 3) {
            const struct ll_draft_blob blob = {bits, sizeof(data), 400, 0};
            coding_fill(rows[i].sort, 1, COUNT, data);
            CU_ASSERT_EQUAL(ll_draft_pays(coder, &blob, data), rows[i].pays);
        }
    }
    ll_frame_coder_destroy(coder);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_which_blobs),
    LL_TEST(test_frames),
    LL_TEST(test_frame_with_both),
    LL_TEST(test_frames_are_the_blob),
    LL_TEST(test_pays_for_weights_alone),
    {NULL, NULL},
};
