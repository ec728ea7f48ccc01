#include "rpc/rpc_channel.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"
#include "tests/unit/rpc/rpc_test_relay.h"

const char *const ll_test_suite = "rpc_channel";

static void test_create_with_a_bad_target(void)
{
    static const char *const bad[] = {
        "",         "host",    ":1",      "host:",       "host:0", "host:65536",
        "host:1x",  "host:-1", "host: 1", "unix:/tmp/x", "a/b:1",  "dns:///h:1",
        "a b:1",    "a%41:1",  "[::1:1",  "::1]:1",      "[zz]:1", "[]:1",
        "host:1\n", "a?b:1",   "host:+1", "a,b:1",
    };
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rpc_channel *channel = NULL;
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(rpc_channel_create(loop, bad[i], &channel, &err), LL_E_INVALID);
        CU_ASSERT_PTR_NULL(channel);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "HOST:PORT"));
    }
    rpc_channel_destroy(NULL);
    rpc_loop_destroy(loop);
}

static void test_targets_that_people_write(void)
{
    static const char *const good[] = {"localhost:1", "10.0.0.2:50051", "[::1]:65535",
                                       "edge-1.example.org:443"};
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct rpc_channel *channel = NULL;
        CU_ASSERT_EQUAL(rpc_channel_create(loop, good[i], &channel, NULL), LL_OK);
        rpc_channel_destroy(channel);
    }
    rpc_loop_destroy(loop);
}

static void test_call_to_nobody_is_unavailable(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    int port = rpc_server_port(pair.server);
    rpc_server_stop(pair.server, 0);
    struct rpc_peer client;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &client), LL_E_UNAVAILABLE);
        char port_text[16];
        snprintf(port_text, sizeof(port_text), ":%d", port);
        CU_ASSERT_PTR_NOT_NULL(strstr(client.text, port_text));
        rpc_peer_finish(&client);
    }
    rpc_pair_finish(&pair);
}

/* Calls until it works, every 10 ms; the error of the calls before it is UNAVAILABLE. */
struct retry {
    struct rpc_pair *pair;
    struct rpc_task start;
    struct rpc_timer *timer;
    struct ll_mutex mutex;
    struct ll_cond changed;
    /* Guarded by mutex. */
    bool is_done;
    int others;
};

static void retry_call(void *arg);

static void retry_closed(void *owner, struct rpc_stream *stream, ll_status status,
                         const char *message)
{
    struct retry *retry = owner;
    (void)message;
    rpc_stream_unref(stream);
    if (status == LL_E_UNAVAILABLE) {
        rpc_timer_set(retry->timer, ll_clock_now_ns() + 10 * LL_NS_PER_MS);
        return;
    }
    rpc_timer_destroy(retry->timer);
    ll_mutex_lock(&retry->mutex);
    retry->is_done = true;
    retry->others += status != LL_OK;
    ll_cond_broadcast(&retry->changed);
    ll_mutex_unlock(&retry->mutex);
}

static void retry_message(void *owner, struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    (void)owner;
    (void)stream;
    (void)data;
    (void)bytes;
}

static const struct rpc_stream_handler retry_handler = {
    .on_message = retry_message,
    .on_closed = retry_closed,
};

static void retry_call(void *arg)
{
    struct retry *retry = arg;
    struct rpc_stream *stream = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_channel_open(retry->pair->channel, "/t.T/Echo", LL_CLOCK_NEVER,
                                           &retry_handler, retry, &stream),
                          LL_OK);
    rpc_stream_finish(stream, LL_OK, NULL);
}

static void retry_start(struct rpc_task *task)
{
    struct retry *retry = (struct retry *)((char *)task - offsetof(struct retry, start));
    retry_call(retry);
}

static void retry_until_it_works(struct rpc_pair *pair)
{
    struct retry retry = {.pair = pair, .start.run = retry_start};
    ll_mutex_init(&retry.mutex);
    ll_cond_init(&retry.changed);
    CU_ASSERT_EQUAL_FATAL(rpc_timer_create(pair->client_loop, retry_call, &retry, &retry.timer),
                          LL_OK);
    rpc_loop_post(pair->client_loop, &retry.start);
    ll_mutex_lock(&retry.mutex);
    while (!retry.is_done) {
        ll_cond_wait(&retry.changed, &retry.mutex, LL_CLOCK_NEVER);
    }
    ll_mutex_unlock(&retry.mutex);
    CU_ASSERT_EQUAL(retry.others, 0);
    ll_cond_finish(&retry.changed);
    ll_mutex_finish(&retry.mutex);
}

