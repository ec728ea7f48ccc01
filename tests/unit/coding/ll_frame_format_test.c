/* The format itself, by frames that were made by hand after docs/protocol.md, and what is none. */
#include <stdio.h>
#include <string.h>

#include "coding/ll_frame.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_frame_format";

enum { MOST_WORDS = 16, MOST_BYTES = 64 };

typedef enum { WHOLE, DELTA, DRAFT, REST } frame_kind;

/* An encoded frame, and its weights as bits or what `err` says of it. */
struct known {
    const char *what;
    frame_kind kind;
    struct ll_frame_draft draft;
    size_t encoded_bytes;
    uint8_t encoded[MOST_BYTES];
    size_t count;
    uint32_t weights[MOST_WORDS];
    const char *complaint;
    /* A delta's base, a rest's draft. */
    uint32_t base[MOST_WORDS];
};

static ll_status decode(struct ll_frame_coder *coder, const struct known *known,
                        const struct ll_frame *encoded, void *out, struct ll_error *err)
{
    const size_t bytes = known->count * 4;
    const struct ll_frame base = {known->base, bytes};
    switch (known->kind) {
    case DELTA:
        return ll_frame_decode_delta(coder, encoded, known->base, bytes, out, err);
    case DRAFT:
        return ll_frame_decode_draft(coder, encoded, &known->draft, bytes, out, err);
    case REST:
        return ll_frame_decode_rest(coder, encoded, &known->draft, &base, out, err);
    default:
        return ll_frame_decode(coder, encoded, bytes, out, err);
    }
}

static void check(struct ll_frame_coder *coder, const struct known *known)
{
    struct ll_error err = {.text = ""};
    uint32_t out[MOST_WORDS + 1];
    memset(out, 0xa5, sizeof(out));
    const struct ll_frame encoded = {known->encoded, known->encoded_bytes};
    ll_status status = decode(coder, known, &encoded, out, &err);
    bool is_right = known->complaint
                        ? status == LL_E_INVALID && strstr(err.text, known->complaint)
                        : status == LL_OK && memcmp(out, known->weights, known->count * 4) == 0;
    if (!is_right) {
        fprintf(stderr, "%s: %s\n", known->what, err.text);
        CU_FAIL("another result than the format's");
    }
    CU_ASSERT_EQUAL(out[known->count], 0xa5a5a5a5U);
    /* Nothing that is shorter is such a frame, nor what is longer. */
    for (size_t cut = 0; !known->complaint && cut < known->encoded_bytes; cut++) {
        const struct ll_frame shorter = {known->encoded, cut};
        err.text[0] = '\0';
        CU_ASSERT_EQUAL(decode(coder, known, &shorter, out, &err), LL_E_INVALID);
        CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
    }
    const struct ll_frame longer = {known->encoded, known->encoded_bytes + 1};
    CU_ASSERT_EQUAL(decode(coder, known, &longer, out, &err), LL_E_INVALID);
}

static void check_all(const struct known *rows, size_t count)
{
    struct ll_frame_coder *coder = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    for (size_t i = 0; i < count; i++) {
        check(coder, &rows[i]);
    }
    ll_frame_coder_destroy(coder);
}

