/* Uploads that hold places for nothing, through a real server: all peers are 127.0.0.1 here, what
 * shares of several peers come to is edge_places_test.c's. */
#include <string.h>

#include "edge/upload/edge_upload.h"
#include "tests/support/edge_fixture.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\ninput 8\nlayer 16 1000\nlayer 4 100\n";
enum { LAYERS = 2, BYTES = 1100, FOREVER_MS = 3600 * 1000 };

/* A server with `sessions` places and this limit. */
static void set_up(struct edge_fixture *fixture, struct fake_model *model, int sessions,
                   int64_t idle_ms)
{
    edge_fixture_init(fixture);
    fixture->config.upload_sessions = sessions;
    fixture->config.upload_idle_ms = idle_ms;
    edge_fixture_start(fixture);
    fake_model_init(model, cfg, 1);
}

static struct edge_call *open_upload(struct edge_fixture *fixture, const struct fake_model *model)
{
    struct ll_plan plan;
    struct edge_call *upload = edge_call_open(fixture->client, "Upload");
    fake_model_plan(model, &plan);
    edge_call_send_open(upload, model, &plan);
    ll_plan_finish(&plan);
    return upload;
}

static void check_end(struct edge_call *call, ll_status status, const char *reason)
{
    struct ll_error message;
    CU_ASSERT_EQUAL(edge_call_end(call, &message), status);
    CU_ASSERT_PTR_NOT_NULL(strstr(message.text, reason));
    edge_call_close(call);
}

static void test_idle_upload_is_ended(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model, 1, 1);
    struct ll_error message;
    bool has_opened = false;
    /* Its open may be late as well. */
    while (!has_opened) {
        struct edge_call *upload = open_upload(&fixture, &model);
        CU_ASSERT_EQUAL_FATAL(edge_call_end(upload, &message), LL_E_DEADLINE);
        has_opened = strstr(message.text, "no open came") == NULL;
        edge_call_close(upload);
    }
    CU_ASSERT_PTR_NOT_NULL(
        strstr(message.text, "no weights came for some time: limit upload_idle_ms is 1"));
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_stream_that_opens_nothing_is_ended(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    set_up(&fixture, &model, 1, 1);
    /* An empty message would be refused at once; nothing at all waits for the limit. */
    struct edge_call *upload = edge_call_open(fixture.client, "Upload");
    check_end(upload, LL_E_DEADLINE, "no open came for some time: limit upload_idle_ms is 1");
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Of a server that is initialised: an upload that has sent `bytes` and is idle ends with `reason`
 * for the sake of another, which is served. */
static void expect_to_give_way(struct edge_fixture *fixture, int64_t bytes, const char *reason)
{
    struct fake_model model;
    struct fake_model other;
    fixture->config.upload_idle_ms = FOREVER_MS;
    fixture->config.upload_patience_ms = 0;
    edge_fixture_start(fixture);
    fake_model_init(&model, cfg, 1);
    fake_model_init(&other, cfg, 2);
    struct edge_call *idle = edge_client_upload(fixture->client, &model, NULL);
    if (bytes > 0) {
        edge_call_send_part(idle, &model, 0, 0, bytes);
        edge_fixture_await_bytes(fixture, &model, bytes);
    }
    /* The idle one's bytes are free once the creation thread has let go of its model: whoever is
     * refused until then asks again, as the refusal says. */
    ll_status status = LL_E_EXHAUSTED;
    while (status == LL_E_EXHAUSTED) {
        status = edge_client_upload_all(fixture->client, &other);
    }
    CU_ASSERT_EQUAL(status, LL_OK);
    check_end(idle, LL_E_EXHAUSTED, reason);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(fixture, &model);
}

static void test_idle_upload_gives_way(void)
{
    struct edge_fixture fixture;
    edge_fixture_init(&fixture);
    fixture.config.upload_sessions = 1;
    expect_to_give_way(&fixture, 0, "had to make room for another: limit upload_sessions is 1");
}

/* All models in use by idle uploads: the limit on models keeps nobody out either. */
static void test_idle_upload_leaves_its_model_to_a_newcomer(void)
{
    struct edge_fixture fixture;
    edge_fixture_init(&fixture);
    fixture.config.models = 1;
    expect_to_give_way(&fixture, 0, "had to make room for another");
}

/* The store full of what idle uploads brought: nor does that keep anybody out. */
static void test_idle_upload_leaves_its_bytes_to_a_newcomer(void)
{
    struct edge_fixture fixture;
    edge_fixture_init(&fixture);
    fixture.config.store_bytes = BYTES + 50;
    expect_to_give_way(&fixture, 900, "had to make room for another");
}

static void test_upload_keeps_its_place_while_it_is_not_idle(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model other;
    set_up(&fixture, &model, 1, FOREVER_MS);
    fake_model_init(&other, cfg, 2);
    struct edge_call *first = edge_client_upload(fixture.client, &model, NULL);
    struct edge_call *second = open_upload(&fixture, &other);
    check_end(second, LL_E_EXHAUSTED, "too many uploads: limit upload_sessions is 1");
    edge_call_send_layers(first, &model, 0, LAYERS);
    CU_ASSERT(edge_call_has_event(first, EVENT_COMPLETE));
    edge_call_close(first);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &other), LL_OK);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(&fixture, &model);
}

