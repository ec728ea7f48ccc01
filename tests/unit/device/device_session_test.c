/* The session against a fake edge: uploads that go well and that do not, edges that come and go. */
#include "device/edge_link/device_session.h"

#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "tests/support/ll_test.h"
#include "tests/support/tcp_relay.h"
#include "tests/unit/device/device_fake_edge.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "device_session";

static const char cfg[] = "fake\n"
                          "input 2000\n"
                          "layer 300 40000\n"
                          "layer 200 0 output\n"
                          "layer 100 24000 joined\n"
                          "layer 500 8\n"
                          "layer 120 200000 reads 3 0 -1\n"
                          "layer 10 4000\n";
enum { LAYERS = 6, MODEL_BYTES = 268008 };

static struct fake_model model;
static struct fake_edge *edge;
static struct device_fixture device;
static struct fake_edge_script script;

static void begin(void)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    script = (struct fake_edge_script){.available_layer = -1};
    const char *address = fake_edge_address(edge);
    static const char *addresses[1];
    addresses[0] = address;
    device_fixture_init(&device, &model, addresses, 1, 0);
}

static void start(void)
{
    fake_edge_set_script(edge, &script);
    device_fixture_start(&device);
}

static void end(void)
{
    device_fixture_finish_with(&device, edge);
    fake_model_finish(&model);
}

/* The device goes first: it may be at any of them. */
static void end_both(struct fake_edge *second)
{
    device_fixture_finish(&device);
    fake_edge_destroy(second);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
}

static void expect_query(unsigned seed, int first, int reached, const char *fallback)
{
    device_fixture_expect(&device, seed, first, reached, fallback);
}

static void test_upload_then_queries_run_on_the_edge(void)
{
    begin();
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.model_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.uploaded.sent_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.uploaded.partitions, 5);
    CU_ASSERT_TRUE(device.uploaded.start_ns <= device.uploaded.acked_ns);
    CU_ASSERT_TRUE(device.uploaded.acked_ns <= device.uploaded.ready_ns);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    for (unsigned seed = 1; seed < 6; seed++) {
        expect_query(seed, 0, LAYERS, "");
    }
    CU_ASSERT_EQUAL(device.downs, 0);
    end();
}

static void test_queries_run_as_far_as_the_edge_is_ready(void)
{
    begin();
    script.longest_prefix = 4;
    start();
    device_fixture_await_acked(&device, MODEL_BYTES);
    device_fixture_await_prefix(&device, 4);
    expect_query(1, 0, 4, "");
    script.longest_prefix = 1;
    end();
}

static void test_a_small_credit_is_kept(void)
{
    begin();
    script.credit_bytes = 5000;
    start();
    device_fixture_await_uploaded(&device);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_blobs_that_are_there_are_not_sent(void)
{
    begin();
    script.available_layer = 4;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.sent_bytes, MODEL_BYTES - 200000);
    end();
}

static void test_a_broken_upload_goes_on_where_it_stopped(void)
{
    begin();
    script.break_after_bytes = 100000;
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 2);
    CU_ASSERT_EQUAL(counts.first_layer, 4);
    CU_ASSERT_TRUE(counts.first_offset >= 100000 - 64008);
    /* Everything came once: what was under way at the break did not arrive. */
    CU_ASSERT_EQUAL(counts.chunk_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(counts.repeated_bytes, 0);
    CU_ASSERT_TRUE(device.uploaded.sent_bytes >= MODEL_BYTES);
    CU_ASSERT_EQUAL(device.downs, 1);
    CU_ASSERT_TRUE(device.last_was_up);
    CU_ASSERT_EQUAL(device.returns, 1);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_a_rejected_blob_is_sent_again(void)
{
    begin();
    script.rejections = 2;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_TRUE(device.uploaded.sent_bytes > MODEL_BYTES);
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_finish(&device);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
}

/* The edge does something that it must not: the session leaves it, and queries run here. */
static void check_refusal(fake_upload how, const char *reason)
{
    begin();
    script.upload = how;
    start();
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(device.last_down.text, reason));
    CU_ASSERT_TRUE(device.last_is_refusal);
    CU_ASSERT_TRUE(device.last_all_refuse);
    expect_query(1, 0, 0, "no edge");
    device_fixture_finish(&device);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
}

