#include "proto/wire/wire_tensor.h"

#include <string.h>

#include "core/ll_limits.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

static void test_heads_that_are_written_are_believed(void)
{
    struct fake_model model;
    struct wire_tensors tensors;
    struct ll_error err = {.text = ""};
    int name_list[] = {LL_TENSOR_INPUT, 0};
    const struct ll_names names = {2, name_list};
    const struct wire_form forms[] = {{.dtype = LL_U8}, {.dtype = LL_F16}};
    fake_model_init(&model, "fake\ninput 4\nlayer 8 64\nlayer 4 0\n", 3);
    for (int typed = 0; typed < 2; typed++) {
        CU_ASSERT_EQUAL_FATAL(
            wire_tensors_init(&tensors, &model.network->table, &names, typed ? forms : NULL),
            LL_OK);
        CU_ASSERT_EQUAL_FATAL(tensors.count, 2);
        for (int i = 0; i < 2; i++) {
            struct wire_form form = {0};
            int64_t floats = ll_table_tensor_floats(&model.network->table, name_list[i]);
            CU_ASSERT_EQUAL(tensors.list[i]->name, name_list[i]);
            CU_ASSERT_EQUAL(wire_tensor_check(tensors.list[i], floats, &form, &err), LL_OK);
            CU_ASSERT_EQUAL(form.dtype, typed ? forms[i].dtype : LL_F32);
        }
        wire_tensors_finish(&tensors);
    }
    fake_model_finish(&model);
}

static void test_a_shape_is_one_number_or_three_that_make_the_size(void)
{
    static const struct {
        size_t count;
        uint32_t shape[4];
        bool is_right;
    } cases[] = {
        {1, {24}, true},  {3, {2, 3, 4}, true},  {3, {24, 1, 1}, true},
        {0, {0}, false},  {2, {6, 4}, false},    {4, {2, 3, 4, 1}, false},
        {1, {23}, false}, {3, {0, 0, 0}, false}, {3, {UINT32_MAX, UINT32_MAX, UINT32_MAX}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Layerlift__V1__Tensor head = LAYERLIFT__V1__TENSOR__INIT;
        struct ll_error err = {.text = ""};
        struct wire_form form = {0};
        head.name = 7;
        head.n_shape = cases[i].count;
        head.shape = (uint32_t *)cases[i].shape;
        ll_status status = wire_tensor_check(&head, 24, &form, &err);
        CU_ASSERT_EQUAL(status, cases[i].is_right ? LL_OK : LL_E_INVALID);
        CU_ASSERT_EQUAL(strncmp(err.text, "tensor 7: ", 10) == 0, !cases[i].is_right);
    }
}

static void test_a_data_type_that_does_not_exist_is_refused(void)
{
    uint32_t shape = 1;
    Layerlift__V1__Tensor head = LAYERLIFT__V1__TENSOR__INIT;
    struct ll_error err = {.text = ""};
    struct wire_form form = {0};
    head.n_shape = 1;
    head.shape = &shape;
    head.dtype = (Layerlift__V1__DataType)9;
    CU_ASSERT_EQUAL(wire_tensor_check(&head, 1, &form, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "tensor 0: dtype 9 is not known here");
}

static void test_coded_bytes_are_fewer(void)
{
    enum { F32 = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32 };
    enum { F16 = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16 };
    enum { U8_CHANNEL = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL };
    enum { PLAIN = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLAIN };
    enum { PLANES = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES };
    /* Of 24 floats in 2 channels. */
    static const struct {
        int dtype;
        int coding;
        uint64_t coded_bytes;
        int64_t bytes;
        const char *reason;
    } cases[] = {
        {F32, PLAIN, 0, 96, ""},
        /* Does not count where nothing is coded. */
        {F32, PLAIN, 7, 96, ""},
        {F32, PLANES, 1, 1, ""},
        {F32, PLANES, 95, 95, ""},
        {F32, PLANES, 96, 0, "tensor 7: 96 coded bytes, of 96 that it has plain"},
        {F32, PLANES, 0, 0, "tensor 7: 0 coded bytes, of 96 that it has plain"},
        {F32, PLANES, UINT64_MAX, 0, "tensor 7: 18446744073709551615 coded bytes, of 96"},
        {F16, PLANES, 47, 47, ""},
        {F16, PLANES, 48, 0, "of 48 that it has plain"},
        {U8_CHANNEL, PLAIN, 0, 40, ""},
        {U8_CHANNEL, PLANES, 39, 39, ""},
        {U8_CHANNEL, PLANES, 40, 0, "of 40 that it has plain"},
        {F32, 9, 5, 0, "tensor 7: coding 9 is not known here"},
    };
    uint32_t shape[] = {2, 3, 4};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Layerlift__V1__Tensor head = LAYERLIFT__V1__TENSOR__INIT;
        struct ll_error err = {.text = ""};
        struct wire_form form = {0};
        bool is_right = cases[i].reason[0] == '\0';
        head.name = 7;
        head.n_shape = 3;
        head.shape = shape;
        head.dtype = (Layerlift__V1__DataType)cases[i].dtype;
        head.coding = (Layerlift__V1__TensorCoding)cases[i].coding;
        head.coded_bytes = cases[i].coded_bytes;
        CU_ASSERT_EQUAL(wire_tensor_check(&head, 24, &form, &err), is_right ? LL_OK : LL_E_INVALID);
        CU_ASSERT_EQUAL(form.bytes, cases[i].bytes);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].reason));
    }
    /* As many channels as values: more bytes than floats have. */
    Layerlift__V1__Tensor head = LAYERLIFT__V1__TENSOR__INIT;
    struct ll_error err = {.text = ""};
    struct wire_form form = {0};
    uint32_t flat[] = {24, 1, 1};
    head.n_shape = 3;
    head.shape = flat;
    head.dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL;
    CU_ASSERT_EQUAL(wire_tensor_check(&head, 24, &form, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "takes 216 bytes for 24 channels"));
}

