/* Queries through a real server and connection, with the fake engine: what devices that keep to the
 * rules get. Breaking rules: edge_offload_rules_test.c. Cancels, deadlines, lost devices:
 * edge_offload_end_test.c. */
#include "edge/offload/edge_offload.h"

#include "tests/support/edge_queries.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_QUERIES_LAYERS };

static void test_every_legal_range_gives_the_right_bits(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
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
            edge_call_check_right(call, &model, id, (unsigned)id, first, end);
        }
    }
    CU_ASSERT_EQUAL(id, 21);
    edge_call_half_close(call);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_query_runs_as_far_as_the_prefix(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, 3);
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
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_query_waits_for_its_least_prefix(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = 5};
    const struct edge_ask does_not = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &waits, 3);
    edge_call_ask(call, &model, &does_not, 3);
    edge_call_check_right(call, &model, 2, 3, 0, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.id, 1);
    CU_ASSERT(answer.reached >= 5);
    CU_ASSERT(edge_answer_is_right(&answer, &model, 3, 0));
    edge_answer_finish(&answer);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_wait_ends_when_the_server_stops(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    const struct edge_ask does_not = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &waits, 3);
    edge_call_ask(call, &model, &does_not, 3);
    edge_call_check_right(call, &model, 2, 3, 0, 1);
    /* Nobody is going to upload what it waits for: it is told so, and the stop does not wait. */
    edge_server_stop(fixture.server, INT64_MAX / 2);
    edge_call_check_error(call, 1, LL_E_UNAVAILABLE, "shutting down");
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_E_UNAVAILABLE);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_wait_ends_when_a_creation_fails(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, 1);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waits = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    edge_call_ask(call, &model, &waits, 3);
    fake_engine_fail(fixture.engine, FAKE_CREATION, 1, LL_E_NO_MEMORY);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 1, LAYERS);
    edge_call_check_error(call, 1, LL_E_PRECONDITION, "a creation of the model failed");
    edge_call_close(upload);
    /* The prefix serves on. */
    const struct edge_ask first = {.id = 2, .end = 1};
    edge_call_ask(call, &model, &first, 3);
    edge_call_check_right(call, &model, 2, 3, 0, 1);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_chunks_of_queries_may_interleave(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
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
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_small_answers_pass_a_large_one(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
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
    edge_fixture_tear_down_model(&fixture, &model);
}

/* ---- Receipts ---- */

/* Takes the answer of layer 4, and with `acknowledges` sends a receipt of each chunk, `before`
 * bytes having come on the stream already. Returns the largest chunk. */
static size_t take_with_receipts(struct edge_call *call, bool *out_takes_receipts,
                                 bool acknowledges, size_t before)
{
    size_t received = 0;
    size_t largest = 0;
    while (received < EDGE_QUERIES_LARGE_BYTES) {
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
    CU_ASSERT_EQUAL(received, EDGE_QUERIES_LARGE_BYTES);
    return largest;
}

static void test_answers_go_with_receipts_without_them_and_where_they_do_not_come(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    bool takes_receipts = true;
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &(struct edge_ask){.id = 1, .first = 4, .end = 5}, 1);
    /* The device does not know of them. */
    CU_ASSERT_EQUAL(take_with_receipts(call, &takes_receipts, false, 0), 64 << 10);
    CU_ASSERT_FALSE(takes_receipts);
    /* From the second query on it does. */
    struct edge_ask ask = {.id = 2, .first = 4, .end = 5, .sends_receipts = true};
    edge_call_ask(call, &model, &ask, 1);
    take_with_receipts(call, &takes_receipts, true, EDGE_QUERIES_LARGE_BYTES);
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
    edge_fixture_tear_down_model(&fixture, &model);
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
    {NULL, NULL},
};
