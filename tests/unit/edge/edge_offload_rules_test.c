/* What is wrong with queries, and limits: each is answered with a status that names the reason. */
#include <string.h>

#include "edge/offload/edge_offload.h"
#include "tests/support/edge_queries.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_QUERIES_LAYERS };

/* For chunks whose bytes do not matter. */
static const uint8_t zeros[300000];

static void test_unknown_model_is_not_found_in_the_answer(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    struct fake_model other;
    edge_queries_set_up(&fixture, &model, LAYERS);
    fake_model_init(&other, edge_queries_cfg, 2);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_call_ask(call, &other, &ask, 1);
    edge_call_check_error(call, 1, LL_E_NOT_FOUND, "no model sha256:");
    other.id_text[10] = 'z';
    edge_call_send_query(call, &other, &ask);
    edge_call_check_error(call, 1, LL_E_INVALID, "model_id");
    const struct edge_ask good = {.id = 2, .end = LAYERS};
    edge_call_ask(call, &model, &good, 1);
    edge_call_check_right(call, &model, 2, 1, 0, LAYERS);
    edge_call_close(call);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* A query's head with anything in it. */
static void send_head(struct edge_call *call, const struct fake_model *model, uint32_t first,
                      uint32_t end, uint32_t least_prefix)
{
    Layerlift__V1__Query query = LAYERLIFT__V1__QUERY__INIT;
    query.id = 9;
    query.model_id = (char *)model->id_text;
    query.first = first;
    query.end = end;
    query.least_prefix = least_prefix;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
    request.query = &query;
    edge_call_send(call, &request.base);
}

static void test_illegal_cuts_are_refused_in_the_answer(void)
{
    static const struct {
        uint32_t first, end, least_prefix;
        const char *reason;
    } heads[] = {
        {2, 6, 0, "2 is not a legal cut"},
        {0, 2, 0, "2 is not a legal cut"},
        {3, 1, 0, "layers [3, 1) of a model with 6"},
        {0, 7, 0, "layers [0, 7) of a model with 6"},
        {0, UINT32_MAX, 0, "layers [0, 4294967295)"},
        {UINT32_MAX, UINT32_MAX, 0, "of a model with 6"},
        {0, 5, 6, "least_prefix 6 is above end 5"},
    };
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        send_head(call, &model, heads[i].first, heads[i].end, heads[i].least_prefix);
        edge_call_check_error(call, 9, LL_E_INVALID, heads[i].reason);
    }
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_wrong_tensors_are_refused_in_the_answer(void)
{
    struct tensor {
        int name;
        int dtype;
        size_t dims;
        uint32_t shape[4];
    };
    /* Of the last layer, which reads tensors 4 and -1. */
    static const struct {
        size_t count;
        struct tensor tensors[3];
        const char *reason;
    } queries[] = {
        {0, {{0}}, "0 tensors; layers [5, 6) read 2"},
        {1, {{4, 1, 1, {100000}}}, "1 tensors"},
        {3, {{4, 1, 1, {100000}}, {-1, 1, 1, {3000}}, {0, 1, 1, {1}}}, "3 tensors"},
        {2, {{4, 1, 1, {100000}}, {4, 1, 1, {100000}}}, "tensor -1 is missing"},
        {2, {{3, 1, 1, {8}}, {-1, 1, 1, {3000}}}, "tensor 4 is missing"},
        {2, {{4, 1, 1, {99999}}, {-1, 1, 1, {3000}}}, "tensor 4: its shape"},
        {2, {{4, 1, 3, {100, 1000, 2}}, {-1, 1, 1, {3000}}}, "the 100000 floats"},
        {2, {{4, 1, 3, {UINT32_MAX, UINT32_MAX, UINT32_MAX}}, {-1, 1, 1, {3000}}}, "its shape"},
        {2, {{4, 1, 3, {0, 0, 0}}, {-1, 1, 1, {3000}}}, "its shape"},
        {2, {{4, 1, 2, {100, 1000}}, {-1, 1, 1, {3000}}}, "a shape of 2 numbers"},
        {2, {{4, 1, 0, {0}}, {-1, 1, 1, {3000}}}, "a shape of 0 numbers"},
        {2, {{4, 5, 1, {100000}}, {-1, 1, 1, {3000}}}, "dtype 5"},
    };
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        Layerlift__V1__Tensor tensors[3];
        Layerlift__V1__Tensor *list[3];
        Layerlift__V1__Query query = LAYERLIFT__V1__QUERY__INIT;
        for (size_t t = 0; t < queries[i].count; t++) {
            const struct tensor *from = &queries[i].tensors[t];
            layerlift__v1__tensor__init(&tensors[t]);
            tensors[t].name = from->name;
            tensors[t].dtype = (Layerlift__V1__DataType)from->dtype;
            tensors[t].shape = (uint32_t *)from->shape;
            tensors[t].n_shape = from->dims;
            list[t] = &tensors[t];
        }
        query.id = i;
        query.model_id = model.id_text;
        query.first = 5;
        query.end = 6;
        query.tensors = list;
        query.n_tensors = queries[i].count;
        Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
        request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_QUERY;
        request.query = &query;
        edge_call_send(call, &request.base);
        edge_call_check_error(call, i, LL_E_INVALID, queries[i].reason);
    }
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_bad_chunks_fail_their_query_only(void)
{
    static const struct {
        int name;
        uint64_t offset;
        size_t bytes;
        const char *reason;
    } chunks[] = {
        {-1, 4, 100, "begins at 4 instead of 0"},
        {-1, 0, 12001, "12001 bytes; 12000 are to come"},
        {-1, 0, 0, "0 bytes"},
        {-1, 0, 262145, "262145 bytes"},
        {0, 0, 100, "it has no tensor 0"},
        {-1, UINT64_MAX, 100, "begins at 18446744073709551615"},
    };
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        const struct edge_ask ask = {.id = i, .end = LAYERS};
        edge_call_send_query(call, &model, &ask);
        edge_call_send_tensor_chunk(call, i, chunks[i].name, chunks[i].offset, zeros,
                                    chunks[i].bytes);
        /* What follows the mistake is dropped. */
        edge_call_send_tensors(call, &model, &ask, 1, 1000);
        edge_call_check_error(call, i, LL_E_INVALID, chunks[i].reason);
    }
    const struct edge_ask good = {.id = 99, .end = LAYERS};
    edge_call_ask(call, &model, &good, 1);
    edge_call_check_right(call, &model, 99, 1, 0, LAYERS);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* The stream ends with INVALID_ARGUMENT and this reason; another one is served. */
static void check_stream_refused(struct edge_fixture *fixture, const struct fake_model *model,
                                 struct edge_call *call, const char *reason)
{
    edge_fixture_check_refused(fixture, call, LL_E_INVALID, reason);
    struct edge_call *other = edge_call_open(fixture->client, "Offload");
    const struct edge_ask good = {.id = 1, .end = LAYERS};
    edge_call_ask(other, model, &good, 1);
    edge_call_check_right(other, model, 1, 1, 0, LAYERS);
    edge_call_close(other);
}

static void test_broken_rules_end_the_stream(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(call, &model, &ask);
    edge_call_send_query(call, &model, &ask);
    check_stream_refused(&fixture, &model, call, "query id 1 is in use");
    call = edge_call_open(fixture.client, "Offload");
    edge_call_send_tensor_chunk(call, 77, -1, 0, zeros, 10);
    check_stream_refused(&fixture, &model, call, "query 77: there is no such query");
    call = edge_call_open(fixture.client, "Offload");
    edge_call_send_bytes(call, "", 0);
    check_stream_refused(&fixture, &model, call, "neither query, chunk, cancel nor receipt");
    call = edge_call_open(fixture.client, "Offload");
    edge_call_send_receipt(call, 1);
    check_stream_refused(&fixture, &model, call, "a receipt for more than was sent");
    fake_engine_hold(fixture.engine, FAKE_RUN);
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &ask, 1);
    edge_call_send_tensor_chunk(call, 1, -1, 0, zeros, 10);
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(call, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "its tensors are complete"));
    edge_call_close(call);
    fake_engine_release(fixture.engine, FAKE_RUN);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_random_bytes_are_no_message(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    unsigned state = 815;
    for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 / 2 + 1) {
        uint8_t data[3000];
        for (size_t i = 0; i < bytes; i++) {
            state = state * 1664525U + 1013904223U;
            data[i] = (uint8_t)(state >> 16);
        }
        struct edge_call *call = edge_call_open(fixture.client, "Offload");
        edge_call_send_bytes(call, data, bytes);
        CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_E_INVALID);
        edge_call_close(call);
    }
    edge_fixture_check_serving(&fixture);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* The next answer is a refusal by this limit. */
