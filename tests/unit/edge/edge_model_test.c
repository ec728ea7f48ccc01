#include <stdlib.h>
#include <string.h>

#include "core/ll_clock.h"
#include "edge/model/edge_catalog.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_model.h"
#include "tests/support/ll_test.h"

/* 10 bytes a layer; no cut between 1 and 2. */
static const char cfg[] = "fake\n"
                          "input 4\n"
                          "layer 4 10\n"
                          "layer 4 10 joined\n"
                          "layer 4 10\n"
                          "layer 4 0\n"
                          "layer 4 10\n";
enum { LAYERS = 5 };

struct fixture {
    struct ll_engine *engine;
    struct edge_store *store;
    struct edge_catalog *models;
    int changes;
};

static void count_change(void *arg, struct edge_model *model, edge_change change)
{
    (void)model;
    CU_ASSERT_EQUAL(change, EDGE_CHANGE_REMOVED);
    ((struct fixture *)arg)->changes++;
}

static void set_up_resting(struct fixture *fixture, int64_t budget_bytes, int most_models,
                           int64_t rest_ns)
{
    *fixture = (struct fixture){.engine = fake_engine_create()};
    const struct edge_store_config store = {.budget_bytes = budget_bytes};
    CU_ASSERT_EQUAL_FATAL(edge_store_create(&store, &fixture->store, NULL), LL_OK);
    const struct edge_catalog_config config = {.engine = fixture->engine,
                                               .store = fixture->store,
                                               .most_models = most_models,
                                               .rest_ns = rest_ns};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&config, &fixture->models), LL_OK);
    CU_ASSERT_EQUAL_FATAL(edge_catalog_observe(fixture->models, count_change, fixture), LL_OK);
}

static void set_up(struct fixture *fixture, int64_t budget_bytes, int most_models)
{
    set_up_resting(fixture, budget_bytes, most_models, 0);
}

/* Everything that was made must be gone at the end. */
static void tear_down(struct fixture *fixture)
{
    edge_catalog_destroy(fixture->models);
    CU_ASSERT_EQUAL(edge_store_used_bytes(fixture->store), 0);
    edge_store_destroy(fixture->store);
    CU_ASSERT_EQUAL(fake_engine_alive(fixture->engine), 0);
    ll_engine_destroy(fixture->engine);
}

static struct edge_model *open_model(struct fixture *fixture, const struct fake_model *fake,
                                     ll_status expected, struct ll_error *err)
{
    struct ll_manifest manifest;
    struct ll_plan plan;
    struct edge_model *model = NULL;
    fake_model_copy_manifest(fake, &manifest);
    fake_model_plan(fake, &plan);
    CU_ASSERT_EQUAL(edge_catalog_open(fixture->models, &manifest, &plan, &model, err), expected);
    ll_manifest_finish(&manifest);
    ll_plan_finish(&plan);
    return model;
}

static void close_model(struct edge_model *model)
{
    edge_model_release(model);
    edge_model_unref(model);
}

static ll_status write_layer(struct edge_model *model, const struct fake_model *fake, int layer)
{
    edge_write_outcome outcome;
    struct ll_error err;
    return edge_blob_write(edge_model_blob(model, layer), 0, ll_buf_data(fake->blobs[layer]),
                           ll_buf_bytes(fake->blobs[layer]), &outcome, &err);
}

static void test_model_is_shared_by_content(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(edge_model_id_text(model), fake.id_text);
    struct edge_model *again = open_model(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_PTR_EQUAL(model, again);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_PARSE), 1);
    close_model(again);
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_models_share_blobs_but_not_state(void)
{
    struct fixture fixture;
    struct fake_model a;
    struct fake_model b;
    set_up(&fixture, 1000, 4);
    fake_model_init(&a, cfg, 1);
    fake_model_init(&b, "fake\ninput 4\nlayer 4 10\nlayer 9 3\n", 1);
    struct edge_model *first = open_model(&fixture, &a, LL_OK, NULL);
    struct edge_model *second = open_model(&fixture, &b, LL_OK, NULL);
    CU_ASSERT_PTR_NOT_EQUAL(first, second);
    CU_ASSERT_PTR_EQUAL(edge_model_blob(first, 0), edge_model_blob(second, 0));
    CU_ASSERT_EQUAL(write_layer(first, &a, 0), LL_OK);
    CU_ASSERT(edge_model_is_available(second, 0));
    CU_ASSERT_FALSE(edge_model_is_available(second, 1));
    close_model(first);
    close_model(second);
    fake_model_finish(&a);
    fake_model_finish(&b);
    tear_down(&fixture);
}

