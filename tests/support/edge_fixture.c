#include "tests/support/edge_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_clock.h"
#include "core/ll_log.h"
#include "tests/support/ll_test.h"

enum { DRAIN_S = 20 };

const char edge_fixture_cfg[] = "fake\n"
                                "input 8\n"
                                "layer 16 1000\n"
                                "layer 16 2000 joined\n"
                                "layer 8 500\n"
                                "layer 8 0\n"
                                "layer 4 100\n";

void edge_fixture_init(struct edge_fixture *fixture)
{
    *fixture = (struct edge_fixture){.engine = fake_engine_create()};
    CU_ASSERT_PTR_NOT_NULL_FATAL(fixture->engine);
    edge_server_config_default(&fixture->config);
    fixture->config.listen = "127.0.0.1:0";
    fixture->config.engine = fixture->engine;
    fixture->config.temporary_parent = ll_test_tmp();
    fixture->config.executors = 2;
}

void edge_fixture_start(struct edge_fixture *fixture)
{
    struct ll_error err = {.text = ""};
    ll_status status = edge_server_create(&fixture->config, &fixture->server, &err);
    if (status != LL_OK) {
        ll_log(LL_LOG_ERROR, "test", "%s", err.text);
    }
    CU_ASSERT_EQUAL_FATAL(status, LL_OK);
    fixture->client = edge_client_create(edge_server_port(fixture->server));
}

void edge_fixture_set_up(struct edge_fixture *fixture)
{
    edge_fixture_init(fixture);
    edge_fixture_start(fixture);
}

void edge_fixture_tear_down(struct edge_fixture *fixture)
{
    if (fixture->server) {
        edge_server_stop(fixture->server, DRAIN_S * LL_NS_PER_S);
    }
    edge_client_destroy(fixture->client);
    edge_server_destroy(fixture->server);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture->engine), 0);
    ll_engine_destroy(fixture->engine);
}

void edge_fixture_set_up_model(struct edge_fixture *fixture, struct fake_model *model,
                               const char *cfg)
{
    edge_fixture_set_up(fixture);
    fake_model_init(model, cfg, 1);
}

void edge_fixture_tear_down_model(struct edge_fixture *fixture, struct fake_model *model)
{
    fake_model_finish(model);
    edge_fixture_tear_down(fixture);
}

static void await(struct edge_fixture *fixture, const struct fake_model *model, int prefix,
                  int64_t bytes)
{
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = (char *)model->id_text;
    struct edge_call *watch = edge_call_open(fixture->client, "WatchModel");
    edge_call_send(watch, &request.base);
    bool has_come = false;
    while (!has_come) {
        Layerlift__V1__ModelEvent *event = (Layerlift__V1__ModelEvent *)edge_call_next(
            watch, &layerlift__v1__model_event__descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        has_come = event->prefix >= (uint32_t)prefix && event->received_bytes >= (uint64_t)bytes;
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
    edge_call_close(watch);
}

void edge_fixture_await_prefix(struct edge_fixture *fixture, const struct fake_model *model,
                               int prefix)
{
    await(fixture, model, prefix, 0);
}

void edge_fixture_await_bytes(struct edge_fixture *fixture, const struct fake_model *model,
                              int64_t bytes)
{
    await(fixture, model, 0, bytes);
}

Layerlift__V1__Model *edge_fixture_model(struct edge_fixture *fixture,
                                         const struct fake_model *model)
{
    Layerlift__V1__GetModelRequest request = LAYERLIFT__V1__GET_MODEL_REQUEST__INIT;
    request.model_id = (char *)model->id_text;
    return (Layerlift__V1__Model *)edge_client_ask(fixture->client, "GetModel", &request.base,
                                                   &layerlift__v1__model__descriptor, NULL, NULL);
}

void edge_fixture_check_serving(struct edge_fixture *fixture)
{
    static const char cfg[] = "fake\ninput 3\nlayer 5 700\nlayer 3 0\nlayer 2 50\n";
    struct fake_model other;
    fake_model_init(&other, cfg, 999);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture->client, &other), LL_OK);
    fake_model_finish(&other);
}

void edge_fixture_check_refused(struct edge_fixture *fixture, struct edge_call *call,
                                ll_status status, const char *reason)
{
    struct ll_error message;
    ll_status ended = edge_call_end(call, &message);
    CU_ASSERT_EQUAL(ended, status);
    bool has_reason = strstr(message.text, reason) != NULL;
    CU_ASSERT(has_reason);
    if (ended != status || !has_reason) {
        fprintf(stderr, "expected %s with \"%s\", the server says %s: \"%s\"\n",
                ll_status_text(status), reason, ll_status_text(ended), message.text);
    }
    edge_call_close(call);
    edge_fixture_check_serving(fixture);
}
