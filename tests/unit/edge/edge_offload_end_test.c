/* Queries that end before they are answered: cancels, deadlines, lost devices, failures. */
#include "edge/offload/edge_offload.h"
#include "tests/support/edge_queries.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_QUERIES_LAYERS };

/* For chunks whose bytes do not matter. */
static const uint8_t zeros[5000];

static void test_cancel_at_every_stage(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.executors = 1;
    edge_queries_set_up(&fixture, &model, LAYERS);
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
        edge_call_check_error(call, id, LL_E_CANCELLED, "cancelled by the device");
    }
    fake_engine_release(fixture.engine, FAKE_RUN);
    /* The ids are free again, and the late result is not mistaken for an answer. */
    edge_call_ask(call, &model, &running, 5);
    edge_call_check_right(call, &model, 1, 5, 0, LAYERS);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_RUN), 2);
    /* Nobody computes to its end what nobody waits for. */
    CU_ASSERT_EQUAL(fake_engine_stopped(fixture.engine, FAKE_RUN), 1);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
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
    edge_queries_set_up(&fixture, &model, LAYERS);
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
    CU_ASSERT_TRUE(rest.bytes <= EDGE_QUERIES_LARGE_BYTES);
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
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_deadline_answers_while_waiting_and_running(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, 1);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask waiting = {.id = 1, .end = LAYERS, .least_prefix = 5, .deadline_ms = 1};
    const struct edge_ask running = {.id = 2, .end = 1, .deadline_ms = 1};
    const struct edge_ask receiving = {.id = 3, .end = 1, .deadline_ms = 1};
    edge_call_ask(call, &model, &waiting, 1);
    edge_call_check_error(call, 1, LL_E_DEADLINE, "deadline has passed");
    edge_call_ask(call, &model, &running, 1);
    edge_call_check_error(call, 2, LL_E_DEADLINE, "deadline has passed");
    edge_call_send_query(call, &model, &receiving);
    edge_call_check_error(call, 3, LL_E_DEADLINE, "deadline has passed");
    fake_engine_release(fixture.engine, FAKE_RUN);
    const struct edge_ask late = {.id = 4, .end = 1, .deadline_ms = UINT16_MAX};
    edge_call_ask(call, &model, &late, 1);
    edge_call_check_right(call, &model, 4, 1, 0, 1);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_device_that_vanishes_in_mid_query_leaves_nothing(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.executors = 1;
    edge_queries_set_up(&fixture, &model, LAYERS);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    struct edge_ask asks[3] = {
        {.id = 1, .end = LAYERS}, {.id = 2, .end = LAYERS}, {.id = 3, .end = LAYERS}};
    edge_call_ask(call, &model, &asks[0], 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    edge_call_ask(call, &model, &asks[1], 1);
    edge_call_send_query(call, &model, &asks[2]);
    edge_call_send_tensor_chunk(call, 3, -1, 0, zeros, 5000);
    edge_call_close(call);
    /* Another device's query comes next, and nothing of the lost one runs but what ran. */
    call = edge_call_open(fixture.client, "Offload");
    edge_call_ask(call, &model, &asks[0], 2);
    fake_engine_release(fixture.engine, FAKE_RUN);
    edge_call_check_right(call, &model, 1, 2, 0, LAYERS);
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
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_half_close_answers_what_is_there(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask whole = {.id = 1, .end = LAYERS};
    const struct edge_ask half = {.id = 2, .end = LAYERS};
    edge_call_ask(call, &model, &whole, 1);
    edge_call_send_query(call, &model, &half);
    edge_call_send_tensor_chunk(call, 2, -1, 0, zeros, 100);
    edge_call_half_close(call);
    edge_call_check_error(call, 2, LL_E_INVALID, "the stream ended before");
    fake_engine_release(fixture.engine, FAKE_RUN);
    edge_call_check_right(call, &model, 1, 1, 0, LAYERS);
    CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_OK);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* ---- The engine's failures ---- */

static void test_engine_failures_are_the_querys_own(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    edge_queries_set_up(&fixture, &model, LAYERS);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    fake_engine_fail(fixture.engine, FAKE_CONTEXT, 1, LL_E_NO_MEMORY);
    edge_call_ask(call, &model, &ask, 1);
    edge_call_check_error(call, 1, LL_E_EXHAUSTED, "made to fail");
    fake_engine_fail(fixture.engine, FAKE_RUN, 1, LL_E_NO_MEMORY);
    edge_call_ask(call, &model, &ask, 1);
    edge_call_check_error(call, 1, LL_E_EXHAUSTED, "made to fail");
    edge_call_ask(call, &model, &ask, 1);
    edge_call_check_right(call, &model, 1, 1, 0, LAYERS);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_offload_end";
const struct ll_test ll_tests[] = {
    LL_TEST(test_cancel_at_every_stage),
    LL_TEST(test_a_cancelled_answer_is_one_answer_and_stops),
    LL_TEST(test_deadline_answers_while_waiting_and_running),
    LL_TEST(test_device_that_vanishes_in_mid_query_leaves_nothing),
    LL_TEST(test_half_close_answers_what_is_there),
    LL_TEST(test_engine_failures_are_the_querys_own),
    {NULL, NULL},
};
