#include "coding/ll_planes.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ll_fail_alloc.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_planes";

enum {
    PIECE_BYTES = 4 * LL_PLANES_PIECE_VALUES,
    MOST_BYTES = 2 * PIECE_BYTES + 4096,
};

static struct ll_planes *planes;
static uint8_t data[MOST_BYTES];
static uint8_t coded[MOST_BYTES + 16];
static uint8_t back[MOST_BYTES + 1];

static uint32_t state;

static uint32_t next_random(void)
{
    state = state * UINT32_C(1664525) + UINT32_C(1013904223);
    return state >> 8 ^ state << 16;
}

static void begin(void)
{
    state = 1;
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
}

static void end(void)
{
    ll_planes_destroy(planes);
    planes = NULL;
}

static size_t encode(size_t bytes, int width, size_t room)
{
    const struct ll_planes_values values = {.data = data, .bytes = bytes, .width = width};
    return ll_planes_encode(planes, &values, coded, room);
}

static ll_status decode(const void *bytes, size_t count, int width, void *out, size_t out_bytes,
                        struct ll_error *err)
{
    const struct ll_planes_coded sent = {.data = bytes, .bytes = count, .width = width};
    return ll_planes_decode(planes, &sent, out, out_bytes, err);
}

/* Encodes the first bytes of `data`, decodes them, and returns how long they were in between. */
static size_t round_trip(size_t bytes, int width)
{
    struct ll_error err = {.text = ""};
    size_t used = encode(bytes, width, sizeof(coded));
    CU_ASSERT_FATAL(used > 0);
    memset(back, 0xa5, bytes + 1);
    CU_ASSERT_EQUAL_FATAL(decode(coded, used, width, back, bytes, &err), LL_OK);
    CU_ASSERT_EQUAL(memcmp(back, data, bytes), 0);
    CU_ASSERT_EQUAL(back[bytes], 0xa5);
    return used;
}

static void put_float(size_t index, float value)
{
    memcpy(data + index * sizeof(value), &value, sizeof(value));
}

/* About a normal distribution. */
static float noise(void)
{
    int32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += (int32_t)(next_random() % 65536) - 32768;
    }
    return (float)sum / 65536.0F;
}

static void test_every_bit_pattern_comes_back(void)
{
    begin();
    static const uint32_t odd[] = {0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x7f800000,
                                   0xff800000, 0x7f800001, 0xffffffff, 0x7fc00000, 0x3f800000};
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)next_random();
    }
    for (size_t i = 0; i < sizeof(data) / 4; i += 3) {
        memcpy(data + 4 * i, &odd[i / 3 % (sizeof(odd) / sizeof(odd[0]))], 4);
    }
    for (int width = 1; width <= 4; width *= 2) {
        round_trip(sizeof(data), width);
    }
    end();
}

static void test_every_length_comes_back(void)
{
    begin();
    for (size_t i = 0; i < sizeof(data) / 4; i++) {
        put_float(i, i % 3 == 0 ? 0 : noise());
    }
    static const size_t lengths[] = {PIECE_BYTES - 4, PIECE_BYTES, PIECE_BYTES + 4, sizeof(data)};
    for (int width = 1; width <= 4; width *= 2) {
        for (size_t bytes = (size_t)width; bytes < 400; bytes += (size_t)width) {
            round_trip(bytes, width);
        }
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            round_trip(lengths[i], width);
        }
    }
    end();
}

/* As trained networks do:
 * behind a relu to less than 0.6, linear tensors to less than 0.85. */
