#include "rpc/rpc_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "core/ll_limits.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"
#include "tests/unit/rpc/rpc_test_relay.h"

const char *const ll_test_suite = "rpc_server";

static void refuse(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    rpc_stream_finish(stream, LL_E_PRECONDITION, "not today");
}

static void ignore_call(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    (void)stream;
}

static void cancel_call(void *arg, struct rpc_stream *stream)
{
    (void)arg;
    rpc_stream_cancel(stream);
}

static void answer_unary(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)arg;
    ll_status status = rpc_stream_send(stream, data, bytes, NULL);
    rpc_stream_finish(stream, status, NULL);
}

/* Answers later, from a thread of its own. */
struct later {
    struct ll_thread thread;
    struct rpc_stream *stream;
    uint8_t answer;
};

static void answer_from_thread(void *arg)
{
    struct later *later = arg;
    CU_ASSERT_EQUAL(rpc_stream_send(later->stream, &later->answer, 1, NULL), LL_OK);
    rpc_stream_finish(later->stream, LL_OK, NULL);
    rpc_stream_unref(later->stream);
}

static void answer_later(void *arg, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    struct later *later = arg;
    CU_ASSERT_EQUAL(bytes, 1);
    later->stream = rpc_stream_ref(stream);
    later->answer = (uint8_t)(data[0] + 1);
    CU_ASSERT_EQUAL(ll_thread_start(&later->thread, "later", answer_from_thread, later), LL_OK);
}

static void add_methods(struct rpc_server *server, void *arg)
{
    CU_ASSERT_EQUAL(rpc_server_add(server, "/t.T/Refuse", refuse, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/t.T/Ignore", ignore_call, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/t.T/Cancel", cancel_call, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add_unary(server, "/t.T/Unary", answer_unary, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add_unary(server, "/t.T/Later", answer_later, arg), LL_OK);
}

static void test_unknown_methods_are_unimplemented(void)
{
    static const char *const paths[] = {
        "/t.T/None", "/t.T/", "/t.T/Echo2", "/t.T/Ech", "/", "/t.T/Echo/", "/t.t/echo",
    };
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_methods, NULL);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct rpc_peer client;
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, paths[i], "x", 1, &client), LL_E_UNSUPPORTED);
        CU_ASSERT_PTR_NOT_NULL(strstr(client.text, paths[i]));
        rpc_peer_finish(&client);
    }
    rpc_pair_finish(&pair);
}

static void test_flood_of_unknown_methods_is_answered(void)
{
    enum { CALLS = 3000 };
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_methods, NULL);
    struct rpc_peer *clients = calloc(CALLS, sizeof(*clients));
    CU_ASSERT_PTR_NOT_NULL_FATAL(clients);
    for (int i = 0; i < CALLS; i++) {
        rpc_peer_init(&clients[i]);
        rpc_pair_call(&pair, i % 10 == 0 ? "/t.T/Unary" : "/t.T/None", LL_CLOCK_NEVER, &clients[i]);
        ll_status status = rpc_stream_send(clients[i].stream, "x", 1, NULL);
        CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
        rpc_stream_finish(clients[i].stream, LL_OK, NULL);
    }
    for (int i = 0; i < CALLS; i++) {
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&clients[i]), i % 10 == 0 ? LL_OK : LL_E_UNSUPPORTED);
        rpc_peer_finish(&clients[i]);
    }
    free(clients);
    rpc_pair_finish(&pair);
}

static void test_calls_that_the_method_refuses(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_methods, NULL);
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Refuse", "x", 1, &client), LL_E_PRECONDITION);
    CU_ASSERT_STRING_EQUAL(client.text, "not today");
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Ignore", "x", 1, &client), LL_E_INTERNAL);
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Cancel", "x", 1, &client), LL_E_CANCELLED);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_unary_answers(void)
{
    struct rpc_pair pair;
    struct later later = {.stream = NULL};
    rpc_pair_init(&pair, add_methods, &later);
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Unary", "question", 8, &client), LL_OK);
    CU_ASSERT(rpc_peer_last_is(&client, "question", 8));
    CU_ASSERT_EQUAL(client.messages, 1);
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Later", "a", 1, &client), LL_OK);
    CU_ASSERT(rpc_peer_last_is(&client, "b", 1));
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
    /* The loop that started the thread has ended: `later` is whole. */
    ll_thread_join(&later.thread);
}

