/* Queries whose tensors are written as bytes and half floats, through a real server and connection:
 * the same as if the values had come as floats, and refused where they break a rule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/ll_dtype.h"
#include "net/ll_half.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "edge_query_values";

/* Layer 1 is an output, layer 3 reads the input too. */
static const char cfg[] = "fake\n"
                          "input 1000\n"
                          "layer 700 1000\n"
                          "layer 16 500 output\n"
                          "layer 300 200 reads 0 1\n"
                          "layer 5 300 reads 2 -1\n";
enum { LAYERS = 4, INPUTS = 1000, HIDDEN = 700 };

#define F32 LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32
#define U8 LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8
#define F16 LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F16
#define U8_CHANNEL LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_U8_CHANNEL
#define PLANES LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES
/* One that does not exist. */
#define ODD ((Layerlift__V1__DataType)9)

static struct edge_fixture fixture;
static struct fake_model model;
static struct edge_call *call;
static uint64_t last_id;

static void begin(void)
{
    memset(&fixture, 0, sizeof(fixture));
    edge_fixture_init(&fixture);
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL_FATAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    call = edge_call_open(fixture.client, "Offload");
}

static void end(void)
{
    edge_call_close(call);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

/* Values that bytes and halves hold, and what they are as those. */
struct values {
    float floats[INPUTS];
    uint8_t bytes[INPUTS];
    uint16_t halves[INPUTS];
};

static void fill(struct values *values, bool is_u8)
{
    for (int i = 0; i < INPUTS; i++) {
        values->bytes[i] = (uint8_t)(i * 13 % 256);
        values->halves[i] = (uint16_t)(i * 61 % 0x7c00);
        values->floats[i] =
            is_u8 ? (float)values->bytes[i] / 255.0F : ll_half_to_float(values->halves[i]);
    }
}

/* In chunks of an odd size. */
static void send(int name, const void *data, size_t bytes)
{
    enum { PART = 333 };
    for (size_t at = 0; at < bytes; at += PART) {
        size_t part = bytes - at < PART ? bytes - at : PART;
        edge_call_send_tensor_chunk(call, last_id, name, at, (const char *)data + at, part);
    }
}

/* Asks for [0, end) with the input written in one way, and takes the answer. */
static void ask(Layerlift__V1__DataType dtype, Layerlift__V1__DataType answer_dtype, int range_end,
                const struct values *values, struct edge_answer *out_answer)
{
    const struct edge_ask query = {
        .id = ++last_id, .end = range_end, .dtype = dtype, .answer_dtype = answer_dtype};
    edge_call_send_query(call, &model, &query);
    if (dtype == U8) {
        send(LL_TENSOR_INPUT, values->bytes, sizeof(values->bytes));
    } else if (dtype == F16) {
        send(LL_TENSOR_INPUT, values->halves, sizeof(values->halves));
    } else {
        send(LL_TENSOR_INPUT, values->floats, sizeof(values->floats));
    }
    CU_ASSERT_FATAL(edge_call_answer(call, out_answer));
    CU_ASSERT_EQUAL(out_answer->id, last_id);
    CU_ASSERT_EQUAL_FATAL(out_answer->status, LL_OK);
    CU_ASSERT_EQUAL(out_answer->reached, range_end);
}

static void expect_equal_answers(Layerlift__V1__DataType dtype)
{
    static struct values values;
    fill(&values, dtype == U8);
    for (int range_end = 1; range_end <= LAYERS; range_end++) {
        struct edge_answer expected;
        struct edge_answer answer;
        ask(F32, F32, range_end, &values, &expected);
        ask(dtype, F32, range_end, &values, &answer);
        CU_ASSERT_EQUAL_FATAL(answer.bytes, expected.bytes);
        CU_ASSERT(fake_floats_equal(answer.data, expected.data, expected.floats));
        edge_answer_finish(&expected);
        edge_answer_finish(&answer);
    }
}

static void test_bytes_are_the_floats_that_they_stand_for(void)
{
    begin();
    expect_equal_answers(U8);
    end();
}

static void test_halves_are_the_floats_that_they_stand_for(void)
{
    begin();
    expect_equal_answers(F16);
    end();
}

static void test_an_edge_tells_what_it_takes(void)
{
    begin();
    Layerlift__V1__UploadEvent *accepted = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &accepted);
    CU_ASSERT_PTR_NOT_NULL_FATAL(accepted);
    CU_ASSERT_EQUAL_FATAL(accepted->accepted->n_data_types, 4);
    CU_ASSERT_EQUAL(accepted->accepted->data_types[0], F32);
    CU_ASSERT_EQUAL(accepted->accepted->data_types[1], U8);
    CU_ASSERT_EQUAL(accepted->accepted->data_types[2], F16);
    CU_ASSERT_EQUAL(accepted->accepted->data_types[3], U8_CHANNEL);
    CU_ASSERT_EQUAL_FATAL(accepted->accepted->n_tensor_codings, 2);
    CU_ASSERT_EQUAL(accepted->accepted->tensor_codings[0], PLANES);
    CU_ASSERT_EQUAL(accepted->accepted->tensor_codings[1],
                    LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP);
    CU_ASSERT_EQUAL(accepted->accepted->n_picture_formats, 3);
    layerlift__v1__upload_event__free_unpacked(accepted, NULL);
    edge_call_close(upload);
    end();
}