#define CHECK(rows) check_all(rows, sizeof(rows) / sizeof((rows)[0]))
/* Some bytes and how many they are. */
#define BYTES(...)                                                                                 \
    sizeof((const uint8_t[]){__VA_ARGS__}),                                                        \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct known whole_frames[] = {
    {"planes as they are",
     WHOLE,
     {0},
     BYTES(1, 4, 0x7f, 0x80, 0x7c, 0xff, 4, 0x00, 0x40, 0x40, 0x82, 4, 0x00, 0x00, 0x00, 0x46, 4,
           0x00, 0x01, 0x00, 0x8b),
     4,
     {0x3f800000, 0xc0200000, 0x3e200000, 0xffc12345},
     NULL,
     {0}},
    {"planes of one byte",
     WHOLE,
     {0},
     BYTES(1, 1, 0x7f, 1, 0x00, 1, 0x00, 1, 0x01),
     3,
     {0xbf800000, 0xbf800000, 0xbf800000},
     NULL,
     {0}},
    {"one weight",
     WHOLE,
     {0},
     BYTES(1, 1, 0x7f, 1, 0x02, 1, 0x00, 1, 0x01),
     1,
     {0xbf810000},
     NULL,
     {0}},
    /* A frame of one block, which repeats 0x7f 8 times: no sizes (0), a window of 1 KiB (0). */
    {"a plane by zstd",
     WHOLE,
     {0},
     BYTES(1, 6, 0x00, 0x00, 0x43, 0x00, 0x00, 0x7f, 1, 0x00, 1, 0x00, 8, 0, 1, 0, 1, 0, 1, 1, 0),
     8,
     {0x3f800000, 0xbf800000, 0x3f800000, 0xbf800000, 0x3f800000, 0xbf800000, 0xbf800000,
      0x3f800000},
     NULL,
     {0}},
    {"a palette",
     WHOLE,
     {0},
     BYTES(2, 1, 1, 0x7f, 1, 0x00, 1, 0x00, 2, 0, 1, 5, 0, 1, 0, 0, 1),
     5,
     {0x3f800000, 0xbf800000, 0x3f800000, 0x3f800000, 0xbf800000},
     NULL,
     {0}},
    {"repeats",
     WHOLE,
     {0},
     BYTES(3, 0x00, 0x00, 0x83, 0x00, 0x00, 0x7f),
     4,
     {0xbfbfbfbf, 0xbfbfbfbf, 0xbfbfbfbf, 0xbfbfbfbf},
     NULL,
     {0}},
    {"a frequent word",
     WHOLE,
     {0},
     BYTES(4, 0, 0, 0, 0x7c, 2, 0x81, 0x01, 1, 0x7f, 1, 0x00, 1, 0x00, 3, 0, 1, 0),
     9,
     {0x3f800000, 0x3e000000, 0x3e000000, 0x3e000000, 0x3e000000, 0x3e000000, 0x3e000000,
      0xbf800000, 0x3f800000},
     NULL,
     {0}},
    {"a frequent word alone",
     WHOLE,
     {0},
     BYTES(4, 0, 0, 0, 0x7f, 1, 0, 0, 0, 0, 0),
     2,
     {0x3f800000, 0x3f800000},
     NULL,
     {0}},
    {"a difference",
     DELTA,
     {0},
     BYTES(1, 1, 0x00, 1, 0x00, 1, 0x00, 4, 0x02, 0x03, 0x00, 0x00),
     4,
     {0x3f800001, 0x3f7ffffe, 0xffffffff, 0x00000000},
     NULL,
     {0x3f800000, 0x3f800000, 0xffffffff, 0x00000000}},
    {"a difference that wraps around",
     DELTA,
     {0},
     BYTES(1, 2, 0x00, 0xff, 2, 0x00, 0xff, 2, 0x00, 0xff, 2, 0x01, 0xff),
     2,
     {0xffffffff, 0x00000000},
     NULL,
     {0x00000000, 0x80000000}},
};

static void test_whole_frames(void)
{
    CHECK(whole_frames);
}

