#include "edge/inspect/edge_inspect.h"

#include <stdio.h>
#include <string.h>

#include "core/ll_option_table.h"
#include "core/ll_version.h"
#include "edge/edge_limits.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

/* Layers 1 and 2 are one group. */
static const char cfg[] = "fake\n"
                          "input 8\n"
                          "layer 16 1000\n"
                          "layer 16 2000 joined\n"
                          "layer 8 500\n"
                          "layer 4 0\n";
enum { LAYERS = 4, BYTES = 3500 };

static Layerlift__V1__ListModelsResponse *list(struct edge_fixture *fixture)
{
    Layerlift__V1__ListModelsRequest request = LAYERLIFT__V1__LIST_MODELS_REQUEST__INIT;
    return (Layerlift__V1__ListModelsResponse *)edge_client_ask(
        fixture->client, "ListModels", &request.base,
        &layerlift__v1__list_models_response__descriptor, NULL, NULL);
}

static ll_status delete_model(struct edge_fixture *fixture, const char *id,
                              struct ll_error *message)
{
    Layerlift__V1__DeleteModelRequest request = LAYERLIFT__V1__DELETE_MODEL_REQUEST__INIT;
    request.model_id = (char *)id;
    ll_status status = LL_OK;
    ProtobufCMessage *response =
        edge_client_ask(fixture->client, "DeleteModel", &request.base,
                        &layerlift__v1__delete_model_response__descriptor, &status, message);
    if (response) {
        protobuf_c_message_free_unpacked(response, NULL);
    }
    return status;
}

static void test_list_tells_partial_models_too(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    Layerlift__V1__ListModelsResponse *response = list(&fixture);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_EQUAL(response->n_models, 0);
    layerlift__v1__list_models_response__free_unpacked(response, NULL);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 1);
    CU_ASSERT(edge_call_has_event(upload, EVENT_READY));
    response = list(&fixture);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    CU_ASSERT_EQUAL_FATAL(response->n_models, 1);
    const Layerlift__V1__Model *told = response->models[0];
    CU_ASSERT_STRING_EQUAL(told->model_id, model.id_text);
    CU_ASSERT_EQUAL(told->state, LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_PARTIAL);
    CU_ASSERT_EQUAL(told->layer_count, LAYERS);
    CU_ASSERT_EQUAL(told->prefix, 1);
    CU_ASSERT_EQUAL(told->weight_bytes, BYTES);
    CU_ASSERT_EQUAL(told->received_bytes, 1000);
    CU_ASSERT_EQUAL(told->creations, 1);
    CU_ASSERT_EQUAL(told->upload_sessions, 1);
    CU_ASSERT_EQUAL(told->n_layers, 0);
    layerlift__v1__list_models_response__free_unpacked(response, NULL);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static Layerlift__V1__ListModelsResponse *list_page(struct edge_fixture *fixture, uint32_t size,
                                                    const char *token, ll_status *out_status)
{
    Layerlift__V1__ListModelsRequest request = LAYERLIFT__V1__LIST_MODELS_REQUEST__INIT;
    request.page_size = size;
    request.page_token = (char *)token;
    return (Layerlift__V1__ListModelsResponse *)edge_client_ask(
        fixture->client, "ListModels", &request.base,
        &layerlift__v1__list_models_response__descriptor, out_status, NULL);
}

