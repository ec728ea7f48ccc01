/* Device and edge, both real, joined by TCP, over a fake engine: uploads, queries, cuts, restarts,
 * several devices. Every answer is compared with the one that is right. */
#include <stdatomic.h>
#include <stdio.h>

#include <CUnit/CUnit.h>

#include "core/ll_clock.h"
#include "core/ll_sync.h"
#include "edge/edge_server.h"
#include "tests/support/edge_client.h"
#include "tests/support/fake_engine.h"
#include "tests/support/ll_test.h"
#include "tests/support/tcp_relay.h"
#include "tests/unit/device/device_fixture.h"

const char *const ll_test_suite = "offload_fake";

/* Legal cuts: 0, 1, 2, 4, 5, 6, 7, 8. 1.6 MB of weights, two outputs, a tensor that crosses five
 * cuts, tensors larger than a chunk. */
static const char cfg[] = "fake\n"
                          "input 3000\n"
                          "layer 40000 300000\n"
                          "layer 200 0 output\n"
                          "layer 70000 24000 joined\n"
                          "layer 500 8\n"
                          "layer 1200 800000 reads 3 0 -1\n"
                          "layer 10 4\n"
                          "layer 90 0\n"
                          "layer 64 500000 reads 6 2 0\n";
enum { LAYERS = 8, CUTS = 8, MODEL_BYTES = 1624012 };
static const int cuts[CUTS] = {0, 1, 2, 4, 5, 6, 7, 8};

struct edge {
    struct ll_engine *engine;
    struct edge_server *server;
    char address[64];
};

/* With everything else as `config` has it. */
static void edge_begin_with(struct edge *edge, struct edge_server_config *config)
{
    struct ll_error err = {.text = ""};
    edge->engine = fake_engine_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(edge->engine);
    config->engine = edge->engine;
    config->temporary_parent = ll_test_tmp();
    CU_ASSERT_EQUAL_FATAL(edge_server_create(config, &edge->server, &err), LL_OK);
    snprintf(edge->address, sizeof(edge->address), "127.0.0.1:%d", edge_server_port(edge->server));
}

/* `listen` NULL: a free port. */
static void edge_begin(struct edge *edge, const char *listen, bool is_inline)
{
    struct edge_server_config config;
    edge_server_config_default(&config);
    config.listen = listen ? listen : "127.0.0.1:0";
    config.is_inline = is_inline;
    edge_begin_with(edge, &config);
}

static void edge_end(struct edge *edge)
{
    edge_server_destroy(edge->server);
    CU_ASSERT_EQUAL(fake_engine_alive(edge->engine), 0);
    ll_engine_destroy(edge->engine);
}

static struct fake_model model;
static struct edge edge;
static struct device_fixture device;

static void begin(bool is_inline)
{
    static const char *addresses[1];
    fake_model_init(&model, cfg, 11);
    edge_begin(&edge, NULL, is_inline);
    addresses[0] = edge.address;
    device_fixture_init(&device, &model, addresses, 1, 0);
}

static void end(void)
{
    device_fixture_finish(&device);
    edge_end(&edge);
    fake_model_finish(&model);
}

static void check_every_cut(bool is_inline)
{
    begin(is_inline);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.sent_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.uploaded.model_bytes, MODEL_BYTES);
    CU_ASSERT_TRUE(device.uploaded.creations >= 1);
    CU_ASSERT_EQUAL(device.uploaded.creations, device.creations);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    for (int f = 0; f < CUTS; f++) {
        for (int e = f; e < CUTS; e++) {
            device.querier.wish.cut_first = cuts[f];
            device.querier.wish.cut_end = cuts[e];
            device_fixture_expect(&device, (unsigned)(10 * f + e), cuts[f], cuts[e], "");
        }
    }
    end();
}

static void test_every_cut_gives_the_local_answer(void)
{
    check_every_cut(false);
}

static void test_every_cut_gives_the_local_answer_with_inline_creation(void)
{
    check_every_cut(true);
}

