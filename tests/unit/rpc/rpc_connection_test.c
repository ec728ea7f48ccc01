#include "rpc/front/rpc_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"

const char *const ll_test_suite = "rpc_connection";

static struct sockaddr_storage address_of(const char *text, int port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (strchr(text, ':')) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        CU_ASSERT_EQUAL(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        CU_ASSERT_EQUAL(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return address;
}

static struct rpc_host host_of(const char *text)
{
    struct sockaddr_storage address = address_of(text, 1);
    struct rpc_host host;
    rpc_host_read((struct sockaddr *)&address, &host);
    return host;
}

static void test_peers_are_written_as_grpc_does(void)
{
    static const char *const cases[][2] = {
        {"10.0.0.2", "ipv4:10.0.0.2:50051"},
        {"::ffff:10.0.0.2", "ipv4:10.0.0.2:50051"},
        {"::1", "ipv6:[::1]:50051"},
        {"2001:db8::7", "ipv6:[2001:db8::7]:50051"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage address = address_of(cases[i][0], 50051);
        char peer[64];
        rpc_peer_write((struct sockaddr *)&address, peer, sizeof(peer));
        CU_ASSERT_STRING_EQUAL(peer, cases[i][1]);
    }
}

static void test_hosts_are_addresses_or_networks(void)
{
    struct rpc_host v4 = host_of("10.0.0.2");
    struct rpc_host mapped = host_of("::ffff:10.0.0.2");
    struct rpc_host other = host_of("10.0.0.3");
    struct rpc_host v6 = host_of("2001:db8:1:2::7");
    struct rpc_host neighbour = host_of("2001:db8:1:2:ffff::8");
    struct rpc_host foreign = host_of("2001:db8:1:3::7");
    struct rpc_host self = host_of("::1");
    struct rpc_host none = host_of("::2");
    CU_ASSERT(rpc_host_equals(&v4, &mapped));
    CU_ASSERT_FALSE(rpc_host_equals(&v4, &other));
    CU_ASSERT(rpc_host_equals(&v6, &neighbour));
    CU_ASSERT_FALSE(rpc_host_equals(&v6, &foreign));
    CU_ASSERT_FALSE(rpc_host_equals(&self, &none));
}

static void test_who_makes_room(void)
{
    struct rpc_host here = host_of("10.0.0.2");
    struct rpc_host there = host_of("10.0.0.3");
    struct rpc_connections list = {.first = NULL};
    struct rpc_connection used = {.host = here, .has_answered = true, .idle_ns = 50, .calls = 1};
    struct rpc_connection idle = {.host = here, .has_answered = true, .idle_ns = 60};
    struct rpc_connection idlest = {.host = there, .has_answered = true, .idle_ns = 40};
    struct rpc_connection older = {.host = there};
    struct rpc_connection newer = {.host = here};
    struct rpc_connection *all[] = {&used, &idle, &idlest, &older, &newer};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        rpc_connections_append(&list, all[i]);
    }
    CU_ASSERT_EQUAL(rpc_connections_of(&list, &here), 3);
    /* The oldest that was never answered, of the host alone where one is named. */
    CU_ASSERT_PTR_EQUAL(rpc_connections_victim(&list, NULL, 100, 10), &older);
    CU_ASSERT_PTR_EQUAL(rpc_connections_victim(&list, &here, 100, 10), &newer);
    /* Whose peer is gone takes nobody's place, and has none to give. */
    newer.is_leaving = true;
    CU_ASSERT_EQUAL(rpc_connections_of(&list, &here), 2);
    CU_ASSERT_PTR_EQUAL(rpc_connections_victim(&list, &here, 100, 10), &idle);
    rpc_connections_remove(&list, &older);
    rpc_connections_remove(&list, &newer);
    /* Then who has had no call for longest, and for long enough. */
    CU_ASSERT_PTR_EQUAL(rpc_connections_victim(&list, NULL, 100, 10), &idlest);
    CU_ASSERT_PTR_EQUAL(rpc_connections_victim(&list, &here, 100, 10), &idle);
    CU_ASSERT_PTR_NULL(rpc_connections_victim(&list, &here, 100, 41));
    rpc_connections_remove(&list, &idle);
    rpc_connections_remove(&list, &idlest);
    CU_ASSERT_PTR_NULL(rpc_connections_victim(&list, NULL, 100, 10));
    rpc_connections_remove(&list, &used);
    CU_ASSERT_EQUAL(list.count, 0);
    CU_ASSERT_PTR_NULL(list.first);
    CU_ASSERT_PTR_NULL(list.last);
}

static void test_allowance_ends_and_comes_back(void)
{
    struct rpc_connection connection = {
        .allowance = 3, .most_allowance = 3, .refilled_ns = LL_NS_PER_S};
    int64_t now_ns = LL_NS_PER_S;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(rpc_connection_take(&connection, now_ns, 10));
    }
    CU_ASSERT_FALSE(rpc_connection_take(&connection, now_ns, 10));
    /* What the server ends is given back at once, at most what there was. */
    rpc_connection_give(&connection);
    CU_ASSERT(rpc_connection_take(&connection, now_ns, 10));
    CU_ASSERT_FALSE(rpc_connection_take(&connection, now_ns, 10));
    /* A tenth of a second is one call; the rest of the time is not lost. */
    CU_ASSERT_FALSE(rpc_connection_take(&connection, now_ns + 99 * LL_NS_PER_MS, 10));
    CU_ASSERT(rpc_connection_take(&connection, now_ns + 150 * LL_NS_PER_MS, 10));
    CU_ASSERT_FALSE(rpc_connection_take(&connection, now_ns + 199 * LL_NS_PER_MS, 10));
    CU_ASSERT(rpc_connection_take(&connection, now_ns + 200 * LL_NS_PER_MS, 10));
    /* An hour is no more than the whole. */
    now_ns += 3600 * LL_NS_PER_S;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(rpc_connection_take(&connection, now_ns, 10));
    }
    CU_ASSERT_FALSE(rpc_connection_take(&connection, now_ns, 10));
    for (int i = 0; i < 10; i++) {
        rpc_connection_give(&connection);
    }
    CU_ASSERT_EQUAL(connection.allowance, 3);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_peers_are_written_as_grpc_does),
    LL_TEST(test_hosts_are_addresses_or_networks),
    LL_TEST(test_who_makes_room),
    LL_TEST(test_allowance_ends_and_comes_back),
    {NULL, NULL},
};