static void test_pages_list_every_model_once(void)
{
    enum { MODELS = 7, PAGE = 3 };
    struct edge_fixture fixture;
    struct fake_model models[MODELS];
    char token[LL_DIGEST_TEXT_BYTES] = "";
    char last[LL_DIGEST_TEXT_BYTES] = "";
    edge_fixture_set_up_model(&fixture, &models[0], cfg);
    for (int i = 0; i < MODELS; i++) {
        if (i > 0) {
            fake_model_init(&models[i], cfg, (unsigned)(100 + i));
        }
        CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &models[i]), LL_OK);
    }
    int count = 0;
    int pages = 0;
    do {
        Layerlift__V1__ListModelsResponse *page = list_page(&fixture, PAGE, token, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(page);
        CU_ASSERT_TRUE(page->n_models > 0 && page->n_models <= PAGE);
        for (size_t i = 0; i < page->n_models; i++) {
            CU_ASSERT_TRUE(strcmp(page->models[i]->model_id, last) > 0);
            snprintf(last, sizeof(last), "%s", page->models[i]->model_id);
        }
        count += (int)page->n_models;
        snprintf(token, sizeof(token), "%s", page->next_page_token);
        layerlift__v1__list_models_response__free_unpacked(page, NULL);
        /* The model that the token names may go. */
        CU_ASSERT_EQUAL(delete_model(&fixture, last, NULL), LL_OK);
    } while (++pages < MODELS && token[0]);
    CU_ASSERT_EQUAL(count, MODELS);
    CU_ASSERT_EQUAL(pages, 3);
    /* All that are left, without a page's size. */
    Layerlift__V1__ListModelsResponse *all = list_page(&fixture, 0, "", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    CU_ASSERT_EQUAL(all->n_models, MODELS - 3);
    CU_ASSERT_STRING_EQUAL(all->next_page_token, "");
    layerlift__v1__list_models_response__free_unpacked(all, NULL);
    ll_status status = LL_OK;
    CU_ASSERT_PTR_NULL(list_page(&fixture, 1, "2", &status));
    CU_ASSERT_EQUAL(status, LL_E_INVALID);
    for (int i = 1; i < MODELS; i++) {
        fake_model_finish(&models[i]);
    }
    edge_fixture_tear_down_model(&fixture, &models[0]);
}

static void test_get_tells_layers_and_times(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .first = 1, .end = LAYERS};
    struct edge_answer answer;
    edge_call_ask(call, &model, &ask, 1);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    edge_answer_finish(&answer);
    edge_call_close(call);
    Layerlift__V1__Model *told = edge_fixture_model(&fixture, &model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->state, LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_READY);
    CU_ASSERT_EQUAL(told->queries, 1);
    CU_ASSERT_EQUAL_FATAL(told->n_layers, LAYERS);
    char digest[LL_DIGEST_TEXT_BYTES];
    ll_digest_format(&model.manifest.blobs[2].digest, digest);
    CU_ASSERT_STRING_EQUAL(told->layers[2]->blob->digest, digest);
    CU_ASSERT_EQUAL(told->layers[2]->blob->size, 500);
    CU_ASSERT_EQUAL(told->layers[2]->received_bytes, 500);
    CU_ASSERT_STRING_EQUAL(told->layers[2]->type, "fake");
    CU_ASSERT_EQUAL_FATAL(told->layers[2]->n_output_shape, 1);
    CU_ASSERT_EQUAL(told->layers[2]->output_shape[0], 8);
    CU_ASSERT(told->layers[2]->created);
    CU_ASSERT_EQUAL(told->layers[0]->mean_ns, 0);
    CU_ASSERT_EQUAL(told->layers[2]->mean_ns, 1002);
    CU_ASSERT_EQUAL_FATAL(told->n_legal_cuts, 4);
    static const uint32_t cuts[] = {0, 1, 3, 4};
    CU_ASSERT_EQUAL(memcmp(told->legal_cuts, cuts, sizeof(cuts)), 0);
    layerlift__v1__model__free_unpacked(told, NULL);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_unknown_and_malformed_ids_are_told_apart(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    static const char *const methods[] = {"GetModel", "DeleteModel", "WatchModel"};
    for (int i = 0; i < 3; i++) {
        /* The three requests look alike. */
        Layerlift__V1__GetModelRequest request = LAYERLIFT__V1__GET_MODEL_REQUEST__INIT;
        ll_status status = LL_OK;
        request.model_id = model.id_text;
        CU_ASSERT_PTR_NULL(edge_client_ask(fixture.client, methods[i], &request.base,
                                           &layerlift__v1__model__descriptor, &status, &message));
        CU_ASSERT_EQUAL(status, LL_E_NOT_FOUND);
        CU_ASSERT_PTR_NOT_NULL(strstr(message.text, model.id_text));
        request.model_id = "resnet";
        CU_ASSERT_PTR_NULL(edge_client_ask(fixture.client, methods[i], &request.base,
                                           &layerlift__v1__model__descriptor, &status, &message));
        CU_ASSERT_EQUAL(status, LL_E_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "64 hex digits"));
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_random_bytes_are_no_request(void)
{
    static const char *const methods[] = {"GetModel", "DeleteModel", "WatchModel", "ListModels",
                                          "GetServerInfo"};
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    for (int i = 0; i < 5; i++) {
        struct edge_call *call = edge_call_open(fixture.client, methods[i]);
        edge_call_send_bytes(call, "\x0a\xff\xff\xff\xff\x0f", 6);
        CU_ASSERT_EQUAL(edge_call_end(call, NULL), LL_E_INVALID);
        edge_call_close(call);
    }
    edge_fixture_check_serving(&fixture);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_delete_is_refused_while_in_use(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    CU_ASSERT_EQUAL(delete_model(&fixture, model.id_text, &message), LL_E_PRECONDITION);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "uses model"));
    edge_call_send_layers(upload, &model, 0, LAYERS);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    struct edge_call *call = edge_call_open(fixture.client, "Offload");
    const struct edge_ask ask = {.id = 1, .end = LAYERS};
    edge_call_send_query(call, &model, &ask);
    /* An answer to a second query says that the first has arrived. */
    const struct edge_ask second = {.id = 2, .end = 1};
    struct edge_answer answer;
    edge_call_ask(call, &model, &second, 1);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    edge_answer_finish(&answer);
    CU_ASSERT_EQUAL(delete_model(&fixture, model.id_text, &message), LL_E_PRECONDITION);
    edge_call_send_tensors(call, &model, &ask, 1, 1000);
    CU_ASSERT_FATAL(edge_call_answer(call, &answer));
    edge_answer_finish(&answer);
    /* The stream is still open, but whoever has the answer may delete. */
    CU_ASSERT_EQUAL(delete_model(&fixture, model.id_text, &message), LL_OK);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture.engine), 0);
    edge_call_close(call);
    /* It may come again. */
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_watch_tells_every_state_up_to_the_latest(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = model.id_text;
    struct edge_call *watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_send(watch, &request.base);
    edge_call_half_close(watch);
    const ProtobufCMessageDescriptor *descriptor = &layerlift__v1__model_event__descriptor;
    Layerlift__V1__ModelEvent *event =
        (Layerlift__V1__ModelEvent *)edge_call_next(watch, descriptor);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->prefix, 0);
    CU_ASSERT_EQUAL(event->state, LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_PARTIAL);
    CU_ASSERT_EQUAL(event->weight_bytes, BYTES);
    layerlift__v1__model_event__free_unpacked(event, NULL);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    unsigned prefix = 0;
    uint64_t bytes = 0;
    while (prefix < LAYERS) {
        event = (Layerlift__V1__ModelEvent *)edge_call_next(watch, descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        CU_ASSERT(event->prefix >= prefix && event->received_bytes >= bytes);
        prefix = event->prefix;
        bytes = event->received_bytes;
        CU_ASSERT(prefix < LAYERS || event->state == LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_READY);
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
    CU_ASSERT_EQUAL(bytes, BYTES);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    CU_ASSERT_EQUAL(delete_model(&fixture, model.id_text, NULL), LL_OK);
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(watch, &message), LL_E_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(message.text, "the model was deleted");
    edge_call_close(watch);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_watch_tells_a_failure(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    fake_engine_fail(fixture.engine, FAKE_CREATION, 1, LL_E_UNSUPPORTED);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = model.id_text;
    struct edge_call *watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_send(watch, &request.base);
    edge_call_send_layers(upload, &model, 0, 1);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_E_UNSUPPORTED);
    edge_call_close(upload);
    bool has_failed = false;
    while (!has_failed) {
        Layerlift__V1__ModelEvent *event = (Layerlift__V1__ModelEvent *)edge_call_next(
            watch, &layerlift__v1__model_event__descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        has_failed = event->state == LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_FAILED;
        CU_ASSERT(!has_failed || strstr(event->failure, "made to fail"));
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
    edge_call_close(watch);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_watch_needs_one_request(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    struct edge_call *watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_half_close(watch);
    edge_fixture_check_refused(&fixture, watch, LL_E_INVALID, "without a request");
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = model.id_text;
    watch = edge_call_open(fixture.client, "WatchModel");
    edge_call_send(watch, &request.base);
    edge_call_send(watch, &request.base);
    edge_fixture_check_refused(&fixture, watch, LL_E_INVALID, "second request");
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Programs know limits by these keys: more may come, none goes. */
static const char *const limit_keys[] = {
    "models",
    "model_rest_ms",
    "store_bytes",
    "store_mappings",
    "memory_bytes",
    "upload_sessions",
    "upload_streams",
    "upload_idle_ms",
    "upload_patience_ms",
    "upload_window_bytes",
    "peer_copied_bytes",
    "peer_opens",
    "queries",
    "query_bytes",
    "server_query_bytes",
    "peer_query_bytes",
    "server_queries",
    "query_idle_ms",
    "query_patience_ms",
    "query_wait_ms",
    "answer_idle_ms",
    "watches",
    "peer_inspect_bytes",
    "connections",
    "connections_per_peer",
    "connection_streams",
    "connection_resets",
    "calls",
    "message_bytes",
    "chunk_bytes",
    "queued_chunks",
    "drafts",
    "upload_frames",
    "cfg_bytes",
    "layers",
    "blob_bytes",
    "model_bytes",
    "tensor_bytes",
    "cfg_line_bytes",
    "section_options",
    "dimension",
    "scratch_bytes",
    "context_bytes",
    "model_flops",
    "group_flops",
};

/* Every limit of the table, as the server was configured. */
static void check_limits(const Layerlift__V1__ServerInfo *info,
                         const struct edge_server_config *config)
{
    CU_ASSERT_EQUAL_FATAL(info->n_limits, (size_t)edge_limit_table.count);
    for (size_t i = 0; i < info->n_limits; i++) {
        const struct ll_option_row *row = &edge_limit_table.rows[i];
        CU_ASSERT_STRING_EQUAL(info->limits[i]->key, row->limit);
        CU_ASSERT(info->limits[i]->value > 0);
        /* What is `shown` follows from others or from the machine, and so do descriptors. */
        if (row->kind == LL_OPTION_FIXED ||
            (!row->shown && strcmp(row->limit, "connections") != 0)) {
            CU_ASSERT_EQUAL(info->limits[i]->value, (uint64_t)ll_option_value(row, config));
        }
    }
    for (size_t i = 0; i < sizeof(limit_keys) / sizeof(limit_keys[0]); i++) {
        size_t found = 0;
        while (found < info->n_limits && strcmp(info->limits[found]->key, limit_keys[i]) != 0) {
            found++;
        }
        CU_ASSERT(found < info->n_limits);
    }
}

static void test_server_info_tells_engine_and_limits(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, cfg);
    Layerlift__V1__GetServerInfoRequest request = LAYERLIFT__V1__GET_SERVER_INFO_REQUEST__INIT;
    Layerlift__V1__ServerInfo *info = (Layerlift__V1__ServerInfo *)edge_client_ask(
        fixture.client, "GetServerInfo", &request.base, &layerlift__v1__server_info__descriptor,
        NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    CU_ASSERT_STRING_EQUAL(info->version, LL_VERSION);
    CU_ASSERT_STRING_EQUAL(info->engine, "fake");
    CU_ASSERT_STRING_EQUAL(info->instruction_set, "none");
    CU_ASSERT_EQUAL(info->threads, 1);
    CU_ASSERT_STRING_EQUAL(info->creation, "threaded");
    CU_ASSERT_EQUAL(info->executors, 2);
    CU_ASSERT_FALSE(info->draining);
    check_limits(info, &fixture.config);
    CU_ASSERT_EQUAL_FATAL(info->n_data_types, 4);
    CU_ASSERT_EQUAL_FATAL(info->n_tensor_codings, 2);
    CU_ASSERT_EQUAL(info->tensor_codings[0], LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_PLANES);
    CU_ASSERT_EQUAL(info->tensor_codings[1], LAYERLIFT__V1__TENSOR_CODING__TENSOR_CODING_WEBP);
    CU_ASSERT_EQUAL_FATAL(info->n_picture_formats, 3);
    CU_ASSERT_EQUAL(info->picture_formats[0], LAYERLIFT__V1__PICTURE_FORMAT__PICTURE_FORMAT_JPEG);
    CU_ASSERT_EQUAL(info->data_types[0], LAYERLIFT__V1__DATA_TYPE__DATA_TYPE_F32);
    CU_ASSERT_EQUAL_FATAL(info->n_encodings, 5);
    CU_ASSERT_EQUAL(info->encodings[0], LAYERLIFT__V1__ENCODING__ENCODING_RAW);
    CU_ASSERT_EQUAL(info->encodings[1], LAYERLIFT__V1__ENCODING__ENCODING_FRAME);
    CU_ASSERT_EQUAL(info->encodings[2], LAYERLIFT__V1__ENCODING__ENCODING_DELTA_FRAME);
    CU_ASSERT_EQUAL(info->encodings[3], LAYERLIFT__V1__ENCODING__ENCODING_DRAFT_FRAME);
    CU_ASSERT_EQUAL(info->encodings[4], LAYERLIFT__V1__ENCODING__ENCODING_REST_FRAME);
    CU_ASSERT_EQUAL_FATAL(info->n_formats, 1);
    CU_ASSERT_STRING_EQUAL(info->formats[0]->format, "darknet");
    CU_ASSERT_STRING_EQUAL(info->formats[0]->dialect, "pjreddie");
    layerlift__v1__server_info__free_unpacked(info, NULL);
    edge_fixture_tear_down_model(&fixture, &model);
}

static struct edge_call *open_watch(struct edge_fixture *fixture, const struct fake_model *model)
{
    Layerlift__V1__WatchModelRequest request = LAYERLIFT__V1__WATCH_MODEL_REQUEST__INIT;
    request.model_id = (char *)model->id_text;
    struct edge_call *watch = edge_call_open(fixture->client, "WatchModel");
    edge_call_send(watch, &request.base);
    return watch;
}

/* Takes events until the model is ready. */
static void await_ready(struct edge_call *watch)
{
    bool is_ready = false;
    while (!is_ready) {
        Layerlift__V1__ModelEvent *event = (Layerlift__V1__ModelEvent *)edge_call_next(
            watch, &layerlift__v1__model_event__descriptor);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        is_ready = event->state == LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_READY;
        layerlift__v1__model_event__free_unpacked(event, NULL);
    }
}

/* However fast a model changes, each of its watches sees the latest state, beside those of another
 * model. */
static void test_every_watch_sees_the_latest_state(void)
{
    enum { WATCHES = 6 };
    struct edge_fixture fixture;
    struct fake_model models[2];
    struct edge_call *uploads[2];
    struct edge_call *watches[WATCHES];
    edge_fixture_set_up(&fixture);
    for (unsigned i = 0; i < 2; i++) {
        fake_model_init(&models[i], cfg, i);
        uploads[i] = edge_client_upload(fixture.client, &models[i], NULL);
    }
    for (int i = 0; i < WATCHES; i++) {
        watches[i] = open_watch(&fixture, &models[i % 2]);
    }
    for (int64_t at = 0; at < 1000; at += 10) {
        edge_call_send_part(uploads[0], &models[0], 0, at, at + 10);
        edge_call_send_part(uploads[1], &models[1], 0, at, at + 10);
    }
    for (int i = 0; i < 2; i++) {
        edge_call_send_layers(uploads[i], &models[i], 1, LAYERS);
    }
    for (int i = 0; i < WATCHES; i++) {
        await_ready(watches[i]);
        edge_call_close(watches[i]);
    }
    for (int i = 0; i < 2; i++) {
        edge_call_close(uploads[i]);
        fake_model_finish(&models[i]);
    }
    edge_fixture_tear_down(&fixture);
}

static void test_watches_are_limited(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_init(&fixture);
    fixture.config.watches = 1;
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_call *first = open_watch(&fixture, &model);
    await_ready(first);
    struct edge_call *second = open_watch(&fixture, &model);
    CU_ASSERT_EQUAL(edge_call_end(second, &message), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "too many watches: limit watches is 1"));
    edge_call_close(second);
    edge_call_close(first);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* What was told is paid for afterwards: a second answer would have to wait for an hour here. */
static void test_models_are_told_at_a_rate(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    ll_status status = LL_OK;
    edge_fixture_init(&fixture);
    fixture.config.peer_inspect_bytes = 1;
    edge_fixture_start(&fixture);
    fake_model_init(&model, cfg, 1);
    Layerlift__V1__ListModelsResponse *response = list(&fixture);
    CU_ASSERT_PTR_NOT_NULL_FATAL(response);
    layerlift__v1__list_models_response__free_unpacked(response, NULL);
    Layerlift__V1__GetModelRequest request = LAYERLIFT__V1__GET_MODEL_REQUEST__INIT;
    request.model_id = (char *)model.id_text;
    CU_ASSERT_PTR_NULL(edge_client_ask(fixture.client, "GetModel", &request.base,
                                       &layerlift__v1__model__descriptor, &status, &message));
    CU_ASSERT_EQUAL(status, LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "limit peer_inspect_bytes is 1 a second"));
    CU_ASSERT_PTR_NULL(list(&fixture));
    /* Devices ask for this when they connect. */
    Layerlift__V1__GetServerInfoRequest info = LAYERLIFT__V1__GET_SERVER_INFO_REQUEST__INIT;
    ProtobufCMessage *told = edge_client_ask(fixture.client, "GetServerInfo", &info.base,
                                             &layerlift__v1__server_info__descriptor, NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    protobuf_c_message_free_unpacked(told, NULL);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_inspect";
const struct ll_test ll_tests[] = {
    LL_TEST(test_list_tells_partial_models_too),
    LL_TEST(test_pages_list_every_model_once),
    LL_TEST(test_get_tells_layers_and_times),
    LL_TEST(test_unknown_and_malformed_ids_are_told_apart),
    LL_TEST(test_random_bytes_are_no_request),
    LL_TEST(test_delete_is_refused_while_in_use),
    LL_TEST(test_watch_tells_every_state_up_to_the_latest),
    LL_TEST(test_watch_tells_a_failure),
    LL_TEST(test_watch_needs_one_request),
    LL_TEST(test_server_info_tells_engine_and_limits),
    LL_TEST(test_every_watch_sees_the_latest_state),
    LL_TEST(test_watches_are_limited),
    LL_TEST(test_models_are_told_at_a_rate),
    {NULL, NULL},
};