static void test_an_edge_that_breaks_the_protocol_is_left(void)
{
    check_refusal(FAKE_UPLOAD_OTHER_MODEL, "another model");
    check_refusal(FAKE_UPLOAD_ILLEGAL_PREFIX, "not a legal cut");
    check_refusal(FAKE_UPLOAD_OFFSET_BEYOND, "more of a blob");
    check_refusal(FAKE_UPLOAD_LYING_CREDIT, "more than was sent");
    check_refusal(FAKE_UPLOAD_GARBAGE, "cannot be read");
    check_refusal(FAKE_UPLOAD_MANY_PARTS, "no layerlift.v1.UploadEvent of usual size");
    check_refusal(FAKE_UPLOAD_EARLY_END, "before its end");
    check_refusal(FAKE_UPLOAD_REJECT_ALL, "keeps rejecting");
    check_refusal(FAKE_UPLOAD_REJECT_BEGINNINGS, "keeps rejecting");
}

/* Whatever it says of others, the device brings the blob itself in the end. */
static void test_nobody_is_waited_for_for_ever(void)
{
    begin();
    script.upload = FAKE_UPLOAD_ELSEWHERE;
    start();
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.downs, 0);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_an_edge_that_refuses_is_said_to(void)
{
    begin();
    script.upload = FAKE_UPLOAD_REFUSE;
    script.status = 8;
    start();
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_STRING_EQUAL(device.last_down.text, "no, thanks");
    CU_ASSERT_TRUE(device.last_is_refusal);
    CU_ASSERT_FALSE(device.last_was_up);
    expect_query(1, 0, 0, "no edge");
    end();
}

/* Starts with an edge that has no place for the upload. */
static void start_busy(fake_watch watch)
{
    script.upload = FAKE_UPLOAD_BUSY;
    script.watch = watch;
    (void)ll_fail_limit(&script.refusal, "upload_sessions", 1, 1,
                        "too many uploads: limit upload_sessions is 1");
    start();
}

static void begin_busy(fake_watch watch)
{
    begin();
    start_busy(watch);
}

static void test_a_busy_edge_is_waited_for(void)
{
    begin_busy(FAKE_WATCH_UNKNOWN);
    device_fixture_await_busies(&device, 3);
    CU_ASSERT_EQUAL(device.new_busies, 1);
    CU_ASSERT_FALSE(device.last_is_used);
    CU_ASSERT_STRING_EQUAL(device.last_busy.limit, "upload_sessions");
    CU_ASSERT_EQUAL(device.last_busy.limit_value, 1);
    expect_query(1, 0, 0, "no edge");
    script.upload = FAKE_UPLOAD_RIGHT;
    fake_edge_set_script(edge, &script);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.downs, 0);
    CU_ASSERT_EQUAL(device.ups, 1);
    CU_ASSERT_EQUAL(device.returns, 0);
    expect_query(2, 0, LAYERS, "");
    end();
}

static void test_an_edge_without_details_is_busy_by_its_words(void)
{
    begin();
    script.upload = FAKE_UPLOAD_BUSY;
    (void)ll_fail(&script.refusal, LL_E_EXHAUSTED, "all models are in use: limit models is 64");
    start();
    device_fixture_await_busies(&device, 1);
    CU_ASSERT_EQUAL(device.last_busy.retry_ms, LL_RETRY_MS);
    script.upload = FAKE_UPLOAD_RIGHT;
    fake_edge_set_script(edge, &script);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.downs, 0);
    end();
}

static void test_a_limit_without_a_time_is_final(void)
{
    begin();
    script.upload = FAKE_UPLOAD_BUSY;
    (void)ll_fail_limit(&script.refusal, "store_bytes", 1000, 0,
                        "the model has 268008 bytes of weights: limit store_bytes is 1000");
    start();
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_TRUE(device.last_is_refusal);
    CU_ASSERT_TRUE(device.last_all_refuse);
    CU_ASSERT_EQUAL(device.busies, 0);
    end();
}

static void test_a_busy_edge_that_has_the_model_is_used(void)
{
    begin_busy(FAKE_WATCH_READY);
    /* Nothing is left to upload: somebody else did. */
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.sent_weight_bytes, 0);
    CU_ASSERT_TRUE(device.last_is_used);
    CU_ASSERT_EQUAL(device.ups, 0);
    expect_query(1, 0, LAYERS, "");
    CU_ASSERT_EQUAL(device.downs, 0);
    end();
}

static void test_a_busy_edge_that_has_some_layers_is_used_meanwhile(void)
{
    begin();
    script.longest_prefix = 4;
    start_busy(FAKE_WATCH_READY);
    device_fixture_await_prefix(&device, 4);
    CU_ASSERT_TRUE(device.last_is_used);
    expect_query(1, 0, 4, "");
    /* It asks for a place all the while, over the same connection. */
    device_fixture_await_busies(&device, 3);
    CU_ASSERT_EQUAL(device.new_busies, 1);
    script.upload = FAKE_UPLOAD_RIGHT;
    script.longest_prefix = 0;
    fake_edge_set_script(edge, &script);
    device_fixture_await_uploaded(&device);
    expect_query(2, 0, LAYERS, "");
    CU_ASSERT_EQUAL(device.downs, 0);
    CU_ASSERT_EQUAL(device.ups, 1);
    end();
}