static void test_unary_without_a_request_is_invalid(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_methods, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Unary", LL_CLOCK_NEVER, &client);
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_INVALID);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_unary_with_many_requests_answers_the_first(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_methods, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Unary", LL_CLOCK_NEVER, &client);
    for (int i = 0; i < 20; i++) {
        ll_status status = rpc_stream_send(client.stream, &i, sizeof(i), NULL);
        CU_ASSERT(status == LL_OK || status == LL_E_STOPPED);
    }
    rpc_stream_finish(client.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT_EQUAL(client.messages, 1);
    int first = 0;
    CU_ASSERT(rpc_peer_last_is(&client, &first, sizeof(first)));
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_message_above_the_limit_is_exhausted(void)
{
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    struct rpc_pair pair = {.server_loop = loop, .client_loop = loop};
    struct rpc_server_config config = {.listen = "127.0.0.1:0", .max_message_bytes = 1000};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(loop, &config, &pair.server, NULL), LL_OK);
    rpc_peer_init(&pair.peer);
    CU_ASSERT_EQUAL(rpc_server_add(pair.server, "/t.T/Peer", rpc_peer_open, &pair.peer), LL_OK);
    add_methods(pair.server, NULL);
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(pair.server, NULL), LL_OK);
    snprintf(pair.target, sizeof(pair.target), "127.0.0.1:%d", rpc_server_port(pair.server));
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(loop, pair.target, &pair.channel, NULL), LL_OK);
    static const char message[1001];
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Unary", message, 1000, &client), LL_OK);
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Unary", message, 1001, &client), LL_E_EXHAUSTED);
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Peer", message, 1001, &client), LL_E_EXHAUSTED);
    rpc_peer_finish(&client);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
    CU_ASSERT_EQUAL(pair.peer.messages, 0);
    CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
    rpc_pair_finish(&pair);
}

static void test_start_on_a_port_in_use_names_it(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_server_config config = {.listen = pair.target};
    struct rpc_server *second = NULL;
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(pair.server_loop, &config, &second, &err), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_start(second, &err), LL_E_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, pair.target));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "already in use"));
    rpc_server_stop(second, 0);
    rpc_server_destroy(second);
    rpc_pair_finish(&pair);
}

static void test_start_on_an_address_that_cannot_be_had(void)
{
    static const char *const bad[] = {"203.0.113.7:0", "no-such-host.invalid:0"};
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rpc_server_config config = {.listen = bad[i]};
        struct rpc_server *server = NULL;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL_FATAL(rpc_server_create(loop, &config, &server, &err), LL_OK);
        CU_ASSERT_EQUAL(rpc_server_start(server, &err), LL_E_UNAVAILABLE);
        CU_ASSERT_EQUAL(strncmp(err.text, bad[i], strlen(bad[i])), 0);
        CU_ASSERT_EQUAL(rpc_server_port(server), 0);
        rpc_server_destroy(server);
    }
    rpc_server_destroy(NULL);
    rpc_loop_destroy(loop);
}

static void test_create_with_a_bad_address(void)
{
    static const char *const bad[] = {"", ":", "nonsense", "127.0.0.1:99999", "unix:/tmp/x", "a:b"};
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rpc_server_config config = {.listen = bad[i]};
        struct rpc_server *server = NULL;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(rpc_server_create(loop, &config, &server, &err), LL_E_INVALID);
        CU_ASSERT_PTR_NULL(server);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i]));
    }
    rpc_loop_destroy(loop);
}

