#include <string.h>

#include "core/ll_clock.h"
#include "proto/grpc/health/v1/health.pb-c.h"
#include "rpc/rpc_server.h"
#include "tests/support/ll_test.h"
#include "tests/unit/rpc/rpc_test_peer.h"

const char *const ll_test_suite = "rpc_health";

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"

#define HEALTH(status) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##status

static void add_health(struct rpc_server *server, void *arg)
{
    (void)arg;
    CU_ASSERT_EQUAL(rpc_server_set_serving(server, "", true), LL_E_PRECONDITION);
    CU_ASSERT_EQUAL(rpc_server_add_health(server), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_add_health(server), LL_E_EXISTS);
}

static size_t pack_request(const char *service, uint8_t *out_packed)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)service;
    return grpc__health__v1__health_check_request__pack(&request, out_packed);
}

/* The status in the newest answer; negative without one. */
static int newest_status(struct rpc_peer *peer)
{
    int status = -1;
    ll_mutex_lock(&peer->mutex);
    Grpc__Health__V1__HealthCheckResponse *response =
        peer->last
            ? grpc__health__v1__health_check_response__unpack(NULL, peer->last_bytes, peer->last)
            : NULL;
    if (response) {
        status = (int)response->status;
        grpc__health__v1__health_check_response__free_unpacked(response, NULL);
    }
    ll_mutex_unlock(&peer->mutex);
    return status;
}

/* What Check says; the call's own failure, negated, otherwise. */
static int check(struct rpc_pair *pair, const char *service)
{
    uint8_t packed[300];
    struct rpc_peer client;
    ll_status status = rpc_pair_unary(pair, CHECK, packed, pack_request(service, packed), &client);
    int result = status == LL_OK ? newest_status(&client) : -(int)status;
    rpc_peer_finish(&client);
    return result;
}

static void test_check_knows_services(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_health, NULL);
    CU_ASSERT_EQUAL(check(&pair, ""), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(check(&pair, "t.T"), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(check(&pair, "grpc.health.v1.Health"), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(check(&pair, "t.Other"), -(int)LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(check(&pair, "t"), -(int)LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(check(&pair, "t.T/Echo"), -(int)LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "", true), LL_OK);
    CU_ASSERT_EQUAL(check(&pair, ""), HEALTH(SERVING));
    CU_ASSERT_EQUAL(check(&pair, "t.T"), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "t.T", true), LL_OK);
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "t.Other", false), LL_OK);
    CU_ASSERT_EQUAL(check(&pair, "t.T"), HEALTH(SERVING));
    CU_ASSERT_EQUAL(check(&pair, "t.Other"), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "", false), LL_OK);
    CU_ASSERT_EQUAL(check(&pair, ""), HEALTH(NOT_SERVING));
    rpc_pair_finish(&pair);
}

static void test_unparsable_requests_are_invalid(void)
{
    static const char *const paths[] = {CHECK, WATCH};
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_health, NULL);
    for (int i = 0; i < 2; i++) {
        struct rpc_peer client;
        CU_ASSERT_EQUAL(rpc_pair_unary(&pair, paths[i], "\x0a\x05x", 3, &client), LL_E_INVALID);
        CU_ASSERT_EQUAL(client.messages, 0);
        rpc_peer_finish(&client);
        rpc_peer_init(&client);
        rpc_pair_call(&pair, paths[i], LL_CLOCK_NEVER, &client);
        rpc_stream_finish(client.stream, LL_OK, NULL);
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_INVALID);
        rpc_peer_finish(&client);
    }
    rpc_pair_finish(&pair);
}

static void start_watch(struct rpc_pair *pair, const char *service, struct rpc_peer *client)
{
    uint8_t packed[300];
    size_t bytes = pack_request(service, packed);
    rpc_peer_init(client);
    rpc_pair_call(pair, WATCH, LL_CLOCK_NEVER, client);
    CU_ASSERT_EQUAL(rpc_stream_send(client->stream, packed, bytes, NULL), LL_OK);
    rpc_peer_wait_messages(client, 1);
}

static void test_watch_tells_every_change(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_health, NULL);
    struct rpc_peer whole;
    struct rpc_peer other;
    start_watch(&pair, "", &whole);
    start_watch(&pair, "t.Other", &other);
    rpc_stream_finish(other.stream, LL_OK, NULL);
    CU_ASSERT_EQUAL(newest_status(&whole), HEALTH(NOT_SERVING));
    CU_ASSERT_EQUAL(newest_status(&other), HEALTH(SERVICE_UNKNOWN));
    for (int i = 2; i < 20; i++) {
        CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "", i % 2 == 0), LL_OK);
        rpc_peer_wait_messages(&whole, i);
        CU_ASSERT_EQUAL(newest_status(&whole), i % 2 == 0 ? HEALTH(SERVING) : HEALTH(NOT_SERVING));
    }
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "t.Other", true), LL_OK);
    rpc_peer_wait_messages(&other, 2);
    CU_ASSERT_EQUAL(newest_status(&other), HEALTH(SERVING));
    CU_ASSERT_EQUAL(other.messages, 2);
    rpc_stream_cancel(whole.stream);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&whole), LL_E_CANCELLED);
    rpc_stream_cancel(other.stream);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&other), LL_E_CANCELLED);
    rpc_peer_finish(&whole);
    rpc_peer_finish(&other);
    rpc_pair_finish(&pair);
}

static void test_second_watch_request_is_invalid(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_health, NULL);
    struct rpc_peer client;
    start_watch(&pair, "", &client);
    CU_ASSERT_EQUAL(rpc_stream_send(client.stream, "", 0, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_peer_wait_closed(&client), LL_E_INVALID);
    rpc_peer_finish(&client);
    rpc_pair_finish(&pair);
}

static void test_stop_ends_watchers(void)
{
    struct rpc_pair pair;
    rpc_pair_init(&pair, add_health, NULL);
    struct rpc_peer clients[3];
    for (int i = 0; i < 3; i++) {
        start_watch(&pair, "", &clients[i]);
    }
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "", true), LL_OK);
    /* For ever, so that only the watchers' end lets it return. */
    rpc_server_stop(pair.server, LL_CLOCK_NEVER);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(rpc_peer_wait_closed(&clients[i]), LL_E_UNAVAILABLE);
        rpc_peer_finish(&clients[i]);
    }
    CU_ASSERT_EQUAL(rpc_server_set_serving(pair.server, "", false), LL_OK);
    rpc_pair_finish(&pair);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_check_knows_services),     LL_TEST(test_unparsable_requests_are_invalid),
    LL_TEST(test_watch_tells_every_change), LL_TEST(test_second_watch_request_is_invalid),
    LL_TEST(test_stop_ends_watchers),       {NULL, NULL},
};