static void test_answers_come_as_halves_but_for_the_networks_outputs(void)
{
    static struct values values;
    begin();
    fill(&values, true);
    struct edge_answer expected;
    struct edge_answer answer;
    /* outputs(0, 2): layer 0's tensor and layer 1's, which is an output. */
    ask(U8, F32, 2, &values, &expected);
    ask(U8, F16, 2, &values, &answer);
    CU_ASSERT_EQUAL_FATAL(answer.tensors, 2);
    CU_ASSERT_EQUAL(answer.dtypes[0], F16);
    CU_ASSERT_EQUAL(answer.dtypes[1], F32);
    CU_ASSERT_EQUAL_FATAL(answer.bytes, HIDDEN * 2 + 16 * 4);
    const char *raw = (const char *)answer.data;
    int wrong = 0;
    for (int i = 0; i < HIDDEN; i++) {
        uint16_t half = 0;
        memcpy(&half, raw + (ptrdiff_t)2 * i, sizeof(half));
        wrong += half == ll_half_from_float(expected.data[i]) ? 0 : 1;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(memcmp(raw + (ptrdiff_t)2 * HIDDEN, (const void *)(expected.data + HIDDEN), 64),
                    0);
    edge_answer_finish(&answer);
    ask(U8, F16, LAYERS, &values, &answer);
    CU_ASSERT_EQUAL(answer.dtypes[0], F32);
    CU_ASSERT_EQUAL(answer.dtypes[1], F32);
    edge_answer_finish(&answer);
    edge_answer_finish(&expected);
    end();
}

static void test_what_halves_do_not_hold_comes_as_floats(void)
{
    static struct values values;
    begin();
    fill(&values, false);
    for (int i = 0; i < INPUTS; i++) {
        values.floats[i] = 1e30F;
    }
    struct edge_answer answer;
    ask(F32, F16, 2, &values, &answer);
    CU_ASSERT_EQUAL(answer.dtypes[0], F32);
    CU_ASSERT_TRUE(fabsf(answer.data[0]) > 65504.0F);
    edge_answer_finish(&answer);
    end();
}

static void expect_refusal(const struct edge_ask *query, const char *reason)
{
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.id, query->id);
    CU_ASSERT_EQUAL(answer.status, LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.message, reason));
    edge_answer_finish(&answer);
}

static void test_odd_types_are_refused(void)
{
    begin();
    struct edge_ask query = {.id = ++last_id, .first = 1, .end = LAYERS, .dtype = U8};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "only the network's input may be U8");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .dtype = ODD};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "dtype 9 is not known here");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .answer_dtype = ODD};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "answer_dtype 9");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .answer_dtype = U8};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "answer_dtype 2");
    end();
}

static void test_more_bytes_than_the_type_has_are_refused(void)
{
    static const char zeros[4 * INPUTS];
    begin();
    struct edge_ask query = {.id = ++last_id, .end = 1, .dtype = U8};
    edge_call_send_query(call, &model, &query);
    edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, 0, zeros, INPUTS + 1);
    expect_refusal(&query, "1001 bytes; 1000 are to come");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .dtype = F16};
    edge_call_send_query(call, &model, &query);
    edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, 0, zeros, 1999);
    edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, 1999, zeros, 2);
    expect_refusal(&query, "2 bytes; 1 are to come");
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_bytes_are_the_floats_that_they_stand_for),
    LL_TEST(test_halves_are_the_floats_that_they_stand_for),
    LL_TEST(test_an_edge_tells_what_it_takes),
    LL_TEST(test_answers_come_as_halves_but_for_the_networks_outputs),
    LL_TEST(test_what_halves_do_not_hold_comes_as_floats),
    LL_TEST(test_odd_types_are_refused),
    LL_TEST(test_more_bytes_than_the_type_has_are_refused),
    {NULL, NULL},
};