static void test_add_with_bad_arguments(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_server *server = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(pair.server_loop, &config, &server, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/a.A/B", refuse, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/a.A/B", refuse, NULL), LL_E_EXISTS);
    CU_ASSERT_EQUAL(rpc_server_add_unary(server, "/a.A/B", answer_unary, NULL), LL_E_EXISTS);
    CU_ASSERT_EQUAL(rpc_server_add(server, "a.A/B", refuse, NULL), LL_E_INVALID);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/a.A", refuse, NULL), LL_E_INVALID);
    CU_ASSERT_EQUAL(rpc_server_start(server, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_start(server, NULL), LL_E_PRECONDITION);
    CU_ASSERT_EQUAL(rpc_server_add(server, "/a.A/C", refuse, NULL), LL_E_PRECONDITION);
    rpc_server_stop(server, 0);
    CU_ASSERT_EQUAL(rpc_server_start(server, NULL), LL_E_PRECONDITION);
    rpc_server_destroy(server);
    rpc_pair_finish(&pair);
}

static void test_stop_cancels_what_is_left_at_the_drains_end(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    rpc_server_stop(pair.server, 20 * LL_NS_PER_MS);
    CU_ASSERT_EQUAL(pair.peer.closed, 1);
    CU_ASSERT_EQUAL(pair.peer.status, LL_E_CANCELLED);
    CU_ASSERT_EQUAL(rpc_stream_send(pair.peer.stream, "x", 1, NULL), LL_E_STOPPED);
    ll_status status = rpc_peer_wait_closed(&client);
    CU_ASSERT(status == LL_E_UNAVAILABLE || status == LL_E_CANCELLED);
    rpc_server_stop(pair.server, 0);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

struct stopper {
    struct ll_thread thread;
    struct rpc_server *server;
};

static void stop_server(void *arg)
{
    struct stopper *stopper = arg;
    rpc_server_stop(stopper->server, LL_CLOCK_NEVER);
}

static void test_stop_lets_calls_under_way_finish(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    rpc_peer_init(&client);
    rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
    rpc_peer_wait_opened(&pair.peer);
    struct stopper stopper = {.server = pair.server};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&stopper.thread, "stopper", stop_server, &stopper),
                          LL_OK);
    /* Until the server refuses new calls; every one that it takes it also answers. */
    ll_status status = LL_OK;
    while (status == LL_OK) {
        struct rpc_peer late;
        status = rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &late);
        rpc_peer_finish(&late);
    }
    CU_ASSERT_EQUAL(status, LL_E_UNAVAILABLE);
    CU_ASSERT_EQUAL(client.closed, 0);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "still here", 10, NULL), LL_OK);
    rpc_peer_wait_messages(&pair.peer, 1);
    CU_ASSERT_EQUAL(rpc_stream_send(pair.peer.stream, "so am I", 7, NULL), LL_OK);
    rpc_stream_finish(pair.peer.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_OK);
    CU_ASSERT(rpc_peer_last_is(&client, "so am I", 7));
    ll_thread_join(&stopper.thread);
    CU_ASSERT_EQUAL(pair.peer.status, LL_OK);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

/* Eight streams with much to echo, cut off by the stop. */
static void stop_in_the_middle(void)
{
    enum { STREAMS = 8, MESSAGES = 20, BYTES = 100000 };
    static const uint8_t message[BYTES];
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer clients[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        rpc_peer_init(&clients[i]);
        rpc_pair_call(&pair, "/t.T/Echo", LL_CLOCK_NEVER, &clients[i]);
        for (int k = 0; k < MESSAGES; k++) {
            CU_ASSERT_EQUAL(rpc_stream_send(clients[i].stream, message, BYTES, NULL), LL_OK);
        }
    }
    rpc_peer_wait_messages(&clients[0], 1);
    rpc_server_stop(pair.server, 0);
    for (int i = 0; i < STREAMS; i++) {
        ll_status status = rpc_peer_wait_closed(&clients[i]);
        CU_ASSERT(status == LL_E_UNAVAILABLE || status == LL_E_CANCELLED);
        rpc_peer_finish(&clients[i]);
    }
    rpc_pair_finish(&pair);
}

