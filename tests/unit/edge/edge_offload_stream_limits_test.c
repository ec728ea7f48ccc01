/* What queries hold while they do nothing, and who has to leave: through a real server, with one
 * peer, 127.0.0.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/offload/edge_offload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"
#include "tests/support/tcp_relay.h"

/* The whole takes 12,000 bytes in and 20 out. */
static const char cfg[] = "fake\ninput 3000\nlayer 16 1000\nlayer 5 300\n";
enum { LAYERS = 2, INPUT = -1, INPUT_BYTES = 12000, FOREVER_MS = 3600 * 1000 };

static void set_up(struct edge_fixture *fixture, struct fake_model *model)
{
    edge_fixture_start(fixture);
    fake_model_init(model, cfg, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture->client, model), LL_OK);
}

static void check_error(struct edge_call *call, ll_status status, const char *reason)
{
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.status, status);
    bool has_reason = strstr(answer.message, reason) != NULL;
    CU_ASSERT(has_reason);
    if (!has_reason) {
        fprintf(stderr, "expected \"%s\", the answer says \"%s\"\n", reason, answer.message);
    }
    edge_answer_finish(&answer);
}

static void check_served(struct edge_call *call, const struct fake_model *model, uint64_t id)
{
    const struct edge_ask ask = {.id = id, .end = LAYERS};
    struct edge_answer answer;
    edge_call_ask(call, model, &ask, 1);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.id, id);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT(edge_answer_is_right(&answer, model, 1, 0));
    edge_answer_finish(&answer);
}

/* Returns once the server has dealt with all that the stream sent: a query that it refuses at once
 * comes behind that. */
static void await_dealt_with(struct edge_call *call, const struct fake_model *model)
{
    const struct edge_ask ask = {.id = 99, .end = 1, .least_prefix = 2};
    edge_call_send_query(call, model, &ask);
    check_error(call, LL_E_INVALID, "least_prefix 2 is above end 1");
}

