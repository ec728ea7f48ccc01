/* The server as a whole: beginning, end, connections that break. */
#include "edge/edge_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 1000\n"
                          "layer 16 200000\n"
                          "layer 4 500\n";
enum { LAYERS = 3 };

static void test_stop_ends_uploads_and_watches_with_unavailable(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(upload, &model, 1, 0, 100000);
    edge_fixture_await_bytes(&fixture, &model, 100000);
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = model.id_text;
    struct edge_call *watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_send(watch, &request.base);
    protobuf_c_message_free_unpacked(edge_call_next(watch, &layerlift__v1__model_event__descriptor),
                                     NULL);
    struct edge_call *offload = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1};
    struct edge_answer answer;
    edge_call_ask(offload, &model, &ask, 1);
    CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
    edge_answer_finish(&answer);
    edge_server_stop(fixture.server, 20 * LL_NS_PER_S);
    struct edge_call *calls[3] = {upload, watch, offload};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(edge_call_end(calls[i], &message), LL_E_UNAVAILABLE);
        CU_ASSERT_STRING_EQUAL(message.text, "the server is shutting down");
        edge_call_close(calls[i]);
    }
    struct edge_call *late = edge_call_open(fixture.client, "Upload");
    CU_ASSERT_EQUAL(edge_call_end(late, NULL), LL_E_UNAVAILABLE);
    edge_call_close(late);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

static void stop_server(void *arg)
{
    edge_server_stop(arg, 20 * LL_NS_PER_S);
}

static void test_stop_lets_running_queries_finish(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *offload = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_call_ask(offload, &model, &ask, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    struct ll_thread stopper = {0};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&stopper, "stopper", stop_server, fixture.server), LL_OK);
    /* Draining has begun when a new query is refused. */
    struct edge_answer answer;
    ll_status status = LL_OK;
    for (uint64_t id = 2; status == LL_OK; id++) {
        const struct edge_ask later = {.id = id};
        edge_call_ask(offload, &model, &later, 1);
        CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
        status = answer.status;
        edge_answer_finish(&answer);
    }
    CU_ASSERT_EQUAL(status, LL_E_UNAVAILABLE);
    fake_engine_release(fixture.engine, FAKE_RUN);
    CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
    CU_ASSERT_EQUAL(answer.id, 1);
    CU_ASSERT(edge_answer_is_right(&answer, &model, 1, 0));
    edge_answer_finish(&answer);
    CU_ASSERT_EQUAL(edge_call_end(offload, NULL), LL_E_UNAVAILABLE);
    ll_thread_join(&stopper);
    edge_call_close(offload);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

static void test_stop_cancels_what_does_not_end(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    fake_engine_hold(fixture.engine, FAKE_RUN);
    struct edge_call *offload = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_call_ask(offload, &model, &ask, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_RUN, 1));
    edge_server_stop(fixture.server, 0);
    ll_status status = edge_call_end(offload, NULL);
    CU_ASSERT(status == LL_E_CANCELLED || status == LL_E_UNAVAILABLE);
    fake_engine_release(fixture.engine, FAKE_RUN);
    edge_call_close(offload);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

static void test_connection_cut_and_back_goes_on_where_it_stopped(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, cfg, 1);
    struct edge_client *device = edge_client_create(edge_server_port(fixture.server));
    struct edge_call *upload = edge_client_upload(device, &model, NULL);
    edge_call_send_part(upload, &model, 0, 0, 1000);
    edge_call_send_part(upload, &model, 1, 0, 123456);
    edge_fixture_await_bytes(&fixture, &model, 124456);
    edge_call_close(upload);
    edge_client_destroy(device);
    device = edge_client_create(edge_server_port(fixture.server));
    Layerlift__V1__UploadEvent *event = NULL;
    upload = edge_client_upload(device, &model, &event);
    CU_ASSERT_EQUAL(event->accepted->n_available_layers, 1);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, 123456);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(upload, &model, 1, 123456, 200000);
    edge_call_send_part(upload, &model, 2, 0, 500);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_client_destroy(device);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

static void test_port_in_use_is_named(void)
{
    struct edge_fixture fixture;
    struct edge_server *second = NULL;
    struct ll_error err = {.text = ""};
    char address[64];
    edge_fixture_set_up(&fixture);
    snprintf(address, sizeof(address), "127.0.0.1:%d", edge_server_port(fixture.server));
    struct edge_server_config config = fixture.config;
    config.listen = address;
    CU_ASSERT_EQUAL(edge_server_create(&config, &second, &err), LL_E_UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, address));
    edge_fixture_tear_down(&fixture);
}