static void test_stop_with_messages_in_flight(void)
{
    for (int round = 0; round < 10; round++) {
        stop_in_the_middle();
    }
}

static void test_create_and_destroy_without_calls(void)
{
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    for (int i = 0; i < 20; i++) {
        struct rpc_server_config config = {.listen = i % 2 ? "127.0.0.1:0" : "[::1]:0"};
        struct rpc_server *server = NULL;
        CU_ASSERT_EQUAL_FATAL(rpc_server_create(loop, &config, &server, NULL), LL_OK);
        add_methods(server, NULL);
        if (i % 3 > 0) {
            /* A machine may be without IPv6. */
            ll_status status = rpc_server_start(server, NULL);
            CU_ASSERT(status == LL_OK || (i % 2 == 0 && status == LL_E_UNAVAILABLE));
            CU_ASSERT_EQUAL(rpc_server_port(server) > 0, status == LL_OK);
        }
        rpc_server_destroy(server);
    }
    rpc_loop_destroy(loop);
}

static void test_bytes_that_are_no_http_do_no_harm(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    uint32_t state = 1;
    for (int i = 0; i < 50; i++) {
        int connection = rpc_relay_connect(rpc_server_port(pair.server));
        CU_ASSERT_FATAL(connection >= 0);
        uint8_t bytes[600] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for (size_t at = i % 2 ? 24 : 0; at < sizeof(bytes); at++) {
            state = state * 1664525u + 1013904223u;
            bytes[at] = (uint8_t)(state >> 24);
        }
        CU_ASSERT(send(connection, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
        close(connection);
    }
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &client), LL_OK);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_clients_that_vanish_in_the_middle(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    static const uint8_t message[300000];
    for (int i = 0; i < 20; i++) {
        struct rpc_relay relay;
        CU_ASSERT_FATAL(rpc_relay_start(&relay, 0, rpc_server_port(pair.server)));
        struct rpc_channel *channel = NULL;
        char target[64];
        snprintf(target, sizeof(target), "127.0.0.1:%d", relay.port);
        CU_ASSERT_EQUAL_FATAL(rpc_channel_create(pair.client_loop, target, &channel, NULL), LL_OK);
        struct rpc_peer client;
        rpc_peer_init(&client);
        CU_ASSERT_EQUAL_FATAL(rpc_channel_open(channel, "/t.T/Peer", LL_CLOCK_NEVER,
                                               &rpc_peer_handler, &client, &client.stream),
                              LL_OK);
        for (int k = 0; k < 10; k++) {
            CU_ASSERT_EQUAL(rpc_stream_send(client.stream, message, sizeof(message), NULL), LL_OK);
        }
        rpc_peer_wait_messages(&pair.peer, 1);
        rpc_relay_cut(&relay);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
        CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_UNAVAILABLE);
        rpc_peer_finish(&client);
        rpc_channel_destroy(channel);
        rpc_relay_stop(&relay);
        rpc_peer_reset(&pair.peer);
    }
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_unknown_methods_are_unimplemented),
    LL_TEST(test_flood_of_unknown_methods_is_answered),
    LL_TEST(test_calls_that_the_method_refuses),
    LL_TEST(test_unary_answers),
    LL_TEST(test_unary_without_a_request_is_invalid),
    LL_TEST(test_unary_with_many_requests_answers_the_first),
    LL_TEST(test_message_above_the_limit_is_exhausted),
    LL_TEST(test_start_on_a_port_in_use_names_it),
    LL_TEST(test_start_on_an_address_that_cannot_be_had),
    LL_TEST(test_create_with_a_bad_address),
    LL_TEST(test_add_with_bad_arguments),
    LL_TEST(test_stop_cancels_what_is_left_at_the_drains_end),
    LL_TEST(test_stop_lets_calls_under_way_finish),
    LL_TEST(test_stop_with_messages_in_flight),
    LL_TEST(test_create_and_destroy_without_calls),
    LL_TEST(test_bytes_that_are_no_http_do_no_harm),
    LL_TEST(test_clients_that_vanish_in_the_middle),
    {NULL, NULL},
};
