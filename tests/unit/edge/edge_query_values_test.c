/* Queries whose tensors are written as bytes and half floats, through a real server and connection:
 * the same as if the values had come as floats, and refused where they break a rule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/ll_dtype.h"
#include "net/ll_half.h"
#include "proto/wire/wire_dtype.h"
#include "proto/wire/wire_form.h"
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

/* ---- Coded tensors ---- */

/* Behind a relu, so to speak. */
static void fill_sparse(struct values *values)
{
    for (int i = 0; i < INPUTS; i++) {
        float value = sinf((float)i * 0.7F);
        values->floats[i] = value > 0 ? value : 0;
    }
}

/* The input coded in a data type; returns a buffer that the caller drops. */
static struct ll_buf *code(const struct values *values, ll_dtype dtype, struct wire_form *out_form)
{
    struct ll_planes *planes = NULL;
    struct ll_buf *floats = NULL;
    struct ll_buf *coded = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_copy(values->floats, sizeof(values->floats), &floats), LL_OK);
    CU_ASSERT_EQUAL_FATAL(wire_form_encode(floats, 1, dtype, planes, &coded, out_form), LL_OK);
    CU_ASSERT_EQUAL_FATAL(out_form->coding, PLANES);
    ll_buf_unref(floats);
    ll_planes_destroy(planes);
    return coded;
}

/* Asks with the input coded. */
static void send_coded(const struct wire_form *form, const struct ll_buf *coded, int range_end,
                       bool may_code_answer)
{
    const struct edge_ask query = {.id = ++last_id,
                                   .end = range_end,
                                   .dtype = wire_dtype_of(form->dtype),
                                   .coding = PLANES,
                                   .coded_bytes = (uint64_t)form->bytes,
                                   .may_code_answer = may_code_answer};
    edge_call_send_query(call, &model, &query);
    send(LL_TENSOR_INPUT, ll_buf_data(coded), ll_buf_bytes(coded));
}

/* Tensor `at` of an answer as floats, wherever its bytes begin. */
static struct ll_buf *decode(const struct edge_answer *answer, int at, int64_t floats)
{
    struct ll_planes *planes = NULL;
    struct ll_buf *buf = NULL;
    struct ll_error err = {.text = ""};
    const char *bytes = (const char *)answer->data;
    for (int i = 0; i < at; i++) {
        bytes += answer->tensor_bytes[i];
    }
    struct wire_form form = {
        .coding = answer->codings[at], .channels = 1, .bytes = answer->tensor_bytes[at]};
    CU_ASSERT_TRUE_FATAL(wire_dtype_parse(answer->dtypes[at], &form.dtype));
    size_t room = (size_t)wire_form_room(&form, floats);
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    CU_ASSERT_EQUAL_FATAL(ll_buf_create(room, &buf), LL_OK);
    memcpy((char *)ll_buf_writable(buf) + room - form.bytes, bytes, (size_t)form.bytes);
    CU_ASSERT_EQUAL_FATAL(wire_form_expand(&form, floats, planes, &buf, &err), LL_OK);
    ll_planes_destroy(planes);
    return buf;
}

static void test_coded_tensors_are_the_values_that_they_stand_for(void)
{
    static struct values values;
    struct wire_form form;
    begin();
    fill_sparse(&values);
    struct ll_buf *coded = code(&values, LL_F32, &form);
    for (int range_end = 1; range_end <= LAYERS; range_end++) {
        struct edge_answer expected;
        struct edge_answer answer;
        ask(F32, F32, range_end, &values, &expected);
        send_coded(&form, coded, range_end, false);
        CU_ASSERT_FATAL(edge_call_answer(call, &answer));
        CU_ASSERT_EQUAL_FATAL(answer.status, LL_OK);
        CU_ASSERT_EQUAL_FATAL(answer.bytes, expected.bytes);
        CU_ASSERT(fake_floats_equal(answer.data, expected.data, expected.floats));
        CU_ASSERT_TRUE(answer.coding_ns > 0 && answer.coding_ns <= answer.computed_ns);
        edge_answer_finish(&answer);
        edge_answer_finish(&expected);
    }
    ll_buf_unref(coded);
    end();
}

static void test_answers_come_coded_where_they_may(void)
{
    static struct values values;
    struct wire_form form;
    struct edge_answer expected;
    struct edge_answer answer;
    begin();
    fill_sparse(&values);
    struct ll_buf *coded = code(&values, LL_F32, &form);
    ask(F32, F32, 2, &values, &expected);
    send_coded(&form, coded, 2, true);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL_FATAL(answer.tensors, 2);
    CU_ASSERT_EQUAL(answer.codings[0], PLANES);
    CU_ASSERT_TRUE(answer.bytes < expected.bytes);
    struct ll_buf *hidden = decode(&answer, 0, HIDDEN);
    struct ll_buf *output = decode(&answer, 1, 16);
    CU_ASSERT(fake_floats_equal(ll_buf_data(hidden), expected.data, HIDDEN));
    CU_ASSERT(fake_floats_equal(ll_buf_data(output), expected.data + HIDDEN, 16));
    ll_buf_unref(hidden);
    ll_buf_unref(output);
    edge_answer_finish(&answer);
    edge_answer_finish(&expected);
    ll_buf_unref(coded);
    end();
}

/* Asks for layer 1 from layer 0's tensor, and takes the answer. */
static void ask_hidden(const struct wire_form *form, const struct ll_buf *written,
                       struct edge_answer *out_answer)
{
    const struct edge_ask query = {.id = ++last_id,
                                   .first = 1,
                                   .end = 2,
                                   .dtype = wire_dtype_of(form->dtype),
                                   .coding = form->coding,
                                   .coded_bytes = (uint64_t)form->bytes};
    edge_call_send_query(call, &model, &query);
    send(0, ll_buf_data(written), ll_buf_bytes(written));
    CU_ASSERT_FATAL(edge_call_answer(call, out_answer));
    CU_ASSERT_EQUAL_FATAL(out_answer->status, LL_OK);
}

