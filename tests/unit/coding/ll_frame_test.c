#include "coding/ll_frame.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"
#include "tests/unit/coding/coding_fixture.h"

const char *const ll_test_suite = "ll_frame";

enum { COUNT = LL_FRAME_BYTES / 4, BF16 = 7 };

static const size_t counts[] = {1, 2, 7, 8, 33, 100, 1000, 4097, COUNT - 1, COUNT};

/* What a test works with; the guards behind an output must survive. */
struct bench {
    struct ll_frame_coder *coder;
    uint32_t data[COUNT];
    uint32_t base[COUNT];
    uint8_t encoded[LL_FRAME_ENCODED_BYTES + 1];
    /* At an odd address, with a byte before and behind. */
    uint8_t out[1 + LL_FRAME_BYTES + 1];
    struct ll_error err;
};

static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    CU_ASSERT_PTR_NOT_NULL_FATAL(bench);
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&bench->coder), LL_OK);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    ll_frame_coder_destroy(bench->coder);
    free(bench);
}

static struct ll_frame frame_of(const void *data, size_t bytes)
{
    return (struct ll_frame){.data = data, .bytes = bytes};
}

static void prepare(struct bench *bench)
{
    memset(bench->out, 0xa5, sizeof(bench->out));
    bench->encoded[LL_FRAME_ENCODED_BYTES] = 0xa5;
}

static void check_guards(const struct bench *bench, size_t bytes)
{
    CU_ASSERT_EQUAL(bench->out[0], 0xa5);
    CU_ASSERT_EQUAL(bench->out[1 + bytes], 0xa5);
    CU_ASSERT_EQUAL(bench->encoded[LL_FRAME_ENCODED_BYTES], 0xa5);
}

static void check_whole(struct bench *bench, size_t bytes, bool is_delta)
{
    const struct ll_frame frame = frame_of(bench->data, bytes);
    prepare(bench);
    size_t used = is_delta
                      ? ll_frame_encode_delta(bench->coder, &frame, bench->base, bench->encoded)
                      : ll_frame_encode(bench->coder, &frame, bench->encoded);
    CU_ASSERT_TRUE(used < bytes);
    if (used > 0) {
        const struct ll_frame encoded = frame_of(bench->encoded, used);
        ll_status status =
            is_delta ? ll_frame_decode_delta(bench->coder, &encoded, bench->base, bytes,
                                             bench->out + 1, &bench->err)
                     : ll_frame_decode(bench->coder, &encoded, bytes, bench->out + 1, &bench->err);
        CU_ASSERT_EQUAL(status, LL_OK);
        CU_ASSERT_EQUAL(memcmp(bench->out + 1, bench->data, bytes), 0);
    }
    check_guards(bench, bytes);
}

static void test_every_sort_comes_back(void)
{
    struct bench *bench = bench_create();
    for (int sort = 0; sort < CODING_SORTS; sort++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            coding_fill((coding_sort)sort, i + 1, counts[i], bench->data);
            coding_fill(CODING_WEIGHTS, i + 77, counts[i], bench->base);
            check_whole(bench, counts[i] * 4, false);
            check_whole(bench, counts[i] * 4, true);
        }
    }
    bench_destroy(bench);
}