static void test_queries_run_further_and_further_during_the_upload(void)
{
    begin(false);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    /* Creations go one at a time, as this test lets them. */
    fake_engine_hold(edge.engine, FAKE_CREATION);
    device_fixture_start(&device);
    device_fixture_await_ups(&device, 1);
    device_fixture_expect(&device, 1, 0, 0, "");
    int reached = 0;
    while (reached < LAYERS) {
        CU_ASSERT_TRUE_FATAL(fake_engine_await_held(edge.engine, FAKE_CREATION, 1));
        fake_engine_pass(edge.engine, FAKE_CREATION, 1);
        device_fixture_await_prefix(&device, reached + 1);
        struct device_query_result result;
        device_fixture_query(&device, (unsigned)reached, &result);
        CU_ASSERT_EQUAL(result.first, 0);
        CU_ASSERT_TRUE(result.end > reached);
        CU_ASSERT_EQUAL(result.prefix, result.end);
        CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
        reached = result.end;
        device_query_result_finish(&result);
    }
    device_fixture_await_uploaded(&device);
    end();
}

static void test_a_fixed_cut_waits_for_the_edge(void)
{
    begin(false);
    device.querier.wish.cut_first = 1;
    device.querier.wish.cut_end = 5;
    device_fixture_start(&device);
    struct device_query_result result;
    device_fixture_query(&device, 3, &result);
    CU_ASSERT_EQUAL(result.first, 1);
    CU_ASSERT_EQUAL(result.end, 5);
    CU_ASSERT_TRUE(result.prefix >= 5);
    device_query_result_finish(&result);
    end();
}

static void test_a_second_device_finds_everything_there(void)
{
    begin(false);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    struct device_fixture second;
    const char *address = edge.address;
    device_fixture_init(&second, &model, &address, 1, 0);
    device_fixture_start(&second);
    device_fixture_await_uploaded(&second);
    CU_ASSERT_EQUAL(second.uploaded.sent_bytes, 0);
    CU_ASSERT_EQUAL(second.uploaded.creations, 0);
    CU_ASSERT_TRUE(second.uploaded.acked_ns <= second.uploaded.ready_ns);
    device_fixture_expect(&second, 1, 0, LAYERS, "");
    device_fixture_finish(&second);
    end();
}

/* Queries in a loop on a thread of their own, each compared with the right answer. */
struct querying {
    struct device_fixture *fixture;
    struct ll_thread thread;
    atomic_bool is_stopped;
    atomic_int queries;
    atomic_int fallbacks;
    atomic_int on_edge;
};

static void run_queries(void *arg)
{
    struct querying *querying = arg;
    for (unsigned seed = 0; !atomic_load(&querying->is_stopped); seed++) {
        struct device_query_result result;
        device_fixture_query(querying->fixture, seed % 16, &result);
        atomic_fetch_add(&querying->fallbacks, result.fallback.text[0] ? 1 : 0);
        atomic_fetch_add(&querying->on_edge, result.end == LAYERS ? 1 : 0);
        atomic_fetch_add(&querying->queries, 1);
        device_query_result_finish(&result);
    }
}

static void start_queries(struct querying *querying, struct device_fixture *fixture)
{
    *querying = (struct querying){.fixture = fixture};
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&querying->thread, "queries", run_queries, querying),
                          LL_OK);
}

static void stop_queries(struct querying *querying)
{
    atomic_store(&querying->is_stopped, true);
    ll_thread_join(&querying->thread);
}

static void test_two_devices_at_once_share_the_upload(void)
{
    begin(false);
    struct device_fixture second;
    struct querying queries[2];
    const char *address = edge.address;
    device_fixture_init(&second, &model, &address, 1, 0);
    device_fixture_start(&device);
    device_fixture_start(&second);
    start_queries(&queries[0], &device);
    start_queries(&queries[1], &second);
    device_fixture_await_uploaded(&device);
    device_fixture_await_uploaded(&second);
    stop_queries(&queries[0]);
    stop_queries(&queries[1]);
    device_fixture_expect(&device, 100, 0, LAYERS, "");
    device_fixture_expect(&second, 101, 0, LAYERS, "");
    device_fixture_finish(&second);
    end();
}

