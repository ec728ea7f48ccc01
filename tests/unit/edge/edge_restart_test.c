/* A server that lasts, ended and started again on its folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

enum { FRAME = 64 << 10, LARGE = 2 * FRAME + 400 };

/* Layers without and with files of their own. */
static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 4 400\n"
                          "layer 4 131472\n"
                          "layer 4 800\n";
enum { LAYERS = 3 };

static char folder[4096];

static void begin(struct edge_fixture *fixture)
{
    edge_fixture_init(fixture);
    fixture->config.store_folder = folder;
    edge_fixture_start(fixture);
}

static void begin_first(struct edge_fixture *fixture)
{
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    begin(fixture);
}

static void end(struct edge_fixture *fixture)
{
    edge_fixture_tear_down(fixture);
}

/* A query for the whole network has the right values. */
static void check_answer(struct edge_fixture *fixture, const struct fake_model *model)
{
    struct edge_answer answer;
    struct fake_tensors expected;
    const struct edge_ask ask = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    struct edge_call *offload = edge_call_open(fixture->client, "Offload");
    edge_call_ask(offload, model, &ask, 7);
    edge_call_answer(offload, &answer);
    fake_model_outputs(model, 7, 0, LAYERS, &expected);
    CU_ASSERT_EQUAL(answer.status, LL_OK);
    CU_ASSERT_EQUAL_FATAL(answer.floats, expected.floats);
    CU_ASSERT(fake_floats_equal(answer.data, expected.data, expected.floats));
    fake_tensors_finish(&expected);
    edge_answer_finish(&answer);
    edge_call_close(offload);
}

static void test_models_answer_without_an_upload(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    fake_model_init(&model, cfg, 1);
    begin_first(&fixture);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    end(&fixture);
    begin(&fixture);
    /* It is listed at once. */
    Layerlift__V1__Model *found = edge_fixture_model(&fixture, &model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    CU_ASSERT_EQUAL(found->received_bytes, found->weight_bytes);
    CU_ASSERT_EQUAL(found->stored_bytes, found->weight_bytes);
    layerlift__v1__model__free_unpacked(found, NULL);
    edge_fixture_await_prefix(&fixture, &model, LAYERS);
    check_answer(&fixture, &model);
    end(&fixture);
    fake_model_finish(&model);
}

static void test_uploads_go_on_at_the_last_border(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    Layerlift__V1__UploadEvent *event = NULL;
    fake_model_init(&model, cfg, 2);
    begin_first(&fixture);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(upload, &model, 0, 0, 400);
    edge_call_send_part(upload, &model, 1, 0, FRAME + 10);
    edge_fixture_await_bytes(&fixture, &model, 400 + FRAME + 10);
    edge_call_close(upload);
    end(&fixture);
    begin(&fixture);
    upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_available_layers, 1);
    CU_ASSERT_EQUAL(event->accepted->available_layers[0], 0);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->layer, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, FRAME);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(upload, &model, 1, FRAME, LARGE);
    edge_call_send_part(upload, &model, 2, 0, 800);
    event = edge_call_await(upload, EVENT_COMPLETE);
    CU_ASSERT_PTR_NOT_NULL(event);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_close(upload);
    check_answer(&fixture, &model);
    end(&fixture);
    fake_model_finish(&model);
}

/* A model that memory has no place for is created when a query wants it, in the place of one that
 * nobody wants. */
