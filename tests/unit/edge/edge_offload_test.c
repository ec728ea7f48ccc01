/* Queries through a real server and connection, with the fake engine. */
#include "edge/offload/edge_offload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

/* Layers 1 and 2 are one group; the last layer reads the input too. Tensor 4 has 400 KB. */
static const char cfg[] = "fake\n"
                          "input 3000\n"
                          "layer 1600 1000\n"
                          "layer 16 2000 joined\n"
                          "layer 8 500 reads 0 1\n"
                          "layer 8 0\n"
                          "layer 100000 100\n"
                          "layer 5 300 reads 4 -1\n";
enum { LAYERS = 6 };

static void set_up(struct edge_fixture *fixture, struct fake_model *model, int layers)
{
    if (!fixture->engine) {
        edge_fixture_init(fixture);
    }
    edge_fixture_start(fixture);
    fake_model_init(model, cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture->client, model, NULL);
    edge_call_send_layers(upload, model, 0, layers);
    if (layers > 0) {
        edge_fixture_await_prefix(fixture, model, layers);
    }
    edge_call_close(upload);
}

static void tear_down(struct edge_fixture *fixture, struct fake_model *model)
{
    fake_model_finish(model);
    edge_fixture_tear_down(fixture);
}

/* The next answer is an error with this status and reason. */
static void check_error(struct edge_call *call, uint64_t id, ll_status status, const char *reason)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(call, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, status);
    bool has_reason = strstr(answer.message, reason) != NULL;
    CU_ASSERT(has_reason);
    if (!has_reason || answer.status != status) {
        fprintf(stderr, "expected \"%s\", the answer says %s \"%s\"\n", reason,
                ll_status_text(answer.status), answer.message);
    }
    CU_ASSERT_EQUAL(answer.tensors, 0);
    edge_answer_finish(&answer);
}

/* The next answer is that of query `id`, right, and reached `reached`. */
static void check_right(struct edge_call *call, const struct fake_model *model, uint64_t id,
                        unsigned seed, int first, int reached)
{
    struct edge_answer answer;
    bool has_come = edge_call_answer(call, &answer);
    CU_ASSERT_FATAL(has_come);
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL(answer.reached, reached);
    CU_ASSERT(edge_answer_is_right(&answer, model, seed, first));
    edge_answer_finish(&answer);
}

