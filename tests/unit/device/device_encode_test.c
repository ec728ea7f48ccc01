#include "device/query/device_encode.h"

#include <string.h>

#include <CUnit/CUnit.h>

#include "net/ll_half.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_encode";

enum { COUNT = 300 };

static struct ll_buf *floats(float scale)
{
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(COUNT * sizeof(float), &buf), LL_OK);
    float *values = ll_buf_writable(buf);
    for (int i = 0; i < COUNT; i++) {
        values[i] = (float)(i % 256) / 255.0F * scale;
    }
    return buf;
}

static void test_a_tensor_becomes_what_is_asked_for(void)
{
    struct ll_buf *input = floats(1);
    struct ll_buf *buf = NULL;
    ll_dtype dtype = LL_F32;
    CU_ASSERT_EQUAL(device_encode(input, LL_U8, &buf, &dtype), LL_OK);
    CU_ASSERT_EQUAL(dtype, LL_U8);
    CU_ASSERT_EQUAL(ll_buf_bytes(buf), COUNT);
    CU_ASSERT_EQUAL(((const uint8_t *)ll_buf_data(buf))[255], 255);
    ll_buf_unref(buf);
    CU_ASSERT_EQUAL(device_encode(input, LL_F16, &buf, &dtype), LL_OK);
    CU_ASSERT_EQUAL(dtype, LL_F16);
    CU_ASSERT_EQUAL(ll_buf_bytes(buf), (size_t)2 * COUNT);
    CU_ASSERT_EQUAL(((const uint16_t *)ll_buf_data(buf))[255], ll_half_from_float(1));
    ll_buf_unref(buf);
    CU_ASSERT_EQUAL(device_encode(input, LL_F32, &buf, &dtype), LL_OK);
    CU_ASSERT_EQUAL(dtype, LL_F32);
    CU_ASSERT_PTR_EQUAL(buf, input);
    ll_buf_unref(buf);
    ll_buf_unref(input);
}

static void test_what_does_not_fit_goes_as_it_is(void)
{
    struct ll_buf *input = floats(1e6F);
    struct ll_buf *buf = NULL;
    ll_dtype dtype = LL_F16;
    CU_ASSERT_EQUAL(device_encode(input, LL_F16, &buf, &dtype), LL_OK);
    CU_ASSERT_EQUAL(dtype, LL_F32);
    CU_ASSERT_PTR_EQUAL(buf, input);
    ll_buf_unref(buf);
    ll_buf_unref(input);
}

static void test_bytes_are_made_once_for_each_input(void)
{
    struct device_input_bytes cache = {0};
    struct ll_buf *input = floats(1);
    struct ll_buf *other = floats(0.7F);
    struct ll_buf *bytes = device_input_bytes(&cache, input);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    CU_ASSERT_EQUAL(ll_buf_bytes(bytes), COUNT);
    CU_ASSERT_PTR_EQUAL(device_input_bytes(&cache, input), bytes);
    CU_ASSERT_PTR_NULL(device_input_bytes(&cache, other));
    CU_ASSERT_PTR_NULL(device_input_bytes(&cache, other));
    CU_ASSERT_PTR_NOT_NULL(device_input_bytes(&cache, input));
    device_input_bytes_finish(&cache);
    device_input_bytes_finish(&cache);
    ll_buf_unref(input);
    ll_buf_unref(other);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_a_tensor_becomes_what_is_asked_for),
    LL_TEST(test_what_does_not_fit_goes_as_it_is),
    LL_TEST(test_bytes_are_made_once_for_each_input),
    {NULL, NULL},
};