static const struct known drafts[] = {
    {"bf16",
     DRAFT,
     {.mantissa_bits = 7},
     BYTES(1, 2, 0x7f, 0x80, 2, 0x02, 0x41),
     2,
     {0x3f810000, 0xc0200000},
     NULL,
     {0}},
    {"and what is left",
     REST,
     {.mantissa_bits = 7},
     BYTES(1, 2, 0x80, 0x00, 1, 0x00),
     2,
     {0x3f808000, 0xc0200000},
     NULL,
     {0x3f810000, 0xc0200000}},
    {"4 bits",
     DRAFT,
     {.mantissa_bits = 4},
     BYTES(1, 2, 0x7f, 0x80, 2, 0x00, 0x09),
     2,
     {0x3f800000, 0xc0200000},
     NULL,
     {0}},
    {"and what is left",
     REST,
     {.mantissa_bits = 4},
     BYTES(1, 2, 0x10, 0x00, 1, 0x00, 2, 0x00, 0x05),
     2,
     {0x3f808000, 0xc0200005},
     NULL,
     {0x3f800000, 0xc0200000}},
    {"22 bits",
     DRAFT,
     {.mantissa_bits = 22},
     BYTES(1, 2, 0x7f, 0x80, 1, 0x00, 2, 0x00, 0x80, 2, 0x02, 0x01),
     2,
     {0x3f800002, 0xc0004000},
     NULL,
     {0}},
    {"and what is left",
     REST,
     {.mantissa_bits = 22},
     BYTES(1, 2, 1, 0),
     2,
     {0x3f800001, 0xc0004000},
     NULL,
     {0x3f800002, 0xc0004000}},
    {"exact ends",
     DRAFT,
     {.mantissa_bits = 7, .exact_bytes = 4, .exact_tail_bytes = 4},
     BYTES(8, 0x01, 0x00, 0x80, 0x3f, 0xff, 0xff, 0xff, 0x7f, 1, 2, 0x7f, 0x80, 2, 0x02, 0x41),
     4,
     {0x3f800001, 0x3f810000, 0xc0200000, 0x7fffffff},
     NULL,
     {0}},
    {"and what is left",
     REST,
     {.mantissa_bits = 7, .exact_bytes = 4, .exact_tail_bytes = 4},
     BYTES(1, 2, 0x80, 0x00, 1, 0x00),
     4,
     {0x3f800001, 0x3f808000, 0xc0200000, 0x7fffffff},
     NULL,
     {0x3f800001, 0x3f810000, 0xc0200000, 0x7fffffff}},
    {"an exact head as a frame",
     DRAFT,
     {.mantissa_bits = 7, .exact_bytes = 12},
     BYTES(9, 1, 1, 0x7f, 1, 0x00, 1, 0x00, 1, 0x01, 1, 1, 0x80, 1, 0x41),
     4,
     {0xbf800000, 0xbf800000, 0xbf800000, 0xc0200000},
     NULL,
     {0}},
    {"all exact",
     DRAFT,
     {.mantissa_bits = 7, .exact_tail_bytes = 4},
     BYTES(4, 0x01, 0x00, 0x80, 0x3f),
     1,
     {0x3f800001},
     NULL,
     {0}},
};

static void test_drafts(void)
{
    CHECK(drafts);
}

/* 100 bits in Huffman's codes: a frame without sizes (0), a window of 1 KiB (0), one compressed
 * block of 19 bytes; its literals are one stream of 100 in 15 bytes; one weight is told (0x80), it
 * is 1 (0x10); codes of a bit each, from the end on; no sequences (0). */
static void test_huffman_codes(void)
{
    enum { BITS = 100 };
    static const uint8_t encoded[] = {
        1,    24,   0x00, 0x00, 0x9d, 0x00, 0x00, 0x42, 0xc6, 0x03, 0x80, 0x10, 0x33,
        0x66, 0x33, 0x66, 0x33, 0x66, 0x33, 0x66, 0x33, 0x66, 0x33, 0x66, 0x13, 0x00,
    };
    const struct ll_frame frame = {encoded, sizeof(encoded)};
    const struct ll_frame_draft draft = {.mantissa_bits = 22};
    uint32_t rounded[BITS];
    const struct ll_frame drafted = {rounded, sizeof(rounded)};
    uint32_t out[BITS];
    struct ll_error err = {.text = ""};
    struct ll_frame_coder *coder = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_frame_coder_create(&coder), LL_OK);
    for (uint32_t i = 0; i < BITS; i++) {
        rounded[i] = 0x3f800000 + 2 * (i * i * i >> 3 & 1);
    }
    CU_ASSERT_EQUAL(ll_frame_decode_rest(coder, &frame, &draft, &drafted, out, &err), LL_OK);
    for (uint32_t i = 0; i < BITS; i++) {
        CU_ASSERT_EQUAL(out[i], 0x3f800000 + (i * i * i >> 3 & 1));
    }
    ll_frame_coder_destroy(coder);
}