static void test_every_legal_range_gives_the_right_bits(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    const struct ll_table *table = &model.network->table;
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    uint64_t id = 0;
    for (int first = 0; first <= LAYERS; first++) {
        for (int end = first; end <= LAYERS; end++) {
            if (!ll_table_is_legal_cut(table, first) || !ll_table_is_legal_cut(table, end)) {
                continue;
            }
            const struct edge_ask ask = {.id = ++id, .first = first, .end = end};
            edge_call_ask(call, &model, &ask, (unsigned)id);
            check_right(call, &model, id, (unsigned)id, first, end);
        }
    }
    CU_ASSERT_EQUAL(id, 21);
    edge_call_half_close(call);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_query_runs_as_far_as_the_prefix(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, 3);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask whole = {.id = 1, .end = LAYERS};
    edge_call_ask(call, &model, &whole, 7);
    /* Layer 3 has no weights: the prefix is 4 once nobody uploads. */
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT(answer.reached == 3 || answer.reached == 4);
    CU_ASSERT_EQUAL(answer.reached, answer.prefix);
    CU_ASSERT(edge_answer_is_right(&answer, &model, 7, 0));
    edge_answer_finish(&answer);
    /* Nothing of it is there. */
    const struct edge_ask beyond = {.id = 2, .first = 5, .end = LAYERS};
    edge_call_ask(call, &model, &beyond, 7);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL(answer.reached, 5);
    CU_ASSERT_EQUAL(answer.tensors, 0);
    edge_answer_finish(&answer);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_query_waits_for_its_least_prefix(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = 5};
    const struct edge_ask does_not = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &waits, 3);
    edge_call_ask(call, &model, &does_not, 3);
    check_right(call, &model, 2, 3, 0, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.id, 1);
    CU_ASSERT(answer.reached >= 5);
    CU_ASSERT(edge_answer_is_right(&answer, &model, 3, 0));
    edge_answer_finish(&answer);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_wait_ends_when_the_server_stops(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    const struct edge_ask does_not = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &waits, 3);
    edge_call_ask(call, &model, &does_not, 3);
    check_right(call, &model, 2, 3, 0, 1);
    /* Nobody is going to upload what it waits for: it is told so, and the stop does not wait. */
    edge_server_stop(fixture.server, INT64_MAX / 2);
    check_error(call, 1, LL_E_UNAVAILABLE, "shutting down");
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_E_UNAVAILABLE);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_wait_ends_when_a_creation_fails(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    edge_call_ask(call, &model, &waits, 3);
    fake_engine_fail(fixture.engine, FAKE_CREATION, 1, LL_E_NO_MEMORY);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 1, LAYERS);
    check_error(call, 1, LL_E_PRECONDITION, "a creation of the model failed");
    edge_call_close(upload);
    /* The prefix serves on. */
    const struct edge_ask first = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &first, 3);
    check_right(call, &model, 2, 3, 0, 1);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_chunks_of_queries_may_interleave(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    struct edge_ask asks[8];
    for (int i = 0; i < 8; i++) {
        asks[i] = (struct edge_ask){.id = (uint64_t)i + 1, .end = LAYERS};
        edge_call_send_query(call, &model, &asks[i]);
    }
    for (int i = 7; i >= 0; i--) {
        edge_call_send_tensors(call, &model, &asks[i], (unsigned)i, 999);
    }
    for (int i = 0; i < 8; i++) {
        struct edge_answer answer;
        CU_ASSERT_FATAL(edge_call_answer(call, &answer));
        CU_ASSERT(edge_answer_is_right(&answer, &model, (unsigned)answer.id - 1, 0));
        edge_answer_finish(&answer);
    }
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_small_answers_pass_a_large_one(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    /* 400 KB in chunks of 64 KiB; two executors end at once, and the large answer is first. */
    fake_engine_hold(fixture.engine, FAKE_RUN);
    const struct edge_ask large = {.id = 1, .end = 5};
    const struct edge_ask small = {.id = 2, .end = LAYERS};
    edge_call_ask(call, &model, &large, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    edge_call_ask(call, &model, &small, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 2));
    fake_engine_release(fixture.engine, FAKE_RUN);
    int order[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct edge_answer answer;
        CU_ASSERT_FATAL(edge_call_answer(call, &answer));
        order[i] = (int)answer.id;
        edge_answer_finish(&answer);
    }
    CU_ASSERT_EQUAL(order[0] + order[1], 3);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* ---- Receipts ---- */

enum { ANSWER_BYTES = 400000 };

/* Takes the answer of layer 4, and with `acknowledges` sends a receipt of each chunk, `before`
 * bytes having come on the stream already. Returns the largest chunk. */
static size_t take_with_receipts(struct edge_call *call, bool *out_takes_receipts,
                                 bool acknowledges, size_t before)
{
    size_t received = 0;
    size_t largest = 0;
    while (received < ANSWER_BYTES) {
        Layerlift__V1__OffloadResponse *response = (Layerlift__V1__OffloadResponse *)edge_call_next(
            call, &layerlift__v1__offload_response__descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(response);
        if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER) {
            *out_takes_receipts = response->answer->takes_receipts;
        } else {
            received += response->chunk->data.len;
            largest = response->chunk->data.len > largest ? response->chunk->data.len : largest;
            if (acknowledges) {
                edge_call_send_receipt(call, before + received);
            }
        }
        layerlift__v1__offload_response__free_unpacked(response, NULL);
    }
    CU_ASSERT_EQUAL(received, ANSWER_BYTES);
    return largest;
}

static void test_answers_go_with_receipts_without_them_and_where_they_do_not_come(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    bool takes_receipts = true;
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &(struct edge_ask){.id = 1, .first = 4, .end = 5}, 1);
    /* The device does not know of them. */
    CU_ASSERT_EQUAL(take_with_receipts(call, &takes_receipts, false, 0), 64 << 10);
    CU_ASSERT_FALSE(takes_receipts);
    /* From the second query on it does. */
    struct edge_ask ask = {.id = 2, .first = 4, .end = 5, .sends_receipts = true};
    edge_call_ask(call, &model, &ask, 1);
    take_with_receipts(call, &takes_receipts, true, ANSWER_BYTES);
    CU_ASSERT_TRUE(takes_receipts);
    edge_call_close(call);
    ask.id = 1;
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &ask, 1);
    take_with_receipts(call, &takes_receipts, true, 0);
    CU_ASSERT_TRUE(takes_receipts);
    edge_call_close(call);
    /* It promises them, and breaks its promise. */
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &ask, 1);
    CU_ASSERT_EQUAL(take_with_receipts(call, &takes_receipts, false, 0), 16 << 10);
    edge_call_close(call);
    /* It half-closes, after which none can come. */
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &ask, 1);
    edge_call_half_close(call);
    take_with_receipts(call, &takes_receipts, false, 0);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* ---- Refusals ---- */