static void test_a_cut_connection_goes_on_where_it_stopped(void)
{
    fake_model_init(&model, cfg, 11);
    edge_begin(&edge, NULL, false);
    struct tcp_relay *relay = tcp_relay_create(edge_server_port(edge.server));
    const char *address = tcp_relay_address(relay);
    /* 20 Mbit/s, so that the cut comes in the middle. */
    device_fixture_init(&device, &model, &address, 1, 2.5e6);
    device_fixture_start(&device);
    struct querying queries;
    start_queries(&queries, &device);
    for (int cut = 1; cut <= 3; cut++) {
        device_fixture_await_acked(&device, (int64_t)cut * 400000);
        tcp_relay_cut(relay);
        device_fixture_await_ups(&device, cut + 1);
    }
    device_fixture_await_uploaded(&device);
    stop_queries(&queries);
    CU_ASSERT_EQUAL(device.downs, 3);
    CU_ASSERT_EQUAL(device.returns, 3);
    CU_ASSERT_TRUE(device.last_was_up);
    /* What was acknowledged before a cut was not sent again: each time, no more than what was
     * under way. */
    int64_t weights = device.uploaded.sent_bytes -
                      device_requests_sent_bytes(device_session_requests(device.session));
    CU_ASSERT_TRUE(weights <= MODEL_BYTES + 3 * 100000);
    device_fixture_expect(&device, 100, 0, LAYERS, "");
    device_fixture_finish(&device);
    tcp_relay_destroy(relay);
    edge_end(&edge);
    fake_model_finish(&model);
}

static void test_an_edge_that_is_restarted_loses_no_query(void)
{
    static const char *addresses[1];
    fake_model_init(&model, cfg, 11);
    edge_begin(&edge, NULL, false);
    addresses[0] = edge.address;
    device_fixture_init(&device, &model, addresses, 1, 2.5e6);
    device_fixture_start(&device);
    struct querying queries;
    start_queries(&queries, &device);
    device_fixture_await_acked(&device, 500000);
    char listen[64];
    snprintf(listen, sizeof(listen), "%s", edge.address);
    edge_end(&edge);
    device_fixture_await_downs(&device, 1);
    edge_begin(&edge, listen, false);
    device_fixture_await_ups(&device, 2);
    device_fixture_await_uploaded(&device);
    device_fixture_await_prefix(&device, LAYERS);
    stop_queries(&queries);
    CU_ASSERT_TRUE(atomic_load(&queries.queries) > 0);
    device_fixture_expect(&device, 100, 0, LAYERS, "");
    end();
}

static void test_a_frozen_link_costs_a_deadline_and_no_answer(void)
{
    fake_model_init(&model, cfg, 11);
    edge_begin(&edge, NULL, false);
    struct tcp_relay *relay = tcp_relay_create(edge_server_port(edge.server));
    const char *address = tcp_relay_address(relay);
    device_fixture_init(&device, &model, &address, 1, 0);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    device_fixture_expect(&device, 1, 0, LAYERS, "");
    tcp_relay_freeze(relay, true);
    device.querier.wish.deadline_ns = 20 * LL_NS_PER_MS;
    device_fixture_expect(&device, 2, 0, 0, "deadline");
    tcp_relay_freeze(relay, false);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    device_fixture_expect(&device, 3, 0, LAYERS, "");
    device_fixture_finish(&device);
    tcp_relay_destroy(relay);
    edge_end(&edge);
    fake_model_finish(&model);
}

/* Blobs as trained weights are: they come in frames, and the edge has the same bits. */
static void test_weights_come_in_fewer_bytes(void)
{
    fake_model_init_weights(&model, cfg, 11);
    edge_begin(&edge, NULL, false);
    const char *address = edge.address;
    device_fixture_init(&device, &model, &address, 1, 5e6);
    device_fixture_start(&device);
    device_fixture_await_acked(&device, 600000);
    int64_t sent = device.acked_bytes;
    device_fixture_finish(&device);
    device_fixture_init(&device, &model, &address, 1, 0);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    int64_t left = MODEL_BYTES - sent + 65536;
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes <= left * 9 / 10);
    CU_ASSERT_EQUAL(device.acked_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.downs, 0);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    for (unsigned seed = 1; seed < 8; seed++) {
        device_fixture_expect(&device, seed, 0, LAYERS, "");
    }
    end();
}

/* ---- Drafts ---- */