static void test_bad_manifest_is_refused_and_leaves_nothing(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    fake.manifest.blobs[2].bytes++;
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layer 2 (fake) has 11 bytes instead of 10"));
    fake.manifest.blobs[2].bytes--;
    fake.manifest.blob_count--;
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "4 blobs, but the cfg has 5 layers"));
    fake.manifest.cfg[0] = 'x';
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_INVALID, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "cfg: "));
    struct edge_model **list = NULL;
    int count = -1;
    CU_ASSERT_EQUAL_FATAL(edge_catalog_list(fixture.models, &list, &count), LL_OK);
    CU_ASSERT_EQUAL(count, 0);
    free(list);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_plan_with_hole_is_refused(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct ll_partition partitions[2] = {{0, 1}, {3, 5}};
    const struct ll_plan plan = {.count = 2, .partitions = partitions};
    struct ll_manifest manifest;
    struct ll_error err = {.text = ""};
    struct edge_model *model = NULL;
    fake_model_copy_manifest(&fake, &manifest);
    CU_ASSERT_EQUAL(edge_catalog_open(fixture.models, &manifest, &plan, &model, &err),
                    LL_E_INVALID);
    CU_ASSERT(err.text[0] != '\0');
    CU_ASSERT_PTR_NULL(model);
    ll_manifest_finish(&manifest);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_creation_ends_on_borders_of_open_plans(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    struct ll_partition partitions[2] = {{0, 3}, {3, 5}};
    const struct ll_plan plan = {.count = 2, .partitions = partitions};
    CU_ASSERT_EQUAL(write_layer(model, &fake, 0), LL_OK);
    edge_model_open_upload(model, &plan);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 0);
    edge_model_close_upload(model, &plan);
    /* Without a session every legal cut is a border. */
    CU_ASSERT(edge_model_is_busy(model));
    CU_ASSERT_EQUAL(write_layer(model, &fake, 1), LL_OK);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 1);
    const struct edge_creation creation = {.end = 1, .wall_ns = 5};
    edge_model_end_creation(model, &creation);
    CU_ASSERT_EQUAL(edge_model_prefix(model), 1);
    CU_ASSERT_FALSE(edge_model_is_busy(model));
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_creation_takes_at_most_its_bytes_but_one_partition(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    for (int i = 0; i < 5; i++) {
        if (fake.blobs[i]) {
            CU_ASSERT_EQUAL(write_layer(model, &fake, i), LL_OK);
        }
    }
    static const int64_t most[] = {0, 10, 29, 30, 39, 40};
    static const int ends[] = {1, 1, 1, 4, 4, 5};
    for (int i = 0; i < 6; i++) {
        struct ll_error none = {.text = ""};
        CU_ASSERT_EQUAL(edge_model_begin_creation(model, most[i]).end, ends[i]);
        edge_model_fail_creation(model, LL_OK, &none);
    }
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_failure_lasts_until_the_next_session(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct edge_model_info info;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    struct ll_plan plan;
    fake_model_plan(&fake, &plan);
    CU_ASSERT_EQUAL(write_layer(model, &fake, 0), LL_OK);
    CU_ASSERT_EQUAL(edge_model_begin_creation(model, 1000).end, 1);
    const struct ll_error err = {.text = "no memory for layer 0"};
    edge_model_fail_creation(model, LL_E_NO_MEMORY, &err);
    edge_model_get_info(model, &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_FAILED);
    CU_ASSERT_STRING_EQUAL(info.failure.text, err.text);
    CU_ASSERT_FALSE(edge_model_is_busy(model));
    edge_model_open_upload(model, &plan);
    edge_model_get_info(model, &info);
    CU_ASSERT_EQUAL(info.state, EDGE_MODEL_PARTIAL);
    CU_ASSERT_EQUAL(info.uploads, 1);
    CU_ASSERT_EQUAL(info.received_bytes, 10);
    CU_ASSERT(edge_model_is_busy(model));
    edge_model_close_upload(model, &plan);
    ll_plan_finish(&plan);
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_model_in_use_is_not_removed(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.models, fake.id_text, &err), LL_E_PRECONDITION);
    edge_model_release(model);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.models, fake.id_text, &err), LL_OK);
    CU_ASSERT_EQUAL(fixture.changes, 1);
    CU_ASSERT_FALSE(edge_model_acquire(model));
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.models, fake.id_text, &err), LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_remove(fixture.models, "sha256:12", &err), LL_E_INVALID);
    edge_model_unref(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_least_recently_used_is_evicted(void)
{
    struct fixture fixture;
    struct fake_model fakes[3];
    struct ll_error err = {.text = ""};
    set_up(&fixture, 85, 2);
    for (unsigned i = 0; i < 3; i++) {
        fake_model_init(&fakes[i], cfg, i);
    }
    struct edge_model *first = open_model(&fixture, &fakes[0], LL_OK, NULL);
    struct edge_model *second = open_model(&fixture, &fakes[1], LL_OK, NULL);
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fakes[2], LL_E_EXHAUSTED, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit models is 2"));
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(i == 3 || write_layer(first, &fakes[0], i) == LL_OK);
        CU_ASSERT(i == 3 || write_layer(second, &fakes[1], i) == LL_OK);
    }
    CU_ASSERT_FALSE(edge_catalog_evict(fixture.models));
    close_model(second);
    close_model(first);
    /* The second one was left first. */
    CU_ASSERT(edge_catalog_evict(fixture.models));
    CU_ASSERT_EQUAL(edge_store_used_bytes(fixture.store), 40);
    struct edge_model *left = NULL;
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, fakes[1].id_text, &left, &err),
                    LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, fakes[0].id_text, &left, &err), LL_OK);
    edge_model_unref(left);
    /* One that has no weights goes before one that has, although it was used later. */
    close_model(open_model(&fixture, &fakes[1], LL_OK, NULL));
    close_model(open_model(&fixture, &fakes[2], LL_OK, NULL));
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, fakes[1].id_text, &left, &err),
                    LL_E_NOT_FOUND);
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, fakes[0].id_text, &left, &err), LL_OK);
    edge_model_unref(left);
    for (unsigned i = 0; i < 3; i++) {
        fake_model_finish(&fakes[i]);
    }
    tear_down(&fixture);
}