static void test_an_upload_that_loses_its_place_goes_on_later(void)
{
    begin();
    script.break_after_bytes = 100000;
    script.watch = FAKE_WATCH_RIGHT;
    (void)ll_fail_limit(&script.refusal, "store_bytes", 1, 1, "the store is full");
    start();
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 2);
    CU_ASSERT_EQUAL(counts.repeated_bytes, 0);
    CU_ASSERT_EQUAL(device.new_busies, 1);
    CU_ASSERT_TRUE(device.last_is_used);
    CU_ASSERT_EQUAL(device.downs, 0);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_a_busy_edge_that_lies_about_the_model_is_left(void)
{
    static const fake_watch lies[] = {FAKE_WATCH_OTHER_MODEL, FAKE_WATCH_ILLEGAL_PREFIX,
                                      FAKE_WATCH_GARBAGE};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        begin_busy(lies[i]);
        device_fixture_await_busies(&device, 2);
        CU_ASSERT_FALSE(device.last_is_used);
        expect_query(1, 0, 0, "no edge");
        end();
    }
}

static void test_while_one_edge_is_busy_the_next_is_tried(void)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    struct fake_edge *second = fake_edge_create(&model);
    const char *addresses[] = {fake_edge_address(edge), fake_edge_address(second)};
    device_fixture_init(&device, &model, addresses, 2, 0);
    /* Some layers are no reason to stay where another edge takes all. */
    script = (struct fake_edge_script){.available_layer = -1,
                                       .upload = FAKE_UPLOAD_BUSY,
                                       .watch = FAKE_WATCH_READY,
                                       .longest_prefix = 4};
    (void)ll_fail_limit(&script.refusal, "models", 1, 60000, "all models are in use");
    fake_edge_set_script(edge, &script);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_STRING_EQUAL(device.last_up, addresses[1]);
    CU_ASSERT_EQUAL(device.busies, 1);
    end_both(second);
}

static void test_layers_of_a_busy_edge_are_used_where_no_other_takes_the_model(void)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    const char *addresses[] = {fake_edge_address(edge), "127.0.0.1:1"};
    device_fixture_init(&device, &model, addresses, 2, 0);
    script = (struct fake_edge_script){.available_layer = -1, .longest_prefix = 4};
    start_busy(FAKE_WATCH_READY);
    device_fixture_await_prefix(&device, 4);
    expect_query(1, 0, 4, "");
    CU_ASSERT_TRUE(device.last_is_used);
    end();
}

static void test_stop_while_an_edge_is_busy_ends_everything(void)
{
    begin_busy(FAKE_WATCH_UNKNOWN);
    device_fixture_await_busies(&device, 1);
    device_session_stop(device.session);
    end();
    begin_busy(FAKE_WATCH_READY);
    device_fixture_await_uploaded(&device);
    device_session_stop(device.session);
    end();
}

static void test_an_edge_that_is_not_ready_is_tried_again(void)
{
    begin();
    script.upload = FAKE_UPLOAD_REFUSE;
    script.status = 14;
    start();
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_FALSE(device.last_is_refusal);
    script.upload = FAKE_UPLOAD_RIGHT;
    fake_edge_set_script(edge, &script);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.downs, 1);
    CU_ASSERT_EQUAL(device.returns, 1);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_the_next_edge_takes_over(void)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    struct fake_edge *second = fake_edge_create(&model);
    const char *addresses[] = {"127.0.0.1:1", fake_edge_address(edge), fake_edge_address(second)};
    device_fixture_init(&device, &model, addresses, 3, 0);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_STRING_EQUAL(device.last_up, addresses[1]);
    expect_query(1, 0, LAYERS, "");
    fake_edge_destroy(edge);
    edge = NULL;
    device_fixture_await_ups(&device, 2);
    CU_ASSERT_STRING_EQUAL(device.last_up, addresses[2]);
    device_fixture_await_prefix(&device, LAYERS);
    expect_query(2, 0, LAYERS, "");
    device_fixture_finish(&device);
    fake_edge_destroy(second);
    fake_model_finish(&model);
}

static int port_of(const char *address)
{
    return (int)strtol(strrchr(address, ':') + 1, NULL, 10);
}

