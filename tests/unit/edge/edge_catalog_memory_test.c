/* The engine's budget: what models and idle contexts leave when it runs out. */
#include "core/ll_memory.h"
#include "tests/support/catalog_fixture.h"
#include "tests/support/ll_test.h"

enum { LAYERS = CATALOG_FIXTURE_LAYERS };

/* Runs all layers once, as an executor does: the context, 20 floats, is idle then. */
static ll_status run_once(struct edge_model *model, const struct fake_model *fake,
                          struct ll_error *err)
{
    struct ll_engine_context *context = NULL;
    struct fake_tensors input;
    fake_model_inputs(fake, 1, 0, LAYERS, &input);
    const struct ll_tensor_in in = {LL_TENSOR_INPUT, input.floats, input.data};
    const struct ll_run run = {.end = LAYERS, .inputs = &in, .input_count = 1};
    ll_status status = edge_model_take_context(model, &context, err);
    if (status == LL_OK) {
        status = ll_engine_run(context, &run, err);
        edge_model_put_context(model, context);
    }
    fake_tensors_finish(&input);
    return status;
}

/* Opens a model and creates all of its layers. */
static struct edge_model *open_created(struct catalog_fixture *fixture,
                                       const struct fake_model *fake)
{
    struct edge_model *model = catalog_fixture_open(fixture, fake, LL_OK, NULL);
    catalog_fixture_create(model, fake, LAYERS);
    return model;
}

/* A budget for an engine that has no models. */
static struct ll_memory *set_memory(struct catalog_fixture *fixture, int64_t bytes)
{
    struct ll_memory *memory = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(bytes, &memory), LL_OK);
    edge_catalog_destroy(fixture->catalog);
    ll_engine_set_memory(fixture->engine, memory);
    const struct edge_catalog_config config = {
        .engine = fixture->engine, .store = fixture->store, .most_models = 4};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&config, &fixture->catalog), LL_OK);
    return memory;
}

static void tear_down_memory(struct catalog_fixture *fixture, struct ll_memory *memory)
{
    edge_catalog_destroy(fixture->catalog);
    fixture->catalog = NULL;
    ll_engine_set_memory(fixture->engine, NULL);
    ll_memory_destroy(memory);
    catalog_fixture_tear_down(fixture);
}

static void test_idle_contexts_go_before_models(void)
{
    struct catalog_fixture fixture;
    struct fake_model fakes[2];
    struct edge_model *models[2];
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fakes[0], catalog_fixture_cfg, 1);
    fake_model_init(&fakes[1], catalog_fixture_cfg, 2);
    struct ll_memory *memory = set_memory(&fixture, 100000);
    for (int i = 0; i < 2; i++) {
        models[i] = open_created(&fixture, &fakes[i]);
        CU_ASSERT_EQUAL(run_once(models[i], &fakes[i], NULL), LL_OK);
        CU_ASSERT(edge_model_idle_bytes(models[i]) > 0);
    }
    catalog_fixture_close(models[0]);
    catalog_fixture_close(models[1]);
    int64_t used_bytes = ll_memory_used(memory);
    int64_t idle_bytes = edge_model_idle_bytes(models[0]);
    /* One byte too many: the context of the model that was released first goes. */
    int64_t wanted_bytes = 100000 - used_bytes + 1;
    CU_ASSERT_EQUAL(ll_memory_take(memory, wanted_bytes, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(models[0]), 0);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(models[1]), idle_bytes);
    ll_memory_give(memory, wanted_bytes);
    /* All of it: both models go, and what they had. */
    CU_ASSERT_EQUAL(ll_memory_take(memory, 100000, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture.engine), 0);
    ll_memory_give(memory, 100000);
    fake_model_finish(&fakes[0]);
    fake_model_finish(&fakes[1]);
    tear_down_memory(&fixture, memory);
}

static void test_models_in_use_are_no_room(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct ll_memory *memory = set_memory(&fixture, 100000);
    struct edge_model *model = open_created(&fixture, &fake);
    int64_t used_bytes = ll_memory_used(memory);
    CU_ASSERT(used_bytes > 0);
    CU_ASSERT_EQUAL(ll_memory_take(memory, 100000, "a test", &err), LL_E_EXHAUSTED);
    CU_ASSERT(err.retry_ms > 0);
    CU_ASSERT_EQUAL(ll_memory_used(memory), used_bytes);
    /* With nothing left a run is refused, and passes later. */
    CU_ASSERT_EQUAL(ll_memory_take(memory, 100000 - used_bytes, "a test", NULL), LL_OK);
    CU_ASSERT_EQUAL(run_once(model, &fake, &err), LL_E_EXHAUSTED);
    CU_ASSERT_STRING_EQUAL(err.limit, "memory_bytes");
    ll_memory_give(memory, 100000 - used_bytes);
    CU_ASSERT_EQUAL(run_once(model, &fake, &err), LL_OK);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    tear_down_memory(&fixture, memory);
}

static void test_large_contexts_are_not_pooled(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct ll_memory *memory = set_memory(&fixture, 1000);
    struct edge_model *model = open_created(&fixture, &fake);
    int64_t created_bytes = ll_memory_used(memory);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), 0);
    CU_ASSERT_EQUAL(ll_memory_used(memory), created_bytes);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    tear_down_memory(&fixture, memory);
}

static void test_idle_contexts_beyond_a_size_go_at_rest(void)
{
    struct catalog_fixture fixture;
    struct fake_model fake;
    catalog_fixture_set_up(&fixture, 1000, 4, 0);
    fake_model_init(&fake, catalog_fixture_cfg, 1);
    struct edge_model *model = open_created(&fixture, &fake);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    int64_t idle_bytes = edge_model_idle_bytes(model);
    CU_ASSERT_FATAL(idle_bytes > 0);
    int64_t used_ns = edge_model_last_use_ns(model);
    edge_catalog_drop_idle(fixture.catalog, used_ns + 1, idle_bytes);
    edge_catalog_drop_idle(fixture.catalog, used_ns, 0);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), idle_bytes);
    edge_catalog_drop_idle(fixture.catalog, used_ns + 1, idle_bytes - 1);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), 0);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    catalog_fixture_close(model);
    fake_model_finish(&fake);
    catalog_fixture_tear_down(&fixture);
}

const char *const ll_test_suite = "edge_catalog_memory";
const struct ll_test ll_tests[] = {
    LL_TEST(test_idle_contexts_go_before_models),
    LL_TEST(test_models_in_use_are_no_room),
    LL_TEST(test_large_contexts_are_not_pooled),
    LL_TEST(test_idle_contexts_beyond_a_size_go_at_rest),
    {NULL, NULL},
};