static void test_tensors_shrink(void)
{
    begin();
    size_t bytes = PIECE_BYTES;
    for (size_t i = 0; i < bytes / 4; i++) {
        put_float(i, noise());
    }
    CU_ASSERT_TRUE(round_trip(bytes, 4) * 100 < bytes * 85);
    for (size_t i = 0; i < bytes / 4; i++) {
        float value = noise();
        put_float(i, value > 0 ? value : 0);
    }
    CU_ASSERT_TRUE(round_trip(bytes, 4) * 100 < bytes * 50);
    for (size_t i = 0; i < bytes / 4; i++) {
        float value = noise();
        put_float(i, value > 0 ? value : -1);
    }
    CU_ASSERT_TRUE(round_trip(bytes, 4) * 100 < bytes * 50);
    /* Rows that repeat are zstd's. */
    for (size_t i = 0; i < bytes; i++) {
        data[i] = i < 1024 ? (uint8_t)next_random() : data[i - 1024];
    }
    CU_ASSERT_TRUE(round_trip(bytes, 4) * 100 < bytes * 20);
    memset(data, 7, bytes);
    CU_ASSERT_TRUE(round_trip(bytes, 4) < 32);
    CU_ASSERT_TRUE(round_trip(bytes, 1) < 32);
    end();
}

static void test_noise_takes_a_byte_a_piece(void)
{
    begin();
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)next_random();
    }
    for (int width = 1; width <= 4; width *= 2) {
        size_t values = sizeof(data) / (size_t)width;
        size_t pieces = (values + LL_PLANES_PIECE_VALUES - 1) / LL_PLANES_PIECE_VALUES;
        CU_ASSERT_EQUAL(round_trip(sizeof(data), width), sizeof(data) + pieces);
        CU_ASSERT_EQUAL(encode(sizeof(data), width, sizeof(data) - 1), 0);
    }
    end();
}

static void test_room_is_not_left(void)
{
    begin();
    for (size_t i = 0; i < 4096; i++) {
        put_float(i, i % 2 == 0 ? 0 : noise());
    }
    size_t whole = encode(16384, 4, sizeof(coded));
    for (size_t room = 0; room <= whole; room++) {
        memset(coded, 0xa5, sizeof(coded));
        size_t used = encode(16384, 4, room);
        CU_ASSERT_TRUE(used == 0 || used <= room);
        CU_ASSERT_EQUAL(coded[room], 0xa5);
    }
    CU_ASSERT_EQUAL(encode(16384, 4, whole), whole);
    end();
}