/* A new server on the port of the one that was. */
static void restart_server(struct rpc_pair *pair)
{
    char listen[64];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", rpc_server_port(pair->server));
    rpc_server_destroy(pair->server);
    struct rpc_server_config config = {.listen = listen};
    struct ll_error err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(pair->server_loop, &config, &pair->server, &err),
                          LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair->server, "/t.T/Echo", rpc_echo_open, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(pair->server, &err), LL_OK);
}

static void test_server_that_comes_back_is_found(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_peer client;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &client), LL_OK);
        rpc_peer_finish(&client);
        rpc_server_stop(pair.server, LL_CLOCK_NEVER);
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &client), LL_E_UNAVAILABLE);
        rpc_peer_finish(&client);
        restart_server(&pair);
        retry_until_it_works(&pair);
    }
    rpc_pair_finish(&pair);
}

static void test_cut_link_ends_both_sides_and_heals(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    struct rpc_relay relay;
    CU_ASSERT_FATAL(rpc_relay_start(&relay, 0, rpc_server_port(pair.server)));
    rpc_channel_destroy(pair.channel);
    snprintf(pair.target, sizeof(pair.target), "127.0.0.1:%d", relay.port);
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(pair.client_loop, pair.target, &pair.channel, NULL),
                          LL_OK);
    for (int i = 0; i < 3; i++) {
        struct rpc_peer client;
        rpc_peer_init(&client);
        rpc_pair_call(&pair, "/t.T/Peer", LL_CLOCK_NEVER, &client);
        CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "x", 1, NULL), LL_OK);
        rpc_peer_wait_messages(&pair.peer, 1);
        rpc_relay_cut(&relay);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_UNAVAILABLE);
        CU_ASSERT(strlen(client.text) > 0);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&pair.peer), LL_E_CANCELLED);
        CU_ASSERT_EQUAL(pair.peer.half_closes, 0);
        rpc_peer_finish(&client);
        rpc_peer_reset(&pair.peer);
        retry_until_it_works(&pair);
    }
    rpc_channel_destroy(pair.channel);
    pair.channel = NULL;
    rpc_relay_stop(&relay);
    rpc_pair_finish(&pair);
}

static void test_open_within_a_callback(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, NULL, NULL);
    retry_until_it_works(&pair);
    rpc_pair_finish(&pair);
}

static void test_channel_with_everything_on_one_loop(void)
{
    struct rpc_loop *loop = NULL;
    CU_ASSERT_EQUAL_FATAL(rpc_loop_create(&loop), LL_OK);
    struct rpc_server_config config = {.listen = "127.0.0.1:0"};
    struct rpc_pair pair = {.server_loop = loop, .client_loop = loop};
    CU_ASSERT_EQUAL_FATAL(rpc_server_create(loop, &config, &pair.server, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add(pair.server, "/t.T/Echo", rpc_echo_open, NULL), LL_OK);
    CU_ASSERT_EQUAL_FATAL(rpc_server_start(pair.server, NULL), LL_OK);
    snprintf(pair.target, sizeof(pair.target), "127.0.0.1:%d", rpc_server_port(pair.server));
    CU_ASSERT_EQUAL_FATAL(rpc_channel_create(loop, pair.target, &pair.channel, NULL), LL_OK);
    struct rpc_peer client;
    CU_ASSERT_EQUAL(rpc_pair_unary(&pair, "/t.T/Echo", "x", 1, &client), LL_OK);
    rpc_peer_finish(&client);
    rpc_channel_destroy(pair.channel);
    rpc_server_destroy(pair.server);
    rpc_loop_destroy(loop);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_create_with_a_bad_target),
    LL_TEST(test_targets_that_people_write),
    LL_TEST(test_call_to_nobody_is_unavailable),
    LL_TEST(test_server_that_comes_back_is_found),
    LL_TEST(test_cut_link_ends_both_sides_and_heals),
    LL_TEST(test_open_within_a_callback),
    LL_TEST(test_channel_with_everything_on_one_loop),
    {NULL, NULL},
};