/* More than what a draft leaves of layer 0, less than that and layer 4's. */
enum { FEW_BYTES = 250000 };

static struct device_draft draft;
static struct fake_model rounded;

/* The draft as a model of its own, made of the model's weights by another way. */
static void make_draft(void)
{
    struct device_draft_source source = {
        .table = &model.network->table, .blobs = model.blobs, .manifest = &model.manifest};
    CU_ASSERT_EQUAL_FATAL(device_draft_init(&draft, &source, 7), LL_OK);
    fake_model_init_weights(&rounded, cfg, 11);
    for (int i = 0; i < LAYERS; i++) {
        uint32_t *words = draft.is_rounded[i] ? ll_buf_writable(rounded.blobs[i]) : NULL;
        for (size_t j = 0; words && j < ll_buf_bytes(rounded.blobs[i]) / 4; j++) {
            words[j] = (words[j] + 0x8000U) & 0xffff0000U;
        }
    }
    fake_model_rename(&rounded);
    CU_ASSERT_STRING_EQUAL(draft.id, rounded.id_text);
}

static void begin_drafting(int64_t most_upload_bytes)
{
    static const char *addresses[1];
    addresses[0] = edge.address;
    device_fixture_init_bounded(&device, &model, addresses, 1, 0, most_upload_bytes);
    device.model.draft = &draft;
    device_fixture_start(&device);
}

/* Answers of the draft, as `rounded` gives them. */
static void expect_draft(unsigned first_seed)
{
    struct device_query_result result;
    device.expected = &rounded;
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    for (unsigned seed = first_seed; seed < first_seed + 4; seed++) {
        device_fixture_query(&device, seed, &result);
        CU_ASSERT_EQUAL(result.end, LAYERS);
        CU_ASSERT_TRUE(result.is_draft);
        CU_ASSERT_FALSE(result.is_exact);
        CU_ASSERT_STRING_EQUAL(result.fallback.text, "");
        device_query_result_finish(&result);
    }
}

/* All of it at once; then on a new edge as much as the draft takes, a little more, and the rest,
 * each by another device. */
static void test_a_draft_answers_until_the_model_is_there(void)
{
    fake_model_init_weights(&model, cfg, 11);
    make_draft();
    edge_begin(&edge, NULL, false);
    begin_drafting(0);
    device_fixture_await_uploaded(&device);
    int64_t draft_bytes = device.uploaded.sent_draft_bytes;
    int64_t all_bytes = device.uploaded.sent_weight_bytes;
    CU_ASSERT_TRUE(draft_bytes < MODEL_BYTES / 2);
    CU_ASSERT_TRUE(all_bytes < MODEL_BYTES * 9 / 10);
    CU_ASSERT_EQUAL(device.downs, 0);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    device_fixture_expect(&device, 1, 0, LAYERS, "");
    device_fixture_finish(&device);
    edge_end(&edge);

    edge_begin(&edge, NULL, false);
    begin_drafting(draft_bytes);
    device_fixture_await_draft(&device);
    expect_draft(2);
    device_fixture_finish(&device);

    /* What is left of layer 0, and a beginning of layer 4's: the model's own as far as it is. */
    begin_drafting(FEW_BYTES);
    device_fixture_await_prefix(&device, 4);
    memcpy(ll_buf_writable(rounded.blobs[0]), ll_buf_data(model.blobs[0]),
           ll_buf_bytes(model.blobs[0]));
    expect_draft(6);
    device_fixture_finish(&device);

    begin_drafting(0);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes <= all_bytes - draft_bytes - FEW_BYTES / 2);
    struct device_query_result result;
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    for (unsigned seed = 2; seed < 6; seed++) {
        device_fixture_query(&device, seed, &result);
        CU_ASSERT_EQUAL(result.end, LAYERS);
        CU_ASSERT_FALSE(result.is_draft);
        device_query_result_finish(&result);
    }
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_finish(&device);
    edge_end(&edge);
    fake_model_finish(&rounded);
    device_draft_finish(&draft);
    fake_model_finish(&model);
}

