#include "edge/edge_creator.h"

#include <sched.h>
#include <string.h>

#include "core/ll_sync.h"
#include "engine/ll_engine_backend.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 4 10\n"
                          "layer 4 10\n"
                          "layer 4 10\n"
                          "layer 4 10\n"
                          "layer 4 10\n";
enum { LAYERS = 5, MODELS = 2 };

struct fixture {
    struct ll_engine *engine;
    struct edge_store *store;
    struct edge_catalog *models;
    struct edge_creator *creator;
    struct fake_model fakes[MODELS];
    struct ll_plan plans[MODELS];
    struct edge_model *opened[MODELS];
};

static void set_up(struct fixture *fixture, bool is_inline, int64_t turn_bytes)
{
    *fixture = (struct fixture){.engine = fake_engine_create()};
    const struct edge_store_config store = {.budget_bytes = 1000};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&store, &fixture->store, NULL), LL_OK);
    const struct edge_catalog_config models = {
        .engine = fixture->engine, .store = fixture->store, .most_models = 4};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&models, &fixture->models), LL_OK);
    const struct edge_creator_config creator = {
        .models = fixture->models, .is_inline = is_inline, .turn_bytes = turn_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_creator_create(&creator, &fixture->creator), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_creator_start(fixture->creator), LL_OK);
    for (unsigned i = 0; i < MODELS; i++) {
        struct ll_manifest manifest;
        fake_model_init(&fixture->fakes[i], cfg, i);
        fake_model_plan(&fixture->fakes[i], &fixture->plans[i]);
        fake_model_copy_manifest(&fixture->fakes[i], &manifest);
        CU_ASSERT_EQUAL_FATAL(edge_catalog_open(fixture->models, &manifest, &fixture->plans[i],
                                                &fixture->opened[i], NULL),
                              LL_OK);
        edge_model_open_upload(fixture->opened[i], &fixture->plans[i]);
    }
}

static void tear_down(struct fixture *fixture)
{
    edge_creator_destroy(fixture->creator);
    for (int i = 0; i < MODELS; i++) {
        edge_model_close_upload(fixture->opened[i], &fixture->plans[i]);
        edge_model_release(fixture->opened[i]);
        edge_model_unref(fixture->opened[i]);
        ll_plan_finish(&fixture->plans[i]);
        fake_model_finish(&fixture->fakes[i]);
    }
    edge_catalog_destroy(fixture->models);
    CU_ASSERT_EQUAL(edge_store_used_bytes(fixture->store), 0);
    edge_store_destroy(fixture->store);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture->engine), 0);
    ll_engine_destroy(fixture->engine);
}

/* Layers [first, end) of a model arrive, and the creator hears of each. */
static void receive(struct fixture *fixture, int model, int first, int end)
{
    for (int i = first; i < end; i++) {
        struct ll_buf *data = fixture->fakes[model].blobs[i];
        edge_write_outcome outcome;
        CU_ASSERT_EQUAL(edge_blob_write(edge_model_blob(fixture->opened[model], i), 0,
                                        ll_buf_data(data), ll_buf_bytes(data), &outcome, NULL),
                        LL_OK);
        edge_creator_wake(fixture->creator, fixture->opened[model]);
    }
}

static void stop_creator(void *arg)
{
    edge_creator_stop(arg);
}

static bool was_created(struct fixture *fixture, int n, int first, int end)
{
    int real_first = -1;
    int real_end = -1;
    return fake_engine_creation(fixture->engine, n, &real_first, &real_end) &&
           real_first == first && real_end == end;
}

static void test_partitions_that_arrive_during_a_creation_are_taken_at_once(void)
{
    struct fixture fixture;
    set_up(&fixture, false, 0);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    receive(&fixture, 0, 0, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    receive(&fixture, 0, 1, 4);
    fake_engine_pass(fixture.engine, FAKE_CREATION, 1);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 1));
    CU_ASSERT(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    CU_ASSERT(was_created(&fixture, 0, 0, 1));
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 1);
    fake_engine_release(fixture.engine, FAKE_CREATION);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 2));
    CU_ASSERT(was_created(&fixture, 1, 1, 4));
    edge_creator_stop(fixture.creator);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 4);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_CREATION), 2);
    tear_down(&fixture);
}

static void test_gap_is_waited_for(void)
{
    struct fixture fixture;
    set_up(&fixture, false, 0);
    receive(&fixture, 0, 1, 5);
    receive(&fixture, 1, 0, 1);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 1));
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 0);
    receive(&fixture, 0, 0, 1);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 2));
    CU_ASSERT(was_created(&fixture, 1, 0, 5));
    tear_down(&fixture);
}

static void test_models_take_turns(void)
{
    struct fixture fixture;
    set_up(&fixture, false, 20);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    receive(&fixture, 0, 0, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    receive(&fixture, 0, 1, 5);
    receive(&fixture, 1, 0, 3);
    fake_engine_release(fixture.engine, FAKE_CREATION);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 5));
    edge_creator_stop(fixture.creator);
    /* First what was there; then 20 bytes a turn. The first model came again while it was created,
     * before the second. */
    CU_ASSERT(was_created(&fixture, 0, 0, 1));
    CU_ASSERT(was_created(&fixture, 1, 1, 3));
    CU_ASSERT(was_created(&fixture, 2, 0, 2));
    CU_ASSERT(was_created(&fixture, 3, 3, 5));
    CU_ASSERT(was_created(&fixture, 4, 2, 3));
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 5);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[1]), 3);
    tear_down(&fixture);
}