static const struct known lies[] = {
    {"nothing", WHOLE, {0}, BYTES(1, 1), 0, {0}, "whole f32", {0}},
    {"no mode", WHOLE, {0}, BYTES(0, 1, 0, 1, 0, 1, 0, 1, 0), 2, {0}, "mode is 0", {0}},
    {"mode of the future", WHOLE, {0}, BYTES(5, 1, 0), 2, {0}, "mode is 5", {0}},
    {"no part", WHOLE, {0}, BYTES(1, 0, 1, 0, 1, 0, 1, 0), 2, {0}, "an empty part", {0}},
    {"a part beyond the end", WHOLE, {0}, BYTES(1, 2, 0), 2, {0}, "2 bytes, of which 1", {0}},
    {"a part beyond its plane",
     WHOLE,
     {0},
     BYTES(1, 3, 0, 0, 0),
     2,
     {0},
     "is 3, and must be at most 2",
     {0}},
    {"a long length",
     WHOLE,
     {0},
     BYTES(1, 0x82, 0x00, 0, 0),
     2,
     {0},
     "more bytes than it needs",
     {0}},
    {"an endless length",
     WHOLE,
     {0},
     BYTES(1, 0xff, 0xff, 0xff, 0xff, 0xff),
     2,
     {0},
     "more than three bytes",
     {0}},
    {"zstd of too little",
     WHOLE,
     {0},
     BYTES(1, 6, 0x00, 0x00, 0x3b, 0x00, 0x00, 0x7f, 1, 0, 1, 0, 1, 0),
     8,
     {0},
     "decode to 7 instead of 8",
     {0}},
    {"zstd of too much",
     WHOLE,
     {0},
     BYTES(1, 6, 0x00, 0x00, 0x4b, 0x00, 0x00, 0x7f, 1, 0, 1, 0, 1, 0),
     8,
     {0},
     "do not decode to 8",
     {0}},
    {"zstd with a dictionary",
     WHOLE,
     {0},
     BYTES(1, 7, 0x01, 0x00, 0x07, 0x43, 0x00, 0x00, 0x7f, 1, 0, 1, 0, 1, 0),
     8,
     {0},
     "do not decode to 8",
     {0}},
    {"no zstd",
     WHOLE,
     {0},
     BYTES(1, 2, 0xff, 0xff, 1, 0, 1, 0, 1, 0),
     8,
     {0},
     "do not decode to 8",
     {0}},
    {"bytes behind",
     WHOLE,
     {0},
     BYTES(1, 1, 0, 1, 0, 1, 0, 1, 0, 0),
     2,
     {0},
     "1 bytes too many",
     {0}},
    {"no such place",
     WHOLE,
     {0},
     BYTES(2, 1, 1, 0, 1, 0, 1, 0, 2, 0, 1, 3, 0, 2, 1),
     3,
     {0},
     "place 2 in a palette of 2",
     {0}},
    {"a long bitmap",
     WHOLE,
     {0},
     BYTES(4, 0, 0, 0, 0, 1, 0x08, 1, 0, 1, 0, 1, 0, 1, 0),
     3,
     {0},
     "goes on behind",
     {0}},
    {"a wide frequent word",
     DRAFT,
     {.mantissa_bits = 7},
     BYTES(4, 0, 1, 0, 0, 1, 0, 0, 0),
     2,
     {0},
     "more than 16 bits",
     {0}},
    {"a wide repeated word",
     DRAFT,
     {.mantissa_bits = 7},
     BYTES(3, 0x00, 0x00, 0x83, 0x00, 0x00, 0x7f),
     4,
     {0},
     "of 16 bits have more",
     {0}},
    {"a wide plane",
     DRAFT,
     {.mantissa_bits = 4},
     BYTES(1, 2, 0x7f, 0x80, 2, 0x00, 0x20),
     2,
     {0},
     "plane of 5 bits",
     {0}},
    {"a long exact head",
     DRAFT,
     {.mantissa_bits = 4, .exact_bytes = 4},
     BYTES(5, 0, 0, 0, 0, 0),
     2,
     {0},
     "is 5, and must be at most 4",
     {0}},
    {"half an exact head",
     DRAFT,
     {.mantissa_bits = 4, .exact_bytes = 4},
     BYTES(4, 0, 0),
     2,
     {0},
     "4 exact bytes, of which 2",
     {0}},
    {"bytes behind exact ones",
     DRAFT,
     {.mantissa_bits = 4, .exact_bytes = 4},
     BYTES(4, 0, 0, 0, 0, 0),
     1,
     {0},
     "1 bytes too many",
     {0}},
    {"a rest of nothing",
     REST,
     {.mantissa_bits = 7, .exact_bytes = 4},
     BYTES(1, 1, 0, 1, 0),
     1,
     {0},
     "has no rest",
     {0}},
};

static void test_lies_are_named(void)
{
    CHECK(lies);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_whole_frames),   LL_TEST(test_drafts), LL_TEST(test_huffman_codes),
    LL_TEST(test_lies_are_named), {NULL, NULL},
};