static void test_unknown_model_is_not_found_in_the_answer(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    struct fake_model other;
    set_up(&fixture, &model, LAYERS);
    fake_model_init(&other, cfg, 2);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_call_ask(call, &other, &ask, 1);
    check_error(call, 1, LL_E_NOT_FOUND, "no model sha256:");
    other.id_text[10] = 'z';
    edge_call_send_query(call, &other, &ask);
    check_error(call, 1, LL_E_INVALID, "model_id");
    const struct edge_ask good = {.id = 2, .end = LAYERS};
    edge_call_ask(call, &model, &good, 1);
    check_right(call, &model, 2, 1, 0, LAYERS);
    edge_call_close(call);
    fake_model_finish(&other);
    tear_down(&fixture, &model);
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
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        send_head(call, &model, heads[i].first, heads[i].end, heads[i].least_prefix);
        check_error(call, 9, LL_E_INVALID, heads[i].reason);
    }
    edge_call_close(call);
    tear_down(&fixture, &model);
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
    set_up(&fixture, &model, LAYERS);
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
        check_error(call, i, LL_E_INVALID, queries[i].reason);
    }
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void send_chunk(struct edge_call *call, uint64_t id, int name, uint64_t offset, size_t bytes)
{
    static uint8_t data[300000];
    Layerlift__V1__TensorChunk chunk = LAYERLIFT__V1__TENSOR_CHUNK__INIT;
    chunk.id = id;
    chunk.name = name;
    chunk.offset = offset;
    chunk.data.data = data;
    chunk.data.len = bytes;
    Layerlift__V1__OffloadRequest request = LAYERLIFT__V1__OFFLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__OFFLOAD_REQUEST__KIND_CHUNK;
    request.chunk = &chunk;
    edge_call_send(call, &request.base);
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
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        const struct edge_ask ask = {.id = i, .end = LAYERS};
        edge_call_send_query(call, &model, &ask);
        send_chunk(call, i, chunks[i].name, chunks[i].offset, chunks[i].bytes);
        /* What follows the mistake is dropped. */
        edge_call_send_tensors(call, &model, &ask, 1, 1000);
        check_error(call, i, LL_E_INVALID, chunks[i].reason);
    }
    const struct edge_ask good = {.id = 99, .end = LAYERS};
    edge_call_ask(call, &model, &good, 1);
    check_right(call, &model, 99, 1, 0, LAYERS);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* The stream ends with INVALID_ARGUMENT and this reason; another one is served. */
static void check_stream_refused(struct edge_fixture *fixture, const struct fake_model *model,
                                 struct edge_call *call, const char *reason)
{
    edge_fixture_check_refused(fixture, call, LL_E_INVALID, reason);
    struct edge_call *other = edge_call_open(fixture->client, "Offload");
    const struct edge_ask good = {.id = 1, .end = LAYERS};
    edge_call_ask(other, model, &good, 1);
    check_right(other, model, 1, 1, 0, LAYERS);
    edge_call_close(other);
}