/* The format: what these bytes mean must never be another. docs/protocol.md, "Coded tensors". */
static void test_known_bytes_are_known_values(void)
{
    static const uint8_t known[] = {
        /* Mode: a bitmap; the value is 1.0. */
        2, 0x00, 0x00, 0x80, 0x3f,
        /* The bitmap as it is: values 0, 1, 3 and 8. */
        2, 0x0b, 0x01,
        /* The other five: the lowest plane all the same, three as they are. */
        1, 0x01, 5, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 5, 0x7f, 0x80, 0x81, 0x82, 0xff};
    static const uint32_t values[] = {0x3f800000, 0x3f800000, 0xbf830080, 0x3f800000, 0xc0038100,
                                      0xc0840180, 0xc1048200, 0xff850280, 0x3f800000};
    struct ll_error err = {.text = ""};
    uint32_t out[9] = {0};
    begin();
    CU_ASSERT_EQUAL(decode(known, sizeof(known), 4, out, sizeof(out), &err), LL_OK);
    CU_ASSERT_EQUAL(memcmp(out, values, sizeof(values)), 0);
    /* A zstd frame without its magic number, of one block: a byte 20 times. */
    static const uint8_t bytes[] = {1, 6, 0x00, 0x00, 0xa3, 0x00, 0x00, 0x7f};
    static const uint8_t same[] = {1, 1, 0x7f};
    uint8_t twenty[20] = {0};
    CU_ASSERT_EQUAL(decode(bytes, sizeof(bytes), 1, twenty, 20, &err), LL_OK);
    CU_ASSERT_TRUE(twenty[0] == 0x7f && memcmp(twenty, twenty + 1, 19) == 0);
    CU_ASSERT_EQUAL(decode(same, sizeof(same), 1, twenty, 20, &err), LL_OK);
    static const uint8_t halves[] = {1, 1, 0x03, 1, 0x04, 0, 5, 6};
    /* A piece in mode 1 of one value; then more bytes than the tensor has. */
    uint16_t half = 0;
    CU_ASSERT_EQUAL(decode(halves, 5, 2, &half, sizeof(half), &err), LL_OK);
    CU_ASSERT_EQUAL(half, 0x8201);
    CU_ASSERT_EQUAL(decode(halves, sizeof(halves), 2, &half, sizeof(half), &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "coded bytes, by byte 5: more of them than the tensor has");
    end();
}

static void expect_refusal(const void *bytes, size_t count, const char *reason)
{
    struct ll_error err = {.text = ""};
    uint32_t out[9];
    CU_ASSERT_EQUAL(decode(bytes, count, 4, out, sizeof(out), &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, reason));
}

static void test_wrong_bytes_are_refused_by_a_reason(void)
{
    begin();
    expect_refusal("", 0, "coded bytes, by byte 0: they end before a piece");
    expect_refusal("\3", 1, "coded bytes, by byte 1: a piece in mode 3, which there is not");
    expect_refusal("\0abc", 4, "a piece of 36 bytes, of which 3 are there");
    expect_refusal("\1", 1, "within a part's length");
    expect_refusal("\1\12", 2, "a part's length is 10, and must be at most 9");
    expect_refusal("\1\0", 2, "an empty part instead of 9 bytes");
    expect_refusal("\1\11abc", 5, "a part of 9 bytes, of which 3 are there");
    expect_refusal("\1\1", 2, "a part of 1 bytes, of which 0 are there");
    expect_refusal("\1\3abc", 5, "3 bytes do not decode to 9");
    expect_refusal("\2abc", 4, "they end in a frequent value");
    expect_refusal("\2abcd\2\0\2", 8, "a bitmap has bits behind the last value");
    /* A frame of three bytes where there must be nine. */
    expect_refusal("\1\10\0\130\31\0\0abc", 10, "instead of 9");
    end();
}

/* Whatever happens to the bytes on the way, the decoder stays within what it was given. */
static void test_damaged_bytes_do_no_damage(void)
{
    begin();
    for (size_t i = 0; i < 4096; i++) {
        put_float(i, i % 2 == 0 ? 0 : noise());
    }
    size_t used = encode(16384, 4, sizeof(coded));
    for (int i = 0; i < 3000; i++) {
        struct ll_error err = {.text = ""};
        size_t at = next_random() % used;
        uint8_t before = coded[at];
        size_t length = i % 3 == 0 ? next_random() % used : used;
        coded[at] ^= (uint8_t)(1 + next_random() % 255);
        back[16384] = 0xa5;
        ll_status status = decode(coded, length, 4, back, 16384, &err);
        CU_ASSERT_TRUE(status == LL_OK || (status == LL_E_INVALID && err.text[0] != '\0'));
        CU_ASSERT_EQUAL(back[16384], 0xa5);
        coded[at] = before;
    }
    end();
}

static void test_memory_that_is_not_there_is_said(void)
{
    int count = 0;
    ll_status status = LL_E_NO_MEMORY;
    for (; status != LL_OK && count < 100; count++) {
        ll_fail_alloc_after(count);
        status = ll_planes_create(&planes);
        bool has_failed = ll_fail_alloc_finish();
        CU_ASSERT_EQUAL(status, has_failed ? LL_E_NO_MEMORY : LL_OK);
    }
    CU_ASSERT_TRUE(count > 1);
    end();
    ll_planes_destroy(NULL);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_every_bit_pattern_comes_back),
    LL_TEST(test_every_length_comes_back),
    LL_TEST(test_tensors_shrink),
    LL_TEST(test_noise_takes_a_byte_a_piece),
    LL_TEST(test_room_is_not_left),
    LL_TEST(test_known_bytes_are_known_values),
    LL_TEST(test_wrong_bytes_are_refused_by_a_reason),
    LL_TEST(test_damaged_bytes_do_no_damage),
    LL_TEST(test_memory_that_is_not_there_is_said),
    {NULL, NULL},
};