static void test_inline_creates_each_partition_before_it_returns(void)
{
    struct fixture fixture;
    set_up(&fixture, true, 0);
    receive(&fixture, 0, 0, 1);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 1);
    receive(&fixture, 0, 2, 5);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 1);
    receive(&fixture, 0, 1, 2);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 5);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_CREATION), 5);
    tear_down(&fixture);
}

static void test_failed_creation_keeps_the_prefix_and_names_the_reason(void)
{
    struct fixture fixture;
    struct edge_model_info info;
    set_up(&fixture, false, 0);
    for (int i = 0; i < 2; i++) {
        receive(&fixture, 0, i, i + 1);
        CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, i + 1));
    }
    fake_engine_fail(fixture.engine, FAKE_CREATION, 1, LL_E_NO_MEMORY);
    receive(&fixture, 0, 2, 3);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 3));
    /* The other model goes on. */
    receive(&fixture, 1, 0, 1);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 4));
    edge_creator_stop(fixture.creator);
    edge_model_get_info(fixture.opened[0], &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_FAILED);
    CU_ASSERT_EQUAL(info.failure_status, LL_E_NO_MEMORY);
    CU_ASSERT_STRING_EQUAL(info.failure.text, "creation of layers 2 to 2 failed: made to fail");
    CU_ASSERT_EQUAL(info.prefix, 2);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[1]), 1);
    tear_down(&fixture);
}

static void test_stop_during_a_creation_waits_for_its_end(void)
{
    struct fixture fixture;
    set_up(&fixture, false, 10);
    receive(&fixture, 0, 0, 5);
    receive(&fixture, 1, 0, 5);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 1));
    edge_creator_stop(fixture.creator);
    edge_creator_stop(fixture.creator);
    int prefix = edge_model_prefix(fixture.opened[0]);
    CU_ASSERT(prefix >= 1);
    edge_creator_wake(fixture.creator, fixture.opened[0]);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), prefix);
    tear_down(&fixture);
}

static void test_stop_ends_the_creation_under_way(void)
{
    struct fixture fixture;
    struct ll_thread stopper = {.started = false};
    set_up(&fixture, false, 0);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    receive(&fixture, 0, 0, 5);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    const atomic_bool *stop = edge_model_engine_model(fixture.opened[0])->stop;
    CU_ASSERT_EQUAL_FATAL(ll_thread_start(&stopper, "stopper", stop_creator, fixture.creator),
                          LL_OK);
    while (!atomic_load(stop)) {
        sched_yield();
    }
    fake_engine_release(fixture.engine, FAKE_CREATION);
    ll_thread_join(&stopper);
    CU_ASSERT_EQUAL(fake_engine_stopped(fixture.engine, FAKE_CREATION), 1);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 0);
    CU_ASSERT_FALSE(edge_model_is_creating(fixture.opened[0]));
    tear_down(&fixture);
}

static void test_removed_model_is_not_created_further(void)
{
    struct fixture fixture;
    set_up(&fixture, false, 0);
    fake_engine_hold(fixture.engine, FAKE_CREATION);
    receive(&fixture, 0, 0, 5);
    receive(&fixture, 1, 0, 1);
    CU_ASSERT_FATAL(fake_engine_await_held(fixture.engine, FAKE_CREATION, 1));
    CU_ASSERT(edge_model_is_creating(fixture.opened[0]));
    edge_model_close_upload(fixture.opened[0], &fixture.plans[0]);
    edge_model_release(fixture.opened[0]);
    /* It is not in use, but evicting it would give nothing back now. */
    CU_ASSERT_FALSE(edge_catalog_evict(fixture.models));
    CU_ASSERT_EQUAL(
        edge_catalog_remove(fixture.models, edge_model_id_text(fixture.opened[0]), NULL), LL_OK);
    fake_engine_release(fixture.engine, FAKE_CREATION);
    CU_ASSERT(fake_engine_await_done(fixture.engine, FAKE_CREATION, 2));
    edge_creator_stop(fixture.creator);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[0]), 0);
    CU_ASSERT_EQUAL(edge_model_prefix(fixture.opened[1]), 1);
    /* For tear_down. */
    edge_model_unref(fixture.opened[0]);
    struct ll_manifest manifest;
    fake_model_copy_manifest(&fixture.fakes[0], &manifest);
    CU_ASSERT_EQUAL_FATAL(
        edge_catalog_open(fixture.models, &manifest, &fixture.plans[0], &fixture.opened[0], NULL),
        LL_OK);
    edge_model_open_upload(fixture.opened[0], &fixture.plans[0]);
    tear_down(&fixture);
}

const char *const ll_test_suite = "edge_creator";
const struct ll_test ll_tests[] = {
    LL_TEST(test_partitions_that_arrive_during_a_creation_are_taken_at_once),
    LL_TEST(test_gap_is_waited_for),
    LL_TEST(test_models_take_turns),
    LL_TEST(test_inline_creates_each_partition_before_it_returns),
    LL_TEST(test_failed_creation_keeps_the_prefix_and_names_the_reason),
    LL_TEST(test_stop_during_a_creation_waits_for_its_end),
    LL_TEST(test_stop_ends_the_creation_under_way),
    LL_TEST(test_removed_model_is_not_created_further),
    {NULL, NULL},
};