static void test_broken_rules_end_the_stream(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(call, &model, &ask);
    edge_call_send_query(call, &model, &ask);
    check_stream_refused(&fixture, &model, call, "query id 1 is in use");
    call = edge_call_open(fixture.client, "Offload");
    send_chunk(call, 77, -1, 0, 10);
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
    send_chunk(call, 1, -1, 0, 10);
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(call, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "its tensors are complete"));
    edge_call_close(call);
    fake_engine_release(fixture.engine, FAKE_RUN);
    tear_down(&fixture, &model);
}

static void test_random_bytes_are_no_message(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
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
    tear_down(&fixture, &model);
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
    set_up(&fixture, &model, LAYERS);
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
    tear_down(&fixture, &model);
}

static void test_a_query_above_all_bytes_is_refused_for_good(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = 18000;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = 1};
    edge_call_send_query(call, &model, &ask);
    check_limit(call, 1, "query_bytes", 18000, false);
    edge_call_close(call);
    tear_down(&fixture, &model);
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
    set_up(&fixture, &model, LAYERS);
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
    check_right(call, &model, first.id, 1, 0, 1);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_limits_are_named(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.queries = 2;
    fixture.config.query_bytes = 20000;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask asks[3] = {
        {.id = 1, .end = LAYERS}, {.id = 2, .first = 3, .end = 4}, {.id = 3, .end = 1}};
    /* 12,020 bytes; then 64; then too many. */
    edge_call_send_query(call, &model, &asks[0]);
    edge_call_send_query(call, &model, &asks[1]);
    edge_call_send_query(call, &model, &asks[2]);
    check_error(call, 3, LL_E_EXHAUSTED, "limit queries is 2");
    edge_call_send_tensors(call, &model, &asks[1], 1, 1000);
    check_right(call, &model, 2, 1, 3, 4);
    edge_call_send_query(call, &model, &asks[2]);
    check_error(call, 3, LL_E_EXHAUSTED,
                "18400 bytes of tensors; 7980 of limit query_bytes (20000)");
    edge_call_send_tensors(call, &model, &asks[0], 1, 1000);
    check_right(call, &model, 1, 1, 0, LAYERS);
    /* What they took is free again. */
    edge_call_ask(call, &model, &asks[2], 1);
    check_right(call, &model, 3, 1, 0, 1);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* ---- Cancels, deadlines, lost devices ---- */

static void test_cancel_at_every_stage(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.executors = 1;
    set_up(&fixture, &model, LAYERS);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask running = {.id = 1, .end = LAYERS};
    const struct edge_ask queued = {.id = 2, .end = LAYERS};
    const struct edge_ask receiving = {.id = 3, .end = LAYERS};
    edge_call_ask(call, &model, &running, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    edge_call_ask(call, &model, &queued, 1);
    edge_call_send_query(call, &model, &receiving);
    edge_call_send_cancel(call, 4711);
    for (uint64_t id = 1; id <= 3; id++) {
        edge_call_send_cancel(call, id);
        check_error(call, id, LL_E_CANCELLED, "cancelled by the device");
    }
    fake_engine_release(fixture.engine, FAKE_RUN);
    /* The ids are free again, and the late result is not mistaken for an answer. */
    edge_call_ask(call, &model, &running, 5);
    check_right(call, &model, 1, 5, 0, LAYERS);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_RUN), 2);
    /* Nobody computes to its end what nobody waits for. */
    CU_ASSERT_EQUAL(fake_engine_stopped(fixture.engine, FAKE_RUN), 1);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* What the rest of a stream has of query `id`. */
struct rest {
    int answers;
    ll_status status;
    size_t bytes;
    /* Chunks behind another query's answer. */
    int late_chunks;
};

static void take_rest(struct edge_call *call, uint64_t id, struct rest *rest)
{
    bool has_other = false;
    for (;;) {
        Layerlift__V1__OffloadResponse *response = (Layerlift__V1__OffloadResponse *)edge_call_next(
            call, &layerlift__v1__offload_response__descriptor);
        if (!response) {
            return;
        }
        if (response->kind_case == LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER) {
            bool is_ours = response->answer->id == id;
            has_other = has_other || !is_ours;
            rest->answers += is_ours ? 1 : 0;
            rest->status =
                is_ours ? ll_status_from_grpc((int)response->answer->status) : rest->status;
        } else if (response->chunk->id == id) {
            rest->bytes += response->chunk->data.len;
            rest->late_chunks += has_other ? 1 : 0;
        }
        layerlift__v1__offload_response__free_unpacked(response, NULL);
    }
}

static void test_a_cancelled_answer_is_one_answer_and_stops(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask large = {.id = 1, .first = 4, .end = 5, .sends_receipts = true};
    const struct edge_ask next = {.id = 2, .first = 3, .end = 4};
    struct rest rest = {0};
    edge_call_ask(call, &model, &large, 1);
    /* Its head has left, and without receipts not all of its chunks have. */
    Layerlift__V1__OffloadResponse *head = (Layerlift__V1__OffloadResponse *)edge_call_next(
        call, &layerlift__v1__offload_response__descriptor);
    CU_ASSERT_PTR_NOT_NULL_FATAL(head);
    CU_ASSERT_EQUAL(head->kind_case, LAYERLIFT__V1__OFFLOAD_RESPONSE__KIND_ANSWER);
    layerlift__v1__offload_response__free_unpacked(head, NULL);
    edge_call_send_cancel(call, 1);
    edge_call_send_cancel(call, 1);
    edge_call_ask(call, &model, &next, 1);
    edge_call_half_close(call);
    take_rest(call, 1, &rest);
    CU_ASSERT_EQUAL(rest.answers, 0);
    CU_ASSERT_EQUAL(rest.late_chunks, 0);
    CU_ASSERT_TRUE(rest.bytes <= ANSWER_BYTES);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    /* A query that is cancelled at once gets its one answer, too. */
    for (int i = 0; i < 20; i++) {
        call = edge_call_open(fixture.client, "Offload");
        rest = (struct rest){0};
        edge_call_ask(call, &model, &next, 1);
        edge_call_send_cancel(call, next.id);
        edge_call_half_close(call);
        take_rest(call, next.id, &rest);
        CU_ASSERT_EQUAL(rest.answers, 1);
        CU_ASSERT(rest.status == LL_OK || rest.status == LL_E_CANCELLED);
        CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
        edge_call_close(call);
    }
    tear_down(&fixture, &model);
}

static void test_deadline_answers_while_waiting_and_running(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, 1);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waiting = {.id = 1, .end = LAYERS, .least_prefix = 5, .deadline_ms = 1};
    const struct edge_ask running = {.id = 2, .end = 1, .deadline_ms = 1};
    const struct edge_ask receiving = {.id = 3, .end = 1, .deadline_ms = 1};
    edge_call_ask(call, &model, &waiting, 1);
    check_error(call, 1, LL_E_DEADLINE, "deadline has passed");
    edge_call_ask(call, &model, &running, 1);
    check_error(call, 2, LL_E_DEADLINE, "deadline has passed");
    edge_call_send_query(call, &model, &receiving);
    check_error(call, 3, LL_E_DEADLINE, "deadline has passed");
    fake_engine_release(fixture.engine, FAKE_RUN);
    const struct edge_ask late = {.id = 4, .end = 1, .deadline_ms = UINT16_MAX};
    edge_call_ask(call, &model, &late, 1);
    check_right(call, &model, 4, 1, 0, 1);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

static void test_device_that_vanishes_in_mid_query_leaves_nothing(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.executors = 1;
    set_up(&fixture, &model, LAYERS);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    struct edge_ask asks[3] = {
        {.id = 1, .end = LAYERS}, {.id = 2, .end = LAYERS}, {.id = 3, .end = LAYERS}};
    edge_call_ask(call, &model, &asks[0], 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    edge_call_ask(call, &model, &asks[1], 1);
    edge_call_send_query(call, &model, &asks[2]);
    send_chunk(call, 3, -1, 0, 5000);
    edge_call_close(call);
    /* Another device's query comes next, and nothing of the lost one runs but what ran. */
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &asks[0], 2);
    fake_engine_release(fixture.engine, FAKE_RUN);
    check_right(call, &model, 1, 2, 0, LAYERS);
    CU_ASSERT(fake_engine_done(fixture.engine, FAKE_RUN) <= 3);
    edge_call_close(call);
    /* The model is not in use for ever. */
    Layerlift__V1__DeleteModelRequest request = LAYERLIFT__V1__DELETE_MODEL_REQUEST__INIT;
    request.model_id = model.id_text;
    ll_status status = LL_E_PRECONDITION;
    while (status == LL_E_PRECONDITION) {
        ProtobufCMessage *response =
            edge_client_ask(fixture.client, "DeleteModel", &request.base,
                            &layerlift__v1__delete_model_response__descriptor, &status, NULL);
        if (response) {
            protobuf_c_message_free_unpacked(response, NULL);
        }
    }
    CU_ASSERT_EQUAL(status, LL_OK);
    tear_down(&fixture, &model);
}

static void test_half_close_answers_what_is_there(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask whole = {.id = 1, .end = LAYERS};
    const struct edge_ask half = {.id = 2, .end = LAYERS};
    edge_call_ask(call, &model, &whole, 1);
    edge_call_send_query(call, &model, &half);
    send_chunk(call, 2, -1, 0, 100);
    edge_call_half_close(call);
    check_error(call, 2, LL_E_INVALID, "the stream ended before");
    fake_engine_release(fixture.engine, FAKE_RUN);
    check_right(call, &model, 1, 1, 0, LAYERS);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

/* ---- The engine's failures ---- */

static void test_engine_failures_are_the_querys_own(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    fake_engine_fail(fixture.engine, FAKE_CONTEXT, 1, LL_E_NO_MEMORY);
    edge_call_ask(call, &model, &ask, 1);
    check_error(call, 1, LL_E_EXHAUSTED, "made to fail");
    fake_engine_fail(fixture.engine, FAKE_RUN, 1, LL_E_NO_MEMORY);
    edge_call_ask(call, &model, &ask, 1);
    check_error(call, 1, LL_E_EXHAUSTED, "made to fail");
    edge_call_ask(call, &model, &ask, 1);
    check_right(call, &model, 1, 1, 0, LAYERS);
    edge_call_close(call);
    tear_down(&fixture, &model);
}

const char *const ll_test_suite = "edge_offload";
const struct ll_test ll_tests[] = {
    LL_TEST(test_every_legal_range_gives_the_right_bits),
    LL_TEST(test_query_runs_as_far_as_the_prefix),
    LL_TEST(test_query_waits_for_its_least_prefix),
    LL_TEST(test_wait_ends_when_the_server_stops),
    LL_TEST(test_wait_ends_when_a_creation_fails),
    LL_TEST(test_chunks_of_queries_may_interleave),
    LL_TEST(test_small_answers_pass_a_large_one),
    LL_TEST(test_answers_go_with_receipts_without_them_and_where_they_do_not_come),
    LL_TEST(test_unknown_model_is_not_found_in_the_answer),
    LL_TEST(test_illegal_cuts_are_refused_in_the_answer),
    LL_TEST(test_wrong_tensors_are_refused_in_the_answer),
    LL_TEST(test_bad_chunks_fail_their_query_only),
    LL_TEST(test_broken_rules_end_the_stream),
    LL_TEST(test_random_bytes_are_no_message),
    LL_TEST(test_limits_are_named),
    LL_TEST(test_limits_are_for_programs_too),
    LL_TEST(test_a_query_above_all_bytes_is_refused_for_good),
    LL_TEST(test_chunks_of_refused_queries_are_dropped_however_many),
    LL_TEST(test_cancel_at_every_stage),
    LL_TEST(test_a_cancelled_answer_is_one_answer_and_stops),
    LL_TEST(test_deadline_answers_while_waiting_and_running),
    LL_TEST(test_device_that_vanishes_in_mid_query_leaves_nothing),
    LL_TEST(test_half_close_answers_what_is_there),
    LL_TEST(test_engine_failures_are_the_querys_own),
    {NULL, NULL},
};