static void test_model_above_the_store_is_refused_at_once(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 39, 2);
    fake_model_init(&fake, cfg, 1);
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_EXHAUSTED, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "store_bytes is 39"));
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_engine_without_memory_leaves_nothing(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 1000, 2);
    fake_model_init(&fake, cfg, 1);
    fake_engine_fail(fixture.engine, FAKE_MODEL, 1, LL_E_NO_MEMORY);
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_NO_MEMORY, &err));
    CU_ASSERT_EQUAL(fake_engine_alive(fixture.engine), 0);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_contexts_are_pooled_and_times_averaged(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 2);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    struct ll_engine_context *contexts[2] = {NULL};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL_FATAL(edge_model_take_context(model, &contexts[i], NULL), LL_OK);
    }
    edge_model_put_context(model, contexts[0]);
    CU_ASSERT_EQUAL_FATAL(edge_model_take_context(model, &contexts[0], NULL), LL_OK);
    CU_ASSERT_EQUAL(fake_engine_done(fixture.engine, FAKE_CONTEXT), 2);
    edge_model_put_context(model, contexts[0]);
    edge_model_put_context(model, contexts[1]);
    static const int64_t once[2] = {100, 10};
    static const int64_t again[2] = {300, 30};
    edge_model_add_run(model, 1, 3, once);
    edge_model_add_run(model, 1, 3, again);
    int64_t mean_ns[5] = {0};
    edge_model_mean_ns(model, mean_ns);
    CU_ASSERT_EQUAL(mean_ns[0], 0);
    CU_ASSERT_EQUAL(mean_ns[1], 200);
    CU_ASSERT_EQUAL(mean_ns[2], 20);
    int64_t expected_ns[2] = {-1, -1};
    edge_model_expected_ns(model, 2, 4, expected_ns);
    CU_ASSERT_EQUAL(expected_ns[0], 20);
    /* Never run, and never created. */
    CU_ASSERT_EQUAL(expected_ns[1], 0);
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_groups_too_long_to_stop_are_refused(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, "fake\ninput 4\nlayer 4 10 heavy joined\nlayer 4 10\n", 1);
    CU_ASSERT_PTR_NULL(open_model(&fixture, &fake, LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "group_flops");
    CU_ASSERT_EQUAL(err.retry_ms, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layers 0 to 1"));
    fake_model_finish(&fake);
    fake_model_init(&fake, "fake\ninput 4\nlayer 4 10 heavy\nlayer 4 10 heavy\n", 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, &err);
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

/* ---- The engine's budget ---- */

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
static struct edge_model *open_created(struct fixture *fixture, const struct fake_model *fake)
{
    struct edge_model *model = open_model(fixture, fake, LL_OK, NULL);
    for (int i = 0; i < LAYERS; i++) {
        CU_ASSERT(!fake->blobs[i] || write_layer(model, fake, i) == LL_OK);
    }
    CU_ASSERT_EQUAL_FATAL(edge_model_begin_creation(model, 1000).end, LAYERS);
    CU_ASSERT_EQUAL_FATAL(
        ll_engine_model_extend(edge_model_engine_model(model), LAYERS, fake->blobs, NULL), LL_OK);
    const struct edge_creation creation = {.first = 0, .end = LAYERS};
    edge_model_end_creation(model, &creation);
    return model;
}

/* A budget for an engine that has no models. */
static struct ll_memory *set_memory(struct fixture *fixture, int64_t bytes)
{
    struct ll_memory *memory = NULL;
    CU_ASSERT_EQUAL_FATAL(ll_memory_create(bytes, &memory), LL_OK);
    edge_catalog_destroy(fixture->models);
    ll_engine_set_memory(fixture->engine, memory);
    const struct edge_catalog_config config = {
        .engine = fixture->engine, .store = fixture->store, .most_models = 4};
    CU_ASSERT_EQUAL_FATAL(edge_catalog_create(&config, &fixture->models), LL_OK);
    return memory;
}

static void test_idle_contexts_go_before_models(void)
{
    struct fixture fixture;
    struct fake_model fakes[2];
    struct edge_model *models[2];
    set_up(&fixture, 1000, 4);
    fake_model_init(&fakes[0], cfg, 1);
    fake_model_init(&fakes[1], cfg, 2);
    struct ll_memory *memory = set_memory(&fixture, 100000);
    for (int i = 0; i < 2; i++) {
        models[i] = open_created(&fixture, &fakes[i]);
        CU_ASSERT_EQUAL(run_once(models[i], &fakes[i], NULL), LL_OK);
        CU_ASSERT(edge_model_idle_bytes(models[i]) > 0);
    }
    close_model(models[0]);
    close_model(models[1]);
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
    edge_catalog_destroy(fixture.models);
    fixture.models = NULL;
    ll_engine_set_memory(fixture.engine, NULL);
    ll_memory_destroy(memory);
    tear_down(&fixture);
}

static void test_models_in_use_are_no_room(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct ll_error err = {.text = ""};
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
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
    close_model(model);
    fake_model_finish(&fake);
    edge_catalog_destroy(fixture.models);
    fixture.models = NULL;
    ll_engine_set_memory(fixture.engine, NULL);
    ll_memory_destroy(memory);
    tear_down(&fixture);
}

static void test_large_contexts_are_not_pooled(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct ll_memory *memory = set_memory(&fixture, 1000);
    struct edge_model *model = open_created(&fixture, &fake);
    int64_t created_bytes = ll_memory_used(memory);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), 0);
    CU_ASSERT_EQUAL(ll_memory_used(memory), created_bytes);
    close_model(model);
    fake_model_finish(&fake);
    edge_catalog_destroy(fixture.models);
    fixture.models = NULL;
    ll_engine_set_memory(fixture.engine, NULL);
    ll_memory_destroy(memory);
    tear_down(&fixture);
}

