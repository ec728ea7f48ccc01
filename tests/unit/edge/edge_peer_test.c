#include "edge/fair/edge_peer.h"

#include "tests/support/ll_test.h"

static bool are_equal(const char *one, const char *other)
{
    struct edge_peer a;
    struct edge_peer b;
    edge_peer_parse(one, &a);
    edge_peer_parse(other, &b);
    return edge_peer_equal(&a, &b);
}

static bool is_loopback(const char *text)
{
    struct edge_peer peer;
    edge_peer_parse(text, &peer);
    return edge_peer_is_loopback(&peer);
}

static void test_ports_do_not_count(void)
{
    CU_ASSERT(are_equal("ipv4:10.0.0.2:50051", "ipv4:10.0.0.2:1"));
    CU_ASSERT_FALSE(are_equal("ipv4:10.0.0.2:50051", "ipv4:10.0.0.3:50051"));
    CU_ASSERT(are_equal("ipv4:10.0.0.2:50051", "ipv6:[::ffff:10.0.0.2]:7"));
}

static void test_ipv6_counts_by_network(void)
{
    CU_ASSERT(are_equal("ipv6:[2001:db8:1:2::1]:5", "ipv6:[2001:db8:1:2:ffff::9]:6"));
    CU_ASSERT_FALSE(are_equal("ipv6:[2001:db8:1:2::1]:5", "ipv6:[2001:db8:1:3::1]:5"));
    CU_ASSERT(are_equal("ipv6:[fe80::1%eth0]:5", "ipv6:[fe80::2%eth1]:5"));
    CU_ASSERT_FALSE(are_equal("ipv6:[::1]:5", "ipv6:[::2]:5"));
}

static void test_other_texts_are_compared_whole(void)
{
    CU_ASSERT(are_equal("fd:17", "fd:17"));
    CU_ASSERT_FALSE(are_equal("fd:17", "fd:18"));
    CU_ASSERT_FALSE(are_equal("ipv4:10.0.0.2.9:1", "ipv4:10.0.0.2.8:1"));
    CU_ASSERT_FALSE(are_equal("", "ipv4:0.0.0.0:1"));
    CU_ASSERT(are_equal("", ""));
    CU_ASSERT_FALSE(are_equal("ipv4:", "ipv6:"));
}

static void test_loopback(void)
{
    CU_ASSERT(is_loopback("ipv4:127.0.0.1:50051"));
    CU_ASSERT(is_loopback("ipv4:127.1.2.3:50051"));
    CU_ASSERT(is_loopback("ipv6:[::1]:50051"));
    CU_ASSERT(is_loopback("ipv6:[::ffff:127.0.0.1]:50051"));
    CU_ASSERT(is_loopback("unix:/run/layerlift"));
    CU_ASSERT_FALSE(is_loopback("ipv4:10.0.0.2:50051"));
    CU_ASSERT_FALSE(is_loopback("ipv4:126.255.255.255:50051"));
    CU_ASSERT_FALSE(is_loopback("ipv6:[2001:db8::1]:5"));
    CU_ASSERT_FALSE(is_loopback("127.0.0.1"));
    CU_ASSERT_FALSE(is_loopback(""));
}

const char *const ll_test_suite = "edge_peer";
const struct ll_test ll_tests[] = {
    LL_TEST(test_ports_do_not_count),
    LL_TEST(test_ipv6_counts_by_network),
    LL_TEST(test_other_texts_are_compared_whole),
    LL_TEST(test_loopback),
    {NULL, NULL},
};
