#include "device/query/device_answer.h"

#include <string.h>

#include <CUnit/CUnit.h>

#include "net/ll_half.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "device_answer";

/* outputs(0, 2) are tensors 0 (read by layer 3) and 1; outputs(0, 4) is 3; no cut before 3. */
static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 6 8\n"
                          "layer 8 8\n"
                          "layer 10 8 joined\n"
                          "layer 12 8 reads 2 0\n";

static struct fake_model model;
static struct device_answer answer;
static uint32_t shape[2][3] = {{6}, {8}};
static Layerlift__V1__Tensor tensors[2];
static Layerlift__V1__Tensor *list[2] = {&tensors[0], &tensors[1]};
static Layerlift__V1__Answer message;
static struct ll_error err;

static void begin(void)
{
    fake_model_init(&model, cfg, 1);
    device_answer_init(&answer, &model.network->table, 0, 4, 0, LL_F32);
    shape[0][0] = 6;
    shape[1][0] = 8;
    for (int i = 0; i < 2; i++) {
        layerlift__v1__tensor__init(&tensors[i]);
        tensors[i].name = i;
        tensors[i].dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32;
        tensors[i].n_shape = 1;
        tensors[i].shape = shape[i];
    }
    layerlift__v1__answer__init(&message);
    message.reached = 2;
    message.prefix = 2;
    message.n_tensors = 2;
    message.tensors = list;
}

static void end(void)
{
    device_answer_finish(&answer);
    fake_model_finish(&model);
}

static ll_status chunk(int name, uint64_t offset, size_t bytes)
{
    static uint8_t data[256];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(offset + i);
    }
    Layerlift__V1__TensorChunk piece = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    piece.name = name;
    piece.offset = offset;
    piece.data.data = data;
    piece.data.len = bytes;
    return device_answer_chunk(&answer, &piece, &err);
}

static void test_answer_complete_gives_its_tensors(void)
{
    begin();
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(device_answer_bytes(&answer), 56);
    CU_ASSERT_EQUAL(chunk(1, 0, 20), LL_OK);
    CU_ASSERT_EQUAL(chunk(0, 0, 24), LL_OK);
    CU_ASSERT_FALSE(device_answer_is_complete(&answer));
    CU_ASSERT_EQUAL(chunk(1, 20, 12), LL_OK);
    CU_ASSERT_TRUE_FATAL(device_answer_is_complete(&answer));
    struct device_tensors set;
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&set, &model.network->table), LL_OK);
    CU_ASSERT_EQUAL(device_answer_take(&answer, NULL, &set, NULL), LL_OK);
    CU_ASSERT_PTR_NULL(device_tensors_get(&set, LL_TENSOR_INPUT));
    CU_ASSERT_PTR_NULL(device_tensors_get(&set, 2));
    const uint8_t *bytes = ll_buf_data(device_tensors_get(&set, 1));
    CU_ASSERT_EQUAL(ll_buf_bytes(device_tensors_get(&set, 0)), 24);
    CU_ASSERT_EQUAL(ll_buf_bytes(device_tensors_get(&set, 1)), 32);
    for (int i = 0; i < 32; i++) {
        CU_ASSERT_EQUAL(bytes[i], i);
    }
    device_tensors_finish(&set);
    end();
}

static void test_halves_that_were_asked_for_become_floats(void)
{
    begin();
    answer.dtype = LL_F16;
    tensors[0].dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(device_answer_bytes(&answer), 12 + 32);
    CU_ASSERT_TRUE(device_answer_is_rounded(&answer));
    CU_ASSERT_EQUAL(chunk(0, 0, 5), LL_OK);
    CU_ASSERT_EQUAL(chunk(0, 5, 8), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(0, 5, 7), LL_OK);
    CU_ASSERT_EQUAL(chunk(1, 0, 32), LL_OK);
    CU_ASSERT_TRUE_FATAL(device_answer_is_complete(&answer));
    struct device_tensors set;
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&set, &model.network->table), LL_OK);
    CU_ASSERT_EQUAL(device_answer_take(&answer, NULL, &set, NULL), LL_OK);
    const float *values = ll_buf_data(device_tensors_get(&set, 0));
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(values[i], ll_half_to_float((uint16_t)((2 * i + 1) << 8 | 2 * i)));
    }
    device_tensors_finish(&set);
    end();
}

