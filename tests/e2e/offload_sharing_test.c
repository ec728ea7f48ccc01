/* Several devices, all real, upload the same model to a real edge at once, over a fake engine: what
 * they send together, and what becomes of it when one of them vanishes, lies or does not listen. */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "edge/edge_server.h"
#include "tests/support/edge_client.h"
#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "offload_sharing";

static const char cfg[] = "fake\n"
                          "input 300\n"
                          "layer 4000 100000\n"
                          "layer 200 200000\n"
                          "layer 700 24000 joined\n"
                          "layer 500 8\n"
                          "layer 1200 400000 reads 3 0 -1\n"
                          "layer 10 4\n"
                          "layer 90 0\n"
                          "layer 64 300000 reads 6 2 0\n"
                          "layer 60 250000\n";
enum { LAYERS = 9, LARGE = 4, LARGE_BYTES = 400000, MODEL_BYTES = 1274012, DEVICES = 3 };
/* So that an upload lasts long enough for others to come meanwhile: what is tested does not depend
 * on how long. */
#define RATE 1.5e6

static struct fake_model model;
static struct ll_engine *engine;
static struct edge_server *server;
static char address[64];
static struct device_fixture devices[DEVICES];

static void begin(int count)
{
    static const char *addresses[1];
    struct ll_error err = {.text = ""};
    struct edge_server_config config;
    edge_server_config_default(&config);
    fake_model_init(&model, cfg, 11);
    engine = fake_engine_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(engine);
    config.listen = "127.0.0.1:0";
    config.engine = engine;
    config.temporary_parent = ll_test_tmp();
    CU_ASSERT_EQUAL_FATAL(edge_server_create(&config, &server, &err), LL_OK);
    snprintf(address, sizeof(address), "127.0.0.1:%d", edge_server_port(server));
    addresses[0] = address;
    for (int i = 0; i < count; i++) {
        device_fixture_init(&devices[i], &model, addresses, 1, RATE);
    }
}

static void end(void)
{
    edge_server_destroy(server);
    CU_ASSERT_EQUAL(fake_engine_alive(engine), 0);
    ll_engine_destroy(engine);
    fake_model_finish(&model);
}

/* The device has the model on the edge, as far as it can see, and its queries run there. */
static int64_t finish_uploaded(struct device_fixture *device)
{
    struct device_query_result result;
    device_fixture_await_uploaded(device);
    device_fixture_await_acked(device, MODEL_BYTES);
    device_fixture_query(device, 5, &result);
    CU_ASSERT_EQUAL(result.end, LAYERS);
    device_query_result_finish(&result);
    int64_t sent = device->uploaded.sent_weight_bytes;
    CU_ASSERT_EQUAL(device_fixture_downs(device), 0);
    device_fixture_finish(device);
    return sent;
}

static void test_all_send_together_little_more_than_the_model(void)
{
    int64_t sent = 0;
    begin(DEVICES);
    for (int i = 0; i < DEVICES; i++) {
        device_fixture_start(&devices[i]);
    }
    for (int i = 0; i < DEVICES; i++) {
        sent += finish_uploaded(&devices[i]);
    }
    /* Each alone would send all of it; where the machine is slow, some count as stalled. */
    CU_ASSERT(sent < 2 * MODEL_BYTES);
    end();
}

static void test_one_vanishes_in_the_middle(void)
{
    begin(2);
    device_fixture_start(&devices[0]);
    device_fixture_start(&devices[1]);
    device_fixture_await_acked(&devices[0], MODEL_BYTES / 4);
    device_fixture_finish(&devices[0]);
    finish_uploaded(&devices[1]);
    end();
}

/* It sends all, as those of the earlier version do, and nothing that the other one needs. */
static void test_one_does_not_listen(void)
{
    begin(1);
    struct edge_client *client = edge_client_create(edge_server_port(server));
    struct edge_call *old = edge_client_upload(client, &model, NULL);
    edge_call_send_part(old, &model, LARGE, 0, LARGE_BYTES / 2);
    device_fixture_start(&devices[0]);
    device_fixture_await_ups(&devices[0], 1);
    edge_call_send_layers(old, &model, 0, LARGE);
    finish_uploaded(&devices[0]);
    CU_ASSERT(edge_call_has_event(old, EVENT_COMPLETE));
    edge_call_close(old);
    edge_client_destroy(client);
    end();
}

/* A liar has begun every blob when the device comes, and stays. */
static void test_one_lies(void)
{
    static char wrong[70000];
    struct ll_error message;
    begin(1);
    struct edge_client *client = edge_client_create(edge_server_port(server));
    struct edge_call *liar = edge_client_upload(client, &model, NULL);
    memset(wrong, 0x55, sizeof(wrong));
    for (int i = 0; i < LAYERS; i++) {
        int64_t bytes = model.network->table.layers[i].blob_bytes;
        if (bytes > 1) {
            int64_t part = bytes > (int64_t)sizeof(wrong) ? (int64_t)sizeof(wrong) : bytes - 1;
            edge_call_send_chunk(liar, i, 0, wrong, (size_t)part);
        }
    }
    device_fixture_start(&devices[0]);
    finish_uploaded(&devices[0]);
    CU_ASSERT_EQUAL(edge_call_end(liar, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "the bytes are not those of its digest"));
    edge_call_close(liar);
    edge_client_destroy(client);
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_all_send_together_little_more_than_the_model),
    LL_TEST(test_one_vanishes_in_the_middle),
    LL_TEST(test_one_does_not_listen),
    LL_TEST(test_one_lies),
    {NULL, NULL},
};