static void test_queries_wake_models(void)
{
    struct edge_fixture fixture;
    struct fake_model models[2];
    for (int i = 0; i < 2; i++) {
        fake_model_init(&models[i], cfg, (unsigned)i + 3);
    }
    begin_first(&fixture);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[i]), LL_OK);
    }
    end(&fixture);
    edge_fixture_init(&fixture);
    fixture.config.store_folder = folder;
    fixture.config.memory_bytes = 2 * LARGE - 1000;
    edge_fixture_start(&fixture);
    edge_fixture_await_prefix(&fixture, &models[1], LAYERS);
    Layerlift__V1__Model *found = edge_fixture_model(&fixture, &models[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    CU_ASSERT_EQUAL(found->prefix, 0);
    layerlift__v1__model__free_unpacked(found, NULL);
    check_answer(&fixture, &models[0]);
    check_answer(&fixture, &models[1]);
    end(&fixture);
    for (int i = 0; i < 2; i++) {
        fake_model_finish(&models[i]);
    }
}

/* The next event of a watch: its prefix, or -1 at the call's end. */
static int next_prefix(struct edge_call *watch)
{
    Layerlift__V1__ModelEvent *event =
        (Layerlift__V1__ModelEvent *)edge_call_next(watch, &layerlift__v1__model_event__descriptor);
    int prefix = event ? (int)event->prefix : -1;
    if (event) {
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
    return prefix;
}

/* A model that loses its layers to another one is watched on: it is not deleted. */
static void test_watches_stay_with_models_put_away(void)
{
    struct edge_fixture fixture;
    struct fake_model models[2];
    for (int i = 0; i < 2; i++) {
        fake_model_init(&models[i], cfg, (unsigned)i + 5);
    }
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    edge_fixture_init(&fixture);
    fixture.config.store_folder = folder;
    fixture.config.memory_bytes = 2 * LARGE - 1000;
    edge_fixture_start(&fixture);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[0]), LL_OK);
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = models[0].id_text;
    struct edge_call *watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_send(watch, &request.base);
    edge_call_half_close(watch);
    CU_ASSERT_EQUAL(next_prefix(watch), LAYERS);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[1]), LL_OK);
    CU_ASSERT_EQUAL(next_prefix(watch), 0);
    check_answer(&fixture, &models[0]);
    int prefix = 0;
    while (prefix >= 0 && prefix < LAYERS) {
        prefix = next_prefix(watch);
    }
    CU_ASSERT_EQUAL(prefix, LAYERS);
    edge_call_close(watch);
    end(&fixture);
    for (int i = 0; i < 2; i++) {
        fake_model_finish(&models[i]);
    }
}

/* An open of what is not whole waits for the disk, and others with it: an address has so many. */
static void test_opens_have_a_rate(void)
{
    enum { BURST = 4 };
    struct edge_fixture fixture;
    struct fake_model models[BURST + 1];
    struct ll_error err;
    for (int i = 0; i <= BURST; i++) {
        fake_model_init(&models[i], cfg, (unsigned)i + 20);
    }
    snprintf(folder, sizeof(folder), "%s", ll_test_folder());
    edge_fixture_init(&fixture);
    fixture.config.store_folder = folder;
    fixture.config.peer_opens = 1;
    edge_fixture_start(&fixture);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[0]), LL_OK);
    ll_status status = LL_OK;
    /* The first has gone already; a second gives one more. */
    for (int i = 1; i < 100 && status == LL_OK; i++) {
        const struct edge_open open = {.encoding_count = 0};
        struct edge_call *call = edge_client_open(fixture.client, &models[1 + i % BURST], &open);
        if (!edge_call_has_event(call, EVENT_ACCEPTED)) {
            status = edge_call_end(call, &err);
            CU_ASSERT(i >= BURST);
        }
        edge_call_close(call);
    }
    CU_ASSERT_EQUAL(status, LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit peer_opens is 1 a second"));
    /* What is whole is free. */
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[0]), LL_OK);
    end(&fixture);
    for (int i = 0; i <= BURST; i++) {
        fake_model_finish(&models[i]);
    }
}

static void test_busy_folder_is_refused(void)
{
    struct edge_fixture fixture;
    struct edge_server *second = NULL;
    struct ll_error err = {.text = ""};
    begin_first(&fixture);
    struct edge_server_config config = fixture.config;
    CU_ASSERT_EQUAL(edge_server_create(&config, &second, &err), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, folder));
    CU_ASSERT_PTR_NULL(edge_server_temporary_folder(fixture.server));
    end(&fixture);
}

const char *const ll_test_suite = "edge_restart";
const struct ll_test ll_tests[] = {
    LL_TEST(test_models_answer_without_an_upload),
    LL_TEST(test_uploads_go_on_at_the_last_border),
    LL_TEST(test_queries_wake_models),
    LL_TEST(test_watches_stay_with_models_put_away),
    LL_TEST(test_opens_have_a_rate),
    LL_TEST(test_busy_folder_is_refused),
    {NULL, NULL},
};