static void check_limit(struct edge_call *call, uint64_t id, const char *limit, int64_t value,
                        bool is_busy)
{
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(answer.refusal.limit, limit);
    CU_ASSERT_EQUAL(answer.refusal.limit_value, value);
    CU_ASSERT_EQUAL(answer.refusal.retry_ms, is_busy ? LL_RETRY_MS : 0);
    edge_answer_finish(&answer);
}

static void test_limits_are_for_programs_too(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.queries = 2;
    fixture.config.query_bytes = 30000;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    /* 18,400 bytes each. */
    const struct edge_ask asks[2] = {{.id = 1, .end = 1}, {.id = 2, .end = 1}};
    edge_call_send_query(call, &model, &asks[0]);
    edge_call_send_query(call, &model, &asks[1]);
    check_limit(call, 2, "query_bytes", 30000, true);
    const struct edge_ask small[2] = {{.id = 5, .first = 3, .end = 4},
                                      {.id = 6, .first = 3, .end = 4}};
    edge_call_send_query(call, &model, &small[0]);
    edge_call_send_query(call, &model, &small[1]);
    check_limit(call, 6, "queries", 2, true);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_a_query_above_all_bytes_is_refused_for_good(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = 18000;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = 1};
    edge_call_send_query(call, &model, &ask);
    check_limit(call, 1, "query_bytes", 18000, false);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_chunks_of_refused_queries_are_dropped_however_many(void)
{
    enum { QUERIES = 400 };
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.queries = QUERIES;
    /* Room for one query's tensors. */
    fixture.config.query_bytes = 20000;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask first = {.id = 1000, .end = 1};
    edge_call_send_query(call, &model, &first);
    for (uint64_t id = 0; id < QUERIES; id++) {
        const struct edge_ask ask = {.id = id, .end = 1};
        edge_call_send_query(call, &model, &ask);
    }
    for (uint64_t id = 0; id < QUERIES; id++) {
        check_limit(call, id, "query_bytes", 20000, true);
    }
    /* The device did not know yet: the oldest one's chunks still come. */
    const struct edge_ask oldest = {.id = 0, .end = 1};
    edge_call_send_tensors(call, &model, &oldest, 1, 1000);
    edge_call_send_tensors(call, &model, &first, 1, 1000);
    edge_call_check_right(call, &model, first.id, 1, 0, 1);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_limits_are_named(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.queries = 2;
    fixture.config.query_bytes = 20000;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask asks[3] = {
        {.id = 1, .end = LAYERS}, {.id = 2, .first = 3, .end = 4}, {.id = 3, .end = 1}};
    /* 12,020 bytes; then 64; then too many. */
    edge_call_send_query(call, &model, &asks[0]);
    edge_call_send_query(call, &model, &asks[1]);
    edge_call_send_query(call, &model, &asks[2]);
    edge_call_check_error(call, 3, LL_E_EXHAUSTED, "limit queries is 2");
    edge_call_send_tensors(call, &model, &asks[1], 1, 1000);
    edge_call_check_right(call, &model, 2, 1, 3, 4);
    edge_call_send_query(call, &model, &asks[2]);
    edge_call_check_error(call, 3, LL_E_EXHAUSTED,
                          "18400 bytes of tensors; 7980 of limit query_bytes (20000)");
    edge_call_send_tensors(call, &model, &asks[0], 1, 1000);
    edge_call_check_right(call, &model, 1, 1, 0, LAYERS);
    /* What they took is free again. */
    edge_call_ask(call, &model, &asks[2], 1);
    edge_call_check_right(call, &model, 3, 1, 0, 1);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_offload_rules";
const struct ll_test ll_tests[] = {
    LL_TEST(test_unknown_model_is_not_found_in_the_answer),
    LL_TEST(test_illegal_cuts_are_refused_in_the_answer),
    LL_TEST(test_wrong_tensors_are_refused_in_the_answer),
    LL_TEST(test_bad_chunks_fail_their_query_only),
    LL_TEST(test_broken_rules_end_the_stream),
    LL_TEST(test_random_bytes_are_no_message),
    LL_TEST(test_limits_are_for_programs_too),
    LL_TEST(test_a_query_above_all_bytes_is_refused_for_good),
    LL_TEST(test_chunks_of_refused_queries_are_dropped_however_many),
    LL_TEST(test_limits_are_named),
    {NULL, NULL},
};