/* Draft and rest of what `bench->data` has; `*out_bytes` is what both took. */
static void check_draft(struct bench *bench, size_t bytes, const struct ll_frame_draft *draft,
                        size_t *out_bytes)
{
    const struct ll_frame frame = frame_of(bench->data, bytes);
    static uint32_t rounded[COUNT];
    prepare(bench);
    size_t used = ll_frame_encode_draft(bench->coder, &frame, draft, bench->encoded);
    *out_bytes = used;
    CU_ASSERT_FATAL(used > 0 && used <= LL_FRAME_ENCODED_BYTES);
    const struct ll_frame encoded = frame_of(bench->encoded, used);
    CU_ASSERT_EQUAL(
        ll_frame_decode_draft(bench->coder, &encoded, draft, bytes, bench->out + 1, &bench->err),
        LL_OK);
    /* Frames are rounded whatever their exponents. */
    (void)!ll_frame_round(bench->data, bytes, draft, rounded);
    CU_ASSERT_EQUAL(memcmp(bench->out + 1, rounded, bytes), 0);
    check_guards(bench, bytes);

    used = ll_frame_encode_rest(bench->coder, &frame, draft, bench->encoded);
    *out_bytes += used;
    if (draft->exact_bytes + draft->exact_tail_bytes == bytes) {
        CU_ASSERT_EQUAL(used, 0);
        CU_ASSERT_EQUAL(memcmp(bench->out + 1, bench->data, bytes), 0);
        return;
    }
    const struct ll_frame rest = frame_of(bench->encoded, used);
    const struct ll_frame in_place = frame_of(bench->out + 1, bytes);
    const struct ll_frame apart = frame_of(rounded, bytes);
    CU_ASSERT_FATAL(used > 0 && used <= LL_FRAME_ENCODED_BYTES);
    CU_ASSERT_EQUAL(
        ll_frame_decode_rest(bench->coder, &rest, draft, &in_place, bench->out + 1, &bench->err),
        LL_OK);
    CU_ASSERT_EQUAL(memcmp(bench->out + 1, bench->data, bytes), 0);
    prepare(bench);
    CU_ASSERT_EQUAL(
        ll_frame_decode_rest(bench->coder, &rest, draft, &apart, bench->out + 1, &bench->err),
        LL_OK);
    CU_ASSERT_EQUAL(memcmp(bench->out + 1, bench->data, bytes), 0);
    check_guards(bench, bytes);
}

static void test_drafts_and_rests_come_back(void)
{
    struct bench *bench = bench_create();
    for (int sort = 0; sort < CODING_SORTS; sort++) {
        for (int bits = 1; bits <= LL_FRAME_MANTISSA_MOST; bits++) {
            size_t count = counts[(size_t)(sort + bits) % (sizeof(counts) / sizeof(counts[0]))];
            size_t third = count / 3 * 4;
            size_t used = 0;
            const struct ll_frame_draft drafts[] = {
                {.mantissa_bits = bits},
                {.mantissa_bits = bits, .exact_bytes = third},
                {.mantissa_bits = bits, .exact_tail_bytes = third},
                {.mantissa_bits = bits, .exact_bytes = third, .exact_tail_bytes = third},
                {.mantissa_bits = bits, .exact_bytes = count * 4},
                {.mantissa_bits = bits, .exact_tail_bytes = count * 4},
            };
            coding_fill((coding_sort)sort, (uint64_t)bits, count, bench->data);
            for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++) {
                check_draft(bench, count * 4, &drafts[i], &used);
            }
        }
    }
    bench_destroy(bench);
}

static void test_sizes_of_weights(void)
{
    struct bench *bench = bench_create();
    const size_t bytes = LL_FRAME_BYTES;
    const struct ll_frame frame = frame_of(bench->data, bytes);
    const struct ll_frame_draft bf16 = {.mantissa_bits = BF16};
    const struct ll_frame_draft m4 = {.mantissa_bits = 4};
    coding_fill(CODING_WEIGHTS, 1, COUNT, bench->data);
    /* The exponents have two bits, the rest 24. */
    size_t whole = ll_frame_encode(bench->coder, &frame, bench->encoded);
    CU_ASSERT_TRUE(whole * 1000 < bytes * 817);
    size_t draft = ll_frame_encode_draft(bench->coder, &frame, &bf16, bench->encoded);
    CU_ASSERT_TRUE(draft * 1000 < bytes * 317);
    size_t rest = ll_frame_encode_rest(bench->coder, &frame, &bf16, bench->encoded);
    CU_ASSERT_TRUE(draft + rest < whole + 100);
    draft = ll_frame_encode_draft(bench->coder, &frame, &m4, bench->encoded);
    CU_ASSERT_TRUE(draft * 1000 < bytes * 225);
    rest = ll_frame_encode_rest(bench->coder, &frame, &m4, bench->encoded);
    CU_ASSERT_TRUE(draft + rest < whole + 600);
    bench_destroy(bench);
}

