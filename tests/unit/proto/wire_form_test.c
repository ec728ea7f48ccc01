#include "proto/wire/wire_form.h"

#include <math.h>
#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "wire_form";

enum { CHANNELS = 8, COUNT = 8 * 900 };

static struct ll_planes *planes;
static struct ll_buf *tensor;

static void begin(float scale)
{
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(COUNT * sizeof(float), &tensor), LL_OK);
    float *values = ll_buf_writable(tensor);
    for (int i = 0; i < COUNT; i++) {
        float value = sinf((float)i * 0.37F) * scale;
        values[i] = value > 0 ? value : 0;
    }
}

static void end(void)
{
    ll_buf_unref(tensor);
    ll_planes_destroy(planes);
}

/* Puts what was written at the end of a buffer as it comes in, and makes floats of it. */
static struct ll_buf *receive(const struct wire_form *form, const struct ll_buf *written)
{
    struct ll_buf *buf = NULL;
    struct ll_error err = {.text = ""};
    size_t room = (size_t)wire_form_room(form, COUNT);
    CU_ASSERT_EQUAL_FATAL((int64_t)ll_buf_bytes(written), form->bytes);
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(room, &buf), LL_OK);
    memcpy((char *)ll_buf_writable(buf) + room - form->bytes, ll_buf_data(written),
           (size_t)form->bytes);
    CU_ASSERT_EQUAL(wire_form_expand(form, COUNT, planes, &buf, &err), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_bytes(buf), COUNT * sizeof(float));
    return buf;
}

static bool equal(const struct ll_buf *a, const struct ll_buf *b)
{
    return memcmp(ll_buf_data(a), ll_buf_data(b), COUNT * sizeof(float)) == 0;
}

/* In every data type, coded or not: coding changes bytes, never values. */
static void test_coding_changes_no_value(void)
{
    static const ll_dtype dtypes[] = {LL_F32, LL_F16, LL_U8_CHANNEL};
    begin(3);
    for (int i = 0; i < 3; i++) {
        struct wire_form plain;
        struct wire_form coded;
        struct ll_buf *plain_buf = NULL;
        struct ll_buf *coded_buf = NULL;
        CU_ASSERT_EQUAL_FATAL(
            wire_form_encode(tensor, CHANNELS, dtypes[i], NULL, &plain_buf, &plain), LL_OK);
        CU_ASSERT_EQUAL_FATAL(
            wire_form_encode(tensor, CHANNELS, dtypes[i], planes, &coded_buf, &coded), LL_OK);
        CU_ASSERT_EQUAL(plain.dtype, dtypes[i]);
        CU_ASSERT_EQUAL(plain.coding, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
        CU_ASSERT_EQUAL(plain.bytes, wire_plain_bytes(dtypes[i], CHANNELS, COUNT));
        CU_ASSERT_EQUAL(coded.dtype, dtypes[i]);
        CU_ASSERT_EQUAL(coded.coding, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
        CU_ASSERT_TRUE(coded.bytes < plain.bytes);
        struct ll_buf *from_plain = receive(&plain, plain_buf);
        struct ll_buf *from_coded = receive(&coded, coded_buf);
        CU_ASSERT_TRUE(equal(from_plain, from_coded));
        CU_ASSERT_EQUAL(equal(from_plain, tensor), dtypes[i] == LL_F32);
        ll_buf_unref(plain_buf);
        ll_buf_unref(coded_buf);
        ll_buf_unref(from_plain);
        ll_buf_unref(from_coded);
    }
    end();
}

static void test_what_a_type_does_not_hold_goes_as_floats(void)
{
    begin(1e30F);
    struct wire_form form;
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL(wire_form_encode(tensor, CHANNELS, LL_F16, NULL, &buf, &form), LL_OK);
    CU_ASSERT_EQUAL(form.dtype, LL_F32);
    CU_ASSERT_PTR_EQUAL(buf, tensor);
    ll_buf_unref(buf);
    ((float *)ll_buf_writable(tensor))[5] = INFINITY;
    CU_ASSERT_EQUAL(wire_form_encode(tensor, CHANNELS, LL_U8_CHANNEL, NULL, &buf, &form), LL_OK);
    CU_ASSERT_EQUAL(form.dtype, LL_F32);
    ll_buf_unref(buf);
    /* As many channels as values: 9 bytes each instead of 4. */
    CU_ASSERT_EQUAL(wire_form_encode(tensor, COUNT, LL_U8_CHANNEL, NULL, &buf, &form), LL_OK);
    CU_ASSERT_EQUAL(form.dtype, LL_F32);
    CU_ASSERT_EQUAL(form.bytes, (int64_t)4 * COUNT);
    ll_buf_unref(buf);
    end();
}

static void test_noise_is_not_coded(void)
{
    begin(1);
    uint32_t state = 1;
    uint8_t *bytes = ll_buf_writable(tensor);
    for (size_t i = 0; i < COUNT * sizeof(float); i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    struct wire_form form;
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL(wire_form_encode(tensor, CHANNELS, LL_F32, planes, &buf, &form), LL_OK);
    CU_ASSERT_EQUAL(form.coding, LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN);
    CU_ASSERT_PTR_EQUAL(buf, tensor);
    ll_buf_unref(buf);
    end();
}

static void test_bytes_that_are_no_tensor_are_refused(void)
{
    begin(1);
    struct ll_error err = {.text = ""};
    struct ll_buf *buf = NULL;
    struct wire_form form = wire_form_plain(LL_F32, CHANNELS, COUNT);
    form.coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
    form.bytes = 5;
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy("\7abcd", 5, &buf), LL_OK);
    struct ll_buf *before = buf;
    CU_ASSERT_EQUAL(wire_form_expand(&form, COUNT, planes, &buf, &err), LL_E_INVALID);
    CU_ASSERT_PTR_EQUAL(buf, before);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a piece in mode 7"));
    ll_buf_unref(buf);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_coding_changes_no_value),
    LL_TEST(test_what_a_type_does_not_hold_goes_as_floats),
    LL_TEST(test_noise_is_not_coded),
    LL_TEST(test_bytes_that_are_no_tensor_are_refused),
    {NULL, NULL},
};
