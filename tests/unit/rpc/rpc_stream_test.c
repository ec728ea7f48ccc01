#include "rpc/rpc_stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
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
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, NULL), LL_E_STOPPED);
    rpc_stream_cancel(client.stream);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
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
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_PRECONDITION);
    CU_ASSERT_STRING_EQUAL(client.text, "not like that");
    CU_ASSERT(rpc_peer_last_is(&client, "after", 5));
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_OK);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 1);
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
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_echo_one_message),
    LL_TEST(test_half_close_is_told),
    LL_TEST(test_cancel_by_client_is_told_the_server),
    {NULL, NULL},
};