/* An edge that hangs, and another one. The way to the first is frozen, which closes nothing. */
struct silence_world {
    struct fake_edge *second;
    struct tcp_relay *relay;
    const char *addresses[2];
};

static void begin_silence(struct silence_world *world)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    world->second = fake_edge_create(&model);
    world->relay = tcp_relay_create(port_of(fake_edge_address(edge)));
    world->addresses[0] = tcp_relay_address(world->relay);
    world->addresses[1] = fake_edge_address(world->second);
    script = (struct fake_edge_script){.available_layer = -1};
    device_fixture_init(&device, &model, world->addresses, 2, 0);
}

static void end_silence(struct silence_world *world)
{
    device_fixture_await_uploaded(&device);
    CU_ASSERT_STRING_EQUAL(device.last_up, world->addresses[1]);
    device_fixture_await_prefix(&device, LAYERS);
    expect_query(2, 0, LAYERS, "");
    device_fixture_finish(&device);
    tcp_relay_destroy(world->relay);
    fake_edge_destroy(world->second);
    fake_edge_destroy(edge);
    fake_model_finish(&model);
}

static void test_an_edge_that_falls_silent_in_the_upload_is_left(void)
{
    struct silence_world world;
    begin_silence(&world);
    script.credit_bytes = 1000;
    fake_edge_set_script(edge, &script);
    device_fixture_start(&device);
    device_fixture_await_acked(&device, 5000);
    tcp_relay_freeze(world.relay, true);
    device_fixture_await_ups(&device, 2);
    CU_ASSERT_STRING_EQUAL(device.last_down.text, "it does not answer");
    CU_ASSERT_TRUE(device.last_was_up);
    end_silence(&world);
}

static void test_an_edge_that_falls_silent_in_a_query_is_left(void)
{
    struct silence_world world;
    begin_silence(&world);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    tcp_relay_freeze(world.relay, true);
    /* Each has the right outputs, whenever it gave up. */
    for (unsigned seed = 0; device_fixture_downs(&device) == 0; seed++) {
        struct device_query_result result;
        device_fixture_query(&device, seed, &result);
        device_query_result_finish(&result);
    }
    CU_ASSERT_STRING_EQUAL(device.last_down.text, "it does not answer");
    device_fixture_await_ups(&device, 2);
    end_silence(&world);
}

static void test_an_edge_that_never_answers_is_left(void)
{
    struct silence_world world;
    begin_silence(&world);
    tcp_relay_freeze(world.relay, true);
    device_fixture_start(&device);
    device_fixture_await_ups(&device, 1);
    end_silence(&world);
}

/* Silence that is a long run: the edge answers the question, and stays. */
static void test_an_edge_that_computes_for_long_stays(void)
{
    begin();
    script.answer = FAKE_ANSWER_NONE;
    start();
    device_fixture_await_uploaded(&device);
    device.querier.wish.deadline_ns = 3 * LL_NS_PER_S;
    expect_query(1, 0, 0, "deadline");
    CU_ASSERT_EQUAL(device.downs, 0);
    CU_ASSERT_TRUE(fake_edge_await_cancels(edge, 1));
    end();
}

static void test_no_edge_at_all_is_told_once(void)
{
    const char *address = "127.0.0.1:1";
    fake_model_init(&model, cfg, 5);
    device_fixture_init(&device, &model, &address, 1, 0);
    device_fixture_start(&device);
    device_fixture_await_downs(&device, 1);
    CU_ASSERT_FALSE(device.last_was_up);
    for (unsigned seed = 0; seed < 3; seed++) {
        expect_query(seed, 0, 0, "no edge");
    }
    device_session_stop(device.session);
    CU_ASSERT_EQUAL(device.downs, 1);
    device_fixture_finish(&device);
    fake_model_finish(&model);
}

static void test_stop_in_mid_upload_ends_everything(void)
{
    begin();
    script.credit_bytes = 1000;
    start();
    device_fixture_await_acked(&device, 5000);
    device_session_stop(device.session);
    int64_t acked = device.acked_bytes;
    device_session_stop(device.session);
    CU_ASSERT_EQUAL(device.acked_bytes, acked);
    end();
}