/* What is not trained f32 has modes that make it much smaller than planes do. */
static void test_sizes_of_other_sorts(void)
{
    static const struct {
        coding_sort sort;
        size_t most;
    } rows[] = {
        {CODING_ZEROS, 16},
        {CODING_ONE_VALUE, 16},
        /* 8 bits of which 7.6 are told, and the palette. */
        {CODING_FEW_VALUES, COUNT + 1000},
        /* 0.47 bits that say whether, and 26 for one in ten. */
        {CODING_PRUNED, COUNT * 33 / 80},
        {CODING_REPEATED, 400},
    };
    struct bench *bench = bench_create();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct ll_frame frame = frame_of(bench->data, LL_FRAME_BYTES);
        coding_fill(rows[i].sort, 3, COUNT, bench->data);
        size_t used = ll_frame_encode(bench->coder, &frame, bench->encoded);
        CU_ASSERT_TRUE(used > 0 && used <= rows[i].most);
    }
    const struct ll_frame noise = frame_of(bench->data, LL_FRAME_BYTES);
    coding_fill(CODING_NOISE, 3, COUNT, bench->data);
    CU_ASSERT_EQUAL(ll_frame_encode(bench->coder, &noise, bench->encoded), 0);
    /* Noise that one weight in a hundred differs from. */
    memcpy(bench->base, bench->data, LL_FRAME_BYTES);
    for (size_t i = 0; i < COUNT; i += 100) {
        bench->data[i] ^= 1;
    }
    CU_ASSERT_TRUE(ll_frame_encode_delta(bench->coder, &noise, bench->base, bench->encoded) < 600);
    bench_destroy(bench);
}

/* A frame of another number of bytes, of fewer encoded bytes, with a bit that is another one:
 * refused with a sentence, or decoded to as many bytes as were asked for. */