/* Heads that promise tensors take nothing of what all queries may take. */
static void test_claims_without_bytes_keep_nobody_out(void)
{
    enum { STREAMS = 5 };
    struct edge_fixture fixture;
    struct fake_model model;
    struct edge_call *claims[STREAMS];
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = 13000;
    fixture.config.server_query_bytes = 20000;
    fixture.config.query_idle_ms = FOREVER_MS;
    set_up(&fixture, &model);
    for (int i = 0; i < STREAMS; i++) {
        claims[i] = edge_call_open(fixture.client, "Offload");
        edge_call_send_query(claims[i], &model, &ask);
        await_dealt_with(claims[i], &model);
    }
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    check_served(call, &model, 1);
    check_served(call, &model, 2);
    /* Nor do they lose what they claimed. */
    edge_call_send_tensors(claims[0], &model, &ask, 1, 1000);
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(claims[0], &answer));
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    edge_answer_finish(&answer);
    for (int i = 0; i < STREAMS; i++) {
        edge_call_close(claims[i]);
    }
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_bytes_of_one_address_are_limited_by_name(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    static const char bytes[INPUT_BYTES];
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = 13000;
    fixture.config.server_query_bytes = 20000;
    fixture.config.query_idle_ms = FOREVER_MS;
    fixture.config.query_patience_ms = FOREVER_MS;
    set_up(&fixture, &model);
    struct edge_call *first = edge_call_open(fixture.client, "Offload");
    struct edge_call *second = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(first, &model, &ask);
    edge_call_send_tensor_chunk(first, 1, INPUT, 0, bytes, 9000);
    await_dealt_with(first, &model);
    edge_call_send_query(second, &model, &ask);
    edge_call_send_tensor_chunk(second, 1, INPUT, 0, bytes, 9000);
    check_error(second, LL_E_EXHAUSTED, "limit peer_query_bytes is 13000");
    /* The first one goes on. */
    struct edge_answer answer;
    edge_call_send_tensor_chunk(first, 1, INPUT, 9000, bytes, 3000);
    CU_ASSERT_FATAL(edge_call_answer(first, &answer));
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    edge_answer_finish(&answer);
    /* What they took is free again. */
    check_served(second, &model, 2);
    edge_call_close(first);
    edge_call_close(second);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_query_without_bytes_is_ended(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_fixture_init(&fixture);
    fixture.config.query_idle_ms = 1;
    set_up(&fixture, &model);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(call, &model, &ask);
    check_error(call, LL_E_DEADLINE,
                "no bytes of the query's tensors came for some time: limit query_idle_ms is 1");
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_query_without_bytes_gives_way(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_fixture_init(&fixture);
    fixture.config.server_queries = 1;
    fixture.config.query_idle_ms = FOREVER_MS;
    fixture.config.query_patience_ms = 0;
    set_up(&fixture, &model);
    struct edge_call *claim = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(claim, &model, &ask);
    await_dealt_with(claim, &model);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(call, &model, &ask);
    check_error(claim, LL_E_EXHAUSTED, "had to make room for another");
    edge_call_send_tensors(call, &model, &ask, 1, 1000);
    struct edge_answer answer;
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    edge_answer_finish(&answer);
    edge_call_close(claim);
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_queries_that_wait_for_tensors_are_limited(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    const struct edge_ask asks[] = {{.id = 1, .end = LAYERS}, {.id = 2, .end = LAYERS}};
    edge_fixture_init(&fixture);
    fixture.config.server_queries = 1;
    fixture.config.query_idle_ms = FOREVER_MS;
    fixture.config.query_patience_ms = FOREVER_MS;
    set_up(&fixture, &model);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    edge_call_send_query(call, &model, &asks[0]);
    edge_call_send_query(call, &model, &asks[1]);
    check_error(call, LL_E_EXHAUSTED,
                "too many queries wait for their tensors: limit server_queries is 1");
    edge_call_close(call);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* A query that waits for layers which nobody brings keeps its model for so long only. */
static void test_wait_for_layers_ends(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.query_wait_ms = 1;
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask asks[] = {
        {.id = 1, .end = LAYERS, .least_prefix = 1},
        {.id = 2, .end = LAYERS, .least_prefix = 1, .deadline_ms = FOREVER_MS}};
    for (int i = 0; i < 2; i++) {
        edge_call_ask(call, &model, &asks[i], 1);
        check_error(call, LL_E_DEADLINE, "did not come: limit query_wait_ms is 1");
    }
    edge_call_close(call);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Whether the large query, which needs nearly all of what an address may have, is served. Its own
 * answer may be cut off where the machine is slow. */
static bool is_served(struct edge_fixture *fixture, const struct fake_model *model)
{
    const struct edge_ask ask = {.id = 1, .first = 1, .end = 2};
    struct edge_answer answer;
    struct edge_call *call = edge_call_open(fixture->client, "Offload");
    edge_call_ask(call, model, &ask, 1);
    bool is_ok = edge_call_answer(call, &answer);
    if (is_ok) {
        CU_ASSERT(answer.status == LL_OK || answer.status == LL_E_EXHAUSTED);
        is_ok = answer.status == LL_OK;
        edge_answer_finish(&answer);
    }
    edge_call_close(call);
    return is_ok;
}

/* A device asks for 12.4 MB of answers over a link that stands still then: more than lies in
 * buffers on the way. They keep memory from others until the stream is cut off. */
static void test_answers_that_are_not_read_are_dropped(void)
{
    enum { QUERIES = 31 };
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.query_bytes = 13000000;
    fixture.config.server_query_bytes = 14000000;
    fixture.config.answer_idle_ms = 200;
    edge_fixture_start(&fixture);
    fake_model_init(&model, "fake\ninput 8\nlayer 100000 10\nlayer 3000000 10\n", 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct tcp_relay *relay = tcp_relay_create(edge_server_port(fixture.server));
    int port = (int)strtol(strchr(tcp_relay_address(relay), ':') + 1, NULL, 10);
    struct edge_client *slow = edge_client_create(port);
    struct edge_call *unread = edge_call_open(slow, "Offload");
    fake_engine_hold(fixture.engine, FAKE_RUN);
    for (uint64_t id = 0; id < QUERIES; id++) {
        const struct edge_ask ask = {.id = id, .end = 1};
        edge_call_ask(unread, &model, &ask, 1);
    }
    /* Their order is kept: the last one is here when this is refused. */
    await_dealt_with(unread, &model);
    tcp_relay_freeze(relay, true);
    fake_engine_release(fixture.engine, FAKE_RUN);
    while (!is_served(&fixture, &model)) {
    }
    tcp_relay_freeze(relay, false);
    CU_ASSERT_NOT_EQUAL(edge_call_end(unread, NULL), LL_OK);
    edge_call_close(unread);
    edge_client_destroy(slow);
    tcp_relay_destroy(relay);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_offload_stream_limits";
const struct ll_test ll_tests[] = {
    LL_TEST(test_claims_without_bytes_keep_nobody_out),
    LL_TEST(test_bytes_of_one_address_are_limited_by_name),
    LL_TEST(test_query_without_bytes_is_ended),
    LL_TEST(test_query_without_bytes_gives_way),
    LL_TEST(test_queries_that_wait_for_tensors_are_limited),
    LL_TEST(test_wait_for_layers_ends),
    LL_TEST(test_answers_that_are_not_read_are_dropped),
    {NULL, NULL},
};
