/* 200 models come and go on one server: each is uploaded, computes, and is deleted. */
#include <stdio.h>
#include <unistd.h>

#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"
#include "tests/support/ll_usage.h"

const char *const ll_test_suite = "soak_models";

static const char cfg[] = "fake\n"
                          "input 300\n"
                          "layer 4000 200000\n"
                          "layer 200 0 output\n"
                          "layer 50 250000 reads 1\n";
enum { LAYERS = 3, MODEL_BYTES = 450000, MODELS = 200 };

/* A query of somebody else's may still be ending: deleting is refused until it has. */
static void delete_model(struct edge_fixture *fixture, struct fake_model *model)
{
    Layerlift__V1__DeleteModelRequest request = LAYERLIFT__V1__DELETE_MODEL_REQUEST__INIT;
    request.model_id = model->id_text;
    ll_status status = LL_E_PRECONDITION;
    while (status == LL_E_PRECONDITION) {
        ProtobufCMessage *response =
            edge_client_ask(fixture->client, "DeleteModel", &request.base,
                            &layerlift__v1__delete_model_response__descriptor, &status, NULL);
        if (response) {
            protobuf_c_message_free_unpacked(response, NULL);
        }
    }
    CU_ASSERT_EQUAL(status, LL_OK);
}

static void use_model(struct edge_fixture *fixture, unsigned seed)
{
    struct fake_model model;
    struct edge_answer answer;
    const struct edge_ask ask = {.id = 1, .end = LAYERS, .least_prefix = LAYERS};
    fake_model_init(&model, cfg, seed);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture->client, &model), LL_OK);
    struct edge_call *offload = edge_call_open(fixture->client, "Offload");
    edge_call_ask(offload, &model, &ask, seed);
    CU_ASSERT_FATAL(edge_call_answer(offload, &answer));
    CU_ASSERT(edge_answer_is_right(&answer, &model, seed, 0));
    edge_answer_finish(&answer);
    edge_call_close(offload);
    delete_model(fixture, &model);
    fake_model_finish(&model);
}

static void test_models_that_go_leave_nothing(void)
{
    struct edge_fixture fixture;
    struct ll_usage warm;
    struct ll_usage end;
    const char *folder = ll_test_folder();
    int models = ll_usage_rounds(MODELS);
    int warm_up = models / 3;
    edge_fixture_init(&fixture);
    fixture.config.temporary_parent = folder;
    edge_fixture_start(&fixture);
    for (int seed = 0; seed < models; seed++) {
        if (seed == warm_up) {
            ll_usage_measure(getpid(), folder, &warm);
        }
        use_model(&fixture, (unsigned)seed);
    }
    ll_usage_measure(getpid(), folder, &end);
    /* A part in forty of what has come and gone since. */
    ll_usage_check_flat(&warm, &end, (int64_t)(models - warm_up) * MODEL_BYTES / 40);
    edge_fixture_tear_down(&fixture);
    ll_usage_measure(getpid(), folder, &end);
    CU_ASSERT_EQUAL(end.files, 0);
}

/* Evicted by the ones that come, instead of deleted. */
static void test_models_that_are_evicted_leave_nothing(void)
{
    enum { ROOM = 4 };
    struct edge_fixture fixture;
    struct ll_usage warm;
    struct ll_usage end;
    const char *folder = ll_test_folder();
    int models = ll_usage_rounds(MODELS);
    int warm_up = models / 3;
    edge_fixture_init(&fixture);
    fixture.config.temporary_parent = folder;
    fixture.config.models = ROOM;
    fixture.config.model_rest_ms = 0;
    edge_fixture_start(&fixture);
    for (int seed = 0; seed < models; seed++) {
        struct fake_model model;
        if (seed == warm_up) {
            ll_usage_measure(getpid(), folder, &warm);
        }
        fake_model_init(&model, cfg, (unsigned)seed);
        CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
        fake_model_finish(&model);
    }
    ll_usage_measure(getpid(), folder, &end);
    ll_usage_check_flat(&warm, &end, (int64_t)(models - warm_up) * MODEL_BYTES / 40);
    edge_fixture_tear_down(&fixture);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_models_that_go_leave_nothing),
    LL_TEST(test_models_that_are_evicted_leave_nothing),
    {NULL, NULL},
};