static void test_broken_frames_are_harmless(void)
{
    enum { SMALL = 300 };
    const size_t bytes = SMALL * sizeof(uint32_t);
    struct bench *bench = bench_create();
    for (int sort = 0; sort < CODING_SORTS; sort++) {
        const struct ll_frame frame = frame_of(bench->data, bytes);
        coding_fill((coding_sort)sort, 11, SMALL, bench->data);
        size_t used = ll_frame_encode(bench->coder, &frame, bench->encoded);
        for (size_t cut = 0; cut < used; cut++) {
            const struct ll_frame shorter = frame_of(bench->encoded, cut);
            bench->err.text[0] = '\0';
            CU_ASSERT_EQUAL(
                ll_frame_decode(bench->coder, &shorter, bytes, bench->out + 1, &bench->err),
                LL_E_INVALID);
            CU_ASSERT_NOT_EQUAL(bench->err.text[0], '\0');
        }
        for (size_t bit = 0; bit < used * 8; bit++) {
            const struct ll_frame flipped = frame_of(bench->encoded, used);
            prepare(bench);
            bench->encoded[bit / 8] ^= (uint8_t)(1U << bit % 8);
            ll_status status =
                ll_frame_decode(bench->coder, &flipped, bytes, bench->out + 1, &bench->err);
            CU_ASSERT_TRUE(status == LL_OK || status == LL_E_INVALID);
            check_guards(bench, bytes);
            bench->encoded[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        for (size_t count = 1; used > 0 && count < (size_t)2 * SMALL; count++) {
            const struct ll_frame encoded = frame_of(bench->encoded, used);
            prepare(bench);
            ll_status status =
                ll_frame_decode(bench->coder, &encoded, count * 4, bench->out + 1, &bench->err);
            /* Nothing but the number itself says how many equal ones there are. */
            bool may_fit = count == SMALL || sort == CODING_ZEROS || sort == CODING_ONE_VALUE ||
                           (sort == CODING_PRUNED && (count + 7) / 8 == (SMALL + 7) / 8);
            CU_ASSERT_TRUE(status == LL_E_INVALID || (may_fit && status == LL_OK));
            check_guards(bench, count * 4);
        }
    }
    bench_destroy(bench);
}

static void test_no_memory(void)
{
    struct ll_frame_coder *coder = NULL;
    ll_fail_alloc_after(0);
    ll_status status = ll_frame_coder_create(&coder);
    CU_ASSERT_TRUE(ll_fail_alloc_finish());
    CU_ASSERT_EQUAL(status, LL_E_NO_MEMORY);
    CU_ASSERT_PTR_NULL(coder);
}

static void test_rounding(void)
{
    /* Ties go away from zero; 0x3f808000 lies between two bf16. */
    const uint32_t values[] = {0x3f808000, 0xbf808000, 0x3f807fff, 0x80000000, 0x3fffffff};
    const uint32_t expected[] = {0x3f810000, 0xbf810000, 0x3f800000, 0x80000000, 0x40000000};
    const uint32_t infinite = 0x7f800000;
    const uint32_t largest = 0x7f7fffff;
    const struct ll_frame_draft bf16 = {.mantissa_bits = BF16};
    const struct ll_frame_draft head = {.mantissa_bits = BF16, .exact_bytes = 4};
    uint32_t out[5];
    CU_ASSERT_TRUE(ll_frame_round(values, sizeof(values), &bf16, out));
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof(out)), 0);
    CU_ASSERT_TRUE(ll_frame_round(out, sizeof(out), &bf16, out));
    CU_ASSERT_EQUAL(memcmp(out, expected, sizeof(out)), 0);
    CU_ASSERT_FALSE(ll_frame_round(&infinite, sizeof(infinite), &bf16, out));
    CU_ASSERT_FALSE(ll_frame_round(&largest, sizeof(largest), &bf16, out));
    CU_ASSERT_TRUE(ll_frame_round(&infinite, sizeof(infinite), &head, out));
    CU_ASSERT_EQUAL(out[0], infinite);
}

static void test_not_a_frame(void)
{
    struct bench *bench = bench_create();
    static uint8_t large[LL_FRAME_BYTES + 4];
    const size_t sizes[] = {0, 1, 3, 5, LL_FRAME_BYTES + 4};
    const struct ll_frame_draft bf16 = {.mantissa_bits = BF16};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct ll_frame frame = frame_of(large, sizes[i]);
        CU_ASSERT_EQUAL(ll_frame_encode(bench->coder, &frame, bench->encoded), 0);
        CU_ASSERT_EQUAL(ll_frame_encode_delta(bench->coder, &frame, large, bench->encoded), 0);
        CU_ASSERT_EQUAL(ll_frame_encode_draft(bench->coder, &frame, &bf16, bench->encoded), 0);
        CU_ASSERT_EQUAL(ll_frame_encode_rest(bench->coder, &frame, &bf16, bench->encoded), 0);
        CU_ASSERT_EQUAL(ll_frame_decode(bench->coder, &frame, sizes[i], bench->out, &bench->err),
                        LL_E_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(bench->err.text, "whole f32"));
    }
    bench_destroy(bench);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_every_sort_comes_back),
    LL_TEST(test_drafts_and_rests_come_back),
    LL_TEST(test_sizes_of_weights),
    LL_TEST(test_sizes_of_other_sorts),
    LL_TEST(test_broken_frames_are_harmless),
    LL_TEST(test_no_memory),
    LL_TEST(test_rounding),
    LL_TEST(test_not_a_frame),
    {NULL, NULL},
};