static void test_idle_contexts_beyond_a_size_go_at_rest(void)
{
    struct fixture fixture;
    struct fake_model fake;
    set_up(&fixture, 1000, 4);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_created(&fixture, &fake);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    int64_t idle_bytes = edge_model_idle_bytes(model);
    CU_ASSERT_FATAL(idle_bytes > 0);
    int64_t used_ns = edge_model_last_use_ns(model);
    edge_catalog_drop_idle(fixture.models, used_ns + 1, idle_bytes);
    edge_catalog_drop_idle(fixture.models, used_ns, 0);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), idle_bytes);
    edge_catalog_drop_idle(fixture.models, used_ns + 1, idle_bytes - 1);
    CU_ASSERT_EQUAL(edge_model_idle_bytes(model), 0);
    CU_ASSERT_EQUAL(run_once(model, &fake, NULL), LL_OK);
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

/* Names without weights evict each other, not a model that was used lately. */
static void test_newcomers_without_weights_evict_no_model_in_its_rest(void)
{
    enum { NEWCOMERS = 5 };
    struct fixture fixture;
    struct fake_model kept;
    struct fake_model newcomers[NEWCOMERS];
    struct ll_error err = {.text = ""};
    set_up_resting(&fixture, 1000, 2, 3600 * LL_NS_PER_S);
    fake_model_init(&kept, cfg, 1);
    struct edge_model *model = open_model(&fixture, &kept, LL_OK, NULL);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(i == 3 || write_layer(model, &kept, i) == LL_OK);
    }
    const struct edge_creation all = {.end = edge_model_begin_creation(model, INT64_MAX).end};
    CU_ASSERT_EQUAL(all.end, 5);
    edge_model_end_creation(model, &all);
    close_model(model);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        fake_model_init(&newcomers[i], cfg, 10 + i);
    }
    for (unsigned i = 0; i < NEWCOMERS - 2; i++) {
        close_model(open_model(&fixture, &newcomers[i], LL_OK, NULL));
        CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, kept.id_text, &model, NULL), LL_OK);
        edge_model_unref(model);
    }
    /* With the others' place in use there is none for it, nor bytes. */
    struct edge_model *user = open_model(&fixture, &newcomers[3], LL_OK, NULL);
    CU_ASSERT_FALSE(edge_catalog_has_room(fixture.models));
    CU_ASSERT_PTR_NULL(open_model(&fixture, &newcomers[4], LL_E_EXHAUSTED, &err));
    CU_ASSERT_STRING_EQUAL(err.limit, "models");
    CU_ASSERT_FALSE(edge_catalog_evict_for(fixture.models, user));
    /* Who has brought weights may have the place of one that is unused. */
    CU_ASSERT_EQUAL(write_layer(user, &newcomers[3], 0), LL_OK);
    CU_ASSERT(edge_catalog_evict_for(fixture.models, user));
    CU_ASSERT_EQUAL(edge_catalog_find(fixture.models, kept.id_text, &model, NULL), LL_E_NOT_FOUND);
    close_model(user);
    fake_model_finish(&kept);
    for (unsigned i = 0; i < NEWCOMERS; i++) {
        fake_model_finish(&newcomers[i]);
    }
    tear_down(&fixture);
}

