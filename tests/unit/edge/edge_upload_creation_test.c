/* Creation as upload sessions see it: on the creation thread and inline. */
#include <string.h>

#include "edge/upload/edge_upload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = EDGE_FIXTURE_LAYERS, BYTES = EDGE_FIXTURE_BYTES };

static void test_what_arrived_is_created_without_the_device(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_partition all = {0, LAYERS};
    const struct ll_plan whole = {.count = 1, .partitions = &all};
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    edge_call_send_open(upload, &model, &whole);
    CU_ASSERT(edge_call_has_event(upload, EVENT_ACCEPTED));
    edge_call_send_layers(upload, &model, 0, 3);
    edge_fixture_await_bytes(&fixture, &model, 3500);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_CREATION), 0);
    /* Its plan has no border before the end; without it every legal cut is one. */
    edge_call_close(upload);
    edge_fixture_await_prefix(&fixture, &model, 4);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_half_close_ends_the_call_when_nothing_is_left_to_tell(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 1);
    edge_call_half_close(upload);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    fake_engine_release(fixture.engine, FAKE_CREATION);
    CU_ASSERT(edge_call_has_event(upload, EVENT_READY));
    CU_ASSERT_FALSE(edge_call_has_event(upload, EVENT_COMPLETE));
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_partitions_that_arrive_during_a_creation_are_told_as_one(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    edge_call_send_layers(upload, &model, 1, LAYERS);
    edge_fixture_await_bytes(&fixture, &model, BYTES);
    fake_engine_release(fixture.engine, FAKE_CREATION);
    for (int i = 0; i < 2; i++) {
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_READY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        CU_ASSERT_EQUAL(event->prefix_ready->prefix, i == 0 ? 1 : LAYERS);
        CU_ASSERT_EQUAL(event->prefix_ready->partitions, i == 0 ? 1 : 3);
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void check_warm_times(const Layerlift__V1__PrefixReady *ready)
{
    /* Layer 1 ends no group. */
    static const uint32_t layers[] = {0, 2, 3, 4};
    CU_ASSERT_EQUAL_FATAL(ready->n_layer_times, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(ready->layer_times[i]->layer, layers[i]);
        CU_ASSERT_EQUAL(ready->layer_times[i]->ns, (uint64_t)FAKE_WARM_NS * (layers[i] + 1));
    }
}

static void test_layers_come_with_their_times(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_partition all = {0, LAYERS};
    const struct ll_plan whole = {.count = 1, .partitions = &all};
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    /* The second session is only told what there is. */
    for (int i = 0; i < 2; i++) {
        struct edge_call *upload = edge_call_open(fixture.client, "Upload");
        edge_call_send_open(upload, &model, &whole);
        CU_ASSERT(edge_call_has_event(upload, EVENT_ACCEPTED));
        if (i == 0) {
            edge_call_send_layers(upload, &model, 0, LAYERS);
        }
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_READY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        CU_ASSERT_EQUAL(event->prefix_ready->first, i == 0 ? 0 : LAYERS);
        check_warm_times(event->prefix_ready);
        layerlift__v1__upload_event__free_unpacked(event, NULL);
        edge_call_close(upload);
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_inline_grants_nothing_beyond_a_partition_before_its_creation(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.is_inline = true;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    /* Credit stops at the borders of the partitions with weights; the third has none. */
    static const uint64_t borders[] = {1000, 3500, 3600};
    static const int ends[] = {1, 3, 5};
    Layerlift__V1__UploadEvent *event = NULL;
    struct edge_call *upload = edge_client_upload(fixture.client, &model, &event);
    CU_ASSERT_EQUAL(event->accepted->credit_bytes, borders[0]);
    layerlift__v1__upload_event__free_unpacked(event, NULL);
    int first = 0;
    for (int i = 0; i < 3; i++) {
        fake_engine_hold(fixture.engine, FAKE_CREATION);
        edge_call_send_layers(upload, &model, first, ends[i]);
        CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
        /* Everything was received and is receipted, but no more is granted. */
        uint64_t received = 0;
        while (received < borders[i]) {
            event = edge_call_await(upload, EVENT_CREDIT);
            CU_ASSERT_PTR_NOT_NULL_FATAL(event);
            CU_ASSERT_EQUAL(event->credit->credit_bytes, borders[i]);
            received = event->credit->received_bytes;
            layerlift__v1__upload_event__free_unpacked(event, NULL);
        }
        fake_engine_release(fixture.engine, FAKE_CREATION);
        if (i < 2) {
            event = edge_call_await(upload, EVENT_CREDIT);
            CU_ASSERT_PTR_NOT_NULL_FATAL(event);
            CU_ASSERT_EQUAL(event->credit->credit_bytes, borders[i + 1]);
            layerlift__v1__upload_event__free_unpacked(event, NULL);
        }
        first = ends[i];
    }
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Takes events until at least so much is granted; says how much it is. */
static uint64_t await_credit(struct edge_call *upload, uint64_t bytes)
{
    uint64_t granted = 0;
    while (granted < bytes) {
        Layerlift__V1__UploadEvent *event = edge_call_await(upload, EVENT_CREDIT);
        CU_ASSERT_PTR_NOT_NULL_FATAL(event);
        granted = event->credit->credit_bytes;
        layerlift__v1__upload_event__free_unpacked(event, NULL);
    }
    return granted;
}

static void test_inline_takes_partitions_out_of_order_without_a_deadlock(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    edge_fixture_init(&fixture);
    fixture.config.is_inline = true;
    edge_fixture_start(&fixture);
    fake_model_init(&model, edge_fixture_cfg, 1);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    /* 1000 bytes of credit for partition 0, spent on others. */
    edge_call_send_part(upload, &model, 4, 0, 100);
    edge_call_send_part(upload, &model, 2, 0, 500);
    edge_call_send_part(upload, &model, 1, 0, 400);
    CU_ASSERT_EQUAL(await_credit(upload, 2000), 2000);
    edge_call_send_part(upload, &model, 0, 0, 1000);
    CU_ASSERT_EQUAL(await_credit(upload, 3600), 3600);
    edge_call_send_part(upload, &model, 1, 400, 2000);
    CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
    edge_call_close(upload);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_failed_creation_ends_the_session_and_the_next_one_tries_again(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct ll_error message;
    edge_fixture_set_up_model(&fixture, &model, edge_fixture_cfg);
    struct edge_call *upload = edge_client_upload(fixture.client, &model, NULL);
    edge_call_send_layers(upload, &model, 0, 1);
    CU_ASSERT(edge_call_has_event(upload, EVENT_READY));
    fake_engine_fail(fixture.engine, FAKE_CREATION, 1, LL_E_NO_MEMORY);
    edge_call_send_layers(upload, &model, 1, 3);
    CU_ASSERT_EQUAL(edge_call_end(upload, &message), LL_E_EXHAUSTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, "made to fail"));
    edge_call_close(upload);
    Layerlift__V1__Model *told = edge_fixture_model(&fixture, &model);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_EQUAL(told->state, LAYERLIFT__V1__MODEL_STATE__MODEL_STATE_FAILED);
    CU_ASSERT_EQUAL(told->prefix, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(told->failure, "made to fail"));
    layerlift__v1__model__free_unpacked(told, NULL);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_creation";
const struct ll_test ll_tests[] = {
    LL_TEST(test_what_arrived_is_created_without_the_device),
    LL_TEST(test_half_close_ends_the_call_when_nothing_is_left_to_tell),
    LL_TEST(test_partitions_that_arrive_during_a_creation_are_told_as_one),
    LL_TEST(test_layers_come_with_their_times),
    LL_TEST(test_inline_grants_nothing_beyond_a_partition_before_its_creation),
    LL_TEST(test_inline_takes_partitions_out_of_order_without_a_deadlock),
    LL_TEST(test_failed_creation_ends_the_session_and_the_next_one_tries_again),
    {NULL, NULL},
};