static void test_model_that_is_here_needs_no_place(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct fake_model other;
    set_up(&fixture, &model, 1, FOREVER_MS);
    fake_model_init(&other, cfg, 2);
    CU_ASSERT_EQUAL(edge_client_upload_all(fixture.client, &model), LL_OK);
    struct edge_call *idle = edge_client_upload(fixture.client, &other, NULL);
    for (int i = 0; i < 3; i++) {
        struct edge_call *upload = open_upload(&fixture, &model);
        CU_ASSERT(edge_call_has_event(upload, EVENT_COMPLETE));
        CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
        edge_call_close(upload);
    }
    edge_call_close(idle);
    fake_model_finish(&other);
    edge_fixture_tear_down_model(&fixture, &model);
}

/* Whose model is complete waits for its creation without an upload's place, but not in any number.
 */
static void test_streams_are_limited(void)
{
    struct edge_fixture fixture;
    struct fake_model model;
    struct edge_call *waiting[EDGE_UPLOAD_STREAMS];
    set_up(&fixture, &model, 1, FOREVER_MS);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    for (int i = 0; i < EDGE_UPLOAD_STREAMS; i++) {
        waiting[i] = edge_client_upload(fixture.client, &model, NULL);
        if (i == 0) {
            edge_call_send_layers(waiting[i], &model, 0, LAYERS);
            edge_fixture_await_bytes(&fixture, &model, BYTES);
        }
    }
    struct edge_call *upload = open_upload(&fixture, &model);
    check_end(upload, LL_E_EXHAUSTED, "too many streams: limit upload_streams is 8");
    fake_engine_release(fixture.engine, FAKE_CREATION);
    for (int i = 0; i < EDGE_UPLOAD_STREAMS; i++) {
        CU_ASSERT(edge_call_has_event(waiting[i], EVENT_COMPLETE));
        edge_call_close(waiting[i]);
    }
    edge_fixture_tear_down_model(&fixture, &model);
}

const char *const ll_test_suite = "edge_upload_session_places";
const struct ll_test ll_tests[] = {
    LL_TEST(test_idle_upload_is_ended),
    LL_TEST(test_stream_that_opens_nothing_is_ended),
    LL_TEST(test_idle_upload_gives_way),
    LL_TEST(test_idle_upload_leaves_its_model_to_a_newcomer),
    LL_TEST(test_idle_upload_leaves_its_bytes_to_a_newcomer),
    LL_TEST(test_upload_keeps_its_place_while_it_is_not_idle),
    LL_TEST(test_model_that_is_here_needs_no_place),
    LL_TEST(test_streams_are_limited),
    {NULL, NULL},
};
