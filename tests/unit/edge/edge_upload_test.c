/* Upload sessions through a real server and connection, with the fake engine: what devices that
 * keep to the rules get. Breaking rules: edge_upload_rules_test.c. Creation:
 * edge_upload_creation_test.c. */
#include "edge/upload/edge_upload.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_FIXTURE_LAYERS, BYTES = EDGE_FIXTURE_BYTES };

static void test_upload_creates_and_completes(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_STRING_EQUAL(event->accepted->model_id, model.id_text);
    CU_ASSERT_EQUAL(event->accepted->n_available_layers, 0);
    CU_ASSERT_EQUAL(event->accepted->prefix, 0);
    CU_ASSERT(event->accepted->credit_bytes >= BYTES);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    unsigned partitions = 0;
    unsigned prefix = 0;
    unsigned taken = 0;
    uint64_t received = 0;
    uint64_t received_at_ns = 0;
    event = edge_call_event(upload);
    while (event && event->kind_case != (unsigned)EVENT_COMPLETE) {
        if (event->kind_case == (unsigned)EVENT_RECEIVED) {
            partitions |= 1U << event->partition_received->partition;
        } else if (event->kind_case == (unsigned)EVENT_READY) {
            CU_ASSERT_EQUAL(event->prefix_ready->first, prefix);
            prefix = event->prefix_ready->prefix;
            taken += event->prefix_ready->partitions;
        } else if (event->kind_case == (unsigned)EVENT_CREDIT) {
            CU_ASSERT(event->credit->received_bytes >= received);
            CU_ASSERT(event->credit->received_at_ns >= received_at_ns);
            CU_ASSERT_EQUAL(event->credit->received_bytes > 0, event->credit->received_at_ns > 0);
            received = event->credit->received_bytes;
            received_at_ns = event->credit->received_at_ns;
        }
        layerlift__v1__upload_event__free_unpacked(event, NULL);
        event = edge_call_event(upload);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(partitions, 15);
    CU_ASSERT_EQUAL(taken, 4);
    CU_ASSERT_EQUAL(prefix, LAYERS);
    CU_ASSERT_STRING_EQUAL(event->complete->model_id, model.id_text);
    CU_ASSERT_EQUAL(event->complete->layers, LAYERS);
    CU_ASSERT(event->complete->creations >= 1 && event->complete->creations <= 4);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_chunks_of_layers_may_interleave(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(upload, &model, 4, 0, 100);
    for (int64_t i = 0; i < 10; i++) {
        edge_call_send_part(upload, &model, 1, i * 200, (i + 1) * 200);
        edge_call_send_part(upload, &model, 0, i * 100, (i + 1) * 100);
    }
    edge_call_send_part(upload, &model, 2, 0, 500);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_second_upload_has_nothing_to_send(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL(event->accepted->n_available_layers, 4);
    CU_ASSERT_EQUAL(event->accepted->prefix, LAYERS);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    event = edge_call_await(upload, EVENT_COMPLETE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->complete->creations, 0);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_variant_sends_only_what_differs(void)
{
    static const char variant[] = "fake\ninput 8\nlayer 16 1000\nlayer 16 2000 joined\n"
                                  "layer 8 500\nlayer 8 0\nlayer 3 77\n";
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model tuned;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    fake_model_init(&tuned, variant, 1);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &tuned, &event);
    CU_ASSERT_EQUAL(event->accepted->n_available_layers, 3);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_layers(upload, &tuned, 4, 5);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    fake_model_finish(&tuned);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_wrong_digest_is_rejected_and_may_be_sent_again(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    char wrong[1000] = {0};
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_chunk(upload, 0, 0, wrong, 600);
    edge_call_send_chunk(upload, 0, 600, wrong, 400);
    Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_rejected->layer, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(event->blob_rejected->reason, "digest"));
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_layers(upload, &model, 0, LAYERS);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_two_devices_upload_the_same_model_at_once(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_client *clients[2] = {fixture.client, NULL};
    clients[1] = edge_client_create(edge_server_port(fixture.server));
    struct edge_call *uploads[2];
    for (int i = 0; i < 2; i++) {
        uploads[i] = edge_client_upload(clients[i], &model, NULL);
    }
    for (int64_t at = 0; at < 1000; at += 100) {
        for (int i = 0; i < 2; i++) {
            edge_call_send_part(uploads[i], &model, 0, at, at + 100);
        }
    }
    for (int i = 0; i < 2; i++) {
        edge_call_send_layers(uploads[i], &model, 1, LAYERS);
    }
    for (int i = 0; i < 2; i++) {
        CU_ASSERT(edge_call_has_event(uploads[i], EVENT_COMPLETE));
        CU_ASSERT_EQUAL(edge_call_end(uploads[i], NULL), LL_OK);
        edge_call_close(uploads[i]);
    }
    Layerlift__V1__Model *told = edge_fixture_model(&fixture, &model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->received_bytes, BYTES);
    layerlift__v1__model__free_unpacked(told, NULL);
    edge_client_destroy(clients[1]);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_blob_that_another_device_completed_is_announced(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *first = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *second = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(second, &model, 1, 0, 700);
    edge_call_send_layers(first, &model, 1, 2);
    Layerlift__V1__UploadEvent *event = edge_call_await(second, EVENT_AVAILABLE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    CU_ASSERT_EQUAL(event->blob_available->layer, 1);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    /* What was on its way does no harm. */
    edge_call_send_part(second, &model, 1, 700, 1400);
    edge_call_send_layers(second, &model, 0, 1);
    edge_call_send_layers(second, &model, 2, LAYERS);
    CU_ASSERT(edge_call_has_event(second, EVENT_COMPLETE));
    CU_ASSERT(edge_call_has_event(first, EVENT_COMPLETE));
    edge_call_close(first);
    edge_call_close(second);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_device_that_is_behind_goes_on_when_the_first_vanishes(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *first = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *second = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_part(first, &model, 0, 0, 800);
    edge_fixture_await_bytes(&fixture, &model, 800);
    edge_call_send_part(second, &model, 0, 0, 300);
    edge_call_close(first);
    edge_call_send_part(second, &model, 0, 300, 900);
    edge_call_send_part(second, &model, 0, 900, 1000);
    edge_call_send_layers(second, &model, 1, LAYERS);
    CU_ASSERT(edge_call_has_event(second, EVENT_COMPLETE));
    edge_call_close(second);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_upload_resumes_in_the_middle_of_a_blob(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 1);
    edge_call_send_part(upload, &model, 1, 0, 1234);
    edge_fixture_await_bytes(&fixture, &model, 2234);
    edge_call_close(upload);
    Layerlift__V1__UploadEvent *event = NULL;
    upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_available_layers, 1);
    CU_ASSERT_EQUAL(event->accepted->available_layers[0], 0);
    CU_ASSERT_EQUAL_FATAL(event->accepted->n_partial, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->layer, 1);
    CU_ASSERT_EQUAL(event->accepted->partial[0]->offset, 1234);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    edge_call_send_part(upload, &model, 1, 1234, 2000);
    edge_call_send_layers(upload, &model, 2, LAYERS);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_many_partitions_to_tell_at_once(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    enum { MANY = 600 };
    char *text = malloc(MANY * 16 + 64);
    static const char head[] = "fake\ninput 2\n";
    size_t at = sizeof(head) - 1;
    memcpy(text, head, at);
    for (int i = 0; i < MANY; i++) {
        memcpy(text + at, "layer 2 1\n", 10);
        at += 10;
    }
    text[at] = '\0';
    edge_fixture_set_up(&fixture);
    fake_model_init(&model, text, 1);
    free(text);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    int partitions = 0;
    Layerlift__V1__UploadEvent *event = edge_call_event(upload);
    while (event) {
        partitions += event->kind_case == (unsigned)EVENT_RECEIVED;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
        event = edge_call_event(upload);
    }
    CU_ASSERT_EQUAL(partitions, MANY);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload";
const struct ll_test ll_tests[] = {
    LL_TEST(test_upload_creates_and_completes),
    LL_TEST(test_chunks_of_layers_may_interleave),
    LL_TEST(test_second_upload_has_nothing_to_send),
    LL_TEST(test_variant_sends_only_what_differs),
    LL_TEST(test_wrong_digest_is_rejected_and_may_be_sent_again),
    LL_TEST(test_two_devices_upload_the_same_model_at_once),
    LL_TEST(test_blob_that_another_device_completed_is_announced),
    LL_TEST(test_device_that_is_behind_goes_on_when_the_first_vanishes),
    LL_TEST(test_upload_resumes_in_the_middle_of_a_blob),
    LL_TEST(test_many_partitions_to_tell_at_once),
    {NULL, NULL},
};
