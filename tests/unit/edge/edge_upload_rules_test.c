/* What devices do wrong, and limits: each is answered with a status that names the reason, and
 * others are served meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ll_limits.h"
#include "edge/upload/edge_upload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_FIXTURE_LAYERS, BYTES = EDGE_FIXTURE_BYTES };

static void test_first_message_must_be_open(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_part(upload, &model, 0, 0, 10);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "before open");
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_half_close(upload);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "without open");
    upload = edge_client_upload(fixture.client, &model, NULL);
    struct ll_plan plan;
    fake_model_plan(&model, &plan);
    edge_call_send_open(upload, &model, &plan);
    ll_plan_finish(&plan);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "second open");
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_plan_must_cover_all_layers_once(void)
{
    static const struct {
        int count;
        struct ll_partition partitions[3];
    } plans[] = {
        {2, {{0, 1}, {3, 5}}},           /* a hole */
        {2, {{0, 3}, {1, 5}}},           /* an overlap */
        {1, {{0, 4}}},                   /* no end */
        {2, {{0, 2}, {2, 5}}},           /* inside a group */
        {3, {{0, 1}, {1, 1}, {1, 5}}},   /* an empty partition */
        {2, {{3, 5}, {0, 3}}},           /* out of order */
        {1, {{0, 6}}},                   /* beyond the end */
        {1, {{0, LL_LIMIT_LAYERS + 9}}}, /* far beyond */
        {0, {{0, 0}}},                   /* none */
    };
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
        struct ll_partition partitions[3];
        memcpy(partitions, plans[i].partitions, sizeof(partitions));
        const struct ll_plan plan = {.count = plans[i].count, .partitions = partitions};
        struct edge_call *upload = edge_call_open(fixture.client, "Upload");
        edge_call_send_open(upload, &model, &plan);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "p");
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_manifest_must_fit_its_cfg(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_plan plan;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    fake_model_plan(&model, &plan);
    model.manifest.blobs[1].bytes++;
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_open(upload, &model, &plan);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "layer 1 (fake) has 2001 bytes instead of 2000");
    model.manifest.blobs[1].bytes--;
    model.manifest.blob_count--;
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_open(upload, &model, &plan);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "4 blobs");
    model.manifest.blob_count++;
    /* The last number becomes a word. */
    model.manifest.cfg[strlen(edge_fixture_cfg) - 2] = 'x';
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_open(upload, &model, &plan);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "line 7");
    ll_plan_finish(&plan);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_engine_that_cannot_says_unimplemented(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    Layerlift__V1__Blob blob = LAYERLIFT__V1__BLOB__INIT;
    Layerlift__V1__Blob *blobs[1] = {&blob};
    Layerlift__V1__Manifest manifest = LAYERLIFT__V1__MANIFEST__INIT;
    Layerlift__V1__Partition partition = LAYERLIFT__V1__PARTITION__INIT;
    Layerlift__V1__Partition *partitions[1] = {&partition};
    Layerlift__V1__UploadOpen open = LAYERLIFT__V1__UPLOAD_OPEN__INIT;
    Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
    manifest.cfg.data = (uint8_t *)"fake\ninput 8\nunsupported\n";
    manifest.cfg.len = strlen((const char *)manifest.cfg.data);
    manifest.blobs = blobs;
    manifest.n_blobs = 1;
    partition.end = 1;
    open.manifest = &manifest;
    open.plan = partitions;
    open.n_plan = 1;
    request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_OPEN;
    request.open = &open;
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    edge_call_send(upload, &request.base);
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(upload, &message), LL_E_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "line 3"));
    edge_call_close(upload);
    blob.digest = "sha256:zz";
    blob.size = 5;
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_send(upload, &request.base);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "digest of layer 0");
    blob.size = (uint64_t)LL_LIMIT_BLOB_BYTES + 1;
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_send(upload, &request.base);
    CU_ASSERT_EQUAL(edge_call_end(upload, &message), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "limit blob_bytes is 2147483648"));
    edge_call_close(upload);
    open.manifest = NULL;
    upload = edge_call_open(fixture.client, "Upload");
    edge_call_send(upload, &request.base);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "no manifest");
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_chunks_must_follow_each_other_within_their_blob(void)
{
    static const struct {
        int layer;
        int64_t offset;
        size_t bytes;
        const char *reason;
    } chunks[] = {
        {0, 5, 10, "out of order, it begins at 5 instead of 0"},
        {0, 0, 1001, "1001 bytes at 0 lie beyond its blob of 1000 bytes"},
        {0, 1000, 1, "beyond its blob"},
        {0, INT64_MAX, 10, "beyond its blob"},
        {5, 0, 10, "there is no layer 5"},
        {-1, 0, 10, "there is no layer 4294967295"},
        {3, 0, 10, "it has no weights"},
        {0, 0, 0, "a chunk of 0 bytes"},
        {0, 0, LL_LIMIT_CHUNK_BYTES + 1, "a chunk of 262145 bytes"},
    };
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    char *data = calloc(1, LL_LIMIT_CHUNK_BYTES + 1);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
        edge_call_send_chunk(upload, chunks[i].layer, chunks[i].offset, data, chunks[i].bytes);
        edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, chunks[i].reason);
    }
    free(data);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_unknown_encoding_is_refused(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    Layerlift__V1__Chunk chunk = LAYERLIFT__V1__CHUNK__INIT;
    chunk.encoding = (Layerlift__V1__Encoding)77;
    chunk.data.data = (uint8_t *)"x";
    chunk.data.len = 1;
    Layerlift__V1__UploadRequest request = LAYERLIFT__V1__UPLOAD_REQUEST__INIT;
    request.kind_case = LAYERLIFT__V1__UPLOAD_REQUEST__KIND_CHUNK;
    request.chunk = &chunk;
    edge_call_send(upload, &request.base);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "encoding 77");
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_available_layers_are_not_to_be_sent(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *first = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(first, &model, 0, 1);
    CU_ASSERT(edge_call_has_event(first, EVENT_RECEIVED));
    struct edge_call *second = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(second, &model, 0, 1);
    edge_fixture_check_refused(&fixture, second, LL_E_INVALID, "was here");
    edge_call_close(first);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_credit_must_not_be_ignored(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.upload_window_bytes = 300;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL(event->accepted->credit_bytes, 300);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(upload, &model, 0, 0, 301);
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(upload, &message), LL_E_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "credit ignored: 301 bytes sent, 300 granted"));
    edge_call_close(upload);
    /* Who keeps to it gets more with each receipt. */
    upload = edge_client_upload(fixture.client, &model, NULL);
    uint64_t granted = 300;
    for (int64_t sent = 0; sent < 1000; sent += 250) {
        while (granted < (uint64_t)sent + 250) {
            event = edge_call_await(upload, EVENT_CREDIT);
            CU_ASSERT_PTR_NOT_NULL_FATAL(event);
            granted = event->credit->credit_bytes;
            CU_ASSERT_EQUAL(granted, event->credit->received_bytes + 300);
            layerlift__v1__upload_event__free_unpacked(event, NULL);
        }
        edge_call_send_part(upload, &model, 0, sent, sent + 250);
    }
    CU_ASSERT(edge_call_has_event(upload, EVENT_READY));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_random_bytes_are_no_message(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    unsigned state = 4711;
    for (size_t bytes = 1; bytes < 3000; bytes = bytes * 3 / 2 + 1) {
        uint8_t data[3000];
        for (size_t i = 0; i < bytes; i++) {
            state = state * 1664525U + 1013904223U;
            data[i] = (uint8_t)(state >> 16);
        }
        /* An open of random content. */
        struct edge_call *upload = edge_call_open(fixture.client, "Upload");
        edge_call_send_bytes(upload, data, bytes);
        CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_E_INVALID);
        edge_call_close(upload);
        upload = edge_client_upload(fixture.client, &model, NULL);
        edge_call_send_bytes(upload, data, bytes);
        CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_E_INVALID);
        edge_call_close(upload);
    }
    edge_fixture_check_serving(&fixture);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_message_of_many_empty_parts_is_refused(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    /* An open with 2 million empty partitions: 4 MB that would unpack to 100. */
    enum { PARTITIONS = 2000000 };
    uint8_t *data = malloc(2 * PARTITIONS + 16);
    size_t at = 0;
    data[at++] = 1 << 3 | 2;
    for (unsigned left = 2 * PARTITIONS; left > 0; left >>= 7) {
        data[at++] = (uint8_t)((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
    }
    for (int i = 0; i < PARTITIONS; i++) {
        data[at++] = 2 << 3 | 2;
        data[at++] = 0;
    }
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_bytes(upload, data, at);
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID, "UploadRequest");
    free(data);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_device_whose_digests_never_fit_is_sent_away(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    char wrong[1000] = {0};
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    for (int i = 0; i < 2; i++) {
        edge_call_send_chunk(upload, 0, 0, wrong, 1000);
    }
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "layer 0: wrong bytes were sent again");
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_device_of_which_many_digests_do_not_fit_is_sent_away(void)
{
    enum { BLOBS = 16 };
    static const char head[] = "fake\ninput 2\n";
    char text[(size_t)BLOBS * 16 + sizeof(head)];
    char wrong[1] = {0};
    struct edge_fixture fixture;
    struct fake_model model;
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", head);
    for (int i = 0; i < BLOBS; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "layer 2 %d\n", 10 + i);
    }
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, text, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    for (int i = 0; i < BLOBS; i++) {
        edge_call_send_chunk(upload, i, 0, wrong, 1);
        for (int64_t byte = 1; byte < 10 + i; byte++) {
            edge_call_send_chunk(upload, i, byte, wrong, 1);
        }
    }
    edge_fixture_check_refused(&fixture, upload, LL_E_INVALID,
                               "16 blobs did not have their digests");
    edge_fixture_tear_down_model(&fixture, &model);
}

/* What programs read of a refusal: the limit, and whether it is worth asking again. */
static void check_limit(const struct ll_error *err, const char *limit, int64_t value, bool is_busy)
{
    CU_ASSERT_STRING_EQUAL(err->limit, limit);
    CU_ASSERT_EQUAL(err->limit_value, value);
    CU_ASSERT_EQUAL(err->retry_ms, is_busy ? LL_RETRY_MS : 0);
}

/* Opens an upload that is refused. */
static void refuse_open(struct edge_fixture *fixture, const struct fake_model *model,
                        struct ll_error *out_message)
{
    struct edge_call *upload = edge_call_open(fixture->client, "Upload");
    struct ll_plan plan;
    fake_model_plan(model, &plan);
    edge_call_send_open(upload, model, &plan);
    ll_plan_finish(&plan);
    CU_ASSERT_EQUAL(edge_call_end(upload, out_message), LL_E_EXHAUSTED);
    edge_call_close(upload);
}

static void test_a_model_above_the_store_is_refused_for_good(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    struct ll_error message;
    edge_fixture_init(&fixture);
    fixture.config.store_bytes = BYTES - 1;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    refuse_open(&fixture, &model, &message);
    check_limit(&message, "store_bytes", BYTES - 1, false);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_more_models_wait_for_those_in_use(void)
{
    struct edge_fixture fixture = {0};
    struct fake_model model;
    struct fake_model other;
    struct ll_error message;
    edge_fixture_init(&fixture);
    fixture.config.models = 1;
    fixture.config.model_rest_ms = 0;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    fake_model_init(&other, edge_fixture_cfg, 2);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    refuse_open(&fixture, &other, &message);
    check_limit(&message, "models", 1, true);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &other), LL_OK);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_full_store_evicts_or_says_so(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model other;
    struct ll_error message;
    edge_fixture_init(&fixture);
    fixture.config.store_bytes = BYTES + 1000;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    fake_model_init(&other, edge_fixture_cfg, 2);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 4);
    edge_fixture_await_bytes(&fixture, &model, 3500);
    /* The first model is in use: the second has 1100 bytes. */
    struct edge_call *second = edge_client_upload(fixture.client, &other, NULL);
    edge_call_send_layers(second, &other, 0, 1);
    CU_ASSERT(edge_call_has_event(second, EVENT_READY));
    edge_call_send_layers(second, &other, 1, 2);
    CU_ASSERT_EQUAL(edge_call_end(second, &message), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "store_bytes is 4600"));
    check_limit(&message, "store_bytes", 4600, true);
    edge_call_close(second);
    /* The first goes on: the second makes room. */
    edge_call_send_layers(upload, &model, 4, 5);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &other), LL_OK);
    Layerlift__V1__Model *told = edge_fixture_model(&fixture, &model);
    CU_ASSERT_PTR_NULL(told);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_sessions_are_limited(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_init(&fixture);
    fixture.config.upload_sessions = 1;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    /* A stream that never opens an upload takes nobody's place. */
    struct edge_call *silent = edge_call_open(fixture.client, "Upload");
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *second = edge_call_open(fixture.client, "Upload");
    struct ll_plan plan;
    fake_model_plan(&model, &plan);
    edge_call_send_open(second, &model, &plan);
    ll_plan_finish(&plan);
    CU_ASSERT_EQUAL(edge_call_end(second, &message), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "limit upload_sessions is 1"));
    check_limit(&message, "upload_sessions", 1, true);
    edge_call_close(second);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_call_close(silent);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_rules";
const struct ll_test ll_tests[] = {
    LL_TEST(test_first_message_must_be_open),
    LL_TEST(test_plan_must_cover_all_layers_once),
    LL_TEST(test_manifest_must_fit_its_cfg),
    LL_TEST(test_engine_that_cannot_says_unimplemented),
    LL_TEST(test_chunks_must_follow_each_other_within_their_blob),
    LL_TEST(test_unknown_encoding_is_refused),
    LL_TEST(test_available_layers_are_not_to_be_sent),
    LL_TEST(test_credit_must_not_be_ignored),
    LL_TEST(test_random_bytes_are_no_message),
    LL_TEST(test_message_of_many_empty_parts_is_refused),
    LL_TEST(test_device_whose_digests_never_fit_is_sent_away),
    LL_TEST(test_a_model_above_the_store_is_refused_for_good),
    LL_TEST(test_more_models_wait_for_those_in_use),
    LL_TEST(test_device_of_which_many_digests_do_not_fit_is_sent_away),
    LL_TEST(test_full_store_evicts_or_says_so),
    LL_TEST(test_sessions_are_limited),
    {NULL, NULL},
};
