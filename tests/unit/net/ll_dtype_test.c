#include "net/ll_dtype.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_sync.h"
#include "net/ll_half.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "ll_dtype";

enum { ALL_BYTES = 256, ALL_HALVES = 65536 };

static uint32_t bits_of(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* What an encoded value becomes. */
static void expand(ll_dtype dtype, const void *encoded, int64_t count, float *out)
{
    size_t bytes = (size_t)count * (size_t)ll_dtype_bytes(dtype);
    char *buffer = malloc((size_t)count * sizeof(float) + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(buffer);
    memcpy(buffer + (size_t)count * sizeof(float) - bytes, encoded, bytes);
    ll_dtype_expand(dtype, buffer, count);
    memcpy(out, buffer, (size_t)count * sizeof(float));
    free(buffer);
}

static void test_widths(void)
{
    CU_ASSERT_EQUAL(ll_dtype_bytes(LL_F32), 4);
    CU_ASSERT_EQUAL(ll_dtype_bytes(LL_U8), 1);
    CU_ASSERT_EQUAL(ll_dtype_bytes(LL_F16), 2);
}

static void test_floats_stay(void)
{
    float values[] = {1.5F, NAN, -0.0F};
    float copy[3] = {0};
    CU_ASSERT_TRUE(ll_dtype_encode(LL_F32, values, 3, copy));
    ll_dtype_expand(LL_F32, copy, 3);
    CU_ASSERT_EQUAL(memcmp((void *)values, (void *)copy, sizeof(values)), 0);
}

static void test_every_byte_comes_back(void)
{
    float values[ALL_BYTES];
    float back[ALL_BYTES];
    uint8_t bytes[ALL_BYTES];
    for (int k = 0; k < ALL_BYTES; k++) {
        values[k] = (float)k / 255.0F;
    }
    CU_ASSERT_TRUE(ll_dtype_encode(LL_U8, values, ALL_BYTES, bytes));
    for (int k = 0; k < ALL_BYTES; k++) {
        CU_ASSERT_EQUAL(bytes[k], k);
    }
    expand(LL_U8, bytes, ALL_BYTES, back);
    CU_ASSERT_EQUAL(memcmp((void *)values, (void *)back, sizeof(values)), 0);
}

static void test_what_is_no_byte_is_refused_wherever_it_stands(void)
{
    enum { COUNT = 1000 };
    const float odd[] = {
        0.5F,   -0.0F, nextafterf(1.0F, 2), nextafterf(1.0F / 255.0F, 0), NAN, INFINITY, -1.0F,
        1e-30F, 2.0F};
    float values[COUNT] = {0};
    uint8_t bytes[COUNT];
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        for (int at = 0; at < COUNT; at += 111) {
            values[at] = odd[i];
            CU_ASSERT_FALSE(ll_dtype_encode(LL_U8, values, COUNT, bytes));
            values[at] = 0;
        }
    }
    CU_ASSERT_TRUE(ll_dtype_encode(LL_U8, values, COUNT, bytes));
    CU_ASSERT_TRUE(ll_dtype_encode(LL_U8, values, 0, bytes));
}

static void test_quantising_takes_the_nearest(void)
{
    float values[] = {-3,   -0.0F, 0.49F / 255, 0.51F / 255, 0.5F,      254.4F / 255,
                      1.0F, 7.0F,  NAN,         INFINITY,    -INFINITY, 1e-40F};
    const int nearest[] = {0, 0, 0, 1, 128, 254, 255, 255, 0, 255, 0, 0};
    enum { COUNT = sizeof(values) / sizeof(values[0]) };
    uint8_t bytes[COUNT];
    ll_u8_quantise(values, COUNT);
    CU_ASSERT_TRUE(ll_dtype_encode(LL_U8, values, COUNT, bytes));
    for (int i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(bytes[i], nearest[i]);
    }
}

static bool is_nan_half(uint16_t half)
{
    return (half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0;
}

static void check_every_half(void)
{
    uint16_t *halves = calloc(ALL_HALVES, sizeof(*halves));
    float *values = calloc(ALL_HALVES, sizeof(*values));
    uint16_t *back = calloc(ALL_HALVES, sizeof(*back));
    CU_ASSERT_FATAL(halves && values && back);
    for (int i = 0; i < ALL_HALVES; i++) {
        halves[i] = (uint16_t)i;
    }
    expand(LL_F16, halves, ALL_HALVES, values);
    CU_ASSERT_TRUE(ll_dtype_encode(LL_F16, values, ALL_HALVES, back));
    int wrong = 0;
    for (int i = 0; i < ALL_HALVES; i++) {
        int exponent = i >> 10 & 0x1f;
        double magnitude =
            exponent == 0 ? ldexp(i & 0x3ff, -24) : ldexp(1024 + (i & 0x3ff), exponent - 25);
        if (is_nan_half((uint16_t)i)) {
            wrong += isnan(values[i]) && back[i] == (i | 0x200) ? 0 : 1;
        } else if (exponent == 0x1f) {
            wrong += isinf(values[i]) && back[i] == i ? 0 : 1;
        } else {
            wrong += (double)fabsf(values[i]) == magnitude &&
                             (signbit(values[i]) != 0) == (i >> 15 != 0) && back[i] == i
                         ? 0
                         : 1;
        }
        /* The processor's instructions, if it has them, and plain C agree. */
        wrong += bits_of(values[i]) == bits_of(ll_half_to_float((uint16_t)i)) ? 0 : 1;
        wrong += back[i] == ll_half_from_float(values[i]) ? 0 : 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    free(halves);
    free(values);
    free(back);
}

static void test_every_half_comes_back(void)
{
    check_every_half();
}

static void test_denormals_are_not_flushed(void)
{
    ll_thread_flush_denormals();
    check_every_half();
}

/* Around the middle between two halves, and on it. */
static void test_values_between_halves_are_rounded_to_the_nearest_even(void)
{
    for (int i = 0; i < 0x7bff; i++) {
        float low = ll_half_to_float((uint16_t)i);
        float high = ll_half_to_float((uint16_t)(i + 1));
        float middle = (float)(((double)low + (double)high) / 2);
        float values[8] = {middle,
                           nextafterf(middle, 0),
                           nextafterf(middle, INFINITY),
                           -middle,
                           -nextafterf(middle, 0),
                           -nextafterf(middle, INFINITY),
                           low,
                           high};
        uint16_t even = (uint16_t)(i + (i & 1));
        uint16_t expected[8] = {even,
                                (uint16_t)i,
                                (uint16_t)(i + 1),
                                (uint16_t)(even | 0x8000),
                                (uint16_t)(i | 0x8000),
                                (uint16_t)((i + 1) | 0x8000),
                                (uint16_t)i,
                                (uint16_t)(i + 1)};
        uint16_t halves[8];
        bool is_encoded = ll_dtype_encode(LL_F16, values, 8, halves);
        bool is_right = is_encoded && memcmp(halves, expected, sizeof(halves)) == 0;
        for (int k = 0; k < 8; k++) {
            is_right = is_right && ll_half_from_float(values[k]) == expected[k];
        }
        if (!is_right) {
            CU_ASSERT_EQUAL(i, -1);
        }
    }
}

static void test_finite_values_never_become_infinite(void)
{
    const float large[] = {65520.0F, 65536.0F, 1e30F, 3.4e38F};
    uint16_t halves[32];
    float values[32] = {0};
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        for (int at = 0; at < 32; at++) {
            values[at] = at % 2 ? large[i] : -large[i];
            CU_ASSERT_FALSE(ll_dtype_encode(LL_F16, values, 32, halves));
            values[at] = 0;
        }
    }
    /* Rounded down to 65504; and what is infinite stays so. */
    values[3] = nextafterf(65520.0F, 0);
    values[9] = INFINITY;
    values[20] = NAN;
    CU_ASSERT_TRUE(ll_dtype_encode(LL_F16, values, 32, halves));
    CU_ASSERT_EQUAL(halves[3], 0x7bff);
    CU_ASSERT_EQUAL(halves[9], 0x7c00);
    CU_ASSERT_TRUE(is_nan_half(halves[20]));
}

static void test_nan_keeps_what_fits_of_its_payload(void)
{
    float values[8] = {float_of(0x7f800001), float_of(0xff812345), float_of(0x7fffffff)};
    uint16_t halves[8];
    CU_ASSERT_TRUE(ll_dtype_encode(LL_F16, values, 8, halves));
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(halves[i], ll_half_from_float(values[i]));
    }
    CU_ASSERT_EQUAL(halves[0], 0x7e00);
    CU_ASSERT_EQUAL(halves[2], 0x7fff);
}

/* In place, whatever the length; encodings may stand at odd addresses. */
static void test_lengths(void)
{
    for (int64_t count = 0; count < 1100; count += count < 20 ? 1 : 37) {
        float *values = calloc((size_t)count + 1, sizeof(*values));
        float *back = calloc((size_t)count + 1, sizeof(*back));
        char *encoded = calloc((size_t)count + 1, 2);
        CU_ASSERT_FATAL(values && back && encoded);
        for (int64_t i = 0; i < count; i++) {
            values[i] = (float)(i * 7 % 256) / 255.0F;
        }
        CU_ASSERT_TRUE(ll_dtype_encode(LL_U8, values, count, encoded));
        expand(LL_U8, encoded, count, back);
        CU_ASSERT_EQUAL(memcmp((void *)values, (void *)back, (size_t)count * sizeof(float)), 0);
        for (int64_t i = 0; i < count; i++) {
            values[i] = (float)i - 500;
        }
        CU_ASSERT_TRUE(ll_dtype_encode(LL_F16, values, count, encoded + 1));
        expand(LL_F16, encoded + 1, count, back);
        CU_ASSERT_EQUAL(memcmp((void *)values, (void *)back, (size_t)count * sizeof(float)), 0);
        free(values);
        free(back);
        free(encoded);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_widths),
    LL_TEST(test_floats_stay),
    LL_TEST(test_every_byte_comes_back),
    LL_TEST(test_what_is_no_byte_is_refused_wherever_it_stands),
    LL_TEST(test_quantising_takes_the_nearest),
    LL_TEST(test_every_half_comes_back),
    LL_TEST(test_denormals_are_not_flushed),
    LL_TEST(test_values_between_halves_are_rounded_to_the_nearest_even),
    LL_TEST(test_finite_values_never_become_infinite),
    LL_TEST(test_nan_keeps_what_fits_of_its_payload),
    LL_TEST(test_lengths),
    {NULL, NULL},
};
