#include "rpc/rpc_address.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/ll_test.h"

const char *const ll_test_suite = "rpc_address";

static void test_addresses_that_people_write(void)
{
    static const char *const good[] = {
        "localhost:1",
        "10.0.0.2:50051",
        "[::1]:65535",
        "[::]:80",
        "edge-1.example.org:443",
        "[fe80::1%eth0]:50051",
        "[fe80::1%2]:1",
        "edge_1:1",
        "dns:1",
        "http:80",
        "[::ffff:10.0.0.1]:7",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(rpc_address_check(good[i], 1, &err), LL_OK);
        if (err.text[0]) {
            fprintf(stderr, "%s\n", err.text);
        }
    }
    CU_ASSERT_EQUAL(rpc_address_check("0.0.0.0:0", 0, NULL), LL_OK);
}

static void test_others_are_refused_with_what_is_wrong(void)
{
    static const struct {
        const char *address;
        const char *reason;
    } bad[] = {
        {"", "it has no port"},
        {"host", "it has no port"},
        {"[::1]", "it has no port"},
        {":1", "it has no host"},
        {"host:", "the port is not a number"},
        {"host:1x", "the port is not a number"},
        {"host:-1", "the port is not a number"},
        {"host:+1", "the port is not a number"},
        {"host:0", "ports are 1 to 65535"},
        {"host:65536", "ports are 1 to 65535"},
        {"host: 1", "it has a space"},
        {"a b:1", "it has a space"},
        {"host:1\n", "it has a space"},
        {"unix:/tmp/x", "without a scheme"},
        {"unix:x", "without a scheme"},
        {"dns:///x:1", "without a scheme"},
        {"http://127.0.0.1:50051", "without a scheme"},
        {"ipv4:10.0.0.1:1", "without a scheme"},
        {"grpc://x:1", "without a scheme"},
        {"*:50051", "0.0.0.0"},
        {"::1:50051", "in brackets"},
        {"fe80::1%eth0:50051", "in brackets"},
        {"[::1:1", "a bracket is not closed"},
        {"[", "it has no port"},
        {"[:1", "a bracket is not closed"},
        {"::1]:1", "in brackets"},
        {"[zz]:1", "not an IPv6 address"},
        {"[]:1", "not an IPv6 address"},
        {"[1.2.3.4]:1", "not an IPv6 address"},
        {"[fe80::1%]:1", "not an interface"},
        {"[fe80::1%a/b]:1", "not an interface"},
        {"[fe80::1%abcdefghijklmnop]:1", "not an interface"},
        {"1.2.3:1", "not an IPv4 address"},
        {"1.2.3.256:1", "not an IPv4 address"},
        {"a/b:1", "not a name"},
        {"a%41:1", "not a name"},
        {"a?b:1", "not a name"},
        {"a,b:1", "not a name"},
        {"-a:1", "not a name"},
        {"a..b:1", "not a name"},
        {"\xc3\xa4:1", "not a name"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ll_error err = {.text = ""};
        CU_ASSERT_EQUAL(rpc_address_check(bad[i].address, 1, &err), LL_E_INVALID);
        bool says_why = strstr(err.text, "is not HOST:PORT: ") && strstr(err.text, bad[i].reason);
        CU_ASSERT(says_why);
        if (!says_why) {
            fprintf(stderr, "%s: %s\n", bad[i].address, err.text);
        }
    }
}

static void test_long_addresses_are_refused_in_one_line(void)
{
    char address[2000];
    struct ll_error err = {.text = ""};
    memset(address, 'a', sizeof(address));
    memcpy(address + sizeof(address) - 3, ":1", 3);
    CU_ASSERT_EQUAL(rpc_address_check(address, 1, &err), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "it is too long"));
    CU_ASSERT_EQUAL(rpc_address_check(address + sizeof(address) - 255, 1, NULL), LL_OK);
    CU_ASSERT_EQUAL(rpc_address_check("a\x1b[2J\x7f:1", 1, &err), LL_E_INVALID);
    CU_ASSERT_STRING_EQUAL(err.text, "\"a?[2J?:1\" is not HOST:PORT: the host is not a name of "
                                     "letters, digits, dots and hyphens");
}

static void test_uris_say_how_to_resolve(void)
{
    static const char *const cases[][2] = {
        {"10.0.0.2:1", "ipv4:10.0.0.2:1"},
        {"[::1]:1", "ipv6:[::1]:1"},
        {"[fe80::1%eth0]:1", "ipv6:[fe80::1%25eth0]:1"},
        {"edge.example.org:1", "dns:///edge.example.org:1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char uri[RPC_ADDRESS_URI_BYTES];
        rpc_address_uri(cases[i][0], uri);
        CU_ASSERT_STRING_EQUAL(uri, cases[i][1]);
    }
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_addresses_that_people_write),
    LL_TEST(test_others_are_refused_with_what_is_wrong),
    LL_TEST(test_long_addresses_are_refused_in_one_line),
    LL_TEST(test_uris_say_how_to_resolve),
    {NULL, NULL},
};