static void test_owner_and_this_machine_may_delete(void)
{
    struct fixture fixture;
    struct fake_model fake;
    struct edge_peer owner;
    struct edge_peer other;
    struct edge_peer local;
    edge_peer_parse("ipv4:10.0.0.1:1", &owner);
    edge_peer_parse("ipv4:10.0.0.2:1", &other);
    edge_peer_parse("ipv4:127.0.0.1:1", &local);
    set_up(&fixture, 1000, 2);
    fake_model_init(&fake, cfg, 1);
    struct edge_model *model = open_model(&fixture, &fake, LL_OK, NULL);
    CU_ASSERT_FALSE(edge_model_may_be_deleted_by(model, &owner));
    edge_model_set_owner(model, &owner);
    edge_model_set_owner(model, &other);
    CU_ASSERT(edge_model_may_be_deleted_by(model, &owner));
    CU_ASSERT_FALSE(edge_model_may_be_deleted_by(model, &other));
    CU_ASSERT(edge_model_may_be_deleted_by(model, &local));
    close_model(model);
    fake_model_finish(&fake);
    tear_down(&fixture);
}

static void test_observers_are_bounded(void)
{
    struct fixture fixture;
    set_up(&fixture, 1000, 4);
    for (int i = 1; i < EDGE_CATALOG_OBSERVERS; i++) {
        CU_ASSERT_EQUAL(edge_catalog_observe(fixture.models, count_change, &fixture), LL_OK);
    }
    CU_ASSERT_EQUAL(edge_catalog_observe(fixture.models, count_change, &fixture), LL_E_FULL);
    tear_down(&fixture);
}

const char *const ll_test_suite = "edge_model";
const struct ll_test ll_tests[] = {
    LL_TEST(test_model_is_shared_by_content),
    LL_TEST(test_models_share_blobs_but_not_state),
    LL_TEST(test_bad_manifest_is_refused_and_leaves_nothing),
    LL_TEST(test_plan_with_hole_is_refused),
    LL_TEST(test_creation_ends_on_borders_of_open_plans),
    LL_TEST(test_creation_takes_at_most_its_bytes_but_one_partition),
    LL_TEST(test_failure_lasts_until_the_next_session),
    LL_TEST(test_model_in_use_is_not_removed),
    LL_TEST(test_least_recently_used_is_evicted),
    LL_TEST(test_newcomers_without_weights_evict_no_model_in_its_rest),
    LL_TEST(test_owner_and_this_machine_may_delete),
    LL_TEST(test_model_above_the_store_is_refused_at_once),
    LL_TEST(test_engine_without_memory_leaves_nothing),
    LL_TEST(test_contexts_are_pooled_and_times_averaged),
    LL_TEST(test_groups_too_long_to_stop_are_refused),
    LL_TEST(test_idle_contexts_go_before_models),
    LL_TEST(test_models_in_use_are_no_room),
    LL_TEST(test_large_contexts_are_not_pooled),
    LL_TEST(test_idle_contexts_beyond_a_size_go_at_rest),
    LL_TEST(test_observers_are_bounded),
    {NULL, NULL},
};