/* Not a byte more, over two connections; what is there by then is used. */
static void test_a_metered_link_ends_the_upload(void)
{
    enum { MOST_BYTES = 41000 };
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    script = (struct fake_edge_script){.available_layer = -1, .break_after_bytes = 20000};
    fake_edge_set_script(edge, &script);
    const char *address = fake_edge_address(edge);
    device_fixture_init_bounded(&device, &model, &address, 1, 0, MOST_BYTES);
    device_fixture_start(&device);
    device_fixture_await_limit(&device);
    device_fixture_await_ups(&device, 2);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_TRUE(counts.chunk_bytes <= MOST_BYTES);
    struct device_query_result result;
    device_fixture_query(&device, 1, &result);
    CU_ASSERT_TRUE(result.end < LAYERS);
    device_query_result_finish(&result);
    CU_ASSERT_FALSE(device.has_uploaded);
    CU_ASSERT_EQUAL(device.limits, 1);
    end();
}

/* The edge ends an upload that sends nothing for long: it may use what is there all the same, and
 * sees what others bring. */
static void test_an_upload_at_its_limit_needs_no_place(void)
{
    enum { MOST_BYTES = 41000, DEADLINE_EXCEEDED = 4 };
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    script = (struct fake_edge_script){.available_layer = -1,
                                       .break_after_bytes = MOST_BYTES,
                                       .break_status = DEADLINE_EXCEEDED,
                                       .watch = FAKE_WATCH_READY};
    fake_edge_set_script(edge, &script);
    const char *address = fake_edge_address(edge);
    device_fixture_init_bounded(&device, &model, &address, 1, 0, MOST_BYTES);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    struct fake_edge_counts counts;
    fake_edge_get_counts(edge, &counts);
    CU_ASSERT_EQUAL(counts.opens, 1);
    CU_ASSERT_EQUAL(device.limits, 1);
    CU_ASSERT_EQUAL(device.downs, 0);
    CU_ASSERT_EQUAL(device.busies, 0);
    expect_query(1, 0, LAYERS, "");
    end();
}

static void test_destroy_without_start_is_harmless(void)
{
    begin();
    end();
}

static void test_a_limited_link_uploads_everything(void)
{
    fake_model_init(&model, cfg, 5);
    edge = fake_edge_create(&model);
    const char *address = fake_edge_address(edge);
    device_fixture_init(&device, &model, &address, 1, 5e6);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    /* Never faster. */
    double seconds = (double)(device.uploaded.acked_ns - device.uploaded.start_ns) / 1e9;
    CU_ASSERT_TRUE(MODEL_BYTES / seconds <= 5e6);
    expect_query(1, 0, LAYERS, "");
    end();
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_upload_then_queries_run_on_the_edge),
    LL_TEST(test_queries_run_as_far_as_the_edge_is_ready),
    LL_TEST(test_a_small_credit_is_kept),
    LL_TEST(test_blobs_that_are_there_are_not_sent),
    LL_TEST(test_a_broken_upload_goes_on_where_it_stopped),
    LL_TEST(test_a_rejected_blob_is_sent_again),
    LL_TEST(test_an_edge_that_breaks_the_protocol_is_left),
    LL_TEST(test_nobody_is_waited_for_for_ever),
    LL_TEST(test_an_edge_that_refuses_is_said_to),
    LL_TEST(test_a_busy_edge_is_waited_for),
    LL_TEST(test_an_edge_without_details_is_busy_by_its_words),
    LL_TEST(test_a_limit_without_a_time_is_final),
    LL_TEST(test_a_busy_edge_that_has_the_model_is_used),
    LL_TEST(test_a_busy_edge_that_has_some_layers_is_used_meanwhile),
    LL_TEST(test_an_upload_that_loses_its_place_goes_on_later),
    LL_TEST(test_a_busy_edge_that_lies_about_the_model_is_left),
    LL_TEST(test_while_one_edge_is_busy_the_next_is_tried),
    LL_TEST(test_layers_of_a_busy_edge_are_used_where_no_other_takes_the_model),
    LL_TEST(test_stop_while_an_edge_is_busy_ends_everything),
    LL_TEST(test_an_edge_that_is_not_ready_is_tried_again),
    LL_TEST(test_the_next_edge_takes_over),
    LL_TEST(test_an_edge_that_falls_silent_in_the_upload_is_left),
    LL_TEST(test_an_edge_that_falls_silent_in_a_query_is_left),
    LL_TEST(test_an_edge_that_never_answers_is_left),
    LL_TEST(test_an_edge_that_computes_for_long_stays),
    LL_TEST(test_no_edge_at_all_is_told_once),
    LL_TEST(test_stop_in_mid_upload_ends_everything),
    LL_TEST(test_a_metered_link_ends_the_upload),
    LL_TEST(test_an_upload_at_its_limit_needs_no_place),
    LL_TEST(test_destroy_without_start_is_harmless),
    LL_TEST(test_a_limited_link_uploads_everything),
    {NULL, NULL},
};