static Layerlift__V1__TensorChunk chunk_of(uint64_t offset, const void *data, size_t bytes)
{
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.offset = offset;
    chunk.data.data = (uint8_t *)data;
    chunk.data.len = bytes;
    return chunk;
}

static void test_pieces_come_in_order_and_no_further_than_the_tensor(void)
{
    static const struct {
        uint64_t offset;
        size_t bytes;
        bool is_right;
    } cases[] = {
        {4, 1, true},  {4, 6, true},  {4, 7, false},          {4, 0, false},
        {3, 1, false}, {5, 1, false}, {UINT64_MAX, 1, false},
    };
    struct ll_error err = {.text = ""};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Layerlift__V1__TensorChunk chunk = chunk_of(cases[i].offset, NULL, cases[i].bytes);
        CU_ASSERT_EQUAL(wire_tensor_check_chunk(&chunk, 4, 10, &err),
                        cases[i].is_right ? LL_OK : LL_E_INVALID);
    }
    Layerlift__V1__TensorChunk largest = chunk_of(0, NULL, LL_LIMIT_CHUNK_BYTES);
    CU_ASSERT_EQUAL(wire_tensor_check_chunk(&largest, 0, INT64_MAX, &err), LL_OK);
    largest.data.len++;
    CU_ASSERT_EQUAL(wire_tensor_check_chunk(&largest, 0, INT64_MAX, &err), LL_E_INVALID);
}

static void test_a_tensor_lies_at_its_buffers_end(void)
{
    struct ll_buf *buf = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(8, &buf), LL_OK);
    memcpy(ll_buf_writable(buf), "........", 8);
    Layerlift__V1__TensorChunk first = chunk_of(0, "ab", 2);
    Layerlift__V1__TensorChunk second = chunk_of(2, "cd", 2);
    wire_tensor_place_chunk(&first, 4, buf);
    wire_tensor_place_chunk(&second, 4, buf);
    CU_ASSERT_EQUAL(memcmp(ll_buf_data(buf), "....abcd", 8), 0);
    ll_buf_unref(buf);
}

const char *const ll_test_suite = "wire_tensor";
const struct ll_test ll_tests[] = {
    LL_TEST(test_heads_that_are_written_are_believed),
    LL_TEST(test_a_shape_is_one_number_or_three_that_make_the_size),
    LL_TEST(test_a_data_type_that_does_not_exist_is_refused),
    LL_TEST(test_coded_bytes_are_fewer),
    LL_TEST(test_pieces_come_in_order_and_no_further_than_the_tensor),
    LL_TEST(test_a_tensor_lies_at_its_buffers_end),
    {NULL, NULL},
};