static void test_a_device_that_vanishes_leaves_its_part(void)
{
    fake_model_init(&model, cfg, 11);
    edge_begin(&edge, NULL, false);
    const char *address = edge.address;
    device_fixture_init(&device, &model, &address, 1, 2.5e6);
    device_fixture_start(&device);
    device_fixture_await_acked(&device, 600000);
    device_fixture_finish(&device);
    device_fixture_init(&device, &model, &address, 1, 0);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    /* At most the frame that it was in comes again. */
    CU_ASSERT_TRUE(device.uploaded.sent_bytes <= MODEL_BYTES - 600000 + 65536);
    device_fixture_expect(&device, 1, 0, LAYERS, "");
    end();
}

static void test_models_that_share_blobs_share_bytes(void)
{
    begin(false);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    /* The same backbone with another head. */
    struct fake_model other;
    struct device_fixture second;
    const char *address = edge.address;
    char text[sizeof(cfg) + 64];
    snprintf(text, sizeof(text), "%slayer 5 1000\n", cfg);
    fake_model_init(&other, text, 11);
    device_fixture_init(&second, &other, &address, 1, 0);
    device_fixture_start(&second);
    device_fixture_await_uploaded(&second);
    CU_ASSERT_EQUAL(second.uploaded.sent_bytes, 1000);
    device_fixture_expect(&second, 1, 0, LAYERS + 1, "");
    device_fixture_finish(&second);
    fake_model_finish(&other);
    end();
}

static void test_a_creation_that_fails_leaves_the_prefix_useful(void)
{
    begin(false);
    device.querier.wish.deadline_ns = 60 * LL_NS_PER_S;
    fake_engine_hold(edge.engine, FAKE_CREATION);
    device_fixture_start(&device);
    CU_ASSERT_TRUE_FATAL(fake_engine_await_held(edge.engine, FAKE_CREATION, 1));
    fake_engine_pass(edge.engine, FAKE_CREATION, 1);
    CU_ASSERT_TRUE_FATAL(fake_engine_await_done(edge.engine, FAKE_CREATION, 1));
    fake_engine_fail(edge.engine, FAKE_CREATION, 1, LL_E_UNSUPPORTED);
    fake_engine_release(edge.engine, FAKE_CREATION);
    device_fixture_await_downs(&device, 1);
    struct device_query_result result;
    device_fixture_query(&device, 1, &result);
    device_query_result_finish(&result);
    end();
}

/* ---- A busy edge ---- */

/* An edge with one place for uploads, which `holder` has for `model`. */
struct busy {
    struct edge_client *client;
    struct edge_call *holder;
};

static void busy_begin(struct busy *busy)
{
    static const char *addresses[1];
    struct edge_server_config config;
    fake_model_init(&model, cfg, 11);
    edge_server_config_default(&config);
    config.listen = "127.0.0.1:0";
    config.upload_sessions = 1;
    /* Whoever has the place keeps it. */
    config.upload_patience_ms = 600000;
    config.upload_idle_ms = 600000;
    edge_begin_with(&edge, &config);
    addresses[0] = edge.address;
    device_fixture_init(&device, &model, addresses, 1, 0);
    busy->client = edge_client_create(edge_server_port(edge.server));
    busy->holder = NULL;
}

/* Brings layers [first, end) in chunks. */
static void send_layers(struct edge_call *upload, int first, int end)
{
    enum { CHUNK = 200000 };
    for (int i = first; i < end; i++) {
        int64_t bytes = model.blobs[i] ? (int64_t)ll_buf_bytes(model.blobs[i]) : 0;
        for (int64_t at = 0; at < bytes; at += CHUNK) {
            edge_call_send_part(upload, &model, i, at, at + CHUNK < bytes ? at + CHUNK : bytes);
        }
    }
}

/* Takes the place for `other`, as soon as whoever has it is gone. */
static void hold_place(struct busy *busy, const struct fake_model *other)
{
    struct ll_plan plan;
    Layerlift__V1__UploadEvent *accepted = NULL;
    fake_model_plan(other, &plan);
    while (!accepted) {
        busy->holder = edge_call_open(busy->client, "Upload");
        edge_call_send_open(busy->holder, other, &plan);
        accepted = edge_call_await(busy->holder, EVENT_ACCEPTED);
        if (!accepted) {
            CU_ASSERT_EQUAL_FATAL(edge_call_end(busy->holder, NULL), LL_E_EXHAUSTED);
            edge_call_close(busy->holder);
        }
    }
    layerlift__v1__upload_event__free_unpacked(accepted, NULL);
    ll_plan_finish(&plan);
}

