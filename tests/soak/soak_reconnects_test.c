/* A device whose connection breaks 200 times, with a query of each connection: device and edge are
 * both in this process, so that what either of them keeps shows. */
#include <stdio.h>
#include <unistd.h>

#include "core/ll_clock.h"
#include "edge/edge_server.h"
#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"
#include "tests/support/ll_usage.h"
#include "tests/support/tcp_relay.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "soak_reconnects";

static const char cfg[] = "fake\n"
                          "input 300\n"
                          "layer 4000 300000\n"
                          "layer 200 0 output\n"
                          "layer 50 500000 reads 1\n";
enum { LAYERS = 3, RECONNECTS = 200, MOST_LOOKS = 2000, MEMORY_BYTES = 2000000 };

static struct fake_model model;
static struct device_fixture device;

static void query_on_edge(unsigned seed)
{
    struct device_query_result result;
    device_fixture_await_prefix(&device, LAYERS);
    device_fixture_query(&device, seed, &result);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
    device_query_result_finish(&result);
}

static void test_reconnects_leave_nothing(void)
{
    struct edge_server_config config;
    struct edge_server *server = NULL;
    struct ll_engine *engine = fake_engine_create();
    struct ll_error err = {.text = ""};
    struct ll_usage warm;
    struct ll_usage end;
    const char *folder = ll_test_folder();
    int reconnects = ll_usage_rounds(RECONNECTS);
    edge_server_config_default(&config);
    config.listen = "127.0.0.1:0";
    config.engine = engine;
    config.temporary_parent = folder;
    CU_ASSERT_EQUAL_FATAL(edge_server_create(&config, &server, &err), LL_OK);
    struct tcp_relay *relay = tcp_relay_create(edge_server_port(server));
    const char *address = tcp_relay_address(relay);
    fake_model_init(&model, cfg, 11);
    device_fixture_init(&device, &model, &address, 1, 0);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    device_fixture_start(&device);
    device_fixture_await_ups(&device, 1);
    query_on_edge(0);
    for (int i = 1; i <= reconnects; i++) {
        if (i == reconnects / 3) {
            ll_usage_measure(getpid(), folder, &warm);
        }
        tcp_relay_cut(relay);
        device_fixture_await_ups(&device, i + 1);
        query_on_edge((unsigned)i);
    }
    bool is_flat = false;
    for (int look = 0; look < MOST_LOOKS && !is_flat; look++) {
        ll_usage_measure(getpid(), folder, &end);
        is_flat = ll_usage_is_flat(&warm, &end, MEMORY_BYTES);
        query_on_edge((unsigned)look);
    }
    ll_usage_check_flat(&warm, &end, MEMORY_BYTES);
    CU_ASSERT_EQUAL(device.downs, reconnects);
    device_fixture_finish(&device);
    tcp_relay_destroy(relay);
    edge_server_destroy(server);
    CU_ASSERT_EQUAL(fake_engine_alive(engine), 0);
    ll_engine_destroy(engine);
    fake_model_finish(&model);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_reconnects_leave_nothing),
    {NULL, NULL},
};