/* Tensor 0 is coded in nine bytes: all of its values are the same. */
static void test_coded_tensors_that_were_asked_for_become_floats(void)
{
    static const uint8_t coded[] = {1, 1, 2, 1, 4, 1, 6, 1, 8};
    struct ll_planes *planes = NULL;
    struct device_tensors set;
    begin();
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    answer.may_be_coded = true;
    tensors[0].coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
    tensors[0].coded_bytes = sizeof(coded);
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(device_answer_bytes(&answer), sizeof(coded) + 32);
    CU_ASSERT_EQUAL(device_answer_plain_bytes(&answer), 24 + 32);
    CU_ASSERT_FALSE(device_answer_is_rounded(&answer));
    Layerlift__V1__TensorChunk piece = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    piece.data.data = (uint8_t *)coded;
    piece.data.len = sizeof(coded);
    CU_ASSERT_EQUAL(device_answer_chunk(&answer, &piece, &err), LL_OK);
    CU_ASSERT_EQUAL(chunk(1, 0, 32), LL_OK);
    CU_ASSERT_TRUE_FATAL(device_answer_is_complete(&answer));
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&set, &model.network->table), LL_OK);
    CU_ASSERT_EQUAL(device_answer_take(&answer, planes, &set, &err), LL_OK);
    const uint32_t *bits = ll_buf_data(device_tensors_get(&set, 0));
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(bits[i], UINT32_C(0x04030201));
    }
    device_tensors_finish(&set);
    ll_planes_destroy(planes);
    end();
}

/* The set stays as it is, also where the tensors before it were right. */
static void test_a_coded_tensor_of_wrong_bytes_is_refused(void)
{
    struct ll_planes *planes = NULL;
    struct device_tensors set;
    begin();
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    answer.may_be_coded = true;
    tensors[1].coding = LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES;
    tensors[1].coded_bytes = 31;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(chunk(0, 0, 24), LL_OK);
    CU_ASSERT_EQUAL(chunk(1, 0, 32), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(1, 0, 31), LL_OK);
    CU_ASSERT_TRUE_FATAL(device_answer_is_complete(&answer));
    CU_ASSERT_EQUAL_FATAL(device_tensors_init(&set, &model.network->table), LL_OK);
    CU_ASSERT_EQUAL(device_answer_take(&answer, planes, &set, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "tensor 1: coded bytes, by byte "));
    CU_ASSERT_PTR_NULL(device_tensors_get(&set, 0));
    device_tensors_finish(&set);
    ll_planes_destroy(planes);
    end();
}

static void test_answer_that_reached_nothing_is_complete(void)
{
    begin();
    message.reached = 0;
    message.n_tensors = 0;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_TRUE(device_answer_is_complete(&answer));
    CU_ASSERT_EQUAL(chunk(0, 0, 4), LL_E_INVALID);
    end();
}

/* The head is refused, and the answer stays incomplete. */
static void refuse_head(void)
{
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_E_INVALID);
    CU_ASSERT_FALSE(device_answer_is_complete(&answer));
    end();
}

static void test_types_that_were_not_asked_for_are_refused(void)
{
    begin();
    tensors[0].dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    refuse_head();
    begin();
    answer.dtype = LL_F16;
    tensors[0].dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8;
    refuse_head();
    /* The network's outputs are floats. */
    begin();
    answer.dtype = LL_F16;
    message.reached = 4;
    message.n_tensors = 1;
    tensors[0].name = 3;
    shape[0][0] = 12;
    tensors[0].dtype = LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16;
    refuse_head();
}

static void test_head_with_illegal_reached_is_refused(void)
{
    begin();
    message.reached = 3;
    refuse_head();
    begin();
    message.reached = 5;
    refuse_head();
    begin();
    message.reached = UINT32_MAX;
    refuse_head();
}

static void test_head_outside_the_query_is_refused(void)
{
    begin();
    device_answer_init(&answer, &model.network->table, 1, 2, 0, LL_F32);
    message.reached = 4;
    refuse_head();
    begin();
    device_answer_init(&answer, &model.network->table, 2, 4, 0, LL_F32);
    message.reached = 1;
    refuse_head();
}

static void test_head_short_of_what_was_asked_is_refused(void)
{
    begin();
    device_answer_init(&answer, &model.network->table, 0, 4, 4, LL_F32);
    refuse_head();
}

static void test_head_with_impossible_prefix_is_refused(void)
{
    begin();
    message.prefix = 5;
    refuse_head();
}

static void test_head_with_wrong_tensors_is_refused(void)
{
    begin();
    message.n_tensors = 1;
    refuse_head();
    begin();
    tensors[1].name = 0;
    refuse_head();
    begin();
    tensors[1].name = 2;
    refuse_head();
    begin();
    tensors[1].name = INT32_MIN;
    refuse_head();
    begin();
    tensors[0].dtype = (Layerlift__V1__DataType)7;
    refuse_head();
}