static void busy_end(struct busy *busy)
{
    edge_client_destroy(busy->client);
    end();
}

static void test_a_device_waits_for_another_ones_place(void)
{
    struct busy busy;
    struct fake_model other;
    busy_begin(&busy);
    fake_model_init(&other, cfg, 12);
    busy.holder = edge_client_upload(busy.client, &other, NULL);
    device_fixture_start(&device);
    device_fixture_await_busies(&device, 2);
    CU_ASSERT_EQUAL(device.new_busies, 1);
    CU_ASSERT_STRING_EQUAL(device.last_busy.limit, "upload_sessions");
    CU_ASSERT_FALSE(device.last_is_used);
    device_fixture_expect(&device, 1, 0, 0, "no edge");
    edge_call_close(busy.holder);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.sent_weight_bytes, MODEL_BYTES);
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_expect(&device, 2, 0, LAYERS, "");
    fake_model_finish(&other);
    busy_end(&busy);
}

static void test_layers_that_another_device_brings_are_used_meanwhile(void)
{
    struct busy busy;
    busy_begin(&busy);
    busy.holder = edge_client_upload(busy.client, &model, NULL);
    device_fixture_start(&device);
    device_fixture_await_busies(&device, 1);
    CU_ASSERT_TRUE(device.last_is_used);
    send_layers(busy.holder, 0, 4);
    device_fixture_await_prefix(&device, 4);
    device_fixture_expect(&device, 1, 0, 4, "");
    /* The other device goes, and this one brings the rest. */
    edge_call_close(busy.holder);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_TRUE(device.uploaded.sent_weight_bytes < MODEL_BYTES - 300000);
    CU_ASSERT_EQUAL(device.downs, 0);
    device_fixture_expect(&device, 2, 0, LAYERS, "");
    busy_end(&busy);
}

static void test_a_model_that_is_ready_needs_no_place(void)
{
    struct busy busy;
    struct fake_model other;
    busy_begin(&busy);
    fake_model_init(&other, cfg, 12);
    struct edge_call *upload = edge_client_upload(busy.client, &model, NULL);
    send_layers(upload, 0, LAYERS);
    CU_ASSERT_EQUAL(edge_call_end(upload, NULL), LL_OK);
    edge_call_close(upload);
    hold_place(&busy, &other);
    device_fixture_start(&device);
    device_fixture_await_uploaded(&device);
    CU_ASSERT_EQUAL(device.uploaded.sent_weight_bytes, 0);
    device_fixture_expect(&device, 1, 0, LAYERS, "");
    edge_call_close(busy.holder);
    fake_model_finish(&other);
    busy_end(&busy);
}

const struct ll_test ll_tests[] = {
    LL_TEST(test_every_cut_gives_the_local_answer),
    LL_TEST(test_every_cut_gives_the_local_answer_with_inline_creation),
    LL_TEST(test_queries_run_further_and_further_during_the_upload),
    LL_TEST(test_a_fixed_cut_waits_for_the_edge),
    LL_TEST(test_a_second_device_finds_everything_there),
    LL_TEST(test_two_devices_at_once_share_the_upload),
    LL_TEST(test_a_cut_connection_goes_on_where_it_stopped),
    LL_TEST(test_an_edge_that_is_restarted_loses_no_query),
    LL_TEST(test_a_frozen_link_costs_a_deadline_and_no_answer),
    LL_TEST(test_weights_come_in_fewer_bytes),
    LL_TEST(test_a_draft_answers_until_the_model_is_there),
    LL_TEST(test_a_device_that_vanishes_leaves_its_part),
    LL_TEST(test_models_that_share_blobs_share_bytes),
    LL_TEST(test_a_creation_that_fails_leaves_the_prefix_useful),
    LL_TEST(test_a_device_waits_for_another_ones_place),
    LL_TEST(test_layers_that_another_device_brings_are_used_meanwhile),
    LL_TEST(test_a_model_that_is_ready_needs_no_place),
    {NULL, NULL},
};