/* Layer 0's tensor comes back in 256 steps and goes there so, coded or not: the same as the floats
 * that it stands for. */
static void test_steps_by_channel_come_and_go(void)
{
    static struct values values;
    struct edge_answer first;
    struct edge_answer expected;
    struct edge_answer answer;
    struct wire_form form;
    struct ll_planes *planes = NULL;
    struct ll_buf *steps = NULL;
    begin();
    CU_ASSERT_EQUAL_FATAL(ll_planes_create(&planes), LL_OK);
    fill_sparse(&values);
    ask(F32, U8_CHANNEL, 2, &values, &first);
    CU_ASSERT_EQUAL(first.dtypes[0], U8_CHANNEL);
    CU_ASSERT_EQUAL(first.dtypes[1], F32);
    CU_ASSERT_EQUAL_FATAL(first.bytes, HIDDEN + 8 + 16 * 4);
    struct ll_buf *hidden = decode(&first, 0, HIDDEN);
    /* As behind a relu: so that coding makes its steps fewer bytes. */
    float *hidden_values = ll_buf_writable(hidden);
    for (int i = 0; i < HIDDEN; i++) {
        hidden_values[i] = i % 3 == 0 ? hidden_values[i] : hidden_values[0];
    }
    CU_ASSERT_EQUAL_FATAL(wire_form_encode(hidden, 1, LL_U8_CHANNEL, NULL, &steps, &form), LL_OK);
    struct edge_answer rounded = {.dtypes = {U8_CHANNEL}, .tensor_bytes = {form.bytes}};
    rounded.data = (float *)ll_buf_writable(steps);
    ll_buf_unref(hidden);
    hidden = decode(&rounded, 0, HIDDEN);
    ll_buf_unref(steps);
    form = wire_form_plain(LL_F32, 1, HIDDEN);
    ask_hidden(&form, hidden, &expected);
    for (int is_coded = 0; is_coded < 2; is_coded++) {
        CU_ASSERT_EQUAL_FATAL(
            wire_form_encode(hidden, 1, LL_U8_CHANNEL, is_coded ? planes : NULL, &steps, &form),
            LL_OK);
        CU_ASSERT_EQUAL(form.coding == PLANES, is_coded == 1);
        ask_hidden(&form, steps, &answer);
        CU_ASSERT_EQUAL(answer.floats, expected.floats);
        CU_ASSERT(fake_floats_equal(answer.data, expected.data, expected.floats));
        edge_answer_finish(&answer);
        ll_buf_unref(steps);
    }
    /* The network's input has as many channels as values here: 9 bytes each instead of 4. */
    const struct edge_ask query = {.id = ++last_id, .end = 1, .dtype = U8_CHANNEL};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "takes 9000 bytes for 1000 channels, more than floats");
    edge_answer_finish(&first);
    edge_answer_finish(&expected);
    ll_buf_unref(hidden);
    ll_planes_destroy(planes);
    end();
}

/* Each fails its own query, by a sentence; the stream goes on. */
static void test_hostile_coded_tensors_fail_alone(void)
{
    static struct values values;
    struct wire_form form;
    begin();
    fill_sparse(&values);
    struct ll_buf *coded = code(&values, LL_F32, &form);
    struct edge_ask query = {
        .id = ++last_id, .end = 1, .coding = PLANES, .coded_bytes = sizeof(values.floats)};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "tensor -1: 4000 coded bytes, of 4000 that it has plain");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .coding = PLANES};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "tensor -1: 0 coded bytes");
    query = (struct edge_ask){
        .id = ++last_id, .end = 1, .coding = (Layerlift__V1__TensorCoding)9, .coded_bytes = 3};
    edge_call_send_query(call, &model, &query);
    expect_refusal(&query, "tensor -1: coding 9 is not known here");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .coding = PLANES, .coded_bytes = 3};
    edge_call_send_query(call, &model, &query);
    edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, 0, "\2abc", 4);
    expect_refusal(&query, "4 bytes; 3 are to come");
    query = (struct edge_ask){.id = ++last_id, .end = 1, .coding = PLANES, .coded_bytes = 4};
    edge_call_send_query(call, &model, &query);
    edge_call_send_tensor_chunk(call, last_id, LL_TENSOR_INPUT, 0, "\2abc", 4);
    expect_refusal(&query,
                   "query: tensor -1: coded bytes, by byte 1: they end in a frequent value");
    for (size_t at = 0; at < ll_buf_bytes(coded); at += 37) {
        struct edge_answer answer;
        ((uint8_t *)ll_buf_writable(coded))[at] ^= 0x55;
        send_coded(&form, coded, 1, true);
        CU_ASSERT_FATAL(edge_call_answer(call, &answer));
        CU_ASSERT_EQUAL(answer.id, last_id);
        CU_ASSERT_TRUE(answer.status == LL_OK || answer.status == LL_E_INVALID);
        edge_answer_finish(&answer);
        ((uint8_t *)ll_buf_writable(coded))[at] ^= 0x55;
    }
    struct edge_answer answer;
    send_coded(&form, coded, 1, false);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    edge_answer_finish(&answer);
    ll_buf_unref(coded);
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
    LL_TEST(test_coded_tensors_are_the_values_that_they_stand_for),
    LL_TEST(test_answers_come_coded_where_they_may),
    LL_TEST(test_steps_by_channel_come_and_go),
    LL_TEST(test_hostile_coded_tensors_fail_alone),
    {NULL, NULL},
};
