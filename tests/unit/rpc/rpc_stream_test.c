#include "rpc/rpc_stream.h"

#include <string.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"

const char *const ll_test_suite = "rpc_stream";

static void test_echo_one_message(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "hello", 5, &client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 1);
    CU_ASSERT(rpc_peer_last_is(&client, "hello", 5));
    CU_ASSERT_STRING_EQUAL(client.text, "");
    CU_ASSERT_STRING_EQUAL(rpc_stream_peer(client.stream), pair.target);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_calls_after_the_end_are_harmless(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "", 0, &client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 1);
    CU_ASSERT_EQUAL(client.message_bytes, 0);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, NULL), LL_E_STOPPED);
    CU_ASSERT_EQUAL(rpc_stream_queued(client.stream), 0);
    rpc_stream_cancel(client.stream);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    rpc_stream_finish(client.stream, LL_E_INVALID, "late");
    rpc_pair_finish(&pair);
    /* Even without server, channel and loop. */
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, NULL), LL_E_STOPPED);
    rpc_stream_cancel(client.stream);
    rpc_peer_finish(&client);
    rpc_stream_unref(NULL);
}

static void test_half_close_is_told(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "a", 1, NULL), LL_OK);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "b", 1, NULL), LL_E_STOPPED);
    rpc_peer_wait_half_close(&pair.peer);
    CU_ASSERT_EQUAL(pair.peer.messages, 1);
    CU_ASSERT_EQUAL(pair.peer.closed, 0);
    CU_ASSERT_EQUAL(strncmp(rpc_stream_peer(pair.peer.stream), "ipv4:127.0.0.1:", 15), 0);
    CU_ASSERT_EQUAL(rpc_stream_send(pair.peer.stream, "after", 5, NULL), LL_OK);
    rpc_stream_finish(pair.peer.stream, LL_E_PRECONDITION, "not like that");
    rpc_stream_finish(pair.peer.stream, LL_OK, "ignored");
    CU_ASSERT_EQUAL(rpc_stream_send(pair.peer.stream, "b", 1, NULL), LL_E_STOPPED);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_PRECONDITION);
    CU_ASSERT_STRING_EQUAL(client.text, "not like that");
    CU_ASSERT(rpc_peer_last_is(&client, "after", 5));
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_OK);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 1);
    CU_ASSERT_EQUAL(client.half_closes, 0);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_statuses_and_texts_arrive(void)
{
    static char long_text[3000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (int status = LL_OK; status < LL_STATUS_COUNT; status++) {
        struct rpc_pair pair;
        rpc_pair_init(&pair, NULL, NULL);
        struct rpc_peer client;
        rpc_peer_init(&client);
        rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
        rpc_peer_wait_opened(&pair.peer);
        const char *text = status % 3 == 0 ? NULL : status % 3 == 1 ? long_text : "100 % \n ä";
        rpc_stream_finish(pair.peer.stream, (ll_status)status, text);
        ll_status seen = rpc_peer_wait_closed(&client);
        CU_ASSERT_EQUAL(ll_status_to_grpc(seen), ll_status_to_grpc((ll_status)status));
        if (!text) {
            CU_ASSERT_STRING_EQUAL(client.text, status ? ll_status_text((ll_status)status) : "");
        } else if (text == long_text) {
            CU_ASSERT_EQUAL(strlen(client.text), 1024);
        } else {
            CU_ASSERT_STRING_EQUAL(client.text, text);
        }
        rpc_peer_finish(&client);
        rpc_pair_finish(&pair);
    }
}

static void test_deadline_ends_both_sides(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", ll_clock_now_ns() + 200 * LL_NS_PER_MS, &client);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_DEADLINE);
    rpc_peer_wait_opened(&pair.peer);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
    rpc_peer_finish(&client);
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Echo", 1, &client);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_DEADLINE);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_cancel_by_client_is_told_the_server(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    rpc_stream_cancel(client.stream);
    rpc_stream_cancel(client.stream);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_cancel_by_server_ends_the_client(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    rpc_stream_cancel(pair.peer.stream);
    rpc_stream_finish(pair.peer.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_stream_send(pair.peer.stream, "x", 1, NULL), LL_E_STOPPED);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_client_finish_with_error_cancels(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_stream_finish(client.stream, LL_E_INTERNAL, "enough");
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void finish_now(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                       size_t bytes)
{
    (void)peer;
    (void)data;
    (void)bytes;
    rpc_stream_finish(stream, LL_E_EXISTS, "enough");
}

static void test_finish_stops_messages(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    pair.peer.message_hook = finish_now;
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    /* The end may come in the middle of it. */
    for (int i = 0; i < 1000; i++) {
        ll_status status = rpc_stream_send(client.stream, "more", 4, NULL);
        CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
    }
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_EXISTS);
    CU_ASSERT_STRING_EQUAL(client.text, "enough");
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_OK);
    CU_ASSERT_EQUAL(pair.peer.messages, 1);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void cancel_now(struct rpc_peer *peer, struct rpc_stream *stream, const uint8_t *data,
                       size_t bytes)
{
    (void)peer;
    (void)data;
    (void)bytes;
    rpc_stream_cancel(stream);
}

static void test_cancel_within_a_callback(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    client.message_hook = cancel_now;
    client.closed_hook = cancel_now;
    rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
    for (int i = 0; i < 100; i++) {
        ll_status status = rpc_stream_send(client.stream, "more", 4, NULL);
        CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
    }
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(client.messages, 1);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void finish_from_thread(void *arg)
{
    rpc_stream_finish(arg, LL_OK, NULL);
}

static void test_finish_races_with_cancel(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        struct rpc_peer client;
        rpc_peer_init(&client);
        rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
        rpc_peer_wait_opened(&pair.peer);
        struct ll_thread thread = {0};
        CU_ASSERT_EQUAL_FATAL(
            ll_thread_start(&thread, "finisher", finish_from_thread, pair.peer.stream), LL_OK);
        rpc_stream_cancel(i % 2 ? client.stream : pair.peer.stream);
        ll_thread_join(&thread);
        ll_status status = rpc_peer_wait_closed(&client);
        CU_ASSERT(status == LL_OK || status == LL_E_CANCELLED);
        status = rpc_peer_wait_closed(&pair.peer);
        CU_ASSERT(status == LL_OK || status == LL_E_CANCELLED);
        rpc_peer_finish(&client);
        rpc_peer_reset(&pair.peer);
    }
    rpc_pair_finish(&pair);
}

static void test_cancel_before_anything_was_sent(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    for (int i = 0; i < 100; i++) {
        struct rpc_peer client;
        rpc_peer_init(&client);
        rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &client);
        rpc_stream_cancel(client.stream);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
        rpc_peer_finish(&client);
    }
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_echo_one_message),
    LL_TEST(test_calls_after_the_end_are_harmless),
    LL_TEST(test_half_close_is_told),
    LL_TEST(test_statuses_and_texts_arrive),
    LL_TEST(test_deadline_ends_both_sides),
    LL_TEST(test_cancel_by_client_is_told_the_server),
    LL_TEST(test_cancel_by_server_ends_the_client),
    LL_TEST(test_client_finish_with_error_cancels),
    LL_TEST(test_finish_stops_messages),
    LL_TEST(test_cancel_within_a_callback),
    LL_TEST(test_finish_races_with_cancel),
    LL_TEST(test_cancel_before_anything_was_sent),
    {NULL, NULL},
};