static void test_head_with_wrong_shape_is_refused(void)
{
    begin();
    shape[0][0] = 7;
    refuse_head();
    begin();
    tensors[0].n_shape = 0;
    refuse_head();
    begin();
    shape[1][0] = shape[1][1] = shape[1][2] = UINT32_MAX;
    tensors[1].n_shape = 3;
    refuse_head();
}

static void test_head_shape_of_three_numbers_is_taken(void)
{
    begin();
    shape[1][0] = 2;
    shape[1][1] = 1;
    shape[1][2] = 4;
    tensors[1].n_shape = 3;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_E_INVALID);
    end();
}

static ll_status head_of_draft(bool takes_draft, int precision, uint32_t exact_reached)
{
    begin();
    answer.takes_draft = takes_draft;
    message.precision = (Layerlift__V1__Precision)precision;
    message.exact_reached = exact_reached;
    return device_answer_head(&answer, &message, &err);
}

static void test_a_drafts_answer_is_taken_where_it_was_asked_for(void)
{
    CU_ASSERT_EQUAL(head_of_draft(true, LAYERLIFT__V1__PRECISION__PRECISION_DRAFT, 1), LL_OK);
    CU_ASSERT_TRUE(answer.is_draft);
    CU_ASSERT_EQUAL(answer.exact_reached, 1);
    end();
    CU_ASSERT_EQUAL(head_of_draft(true, LAYERLIFT__V1__PRECISION__PRECISION_EXACT, 0), LL_OK);
    CU_ASSERT_FALSE(answer.is_draft);
    CU_ASSERT_EQUAL(answer.exact_reached, answer.reached);
    end();
    CU_ASSERT_EQUAL(head_of_draft(false, LAYERLIFT__V1__PRECISION__PRECISION_DRAFT, 1),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a draft's answer was not asked for"));
    end();
    CU_ASSERT_EQUAL(head_of_draft(true, LAYERLIFT__V1__PRECISION__PRECISION_DRAFT, UINT32_MAX),
                    LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "from layer 0 exact up to 4294967295"));
    end();
    /* Nothing ran: nothing is a draft's. */
    begin();
    answer.first = message.reached = 1;
    answer.takes_draft = true;
    message.precision = LAYERLIFT__V1__PRECISION__PRECISION_DRAFT;
    message.n_tensors = 0;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "from layer 1 exact up to 0"));
    end();
    CU_ASSERT_EQUAL(head_of_draft(true, 7, 0), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "precision 7 is not known"));
    end();
}

static void test_chunks_out_of_order_are_refused(void)
{
    begin();
    CU_ASSERT_EQUAL(chunk(0, 0, 4), LL_E_INVALID);
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(chunk(0, 4, 4), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(0, 0, 8), LL_OK);
    CU_ASSERT_EQUAL(chunk(0, 0, 8), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(0, 8, 17), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(0, 8, 0), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(0, UINT64_MAX, 8), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(3, 0, 4), LL_E_INVALID);
    CU_ASSERT_EQUAL(chunk(-1, 0, 4), LL_E_INVALID);
    CU_ASSERT_FALSE(device_answer_is_complete(&answer));
    end();
}

static void test_times_beyond_the_range_are_clamped(void)
{
    begin();
    message.queued_ns = UINT64_MAX;
    message.computed_ns = UINT64_MAX;
    CU_ASSERT_EQUAL(device_answer_head(&answer, &message, &err), LL_OK);
    CU_ASSERT_EQUAL(answer.queued_ns, INT64_MAX);
    CU_ASSERT_EQUAL(answer.computed_ns, INT64_MAX);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_answer_complete_gives_its_tensors),
    LL_TEST(test_halves_that_were_asked_for_become_floats),
    LL_TEST(test_types_that_were_not_asked_for_are_refused),
    LL_TEST(test_coded_tensors_that_were_asked_for_become_floats),
    LL_TEST(test_a_coded_tensor_of_wrong_bytes_is_refused),
    LL_TEST(test_answer_that_reached_nothing_is_complete),
    LL_TEST(test_head_with_illegal_reached_is_refused),
    LL_TEST(test_head_outside_the_query_is_refused),
    LL_TEST(test_head_short_of_what_was_asked_is_refused),
    LL_TEST(test_head_with_impossible_prefix_is_refused),
    LL_TEST(test_head_with_wrong_tensors_is_refused),
    LL_TEST(test_head_with_wrong_shape_is_refused),
    LL_TEST(test_head_shape_of_three_numbers_is_taken),
    LL_TEST(test_a_drafts_answer_is_taken_where_it_was_asked_for),
    LL_TEST(test_chunks_out_of_order_are_refused),
    LL_TEST(test_times_beyond_the_range_are_clamped),
    {NULL, NULL},
};