static void test_store_folder_is_emptied_at_the_end(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct stat info;
    edge_fixture_init(&fixture);
    edge_fixture_start(&fixture);
    char folder[512];
    snprintf(folder, sizeof(folder), "%s", edge_server_store_folder(fixture.server));
    CU_ASSERT_EQUAL(stat(folder, &info), 0);
    fake_model_init(&model, cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(upload, &model, 0, 0, 1000);
    edge_call_send_part(upload, &model, 1, 0, 123456);
    edge_fixture_await_bytes(&fixture, &model, 124456);
    edge_call_close(upload);
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
    CU_ASSERT_NOT_EQUAL(stat(folder, &info), 0);
}

/* Uploads, queries and deletions from several threads at once: what ThreadSanitizer is for. */
struct device {
    struct edge_fixture *fixture;
    const struct fake_model *models;
    struct ll_thread thread;
    unsigned number;
    int right;
};

enum { DEVICES = 4, ROUNDS = 6, MODELS = 2 };

static void run_device(void *arg)
{
    struct device *device = arg;
    struct edge_client *client = edge_client_create(edge_server_port(device->fixture->server));
    for (unsigned round = 0; round < ROUNDS; round++) {
        const struct fake_model *model = &device->models[(device->number + round) % MODELS];
        ll_status status = edge_client_upload_all(client, model);
        struct edge_call *offload = edge_call_open(client, "Offload");
        const struct edge_ask ask = {.id = round, .end = LAYERS};
        struct edge_answer answer;
        edge_call_ask(offload, model, &ask, round);
        if (edge_call_answer(offload, &answer)) {
            /* Another device may have deleted the model in between. */
            device->right += status == LL_OK && (answer.status == LL_E_NOT_FOUND ||
                                                 edge_answer_is_right(&answer, model, round, 0));
            edge_answer_finish(&answer);
        }
        edge_call_close(offload);
        Layerlift__V1__DeleteModelRequest request = LAYERLIFT__V1__DELETE_MODEL_REQUEST__INIT;
        request.model_id = (char *)model->id_text;
        ProtobufCMessage *response =
            edge_client_ask(client, "DeleteModel", &request.base,
                            &layerlift__v1__delete_model_response__descriptor, NULL, NULL);
        if (response) {
            protobuf_c_message_free_unpacked(response, NULL);
        }
    }
    edge_client_destroy(client);
}

static void test_devices_at_once(void)
{
    struct edge_fixture fixture;
    struct fake_model models[MODELS];
    struct device devices[DEVICES];
    edge_fixture_set_up(&fixture);
    for (unsigned i = 0; i < MODELS; i++) {
        fake_model_init(&models[i], cfg, i);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = (struct device){.fixture = &fixture, .models = models, .number = i};
        CU_ASSERT_EQUAL_FATAL(
            ll_thread_start(&devices[i].thread, "device", run_device, &devices[i]), LL_OK);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        ll_thread_join(&devices[i].thread);
        CU_ASSERT_EQUAL(devices[i].right, ROUNDS);
    }
    for (unsigned i = 0; i < MODELS; i++) {
        fake_model_finish(&models[i]);
    }
    edge_fixture_tear_down(&fixture);
}

/* Each model takes 204 KB: the budget holds one of them and its query. */
static void test_models_take_turns_in_the_budget(void)
{
    enum { SEEDS = 3 };
    struct edge_fixture fixture;
    struct fake_model models[SEEDS];
    edge_fixture_init(&fixture);
    fixture.config.memory_bytes = 300000;
    edge_fixture_start(&fixture);
    for (unsigned i = 0; i < SEEDS; i++) {
        fake_model_init(&models[i], cfg, i);
    }
    /* The first one twice: it went, and comes again. */
    for (unsigned i = 0; i <= SEEDS; i++) {
        const struct fake_model *model = &models[i % SEEDS];
        CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, model), LL_OK);
        struct edge_call *offload = edge_call_open(fixture.client, "Offload");
        const struct edge_ask ask = {.id = 1, .end = LAYERS};
        struct edge_answer answer;
        edge_call_ask(offload, model, &ask, i);
        CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
        CU_ASSERT(edge_answer_is_right(&answer, model, i, 0));
        edge_answer_finish(&answer);
        edge_call_close(offload);
        for (int other = 0; other < SEEDS; other++) {
            Layerlift__V1__Model *known = edge_fixture_model(&fixture, &models[other]);
            CU_ASSERT_EQUAL(known != NULL, &models[other] == model);
            if (known) {
                layerlift__v1__model__free_unpacked(known, NULL);
            }
        }
    }
    for (int i = 0; i < SEEDS; i++) {
        fake_model_finish(&models[i]);
    }
    edge_fixture_tear_down(&fixture);
}

static void test_model_that_never_fits_names_the_budget(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.memory_bytes = 100000;
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    edge_fixture_check_refused(&fixture, upload, LL_E_EXHAUSTED, "limit memory_bytes is 100000");
    fake_model_finish(&model);
    edge_fixture_tear_down(&fixture);
}

const char *const ll_test_suite = "edge_server";
const struct ll_test ll_tests[] = {
    LL_TEST(test_stop_ends_uploads_and_watches_with_unavailable),
    LL_TEST(test_stop_lets_running_queries_finish),
    LL_TEST(test_stop_cancels_what_does_not_end),
    LL_TEST(test_connection_cut_and_back_goes_on_where_it_stopped),
    LL_TEST(test_port_in_use_is_named),
    LL_TEST(test_store_folder_is_emptied_at_the_end),
    LL_TEST(test_devices_at_once),
    LL_TEST(test_models_take_turns_in_the_budget),
    LL_TEST(test_model_that_never_fits_names_the_budget),
    {NULL, NULL},
};
